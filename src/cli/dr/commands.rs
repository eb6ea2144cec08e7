//! Runs the commands of a plan in a shell, which is told none of this program's secrets.

use crate::cli::environment;
use crate::disaster::plans::{Commands, Ran, Setting};
use crate::model::path::display_bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// So much of what a command writes comes into a report.
const MOST_OUTPUT: usize = 4096;

/// `sh -c`.
pub(super) struct Shell;

impl Commands for Shell {
    fn run<'c>(&'c self, command: &'c str, setting: Setting, input: Vec<u8>) -> BoxFuture<'c, Ran> {
        async move {
            ran(command, setting, input)
                .await
                .unwrap_or_else(|error| Ran { passed: false, output: format!("cannot be run: {error}") })
        }
        .boxed()
    }
}

async fn ran(command: &str, setting: Setting, input: Vec<u8>) -> std::io::Result<Ran> {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).current_dir(&setting.folder).kill_on_drop(true);
    for name in environment::secret_variables() {
        shell.env_remove(name);
    }
    shell.envs(setting.variables);
    let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let stdin = child.stdin.take();
    let feed = async move {
        if let Some(mut stdin) = stdin {
            // A command need not read it.
            let _ = stdin.write_all(&input).await;
        }
    };
    let (output, ()) = tokio::join!(child.wait_with_output(), feed);
    let output = output?;
    let said = [output.stdout, output.stderr].concat();
    let end = said.get(said.len().saturating_sub(MOST_OUTPUT)..).unwrap_or_default();
    let lines = end.split(|byte| *byte == b'\n').map(display_bytes).collect::<Vec<_>>().join("\n");
    let code = match output.status.code() {
        Some(0) => String::new(),
        Some(code) => format!("it ended with {code}\n"),
        None => "it was ended by a signal\n".to_owned(),
    };
    Ok(Ran { passed: output.status.success(), output: format!("{code}{}", lines.trim_end()) })
}
