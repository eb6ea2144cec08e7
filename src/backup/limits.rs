//! What one run may spend, as plain data.

use crate::model::time::Timestamp;

/// The most that a run may spend. What does not fit waits for the next run: this one ends with a
/// genuine snapshot that says what it lacks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunLimits {
    /// Requests in all, commit included.
    pub requests: Option<u64>,
    /// Bytes sent in all, padding and commit included.
    pub upload_bytes: Option<u64>,
    /// From then on no more content is taken up; what was taken up is sent and committed.
    pub stop_at: Option<Timestamp>,
}

impl RunLimits {
    /// Whether anything is limited.
    pub fn any(&self) -> bool {
        *self != Self::default()
    }
}
