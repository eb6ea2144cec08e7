//! `filbert dump`: one file to standard output.

use super::args::DumpArguments;
use super::error::CliError;
use super::exit::Exit;
use super::session::Session;
use super::which;
use crate::browse::dump;
use std::os::unix::ffi::OsStrExt;

pub(super) async fn run(session: &Session, wish: &DumpArguments) -> Result<Exit, CliError> {
    let (opened, problems) = session.open_up_to_date().await?;
    for problem in problems {
        session.output.warn(&format!("{}: {}", problem.subject, problem.message));
    }
    let snapshot = which::chosen(session, &opened, &wish.chosen)?;
    session.display.finish();
    let mut out = std::io::stdout();
    let dumping = dump(&opened.repository, &snapshot, wish.path.as_bytes(), &mut out);
    match session.interrupt.or(dumping).await {
        // Who reads has read enough.
        Err(CliError::Browse(error)) if error.is_broken_pipe() => Ok(Exit::Done),
        dumped => dumped.map(|_| Exit::Done),
    }
}
