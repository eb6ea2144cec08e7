//! Checkpoints: written when many records are not covered yet, read by machines without state.
//!
//! Each covers what is new; an older one is merged into it when it is not much heavier, so that
//! few stand and every snapshot is rewritten only a logarithmic number of times.

use super::catalog::as_problem;
use super::index::Origin;
use super::writer::Sending;
use super::{KnownPack, Repository, RepositoryError, decide};
use crate::format::FormatError;
use crate::format::names::{RecordKind, RecordName};
use crate::format::pack::PackEntry;
use crate::format::record::{Body, Checkpoint, Covered, Head, Record, Stream};
use crate::format::squeeze::{squeeze, unsqueeze};
use crate::model::amount::counted;
use crate::model::id::ObjectId;
use crate::progress::Problem;
use crate::state::meta::{self, Meta};
use rusqlite::Transaction;
use std::collections::{BTreeMap, BTreeSet};

const MAX_COVERED_BYTES: u64 = 256 << 20;

/// A checkpoint that counts: its numbered folder, name, weight, and what is merged into it.
pub(super) type StandingCheckpoint = (u32, RecordName, u64, Vec<ObjectId>);

/// A pack's entry, written: what lies in all packs may be more than there should be in memory.
enum Entry {
    InState(KnownPack),
    Written(Vec<u8>),
}

/// What goes into a new checkpoint.
struct Folded {
    covered: Vec<Covered>,
    packs: BTreeMap<ObjectId, Entry>,
    standing: Vec<StandingCheckpoint>,
    merged: Vec<ObjectId>,
    weight: u64,
}

impl Repository {
    /// Writes a checkpoint if one is due. Returns the problems of records that could not be
    /// read and therefore are not covered.
    pub async fn checkpoint_if_due(&self, sending: &Sending) -> Result<Vec<Problem>, RepositoryError> {
        if !decide::checkpoint_is_due(self.uncovered_snapshots()?) {
            return Ok(Vec::new());
        }
        let mut problems = self.fetch_new_records().await?;
        // No other record of this machine comes between what is folded and what is published.
        let publishing = self.publishing_lock(&sending.cancel).await?;
        if !decide::checkpoint_is_due(self.uncovered_snapshots()?) {
            return Ok(problems);
        }
        let heads = self.known_heads()?;
        let newly_covered = self.uncovered()?;
        let mut folded = self.fold(newly_covered.clone(), &mut problems).await?;
        let damaged = |reason| RepositoryError::damaged("a new checkpoint", reason);
        let listed = postcard::to_stdvec(&folded.covered)
            .map_err(|_| damaged(FormatError::Unwritable("its list of snapshots")))?;
        let covered =
            self.place_stream(sending, std::iter::once(squeeze(&listed, 5).map_err(damaged))).await?;
        if let Stream::Chunks(chunks) = &covered {
            let more = self.packs_with(chunks)?;
            folded.packs.extend(more.into_iter().map(|pack| (pack.object, Entry::InState(pack))));
        }
        let mut introduced: Vec<_> = folded.packs.keys().copied().collect();
        let repository = self.clone();
        let entries = folded.packs.into_values().map(move |entry| match entry {
            Entry::InState(pack) => repository.encoded_entry(&pack),
            Entry::Written(bytes) => Ok(bytes),
        });
        let (index, tail) = self.place_entries(sending, entries).await?;
        introduced.extend(tail.iter().map(|pack| pack.object));
        let unproven = self.unproven_packs(&self.packs_of_run(&sending.run)?).await?;
        if !unproven.is_empty() {
            let object = format!("{} of a checkpoint", counted(unproven.len() as u64, "pack"));
            let symptom = "they do not lie there whole".to_owned();
            return Err(RepositoryError::NotStanding { object, symptom });
        }
        let body = Checkpoint {
            covered,
            heads: heads
                .into_iter()
                .map(|(writer, sequence, record)| Head { writer, sequence, record })
                .collect(),
            index,
            standing: folded.standing.iter().map(|(folder, name, ..)| (*folder, *name)).collect(),
            merged: folded.merged,
            weight: folded.weight,
            carried: self.records_to_carry(self.inline_bytes(&sending.options)?)?,
        };
        self.publish(&publishing, Body::Checkpoint(Box::new(body)), &introduced, 0).await?;
        self.state().write("note what a checkpoint covers", |transaction| {
            let mut update =
                transaction.prepare_cached("UPDATE records SET covered = 1 WHERE object = ?1")?;
            newly_covered
                .iter()
                .try_for_each(|covered| update.execute([&covered.name.object.as_bytes()[..]]).map(drop))
        })?;
        Ok(problems)
    }

    /// Joins what is not covered with the older checkpoints that are not much heavier.
    async fn fold(
        &self,
        covered: Vec<Covered>,
        problems: &mut Vec<Problem>,
    ) -> Result<Folded, RepositoryError> {
        let mut weight = weight_of(&covered, std::iter::empty());
        let mut packs = BTreeMap::new();
        for pack in self.uncovered_packs()? {
            weight += weight_of(&[], std::iter::once(&*self.pack(pack.number)?));
            packs.insert(pack.object, Entry::InState(pack));
        }
        let mut folded = Folded { covered, packs, standing: Vec::new(), merged: Vec::new(), weight };
        let mut older = self.standing_checkpoints()?;
        older.sort_by_key(|(_, name, weight, _)| (*weight, *name));
        for (folder, name, weight, merged) in older {
            // What is merged stays merged, or an empty machine would read it beside this one.
            folded.merged.extend(&merged);
            if !decide::is_merged(weight, folded.weight) {
                folded.standing.push((folder, name, weight, merged));
                continue;
            }
            match self.contents_of(folder, &name).await {
                Ok((covered, packs)) => {
                    folded.covered.extend(covered);
                    for pack in packs {
                        let written = Entry::Written(PackEntry::write_all(std::slice::from_ref(&pack)));
                        folded.packs.insert(pack.object, written);
                    }
                    folded.merged.push(name.object);
                    folded.weight += weight;
                }
                Err(error) => {
                    // It stands beside the new one, for those who can still read it.
                    problems.push(as_problem(error, folder, &name)?);
                    folded.standing.push((folder, name, weight, merged));
                }
            }
        }
        let mut seen = BTreeSet::new();
        folded.covered.retain(|covered| seen.insert(covered.name.object));
        folded.merged.sort_unstable();
        folded.merged.dedup();
        Ok(folded)
    }

    pub(super) async fn contents_of(
        &self,
        folder: u32,
        name: &RecordName,
    ) -> Result<(Vec<Covered>, Vec<PackEntry>), RepositoryError> {
        let path = name.path(folder);
        let record = self.fetch_record(folder, name).await?;
        let Body::Checkpoint(checkpoint) = &record.body else {
            let reason = FormatError::Damaged("a record of another kind than its name says");
            return Err(RepositoryError::damaged(path, reason));
        };
        Ok((self.covered_of(&path, checkpoint).await?, self.packs_of_checkpoint(&path, checkpoint).await?))
    }

    pub(super) fn uncovered_snapshots(&self) -> Result<u64, RepositoryError> {
        let count: i64 = self.state().read("count records", |connection| {
            let sql = "SELECT count(*) FROM records WHERE kind = 'snapshot' AND covered = 0 AND known = 1";
            connection.query_row(sql, [], |row| row.get(0))
        })?;
        Ok(count as u64)
    }

    pub(super) fn uncovered(&self) -> Result<Vec<Covered>, RepositoryError> {
        let folders: BTreeMap<Vec<u8>, u32> = self.state().read("list records", |connection| {
            let sql = "SELECT object, folder FROM records WHERE kind = 'snapshot' AND covered = 0";
            connection.prepare_cached(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })?;
        let covered = self.snapshots()?.into_iter().filter_map(|snapshot| {
            let folder = *folders.get(&snapshot.id.as_bytes()[..])?;
            let time_ms = snapshot.time_ms as u64;
            let name = RecordName { time_ms, kind: RecordKind::Snapshot, object: snapshot.id };
            let (mut head, base, delta) = (snapshot.head, snapshot.base, snapshot.delta);
            // Their number stays; the snapshot's own record has them in full.
            head.problems.clear();
            Some(Covered { name, folder, head, base, delta })
        });
        Ok(covered.collect())
    }

    /// Takes in what a checkpoint says, then each older one that it names; those that cannot be
    /// read are told.
    pub(super) async fn ingest_checkpoint(
        &self,
        folder: u32,
        name: &RecordName,
        record: &Record,
        checkpoint: &Checkpoint,
    ) -> Result<Vec<Problem>, RepositoryError> {
        self.ingest_one(folder, name, record, checkpoint).await?;
        let mut problems = Vec::new();
        for (older_folder, older) in &checkpoint.standing {
            let ingested = async {
                let record = self.fetch_record(*older_folder, older).await?;
                match &record.body {
                    Body::Checkpoint(body) => self.ingest_one(*older_folder, older, &record, body).await,
                    Body::Snapshot(_) => Ok(()),
                }
            };
            if let Err(error) = ingested.await {
                problems.push(as_problem(error, *older_folder, older)?);
            }
        }
        self.state().write("note a checkpoint", |transaction| {
            let mut update = transaction.prepare_cached("UPDATE records SET known = 1 WHERE object = ?1")?;
            for merged in &checkpoint.merged {
                update.execute([&merged.as_bytes()[..]])?;
            }
            note_standing(transaction, folder, name, checkpoint)
        })?;
        Ok(problems)
    }

    async fn ingest_one(
        &self,
        folder: u32,
        name: &RecordName,
        record: &Record,
        checkpoint: &Checkpoint,
    ) -> Result<(), RepositoryError> {
        let path = name.path(folder);
        self.take_packs(&path, &checkpoint.index, Origin::Checkpoint(name.object)).await?;
        let covered = self.covered_of(&path, checkpoint).await?;
        self.keep_carried(&checkpoint.carried)?;
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
    pub(super) fn standing_checkpoints(&self) -> Result<Vec<StandingCheckpoint>, RepositoryError> {
        let bytes = self.state().meta(Meta::Checkpoints)?;
        Ok(bytes.and_then(|bytes| postcard::from_bytes(&bytes).ok()).unwrap_or_default())
    }
}

/// Notes which checkpoints count from now on: the new one, those that it names, and those of
/// other machines that it does not know of.
pub(super) fn note_standing(
    transaction: &Transaction<'_>,
    folder: u32,
    name: &RecordName,
    checkpoint: &Checkpoint,
) -> rusqlite::Result<()> {
    let known: Vec<StandingCheckpoint> = meta::get(transaction, Meta::Checkpoints)?
        .and_then(|bytes| postcard::from_bytes(&bytes).ok())
        .unwrap_or_default();
    let (named, unknown_of): (Vec<_>, Vec<_>) = known
        .into_iter()
        .filter(|(_, known, ..)| known != name && !checkpoint.merged.contains(&known.object))
        .partition(|(_, known, ..)| checkpoint.standing.iter().any(|(_, standing)| standing == known));
    let mut standing = unknown_of;
    for (folder, older) in &checkpoint.standing {
        let known = named.iter().find(|(_, known, ..)| known == older).cloned();
        standing.push(known.unwrap_or((*folder, *older, u64::MAX, Vec::new())));
    }
    standing.push((folder, *name, checkpoint.weight, checkpoint.merged.clone()));
    meta::put(transaction, Meta::Checkpoints, &postcard::to_stdvec(&standing).unwrap_or_default())
}

/// Notes that a checkpoint counts no more.
pub(super) fn note_gone(transaction: &Transaction<'_>, name: &RecordName) -> rusqlite::Result<()> {
    let mut standing: Vec<StandingCheckpoint> = meta::get(transaction, Meta::Checkpoints)?
        .and_then(|bytes| postcard::from_bytes(&bytes).ok())
        .unwrap_or_default();
    standing.retain(|(_, known, ..)| known != name);
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

pub(super) fn weight_of<'a>(covered: &[Covered], packs: impl Iterator<Item = &'a PackEntry>) -> u64 {
    let (mut count, mut chunks) = (0, 0);
    for pack in packs {
        count += 1;
        chunks += pack.index.frames.iter().map(|frame| frame.chunks.len()).sum::<usize>();
    }
    (covered.len() * 200 + count * 80 + chunks * crate::model::id::ChunkId::LEN) as u64
}
