//! The root that paths of a snapshot are shown and restored from.

use super::RecoveryError;
use crate::files::source::shown_root;
use crate::format::FormatError;
use crate::model::path::EntryPath;
use crate::repository::snapshots::SnapshotInfo;

/// The root of what is shown of a snapshot.
pub fn root_of(snapshot: &SnapshotInfo) -> Result<EntryPath, RecoveryError> {
    let damaged = |what| RecoveryError::Manifest { snapshot: snapshot.id.short(), reason: what };
    let sources = &snapshot.head.sources;
    let sources: Result<Vec<_>, _> =
        sources.iter().map(|source| source.entry_path().map(|path| (path, source.is_folder))).collect();
    let sources = sources.map_err(|_| damaged(FormatError::Damaged("a source's path is refused")))?;
    shown_root(&sources).ok_or_else(|| damaged(FormatError::Damaged("it has no sources")))
}
