//! The root that paths of a snapshot are shown and restored from.

use super::RecoveryError;
use crate::format::FormatError;
use crate::model::path::EntryPath;
use crate::repository::snapshots::SnapshotInfo;

/// The root of what is shown of a snapshot.
pub fn root_of(snapshot: &SnapshotInfo) -> Result<EntryPath, RecoveryError> {
    snapshot.root().ok_or_else(|| RecoveryError::Manifest {
        snapshot: snapshot.id.short(),
        reason: FormatError::Damaged("it has no sources, or one whose path is refused"),
    })
}
