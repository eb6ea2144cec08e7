//! What the checkpoint after a snapshot costs, if one is due.

use super::{Outlook, entries_of};
use crate::format::FormatError;
use crate::format::names::{RecordKind, RecordName};
use crate::format::pack::PackEntry;
use crate::format::record::{Body, Checkpoint, Covered, SnapshotHead, Stream};
use crate::format::squeeze::squeeze;
use crate::model::id::ObjectId;
use crate::repository::checkpoint::weight_of;
use crate::repository::{Repository, RepositoryError, decide};
use serde_bytes::ByteBuf;
use std::collections::BTreeMap;

/// An older checkpoint that is merged: all that it holds, or its weight where that is not at hand.
enum Older {
    AtHand(Vec<Covered>, Vec<PackEntry>),
    Away(u64),
}

impl Outlook {
    /// The checkpoint that follows a snapshot with this head and base, whose record holds a list in `list_bytes`, if
    /// one is due then.
    pub async fn checkpoint_if_due(
        &mut self,
        mut head: SnapshotHead,
        base: Option<ObjectId>,
        list_bytes: u64,
    ) -> Result<(), RepositoryError> {
        let repository = self.repository.clone();
        if !decide::checkpoint_is_due(repository.uncovered_snapshots()? + 1) {
            return Ok(());
        }
        head.problems.clear();
        let object = self.made_up.object();
        let time_ms = repository.now_ms().max(0) as u64;
        let name = RecordName { time_ms, kind: RecordKind::Snapshot, object };
        let mut covered = repository.uncovered()?;
        let folder = self.log.first;
        let delta = base.map(|_| object);
        covered.push(Covered { name, folder, head, base: base.unwrap_or(object), delta });
        let introduced = entries_of(&repository, &repository.uncovered_packs()?)?
            .into_iter()
            .chain(self.packs.iter().cloned());
        let mut packs: BTreeMap<_, _> = introduced.map(|pack| (pack.object, pack)).collect();
        let mut weight = weight_of(&covered, packs.values());
        let (mut standing, mut merged, mut away) = (Vec::new(), Vec::new(), 0_u64);
        let mut older = repository.standing_checkpoints()?;
        older.sort_by_key(|(_, name, weight, _)| (*weight, *name));
        for (folder, name, older_weight, merged_before) in older {
            merged.extend(merged_before);
            if !decide::is_merged(older_weight, weight) {
                standing.push((folder, name));
                continue;
            }
            weight = weight.saturating_add(older_weight);
            merged.push(name.object);
            match contents_at_hand(&repository, folder, &name, older_weight).await? {
                Older::AtHand(more, their_packs) => {
                    covered.extend(more);
                    packs.extend(their_packs.into_iter().map(|pack| (pack.object, pack)));
                }
                Older::Away(bytes) => {
                    self.cost.add("GET", 1);
                    self.cost.bytes_down = self.cost.bytes_down.saturating_add(bytes);
                    away = away.saturating_add(bytes);
                }
            }
        }
        merged.sort_unstable();
        merged.dedup();
        let damaged = |reason| RepositoryError::damaged("a checkpoint", reason);
        let listed = postcard::to_stdvec(&covered)
            .map_err(|_| damaged(FormatError::Unwritable("its list of snapshots")))?;
        let before = self.packs.len();
        let covered = self.place_stream(squeeze(&listed, 5).map_err(damaged)?)?;
        if matches!(covered, Stream::Chunks(_)) {
            let more = self.packs.get(before..).unwrap_or_default().to_vec();
            packs.extend(more.into_iter().map(|pack| (pack.object, pack)));
        }
        let index = self.place_index(&packs.into_values().collect::<Vec<_>>())?;
        let own = self.packs.get(before..).unwrap_or_default().to_vec();
        self.prove(&own)?;
        // Of the snapshot that is still to be made as well.
        let mut carried = repository.records_to_carry(self.inline_bytes)?;
        carried.push(ByteBuf::from(self.made_up.stretch(list_bytes)));
        let body = Checkpoint { covered, heads: Vec::new(), index, standing, merged, weight, carried };
        self.publish(Body::Checkpoint(Box::new(body)))?;
        self.cost.bytes_up = self.cost.bytes_up.saturating_add(away);
        Ok(())
    }
}

/// What a checkpoint holds, if that can be had without asking the server.
async fn contents_at_hand(
    repository: &Repository,
    folder: u32,
    name: &RecordName,
    weight: u64,
) -> Result<Older, RepositoryError> {
    if repository.state().object(&name.object)?.is_none() {
        return Ok(Older::Away(weight));
    }
    let record = repository.fetch_record(folder, name).await?;
    let in_record = match &record.body {
        Body::Checkpoint(body) => matches!(body.covered, Stream::Inline(_)) && body.index.chunks.is_empty(),
        Body::Snapshot(_) => false,
    };
    if !in_record {
        return Ok(Older::Away(weight));
    }
    let (covered, packs) = repository.contents_of(folder, name).await?;
    Ok(Older::AtHand(covered, packs))
}
