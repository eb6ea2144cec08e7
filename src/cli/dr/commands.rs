//! Runs the commands of a plan in a shell, which is told none of this program's secrets. A command and
//! all that it starts are one process group, so that nothing of one that is ended stays at work.

use super::tail::Tail;
use crate::cli::environment;
use crate::disaster::plans::{Commands, Ran, Setting, duration};
use crate::model::path::display_bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

/// A command that is asked to end is given so long before it is killed.
const GRACE: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(20);
/// What a command left running may hold its output open: it is waited for no longer.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// `sh -c`.
pub(super) struct Shell;

/// How a command came to its end.
enum End {
    Ended(ExitStatus),
    TookTooLong,
    Stopped,
}

impl Commands for Shell {
    fn run<'c>(&'c self, command: &'c str, setting: Setting, input: Vec<u8>) -> BoxFuture<'c, Ran> {
        async move {
            ran(command, setting, input).await.unwrap_or_else(|error| Ran {
                passed: false,
                took_too_long: false,
                output: format!("cannot be run: {error}"),
            })
        }
        .boxed()
    }
}

async fn ran(command: &str, setting: Setting, input: Vec<u8>) -> std::io::Result<Ran> {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).current_dir(&setting.folder).process_group(0).kill_on_drop(true);
    for name in environment::secret_variables() {
        shell.env_remove(name);
    }
    shell.envs(setting.variables.iter().map(|(name, value)| (*name, value)));
    let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        tokio::spawn(async move {
            // A command need not read it.
            let _ = stdin.write_all(&input).await;
        });
    }
    let (out, err) = (Tail::of(child.stdout.take()), Tail::of(child.stderr.take()));
    let end = tokio::select! {
        status = child.wait() => End::Ended(status?),
        () = tokio::time::sleep(setting.time_limit) => End::TookTooLong,
        () = setting.cancel.cancelled() => End::Stopped,
    };
    if !matches!(end, End::Ended(_)) {
        end_group(&mut child).await;
    }
    let said = [out.end(LAST_WORDS).await, err.end(LAST_WORDS).await].concat();
    let lines = said.split(|byte| *byte == b'\n').map(display_bytes).collect::<Vec<_>>().join("\n");
    let how = match &end {
        End::Ended(status) => match status.code() {
            Some(0) => String::new(),
            Some(code) => format!("it ended with {code}\n"),
            None => "it was ended by a signal\n".to_owned(),
        },
        End::TookTooLong => {
            let limit = duration(u64::try_from(setting.time_limit.as_millis()).unwrap_or(u64::MAX));
            format!("it was ended after {limit}\n")
        }
        End::Stopped => "it was stopped\n".to_owned(),
    };
    let passed = matches!(end, End::Ended(status) if status.success());
    let took_too_long = matches!(end, End::TookTooLong);
    Ok(Ran { passed, took_too_long, output: format!("{how}{}", lines.trim_end()) })
}

/// Asks a command and all that it started to end, and kills what does not.
async fn end_group(child: &mut Child) {
    if let Some(leader) = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)) {
        // A group that is gone needs no signal.
        let _ = kill_process_group(leader, Signal::TERM);
        let deadline = tokio::time::Instant::now() + GRACE;
        while !has_ended(leader) && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(POLL).await;
        }
        // The leader is not waited for yet, so the number is nobody else's.
        let _ = kill_process_group(leader, Signal::KILL);
    }
    // Nothing outlives that.
    let _ = child.wait().await;
}

/// Whether a process ended; it is not taken from the table of processes.
fn has_ended(process: Pid) -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::Pid(process), look), Ok(None))
}
