//! The entries of a snapshot that a restore is about, in path order.

use super::root::root_of;
use super::{RecoveryError, RestoreOptions};
use crate::files::filter::Filter;
use crate::files::selection::selected;
use crate::format::entries::EntryError;
use crate::model::entry::{Entry, Node};
use crate::repository::RepositoryError;
use crate::repository::snapshots::{SnapshotEntries, unless_local};
use std::cell::Cell;

/// Hands each entry that `options` select to `take`, and those that cannot be had to `refused`.
pub(super) fn each_entry(
    options: &RestoreOptions,
    entries: &SnapshotEntries,
    mut refused: impl FnMut(EntryError),
    mut take: impl FnMut(Entry) -> Result<(), RecoveryError>,
) -> Result<(), RecoveryError> {
    let root = root_of(&options.snapshot)?;
    let filter = match &options.exactly {
        Some(paths) => Filter::exactly(paths.iter().filter_map(|path| path.below(&root)).map(<[u8]>::to_vec)),
        None => Filter::new(&options.includes, &options.excludes)?,
    };
    let lost = Cell::new(None);
    let readable = entries.iter().map_while(|entry| match entry.map_err(unless_local) {
        Ok(entry) => Some(Some(entry)),
        Err(Ok(error)) => {
            refused(error);
            Some(None)
        }
        Err(Err(local)) => {
            lost.set(Some(local));
            None
        }
    });
    let kept = selected(&filter, readable.flatten(), |entry: &Entry| {
        (entry.path.below(&root).unwrap_or_default(), matches!(entry.node, Node::Folder))
    });
    for entry in kept {
        if options.cancel.is_cancelled() {
            return Err(RepositoryError::Cancelled.into());
        }
        take(entry)?;
    }
    match lost.take() {
        Some(local) => Err(local.into()),
        None => Ok(()),
    }
}

/// Hands each entry that `options` select to `take`.
///
/// # Errors
/// Those of the list, of `take`, and of a wish to stop. Entries that are refused are passed over.
pub fn selected_entries(
    options: &RestoreOptions,
    entries: &SnapshotEntries,
    take: impl FnMut(Entry) -> Result<(), RecoveryError>,
) -> Result<(), RecoveryError> {
    each_entry(options, entries, |_| {}, take)
}
