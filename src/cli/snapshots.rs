//! `filbert snapshots`: what there is to go back to.

use super::args::SnapshotsArguments;
use super::error::CliError;
use super::exit::Exit;
use super::render::{MissingCount, counted, local_time, rfc3339, size, table};
use super::session::Session;
use super::which::{self, state_word};
use crate::format::record::SnapshotKind;
use crate::model::path::display_bytes;
use crate::repository::snapshots::SnapshotInfo;
use serde::Serialize;
use std::collections::HashSet;

#[derive(Serialize)]
pub(super) struct Line<'a> {
    id: String,
    set: &'a str,
    time: String,
    kind: SnapshotKind,
    files: u64,
    bytes: u64,
    bytes_added: u64,
    host: &'a str,
    sources: Vec<String>,
    tags: &'a [String],
    description: Option<&'a str>,
    state: &'static str,
    problems: u64,
    missing: MissingCount,
}

pub(super) async fn run(session: &Session, wish: &SnapshotsArguments) -> Result<Exit, CliError> {
    let (opened, problems) = session.open_up_to_date().await?;
    for problem in problems {
        session.output.warn(&format!("{}: {}", problem.subject, problem.message));
    }
    let mut snapshots = which::some(opened.repository.snapshots()?, &wish.some);
    if wish.latest {
        snapshots = newest_of_each(snapshots);
    }
    session.display.finish();
    if session.output.json {
        session.output.json(&snapshots.iter().map(Line::of).collect::<Vec<_>>());
        return Ok(Exit::Done);
    }
    if snapshots.is_empty() {
        session.output.note("no snapshots");
        return Ok(Exit::Done);
    }
    let head = ["id", "time", "set", "host", "files", "size", "added", "kind", "state", "tags"];
    let rows: Vec<_> = snapshots.iter().map(row).collect();
    for line in table(&head, &[4, 5, 6], &rows) {
        session.output.line(&line);
    }
    session.output.note(&counted(snapshots.len() as u64, "snapshot"));
    Ok(Exit::Done)
}

/// The newest of each set, the oldest first; `snapshots` are in order of time.
fn newest_of_each(snapshots: Vec<SnapshotInfo>) -> Vec<SnapshotInfo> {
    let mut seen = HashSet::new();
    let mut newest: Vec<_> =
        snapshots.into_iter().rev().filter(|snapshot| seen.insert(snapshot.head.set.clone())).collect();
    newest.reverse();
    newest
}

fn row(snapshot: &SnapshotInfo) -> Vec<String> {
    let head = &snapshot.head;
    let shown = |text: &str| display_bytes(text.as_bytes()).into_owned();
    vec![
        snapshot.id.short(),
        local_time(snapshot.time_ms),
        shown(&head.set.name),
        shown(&head.set.host),
        head.tally.files.to_string(),
        size(head.tally.bytes),
        size(head.tally.bytes_added),
        kind_word(head.kind).to_owned(),
        state_word(head.state).to_owned(),
        shown(&head.tags.join(",")),
    ]
}

pub(super) fn kind_word(kind: SnapshotKind) -> &'static str {
    match kind {
        SnapshotKind::Full => "full",
        SnapshotKind::Incremental => "incremental",
    }
}

impl<'a> Line<'a> {
    pub(super) fn of(snapshot: &'a SnapshotInfo) -> Self {
        let head = &snapshot.head;
        Self {
            id: snapshot.id.to_string(),
            set: &head.set.name,
            time: rfc3339(snapshot.time_ms),
            kind: head.kind,
            files: head.tally.files,
            bytes: head.tally.bytes,
            bytes_added: head.tally.bytes_added,
            host: &head.set.host,
            sources: head
                .sources
                .iter()
                .map(|source| String::from_utf8_lossy(&source.path).into_owned())
                .collect(),
            tags: &head.tags,
            description: head.description.as_deref(),
            state: state_word(head.state),
            problems: head.problem_count,
            missing: (&head.missing).into(),
        }
    }
}
