//! `filbert restores`: the restores of this machine.

use super::sessions;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::render::{local_time, rfc3339, table};
use crate::cli::session::Session;
use crate::model::path::display_bytes;
use crate::recovery::Destination;
use crate::state::restores::{RestoreRecord, RestoreState};
use serde::Serialize;
use std::os::unix::ffi::OsStrExt;

#[derive(Serialize)]
struct Line {
    session: String,
    state: &'static str,
    began: String,
    ended: Option<String>,
    snapshot: Option<String>,
    safety_snapshot: Option<String>,
    undoes: Option<String>,
    /// A folder, or `in place`.
    target: String,
    /// What came of it, where it came to its end.
    counts: Option<serde_json::Value>,
}

pub(in crate::cli) async fn run(session: &Session) -> Result<Exit, CliError> {
    let opened = session.open(None).await?;
    session.display.finish();
    let sessions = sessions(session, &opened);
    let mut lines = Vec::new();
    for record in sessions.list()? {
        let broken_off = record.state == RestoreState::Running && !sessions.is_under_way(&record)?;
        let target = match sessions.wish_of(&record)?.destination {
            Destination::Folder(folder) => display_bytes(folder.as_os_str().as_bytes()).into_owned(),
            Destination::Original { .. } => "in place".to_owned(),
        };
        lines.push((line(&record, broken_off, target), record));
    }
    if session.output.json {
        lines.iter().for_each(|(line, _)| session.output.json(line));
        return Ok(Exit::Done);
    }
    if lines.is_empty() {
        session.output.note("no restores on this machine yet");
        return Ok(Exit::Done);
    }
    let short = |id: Option<crate::model::id::ObjectId>| id.map_or(String::new(), |id| id.short());
    let rows = lines.into_iter().map(|(line, record)| {
        let target = match line.undoes {
            Some(undone) => format!("{} (takes back {undone})", line.target),
            None => line.target,
        };
        vec![
            line.session,
            local_time(record.began_ms),
            line.state.to_owned(),
            short(record.snapshot),
            short(record.safety),
            target,
        ]
    });
    let head = ["restore", "began", "state", "snapshot", "safety", "target"];
    table(&head, &[], &rows.collect::<Vec<_>>()).iter().for_each(|line| session.output.line(line));
    Ok(Exit::Done)
}

fn line(record: &RestoreRecord, broken_off: bool, target: String) -> Line {
    Line {
        session: record.id.clone(),
        state: if broken_off { "broken off" } else { record.state.word() },
        began: rfc3339(record.began_ms),
        ended: record.ended_ms.map(rfc3339),
        snapshot: record.snapshot.map(|id| id.to_string()),
        safety_snapshot: record.safety.map(|id| id.to_string()),
        undoes: record.undoes.clone(),
        target,
        counts: record.counts.as_ref().and_then(|counts| serde_json::from_str(counts).ok()),
    }
}
