//! Whether what is asked for of places can be meant: a slip here would write over what nobody named.

use crate::model::entry::Node;
use crate::model::path::EntryPath;
use crate::recovery::options::Destination;
use crate::recovery::{RecoveryError, RestoreOptions};
use crate::repository::snapshots::SnapshotEntries;
use std::path::PathBuf;

/// Refuses maps that cannot be meant, and places that are one folder.
pub(super) fn check(options: &RestoreOptions, pairs: &[(EntryPath, PathBuf)]) -> Result<(), RecoveryError> {
    let Destination::Original { maps } = &options.destination else { return Ok(()) };
    let refuse = |text: String| Err(RecoveryError::Map(text));
    let sources = options.snapshot.head.sources.iter().filter_map(|source| source.entry_path().ok());
    let sources: Vec<_> = sources.collect();
    for (number, (from, _)) in maps.iter().enumerate() {
        let is_near = |source: &EntryPath| source.below(from).is_some() || from.below(source).is_some();
        if !sources.iter().any(is_near) {
            let sources: Vec<_> = sources.iter().map(EntryPath::display).collect();
            let (from, sources) = (from.display(), sources.join(", "));
            return refuse(format!(
                "--map {from}: nothing in the snapshot lies there; its sources are {sources}"
            ));
        }
        if maps.iter().skip(number + 1).any(|(other, _)| other == from) {
            return refuse(format!("--map {}: it is given twice", from.display()));
        }
    }
    for (number, (from, folder)) in pairs.iter().enumerate() {
        if let Some((other, _)) = pairs.iter().skip(number + 1).find(|(_, other)| other == folder) {
            let (from, other) = (from.display(), other.display());
            return refuse(format!("{from} and {other} would both go to {}", folder.display()));
        }
    }
    Ok(())
}

/// Refuses maps of what is no folder in the snapshot. Looks through the entries only where a map is of
/// something below a source.
pub(in crate::recovery) fn check_entries(
    options: &RestoreOptions,
    entries: &SnapshotEntries,
) -> Result<(), RecoveryError> {
    let Destination::Original { maps } = &options.destination else { return Ok(()) };
    let sources = options.snapshot.head.sources.iter().filter_map(|source| source.entry_path().ok());
    let sources: Vec<_> = sources.collect();
    let is_above =
        |from: &EntryPath| sources.iter().any(|source| source != from && source.below(from).is_some());
    let mut open: Vec<&EntryPath> =
        maps.iter().map(|(from, _)| from).filter(|from| !is_above(from)).collect();
    if open.is_empty() {
        return Ok(());
    }
    for entry in entries.iter().flatten().filter(|entry| entry.node == Node::Folder) {
        open.retain(|from| **from != entry.path);
        if open.is_empty() {
            return Ok(());
        }
    }
    let Some(first) = open.first() else { return Ok(()) };
    Err(RecoveryError::Map(format!(
        "--map {}: there is no such folder in the snapshot; of a single file map the folder it lies in",
        first.display()
    )))
}
