//! Checkpoints: written when many records are not covered yet, read by machines without state.
//!
//! Each covers what is new; an older one is merged into it when it is not much heavier, so that
//! few stand and every snapshot is rewritten only a logarithmic number of times.

use super::index::Standing;
use super::writer::WriterOptions;
use super::{Cancel, Repository, RepositoryError};
use crate::format::FormatError;
use crate::format::names::{RecordKind, RecordName};
use crate::format::pack::PackEntry;
use crate::format::record::{Body, Checkpoint, Covered, Head, Record};
use crate::format::squeeze::{squeeze, unsqueeze};
use crate::model::id::ObjectId;
use crate::progress::{Observer, Problem};
use crate::state::meta::{self, Meta};
use rusqlite::Transaction;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// So many snapshots without a checkpoint make one due.
pub const CHECKPOINT_AFTER: u64 = 32;
/// An older checkpoint is merged into the new one when it weighs at most so many times as much.
const MERGE_FACTOR: u64 = 4;
const MAX_COVERED_BYTES: u64 = 256 << 20;

/// A checkpoint that counts: its numbered folder, name and weight.
type StandingCheckpoint = (u32, RecordName, u64);

impl Repository {
    /// Writes a checkpoint if one is due. Returns the problems of records that could not be
    /// read and therefore are not covered.
    pub async fn checkpoint_if_due(
        &self,
        options: WriterOptions,
        observer: Arc<dyn Observer>,
    ) -> Result<Vec<Problem>, RepositoryError> {
        if self.uncovered_snapshots()? < CHECKPOINT_AFTER {
            return Ok(Vec::new());
        }
        let problems = self.fetch_new_records().await?;
        let mut covered = self.uncovered()?;
        let mut packs = self.packs_of(Standing::Recorded)?;
        let mut standing = self.standing_checkpoints()?;
        let mut weight = weight_of(&covered, &packs);
        while let Some((folder, name, older_weight)) = standing.pop() {
            if older_weight > weight.saturating_mul(MERGE_FACTOR) {
                standing.push((folder, name, older_weight));
                break;
            }
            let record = self.fetch_record(folder, &name).await?;
            if let Body::Checkpoint(older) = &record.body {
                covered.extend(self.covered_of(&name.path(folder), older).await?);
                packs.extend(self.packs_of_checkpoint(&name.path(folder), older).await?);
                weight += older_weight;
            }
        }
        let seen: BTreeSet<_> = packs.iter().map(|pack| pack.object).collect();
        let mut unique: BTreeMap<ObjectId, PackEntry> = BTreeMap::new();
        unique.extend(packs.into_iter().map(|pack| (pack.object, pack)));
        let packs: Vec<_> = unique.into_values().collect();
        let unwritable = |_| RepositoryError::damaged("a checkpoint", FormatError::Unwritable("its list"));
        let listed = postcard::to_stdvec(&covered).map_err(unwritable)?;
        let listed =
            squeeze(&listed, 5).map_err(|reason| RepositoryError::damaged("a checkpoint", reason))?;
        let covered = self.place_stream(listed, options, observer.clone(), Cancel::default()).await?;
        let (index, tail) = self.place_index(&packs, options, observer, Cancel::default()).await?;
        let body = Checkpoint {
            covered,
            heads: self
                .known_heads()?
                .into_iter()
                .map(|(writer, sequence, record)| Head { writer, sequence, record })
                .collect(),
            index,
            standing: standing.iter().map(|(folder, name, _)| (*folder, *name)).collect(),
            weight,
        };
        let introduced: Vec<_> = seen.into_iter().chain(tail).collect();
        self.publish(Body::Checkpoint(Box::new(body)), &introduced).await?;
        self.state().write("note what a checkpoint covers", |transaction| {
            transaction
                .execute("UPDATE records SET covered = 1 WHERE known = 1 AND kind = 'snapshot'", [])
                .map(drop)
        })?;
        Ok(problems)
    }

    fn uncovered_snapshots(&self) -> Result<u64, RepositoryError> {
        let count: i64 = self.state().read("count records", |connection| {
            let sql = "SELECT count(*) FROM records WHERE kind = 'snapshot' AND covered = 0";
            connection.query_row(sql, [], |row| row.get(0))
        })?;
        Ok(count as u64)
    }

    fn uncovered(&self) -> Result<Vec<Covered>, RepositoryError> {
        let folders: BTreeMap<Vec<u8>, u32> = self.state().read("list records", |connection| {
            let sql = "SELECT object, folder FROM records WHERE kind = 'snapshot' AND covered = 0";
            connection.prepare_cached(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })?;
        let covered = self.snapshots()?.into_iter().filter_map(|snapshot| {
            let folder = *folders.get(&snapshot.id.as_bytes()[..])?;
            let time_ms = snapshot.time_ms as u64;
            let name = RecordName { time_ms, kind: RecordKind::Snapshot, object: snapshot.id };
            let (head, base, delta) = (snapshot.head, snapshot.base, snapshot.delta);
            Some(Covered { name, folder, head, base, delta })
        });
        Ok(covered.collect())
    }

    /// Takes in what a checkpoint says, and the older ones that it names.
    pub(super) async fn ingest_checkpoint(
        &self,
        folder: u32,
        name: &RecordName,
        record: &Record,
        checkpoint: &Checkpoint,
    ) -> Result<(), RepositoryError> {
        for (older_folder, older) in &checkpoint.standing {
            let record = self.fetch_record(*older_folder, older).await?;
            if let Body::Checkpoint(body) = &record.body {
                self.ingest_one(*older_folder, older, &record, body).await?;
            }
        }
        self.ingest_one(folder, name, record, checkpoint).await?;
        self.state().write("note a checkpoint", |transaction| {
            // Older ones that it does not name are merged into it.
            transaction.execute(
                "UPDATE records SET known = 1 WHERE kind = 'checkpoint' AND time_ms < ?1",
                [name.time_ms as i64],
            )?;
            note_standing(transaction, folder, name, checkpoint)
        })?;
        Ok(())
    }

    async fn ingest_one(
        &self,
        folder: u32,
        name: &RecordName,
        record: &Record,
        checkpoint: &Checkpoint,
    ) -> Result<(), RepositoryError> {
        let path = name.path(folder);
        self.take_packs(&path, &checkpoint.index, Standing::Covered).await?;
        let covered = self.covered_of(&path, checkpoint).await?;
        self.state().write("take in a checkpoint", |transaction| {
            super::catalog::ingest_record(transaction, name, folder, record)?;
            for snapshot in &covered {
                super::log::note(transaction, &snapshot.name, snapshot.folder, None)?;
                ingest_covered(transaction, snapshot)?;
            }
            let sql = "INSERT INTO heads VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE
                       SET sequence = ?2, object = ?3 WHERE ?2 > sequence";
            for head in &checkpoint.heads {
                transaction.prepare_cached(sql)?.execute((
                    &head.writer.as_bytes()[..],
                    head.sequence as i64,
                    &head.record.as_bytes()[..],
                ))?;
            }
            Ok(())
        })?;
        Ok(())
    }

    async fn covered_of(&self, path: &str, checkpoint: &Checkpoint) -> Result<Vec<Covered>, RepositoryError> {
        let packed = self.read_stream(&checkpoint.covered).await?;
        unsqueeze(&packed, MAX_COVERED_BYTES)
            .ok()
            .and_then(|bytes| postcard::from_bytes(&bytes).ok())
            .ok_or_else(|| {
                RepositoryError::damaged(path, FormatError::Damaged("its list of snapshots cannot be read"))
            })
    }

    async fn packs_of_checkpoint(
        &self,
        path: &str,
        checkpoint: &Checkpoint,
    ) -> Result<Vec<PackEntry>, RepositoryError> {
        let damaged = |reason| RepositoryError::damaged(path, reason);
        let mut packs = checkpoint.index.inline_packs().map_err(damaged)?;
        if !checkpoint.index.chunks.is_empty() {
            let bytes = self.read_chunks(&checkpoint.index.chunks).await?;
            packs.extend(PackEntry::read_all(&bytes).map_err(damaged)?);
        }
        Ok(packs)
    }

    /// The checkpoints that count, the newest last.
    fn standing_checkpoints(&self) -> Result<Vec<StandingCheckpoint>, RepositoryError> {
        let bytes = self.state().meta(Meta::Checkpoints)?;
        Ok(bytes.and_then(|bytes| postcard::from_bytes(&bytes).ok()).unwrap_or_default())
    }
}

/// Notes which checkpoints count from now on.
pub(super) fn note_standing(
    transaction: &Transaction<'_>,
    folder: u32,
    name: &RecordName,
    checkpoint: &Checkpoint,
) -> rusqlite::Result<()> {
    let known: Vec<StandingCheckpoint> = meta::get(transaction, Meta::Checkpoints)?
        .and_then(|bytes| postcard::from_bytes(&bytes).ok())
        .unwrap_or_default();
    let weight =
        |name: &RecordName| known.iter().find(|known| known.1 == *name).map_or(u64::MAX, |known| known.2);
    let mut standing: Vec<StandingCheckpoint> =
        checkpoint.standing.iter().map(|(folder, older)| (*folder, *older, weight(older))).collect();
    standing.push((folder, *name, checkpoint.weight));
    meta::put(transaction, Meta::Checkpoints, &postcard::to_stdvec(&standing).unwrap_or_default())
}

fn ingest_covered(transaction: &Transaction<'_>, covered: &Covered) -> rusqlite::Result<()> {
    let object = &covered.name.object.as_bytes()[..];
    transaction
        .prepare_cached("UPDATE records SET known = 1, covered = 1 WHERE object = ?1")?
        .execute([object])?;
    transaction
        .prepare_cached("INSERT OR REPLACE INTO snapshots VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute((
            object,
            covered.name.time_ms as i64,
            &covered.head.set.host,
            &covered.head.set.name,
            postcard::to_stdvec(&covered.head).unwrap_or_default(),
            &covered.base.as_bytes()[..],
            covered.delta.as_ref().map(|delta| &delta.as_bytes()[..]),
        ))
        .map(drop)
}

fn weight_of(covered: &[Covered], packs: &[PackEntry]) -> u64 {
    let chunks: usize =
        packs.iter().flat_map(|pack| &pack.index.frames).map(|frame| frame.chunks.len()).sum();
    (covered.len() * 200 + packs.len() * 80 + chunks * crate::model::id::ChunkId::LEN) as u64
}
