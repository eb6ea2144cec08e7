//! Which snapshot somebody means on the command line, and what is to be said about it.

use super::args::SetArguments;
use super::environment;
use super::error::CliError;
use super::render::{counted, local_time, missing_names, size};
use super::session::{Opened, Session};
use crate::files::source::shown_root;
use crate::format::record::SnapshotState;
use crate::model::path::EntryPath;
use crate::model::time::Timestamp;
use crate::repository::select::{Selected, Selector};
use crate::repository::snapshots::SnapshotInfo;

/// Finds the snapshot `word`, and warns where it is not whole.
pub(super) fn choose(
    session: &Session,
    opened: &Opened,
    word: &str,
    set: &SetArguments,
    at: Option<Timestamp>,
) -> Result<SnapshotInfo, CliError> {
    let id = (word != "latest").then(|| word.to_owned());
    if id.is_some() && at.is_some() {
        return Err(CliError::Usage(
            "--at chooses among the snapshots of a set: use it with `latest` instead of an id".to_owned(),
        ));
    }
    let selected = opened.repository.select(&Selector {
        id,
        set: set.set.clone(),
        host: set.host.clone(),
        this_host: environment::host(),
        at,
    })?;
    if let Some(warning) = warning(&selected) {
        session.output.warn(&warning);
        missing_names(&selected.snapshot.head.missing).iter().for_each(|line| session.output.note(line));
    }
    Ok(selected.snapshot)
}

/// What is to be said about a snapshot that is not whole.
fn warning(selected: &Selected) -> Option<String> {
    let head = &selected.snapshot.head;
    let (id, time) = (selected.snapshot.id.short(), local_time(selected.snapshot.time_ms));
    let what = match head.state {
        SnapshotState::Whole => return None,
        SnapshotState::Incomplete => {
            format!("is incomplete: {} could not be backed up", counted(head.problem_count, "item"))
        }
        SnapshotState::Partial => format!(
            "is partial: {} ({}) new or changed then had not been sent yet",
            counted(head.missing.files, "file"),
            size(head.missing.bytes)
        ),
    };
    let instead = match &selected.last_whole {
        Some(whole) => {
            format!("the last whole one is {} of {}", whole.id.short(), local_time(whole.time_ms))
        }
        None => "there is no whole one before it".to_owned(),
    };
    Some(format!("snapshot {id} of {time} {what}; {instead}"))
}

/// The folder that a snapshot's paths are shown relative to.
pub(super) fn root_of(snapshot: &SnapshotInfo) -> Option<EntryPath> {
    let sources: Vec<_> = snapshot
        .head
        .sources
        .iter()
        .filter_map(|source| Some((source.entry_path().ok()?, source.is_folder)))
        .collect();
    shown_root(&sources)
}

/// A state as it is written.
pub(super) fn state_word(state: SnapshotState) -> &'static str {
    match state {
        SnapshotState::Whole => "whole",
        SnapshotState::Incomplete => "incomplete",
        SnapshotState::Partial => "partial",
    }
}
