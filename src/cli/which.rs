//! Which snapshot somebody means on the command line, and what is to be said about it.

use super::args::{SetArguments, SnapshotArguments, SomeArguments};
use super::environment;
use super::error::CliError;
use super::parse;
use super::render::{counted, local_time, missing_names, size};
use super::session::{Opened, Session};
use crate::format::record::SnapshotState;
use crate::model::time::Timestamp;
use crate::repository::select::{Selected, Selector};
use crate::repository::snapshots::SnapshotInfo;

/// Finds the snapshot that is asked for, and warns where it is not whole.
pub(super) fn chosen(
    session: &Session,
    opened: &Opened,
    chosen: &SnapshotArguments,
) -> Result<SnapshotInfo, CliError> {
    choose(session, opened, &chosen.snapshot, &chosen.set, chosen.at)
}

/// Finds the snapshot `word`, and warns where it is not whole.
pub(super) fn choose(
    session: &Session,
    opened: &Opened,
    word: &str,
    set: &SetArguments,
    at: Option<Timestamp>,
) -> Result<SnapshotInfo, CliError> {
    let (id, at) = match (word.strip_prefix('@'), word, at) {
        (Some(time), _, None) => (None, Some(parse::to_time(time).map_err(CliError::Usage)?)),
        (None, "latest", at) => (None, at),
        (None, id, None) => (Some(id.to_owned()), None),
        (_, _, Some(_)) => {
            return Err(CliError::Usage(
                "--at chooses among the snapshots of a set: use it with `latest` instead of an id".to_owned(),
            ));
        }
    };
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

/// Those of `snapshots` that are asked for.
pub(super) fn some(mut snapshots: Vec<SnapshotInfo>, wish: &SomeArguments) -> Vec<SnapshotInfo> {
    snapshots.retain(|snapshot| {
        let (head, time_ms) = (&snapshot.head, snapshot.time_ms);
        wish.set.set.as_ref().is_none_or(|name| head.set.name == *name)
            && wish.set.host.as_ref().is_none_or(|host| head.set.host == *host)
            && wish.tags.iter().all(|tag| head.tags.contains(tag))
            && wish.since.is_none_or(|since| time_ms >= since.millis())
            && wish.until.is_none_or(|until| time_ms <= until.millis())
    });
    snapshots
}

/// A state as it is written.
pub(super) fn state_word(state: SnapshotState) -> &'static str {
    match state {
        SnapshotState::Whole => "whole",
        SnapshotState::Incomplete => "incomplete",
        SnapshotState::Partial => "partial",
    }
}
