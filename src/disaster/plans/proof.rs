//! The commands of a plan: those that prove a step, and those that are told of a report.

use super::report::Proof;
use futures_util::future::BoxFuture;
use std::path::PathBuf;

/// Where a command that proves a step is run, and what it is told.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The folder it is run in.
    pub folder: PathBuf,
    /// Variables by name: `FILBERT_TARGET`, `FILBERT_SET`, `FILBERT_SNAPSHOT`, `FILBERT_REHEARSAL`.
    pub variables: Vec<(&'static str, String)>,
}

/// What a command came to.
#[derive(Debug, Clone)]
pub struct Ran {
    /// Whether it ended with 0.
    pub passed: bool,
    /// The end of what it wrote, fit for a report; or why it could not be run.
    pub output: String,
}

/// Runs commands: the library itself starts none.
pub trait Commands: Send + Sync {
    /// Runs `command` in a shell, without the secrets of this program, `input` on its standard input.
    fn run<'c>(&'c self, command: &'c str, setting: Setting, input: Vec<u8>) -> BoxFuture<'c, Ran>;
}

/// Runs the command that proves a step.
pub(super) async fn prove(commands: &dyn Commands, command: &str, setting: Setting) -> Proof {
    let Ran { passed, output } = commands.run(command, setting, Vec::new()).await;
    Proof { command: command.to_owned(), passed, output }
}
