//! Ctrl-C: the first asks the run to end cleanly, the second ends the program at once.

use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use crate::repository::Cancel;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A wish to stop, for services that look at a flag and for futures that can be dropped.
#[derive(Debug, Clone, Default)]
pub(super) struct Interrupt {
    /// The flag.
    pub cancel: Cancel,
    pressed: CancellationToken,
    listening: Arc<AtomicBool>,
}

impl Interrupt {
    /// Listens from now on. To be called after passwords were asked for: a prompt ends at Ctrl-C
    /// by itself.
    pub fn listen(&self, output: Output) {
        if self.listening.swap(true, Ordering::SeqCst) {
            return;
        }
        let this = self.clone();
        tokio::spawn(async move {
            let (Ok(mut interrupts), Ok(mut ends)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return;
            };
            for press in 0.. {
                tokio::select! {
                    _ = interrupts.recv() => {}
                    _ = ends.recv() => {}
                }
                if press > 0 {
                    std::process::exit(i32::from(Exit::Interrupted as u8));
                }
                this.cancel.cancel();
                this.pressed.cancel();
                output.note("\nstopping; what was done is kept (once more ends at once)");
            }
        });
    }

    /// What came of work that ends by itself when it is asked to: whatever failed then, failed for that.
    pub fn instead<T, E: Into<CliError>>(&self, ended: Result<T, E>) -> Result<T, CliError> {
        ended.map_err(|error| match self.cancel.is_cancelled() {
            true => CliError::Interrupted,
            false => error.into(),
        })
    }

    /// `work`, dropped when somebody wants to stop. Only for work that may be dropped anywhere.
    pub async fn or<T, E: Into<CliError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CliError> {
        tokio::select! {
            done = work => done.map_err(Into::into),
            () = self.pressed.cancelled() => Err(CliError::Interrupted),
        }
    }
}
