//! Whether the disks have room for what is to be restored, before anything is fetched.

use super::places::Places;
use super::selection::each_entry;
use super::{RecoveryError, RestoreOptions};
use crate::model::entry::{Entry, Node, Piece};
use crate::repository::snapshots::SnapshotEntries;
use std::collections::{BTreeMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file system that something is restored to.
struct Disk {
    /// A folder on it.
    folder: PathBuf,
    free: u64,
    needed: u64,
}

/// Refuses a restore that cannot fit. Where all of the snapshot would fit nothing is looked at.
///
/// # Errors
/// [`RecoveryError::TooLittleRoom`]. Where the system cannot tell the room there is none.
pub(super) fn check_room(
    options: &RestoreOptions,
    entries: &SnapshotEntries,
    places: &Places,
) -> Result<(), RecoveryError> {
    let mut disks = BTreeMap::new();
    let mut disk_of_place = Vec::new();
    for place in places.all() {
        // In a dry run it may still have to be made.
        let there = place.folder.ancestors().find(|above| above.exists()).unwrap_or(&place.folder);
        let device = there.metadata().ok().map(|found| found.dev());
        if let Some(free) = free_bytes(there)
            && let Some(device) = device
        {
            disks.entry(device).or_insert_with(|| Disk { folder: place.folder.clone(), free, needed: 0 });
        }
        disk_of_place.push(device);
    }
    if disks.values().all(|disk| options.snapshot.head.tally.bytes <= disk.free) {
        return Ok(());
    }
    let mut several = HashSet::new();
    each_entry(
        options,
        entries,
        |_| {},
        |entry| {
            let Some(at) = places.find(&entry.path) else { return Ok(()) };
            let (links, file) = (entry.meta.links, (entry.meta.device, entry.meta.inode));
            let size = entry.node.size();
            // A file of that size is most likely the same, and needs no more room.
            let existing = places.target(at).and_then(|target| target.existing(at.relative).ok().flatten());
            let is_there = existing.is_some_and(|existing| existing.size == size);
            let begun = places.target(at).and_then(|target| target.unfinished(at.relative)?.metadata().ok());
            let begun = begun.map_or(0, |begun| begun.blocks().saturating_mul(512));
            let disk =
                disk_of_place.get(at.place).copied().flatten().and_then(|device| disks.get_mut(&device));
            if let Some(disk) = disk
                && (links < 2 || several.insert(file))
                && !is_there
            {
                disk.needed = disk.needed.saturating_add(bytes_on_disk(&entry).saturating_sub(begun));
            }
            Ok(())
        },
    )?;
    match disks.into_values().find(|disk| disk.needed > disk.free) {
        None => Ok(()),
        Some(Disk { folder, needed, free }) => {
            Err(RecoveryError::TooLittleRoom { target: folder, needed, free })
        }
    }
}

/// What a file takes: holes take nothing.
fn bytes_on_disk(entry: &Entry) -> u64 {
    let Node::File(content) = &entry.node else { return 0 };
    let hole = |piece: &Piece| match piece {
        Piece::Hole(len) => *len,
        Piece::Chunk(_) => 0,
    };
    content.size.saturating_sub(content.pieces.iter().map(hole).fold(0, u64::saturating_add))
}

fn free_bytes(folder: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}
