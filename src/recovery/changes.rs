//! What a restore changes on this machine: found out before, and held to afterwards.

use super::places::{At, Places};
use crate::files::place::{Existing, Kind};
use crate::state::restores::{Change, ChangeKind};
use crate::state::{Database, StateError};
use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Gathers what will change.
#[derive(Debug, Default)]
pub(super) struct Changes(Mutex<Gathered>);

#[derive(Debug, Default)]
struct Gathered {
    changes: Vec<Change>,
    /// Files of several names, by device and inode, of which a name goes.
    lose_a_name: HashSet<(u64, u64)>,
    /// Names of files of several names that stay.
    stay: Vec<((u64, u64), Change)>,
}

impl Changes {
    pub(super) fn note(&self, places: &Places, at: At<'_>, kind: ChangeKind, existing: Option<&Existing>) {
        self.note_path(&places.disk_path(at), kind, existing);
    }

    /// Notes that a file of several names is right under this one.
    pub(super) fn is_right(&self, places: &Places, at: At<'_>, existing: &Existing) {
        let stays = change(&places.disk_path(at), ChangeKind::Kept, Some(existing));
        self.lock().stay.push(((existing.device, existing.inode), stays));
    }

    /// Notes the folder of a place: if it is missing, it and those missing above it will be made, below
    /// the first that is there.
    pub(super) fn note_place(&self, folder: &Path) {
        for above in folder.ancestors() {
            let is_there = above.symlink_metadata().is_ok();
            self.note_path(above, if is_there { ChangeKind::Kept } else { ChangeKind::Made }, None);
            if is_there {
                break;
            }
        }
    }

    /// All of them, and with a name that goes those of the same file that stay: so what was one file
    /// can be one again.
    pub(super) fn take(&self) -> Vec<Change> {
        let Gathered { mut changes, lose_a_name, stay } = std::mem::take(&mut *self.lock());
        let stay = stay.into_iter().filter(|(file, _)| lose_a_name.contains(file));
        changes.extend(stay.map(|(_, change)| change));
        changes
    }

    fn note_path(&self, path: &Path, kind: ChangeKind, existing: Option<&Existing>) {
        let mut gathered = self.lock();
        gathered.changes.push(change(path, kind, existing));
        if let Some(existing) = existing.filter(|existing| existing.kind == Kind::File && existing.links > 1)
        {
            gathered.lose_a_name.insert((existing.device, existing.inode));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn change(path: &Path, kind: ChangeKind, existing: Option<&Existing>) -> Change {
    let path = path.as_os_str().as_bytes().to_vec();
    let Some(existing) = existing else { return Change { path, kind, ..Change::default() } };
    let Existing { ctime, mtime, size, links, .. } = *existing;
    Change { path, kind, ctime, mtime, size, links, file: (existing.device, existing.inode) }
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
    // Another of its names was replaced or removed before.
    let lost_a_name = existing.links < noted.links
        && (existing.device, existing.inode) == noted.file
        && (existing.mtime, existing.size) == (noted.mtime, noted.size);
    Ok(existing.kind == Kind::Folder || may_go && (noted.ctime == existing.ctime || lost_a_name))
}
