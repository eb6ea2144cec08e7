//! Records that a checkpoint carries along: those with the lists of files of the newest snapshots, as
//! they stand in the log. An empty machine then reads these lists without asking for each record.

use super::{Repository, RepositoryError};
use crate::format::record::object_id;
use crate::format::record::stream::INLINE_BYTES;
use crate::model::id::ObjectId;
use crate::repository::snapshots::SnapshotInfo;
use serde_bytes::ByteBuf;
use std::collections::BTreeSet;

/// The lists of the newest snapshot of each set are carried up to so many bytes in all.
const NEWEST_BYTES: u64 = 2 << 20;
/// Those of older snapshots while all together have no more than this: each checkpoint repeats them.
const OLDER_BYTES: u64 = 512 << 10;

impl Repository {
    /// Sealed records with lists of files, the newest first, for a checkpoint whose streams are at most
    /// `inline_bytes` long. What is not at hand is left out: it would cost requests.
    pub(super) fn records_to_carry(&self, inline_bytes: usize) -> Result<Vec<ByteBuf>, RepositoryError> {
        // Where the server takes no large object they are one part of the record among four.
        let limit = if inline_bytes < INLINE_BYTES { inline_bytes as u64 } else { u64::MAX };
        let mut snapshots = self.snapshots()?;
        snapshots.reverse();
        let mut sets = BTreeSet::new();
        let (newest, older): (Vec<_>, Vec<_>) =
            snapshots.iter().partition(|snapshot| sets.insert(snapshot.head.set.clone()));
        let mut carried = Carried::default();
        for snapshot in newest {
            self.carry(snapshot, NEWEST_BYTES.min(limit), &mut carried)?;
        }
        for snapshot in older {
            if !self.carry(snapshot, OLDER_BYTES.min(limit), &mut carried)? {
                break;
            }
        }
        Ok(carried.records)
    }

    /// Adds the records of a snapshot's list. Tells whether there was room.
    fn carry(
        &self,
        snapshot: &SnapshotInfo,
        most_bytes: u64,
        carried: &mut Carried,
    ) -> Result<bool, RepositoryError> {
        for object in [Some(snapshot.base), snapshot.delta].into_iter().flatten() {
            if carried.objects.contains(&object) {
                continue;
            }
            let Some(bytes) = self.state().object(&object)? else { continue };
            if carried.bytes + bytes.len() as u64 > most_bytes {
                return Ok(false);
            }
            carried.bytes += bytes.len() as u64;
            carried.objects.insert(object);
            carried.records.push(ByteBuf::from(bytes));
        }
        Ok(true)
    }

    /// Keeps the records that a checkpoint carries, each under the hash of its bytes: one that is not
    /// what the log names is never found.
    pub(super) fn keep_carried(&self, records: &[ByteBuf]) -> Result<(), RepositoryError> {
        records.iter().try_for_each(|bytes| Ok(self.state().put_object(&object_id(bytes), bytes)?))
    }
}

#[derive(Default)]
struct Carried {
    records: Vec<ByteBuf>,
    objects: BTreeSet<ObjectId>,
    bytes: u64,
}
