//! Whether the target has room for what is to be restored, before anything is fetched.

use super::selection::each_entry;
use super::{RecoveryError, RestoreOptions};
use crate::files::place::Target;
use crate::model::entry::{Entry, Node, Piece};
use crate::repository::snapshots::SnapshotEntries;
use std::collections::HashSet;

/// Refuses a restore that cannot fit. Where all of the snapshot would fit nothing is looked at.
///
/// # Errors
/// [`RecoveryError::TooLittleRoom`]. Where the system cannot tell the room there is none.
pub(super) fn check_room(
    options: &RestoreOptions,
    entries: &SnapshotEntries,
    target: &Target,
) -> Result<(), RecoveryError> {
    let Some(free) = free_bytes(options) else { return Ok(()) };
    if options.snapshot.head.tally.bytes <= free {
        return Ok(());
    }
    let (mut needed, mut several) = (0_u64, HashSet::new());
    each_entry(
        options,
        entries,
        |_| {},
        |entry| {
            let (links, file) = (entry.meta.links, (entry.meta.device, entry.meta.inode));
            if (links < 2 || several.insert(file)) && !is_there(options, target, &entry) {
                needed = needed.saturating_add(bytes_on_disk(&entry));
            }
            Ok(())
        },
    )?;
    if needed <= free {
        return Ok(());
    }
    Err(RecoveryError::TooLittleRoom { target: options.target.clone(), needed, free })
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

/// Whether a file of that size lies there. It is most likely the same, and needs no more room.
fn is_there(options: &RestoreOptions, target: &Target, entry: &Entry) -> bool {
    let root = options.snapshot.root();
    let relative = root.as_ref().and_then(|root| entry.path.below(root)).filter(|path| !path.is_empty());
    let existing = relative.and_then(|relative| target.existing(relative).ok().flatten());
    existing.is_some_and(|existing| existing.size == entry.node.size())
}

fn free_bytes(options: &RestoreOptions) -> Option<u64> {
    let found = rustix::fs::statvfs(&options.target).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}
