//! What a restore changes on this machine: found out before, and held to afterwards.

use super::places::{At, Places};
use crate::files::place::{Existing, Kind};
use crate::model::time::Timestamp;
use crate::state::restores::{Change, ChangeKind};
use crate::state::{Database, StateError};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Gathers what will change.
#[derive(Debug, Default)]
pub(super) struct Changes(Mutex<Vec<Change>>);

impl Changes {
    pub(super) fn note(&self, places: &Places, at: At<'_>, kind: ChangeKind, existing: Option<&Existing>) {
        let ctime = existing.map_or_else(Timestamp::default, |existing| existing.ctime);
        self.note_path(&places.disk_path(at), kind, ctime);
    }

    /// Notes the folder of a place: if it is missing, it and those missing above it will be made, below
    /// the first that is there.
    pub(super) fn note_place(&self, folder: &Path) {
        for above in folder.ancestors() {
            let is_there = above.symlink_metadata().is_ok();
            let kind = if is_there { ChangeKind::Kept } else { ChangeKind::Made };
            self.note_path(above, kind, Timestamp::default());
            if is_there {
                break;
            }
        }
    }

    pub(super) fn take(&self) -> Vec<Change> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note_path(&self, path: &Path, kind: ChangeKind, ctime: Timestamp) {
        let change = Change { path: path.as_os_str().as_bytes().to_vec(), kind, ctime };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(change);
    }
}

/// Whether what lies there may go: it was noted under this name, and is as it was then. Of folders
/// only the name counts: only empty ones are ever removed.
pub(super) fn was_noted(
    state: &Database,
    name: &str,
    path: &Path,
    existing: &Existing,
) -> Result<bool, StateError> {
    let Some(noted) = state.change(name, path.as_os_str().as_bytes())? else { return Ok(false) };
    let may_go = matches!(noted.kind, ChangeKind::Replaced | ChangeKind::Removed);
    Ok(existing.kind == Kind::Folder || may_go && noted.ctime == existing.ctime)
}
