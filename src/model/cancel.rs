//! A wish to stop, shared by all parts of a run.

use tokio_util::sync::CancellationToken;

/// A flag that once set stays set.
#[derive(Debug, Clone, Default)]
pub struct Cancel(CancellationToken);

impl Cancel {
    /// Asks the run to stop at the next safe point.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// A flag of its own that is set with this one.
    #[must_use]
    pub fn child(&self) -> Self {
        Self(self.0.child_token())
    }

    /// Whether stopping was asked for.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until stopping is asked for.
    pub async fn cancelled(&self) {
        self.0.cancelled().await;
    }
}
