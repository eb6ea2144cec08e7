//! The list of files that goes into a record: nothing where nothing changed, the changes since
//! the base while they are few, else a new base.

use super::before::Before;
use super::scan::Scanned;
use super::{BackupError, BackupService};
use crate::format::entries::{BlockWriter, Change, Merge};
use crate::format::record::stream::join_blocks;
use crate::format::record::{ManifestRef, SnapshotKind};
use crate::manifest::{Kept, ManifestError};
use crate::model::id::ObjectId;
use crate::model::set::SetId;
use crate::repository::RepositoryError;
use crate::repository::writer::Sending;
use crate::state::Spool;
use std::sync::Arc;

/// A delta larger than this share of its base makes a new base.
const BASE_SHARE: u64 = 4;
/// Deltas smaller than this are never worth a new base, in bytes.
const SMALL_DELTA: u64 = 64 << 10;

/// The list of files that goes into a record.
pub(super) enum List {
    /// All entries.
    Base(Arc<Spool>),
    /// What differs from the base in this record.
    Delta(ObjectId, Arc<Spool>),
    /// Nothing differs from this record's list, which has this base.
    Same { record: ObjectId, base: ObjectId },
}

impl List {
    pub(super) fn kind(&self) -> SnapshotKind {
        match self {
            List::Base(_) => SnapshotKind::Full,
            List::Delta(..) | List::Same { .. } => SnapshotKind::Incremental,
        }
    }
}

impl BackupService {
    pub(super) fn choose_list(
        &self,
        before: &Before,
        scanned: &mut Scanned,
        whole: bool,
        may_rebase: bool,
    ) -> Result<List, BackupError> {
        let blocks = std::mem::take(&mut scanned.blocks);
        let Some(manifest) = before.manifest.as_ref().filter(|_| !whole) else {
            return Ok(List::Base(Arc::new(blocks)));
        };
        if !scanned.differs {
            let record = manifest.delta.unwrap_or(manifest.base);
            return Ok(List::Same { record, base: manifest.base });
        }
        let delta_bytes = blocks.bytes();
        let rebase =
            may_rebase && delta_bytes > SMALL_DELTA && delta_bytes * BASE_SHARE > manifest.base_bytes;
        let mut base = BlockWriter::default();
        let mut base_blocks = self.repository.state().spool();
        let mut entries = 0;
        let unwritable = |reason| RepositoryError::damaged("the list of files", reason);
        for merged in Merge::new(self.manifests.base(manifest), blocks.changes()) {
            let Some(entry) = merged.map_err(ManifestError::Entry)?.into_now() else { continue };
            entries += 1;
            if rebase && let Some(full) = base.push(&Change::Put(entry)).map_err(unwritable)? {
                base_blocks.push(full.bytes)?;
            }
        }
        if let Some(last) = base.finish().map_err(unwritable)? {
            base_blocks.push(last.bytes)?;
        }
        // What is replayed on the day of the restore must be what was found today.
        if entries != scanned.tally.entries {
            let reason = format!("the list replays to {entries} entries of {}", scanned.tally.entries);
            return Err(RepositoryError::Internal(reason).into());
        }
        Ok(match rebase {
            true => List::Base(Arc::new(base_blocks)),
            false => List::Delta(manifest.base, Arc::new(blocks)),
        })
    }

    /// Puts a long list into packs.
    pub(super) async fn place_list(
        &self,
        list: &List,
        sending: &Sending,
    ) -> Result<ManifestRef, BackupError> {
        let place = async |blocks: &Arc<Spool>| {
            let blocks = blocks.clone();
            let joined = (0..blocks.len()).map_while(move |number| {
                let block = blocks.block(number)?;
                Some(block.map(|block| join_blocks([&block[..]])).map_err(RepositoryError::from))
            });
            self.repository.place_stream(sending, joined).await
        };
        Ok(match list {
            List::Base(blocks) => ManifestRef::Base(place(blocks).await?),
            List::Delta(base, blocks) => ManifestRef::Delta { base: *base, stream: place(blocks).await? },
            List::Same { record, base } => ManifestRef::Same { record: *record, base: *base },
        })
    }

    /// Keeps the new state of the set, to compare with next time.
    pub(super) fn keep(&self, set: &SetId, id: ObjectId, list: &List, doubt: i64) -> Result<(), BackupError> {
        let nothing = Spool::default();
        let (base, delta, base_blocks, delta_blocks) = match list {
            List::Base(blocks) => (id, None, Some(&**blocks), Some(&nothing)),
            List::Delta(base, blocks) => (*base, Some(id), None, Some(&**blocks)),
            List::Same { record, base } => (*base, (record != base).then_some(*record), None, None),
        };
        let kept = Kept { snapshot: id, base, delta, base_blocks, delta_blocks, doubt };
        Ok(self.manifests.keep(set, &kept)?)
    }
}
