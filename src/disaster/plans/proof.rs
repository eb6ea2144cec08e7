//! The commands of a plan: those that prove a step, and those that are told of a report.

use super::report::{Proof, StepReport};
use super::steps::{Prepared, Turn};
use super::{PlanService, PlansError};
use crate::model::path::display_bytes;
use crate::model::plan::PROVE_TIMEOUT;
use crate::progress::Event;
use crate::repository::{Cancel, RepositoryError};
use futures_util::future::BoxFuture;
use std::path::PathBuf;
use std::time::Duration;

/// Whom a plan tells is given so long to listen.
pub(super) const NOTIFY_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// Where a command is run, what it is told, and what ends it.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The folder it is run in.
    pub folder: PathBuf,
    /// Variables by name: `FILBERT_TARGET`, `FILBERT_SET`, `FILBERT_SNAPSHOT`, `FILBERT_REHEARSAL`.
    pub variables: Vec<(&'static str, String)>,
    /// It is ended, with all that it started, when it took so long.
    pub time_limit: Duration,
    /// It is ended, with all that it started, when somebody wants to stop.
    pub cancel: Cancel,
}

/// What a command came to.
#[derive(Debug, Clone)]
pub struct Ran {
    /// Whether it ended with 0.
    pub passed: bool,
    /// Whether it was ended for the time that it took.
    pub took_too_long: bool,
    /// The end of what it wrote, fit for a report; before that why it was ended or could not be run.
    pub output: String,
}

/// Runs commands: the library itself starts none.
pub trait Commands: Send + Sync {
    /// Runs `command` in a shell, without the secrets of this program, `input` on its standard input.
    fn run<'c>(&'c self, command: &'c str, setting: Setting, input: Vec<u8>) -> BoxFuture<'c, Ran>;
}

impl PlanService {
    /// Runs the command that proves a step, if it has one. Answers whether it ended with 0; what else
    /// it did is in the report.
    ///
    /// # Errors
    /// Somebody wants to stop: the step is neither proven nor disproven.
    pub(super) async fn prove(
        &self,
        prepared: &Prepared,
        folder: PathBuf,
        turn: Turn,
        report: &mut StepReport,
    ) -> Result<bool, PlansError> {
        let Some(command) = &prepared.step.prove else { return Ok(true) };
        let notice = format!("{turn}: running {}", display_bytes(command.as_bytes()));
        self.observer.event(Event::Notice(&notice));
        let variables = vec![
            ("FILBERT_TARGET", folder.display().to_string()),
            ("FILBERT_SET", prepared.set.clone()),
            ("FILBERT_SNAPSHOT", prepared.snapshot.id.to_string()),
            ("FILBERT_REHEARSAL", u8::from(turn.is_rehearsal).to_string()),
        ];
        let time_limit = prepared.step.prove_timeout.unwrap_or(PROVE_TIMEOUT);
        let setting = Setting { folder, variables, time_limit, cancel: self.cancel.clone() };
        let began = self.repository.clock().now().millis();
        let Ran { passed, took_too_long, output } = self.commands.run(command, setting, Vec::new()).await;
        report.prove_ms += self.since(began);
        if !passed && self.cancel.is_cancelled() {
            return Err(RepositoryError::Cancelled.into());
        }
        let failed = match took_too_long {
            true => "took too long (`prove_timeout` in the step gives it more time)",
            false => "failed",
        };
        if !passed {
            report.fail(&prepared.set, format!("the command that proves it {failed}: {output}"));
        }
        report.proof = Some(Proof { command: command.clone(), passed, output });
        Ok(passed)
    }

    /// Milliseconds since a time.
    pub(super) fn since(&self, began_ms: i64) -> u64 {
        self.repository.clock().now().millis().saturating_sub(began_ms).max(0) as u64
    }
}
