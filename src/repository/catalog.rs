//! Keeps what is known of the log equal to the log: fetches the records that are new, checks
//! how they follow one another, and takes their packs into the index.

use super::index::{self, Standing};
use super::log::{kind_word, record_name};
use super::snapshots::manifest_parts;
use super::{Repository, RepositoryError};
use crate::format::FormatError;
use crate::format::names::{RecordKind, RecordName};
use crate::format::pack::PackEntry;
use crate::format::record::{Body, IndexRef, Record, Snapshot};
use crate::model::id::{ObjectId, WriterId};
use crate::progress::Problem;
use futures_util::StreamExt;
use rusqlite::Transaction;

/// Writer, sequence, hash and the hash before it of a record.
type Link = (Vec<u8>, i64, Vec<u8>, Option<Vec<u8>>);

/// Records fetched at the same time.
const FETCHES: usize = 4;

impl Repository {
    /// Looks at the log and fetches every record that is new. Records that cannot be read are
    /// told and left out: one bad object spoils only itself.
    pub async fn catch_up(&self) -> Result<Vec<Problem>, RepositoryError> {
        let look = self.look().await?;
        let mut problems: Vec<_> = look
            .missing
            .iter()
            .map(|path| {
                let message = "this record was there before and is not any more: somebody removed it, \
                               or the server was set back to an older state";
                Problem::new(path, message)
            })
            .collect();
        problems.extend(self.fetch_new_records().await?);
        Ok(problems)
    }

    /// Fetches every record that is listed and not known.
    pub(super) async fn fetch_new_records(&self) -> Result<Vec<Problem>, RepositoryError> {
        let mut problems = Vec::new();
        let mut unknown = self.unknown_records()?;
        if unknown.is_empty() {
            return Ok(problems);
        }
        // The newest checkpoint that can be read stands for most of the rest.
        while let Some(at) = unknown.iter().rposition(|(_, name)| name.kind == RecordKind::Checkpoint) {
            let (folder, name) = unknown.remove(at);
            match self.fetch_and_ingest(folder, &name).await {
                Ok(()) => {
                    unknown = self.unknown_records()?;
                    unknown.retain(|(_, other)| other.kind == RecordKind::Snapshot);
                }
                Err(error) => problems.push(as_problem(error, folder, &name)?),
            }
        }
        let fetches = unknown
            .into_iter()
            .map(|(folder, name)| async move { (folder, name, self.fetch_and_ingest(folder, &name).await) });
        let mut results = futures_util::stream::iter(fetches).buffered(FETCHES);
        while let Some((folder, name, result)) = results.next().await {
            if let Err(error) = result {
                problems.push(as_problem(error, folder, &name)?);
            }
        }
        problems.extend(self.chain_problems()?);
        Ok(problems)
    }

    /// Records that are listed and not known, the oldest first.
    fn unknown_records(&self) -> Result<Vec<(u32, RecordName)>, RepositoryError> {
        let rows: Vec<(u32, i64, String, Vec<u8>)> = self.state().read("list new records", |connection| {
            let sql = "SELECT folder, time_ms, kind, object FROM records WHERE known = 0
                       ORDER BY time_ms, object";
            connection
                .prepare_cached(sql)?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
                .collect()
        })?;
        let named = |(folder, time, kind, object): (u32, i64, String, Vec<u8>)| {
            Some((folder, record_name(time, &kind, &object)?))
        };
        Ok(rows.into_iter().filter_map(named).collect())
    }

    async fn fetch_and_ingest(&self, folder: u32, name: &RecordName) -> Result<(), RepositoryError> {
        let record = self.fetch_record(folder, name).await?;
        let path = name.path(folder);
        let kind = match &record.body {
            Body::Snapshot(_) => RecordKind::Snapshot,
            Body::Checkpoint(_) => RecordKind::Checkpoint,
        };
        if kind != name.kind {
            let reason = FormatError::Damaged("a record of another kind than its name says");
            return Err(RepositoryError::damaged(path, reason));
        }
        match &record.body {
            Body::Snapshot(snapshot) => {
                self.take_packs(&path, &snapshot.index, Standing::Recorded).await?;
                self.state().write("take in a record", |transaction| {
                    ingest_snapshot(transaction, name, folder, &record, snapshot)
                })?;
            }
            Body::Checkpoint(checkpoint) => self.ingest_checkpoint(folder, name, &record, checkpoint).await?,
        }
        Ok(())
    }

    /// Takes the packs of a record into the index.
    pub(super) async fn take_packs(
        &self,
        path: &str,
        index: &IndexRef,
        standing: Standing,
    ) -> Result<(), RepositoryError> {
        let damaged = |reason| RepositoryError::damaged(path, reason);
        self.add_packs(&index.inline_packs().map_err(damaged)?, standing)?;
        if !index.chunks.is_empty() {
            let bytes = self.read_chunks(&index.chunks).await?;
            self.add_packs(&PackEntry::read_all(&bytes).map_err(damaged)?, standing)?;
        }
        Ok(())
    }

    fn add_packs(&self, packs: &[PackEntry], standing: Standing) -> Result<(), RepositoryError> {
        self.state().write("take packs into the index", |transaction| {
            packs.iter().try_for_each(|pack| index::add_pack(transaction, pack, standing))
        })?;
        Ok(())
    }

    /// Records that do not follow one another as they should: a missing, replayed or forked
    /// history.
    fn chain_problems(&self) -> Result<Vec<Problem>, RepositoryError> {
        let (links, covered) = self.state().read("follow the chain of records", |connection| {
            let sql = "SELECT writer, sequence, object, previous FROM records
                       WHERE writer IS NOT NULL ORDER BY writer, sequence, object";
            let links: Vec<Link> = connection
                .prepare_cached(sql)?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
                .collect::<rusqlite::Result<_>>()?;
            let covered: Vec<(Vec<u8>, i64, Vec<u8>)> = connection
                .prepare_cached("SELECT writer, sequence, object FROM heads")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect::<rusqlite::Result<_>>()?;
            Ok((links, covered))
        })?;
        let mut problems = Vec::new();
        let mut before: Option<(Vec<u8>, i64, Vec<u8>)> = None;
        for (writer, sequence, object, previous) in links {
            let start = covered.iter().find(|(covered, ..)| *covered == writer);
            let start = start.map_or((0, None), |(_, sequence, object)| (*sequence, Some(object.clone())));
            let (last, last_object) = match before.take() {
                Some((same, last, last_object)) if same == writer => (last, Some(last_object)),
                _ => start.clone(),
            };
            let from_here_on = sequence > start.0;
            if from_here_on && last >= start.0 {
                let subject = hex::encode(&object);
                if sequence == last {
                    let message = "two records claim the same place in their writer's history: a state \
                                   folder was copied to another machine, or the history was forked";
                    problems.push(Problem::new(subject, message));
                } else if sequence != last + 1 || previous != last_object {
                    let message = "the record before this one of the same writer is missing: it was \
                                   removed, cannot be read, or the history was replaced";
                    problems.push(Problem::new(subject, message));
                }
            }
            before = Some((writer, sequence, object));
        }
        Ok(problems)
    }

    /// The newest record known of each writer: sequence and hash.
    pub(super) fn known_heads(&self) -> Result<Vec<(WriterId, u64, ObjectId)>, RepositoryError> {
        let rows: Vec<(Vec<u8>, i64, Vec<u8>)> = self.state().read("find the heads", |connection| {
            let sql = "SELECT writer, max(sequence), object FROM (
                           SELECT writer, sequence, object FROM records WHERE writer IS NOT NULL
                           UNION ALL SELECT writer, sequence, object FROM heads)
                       GROUP BY writer ORDER BY writer";
            connection
                .prepare_cached(sql)?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect()
        })?;
        let heads = rows.into_iter().filter_map(|(writer, sequence, object)| {
            Some((WriterId::from_slice(&writer)?, sequence as u64, ObjectId::from_slice(&object)?))
        });
        Ok(heads.collect())
    }
}

/// Damage is told and the run goes on; that the store cannot be reached is no damage.
fn as_problem(error: RepositoryError, folder: u32, name: &RecordName) -> Result<Problem, RepositoryError> {
    use crate::store::ErrorKind::{Corrupt, NotFound};
    let spoils_only_itself = match &error {
        RepositoryError::Damaged { .. } | RepositoryError::MissingChunk(_) => true,
        RepositoryError::Store(error) => matches!(error.kind, NotFound | Corrupt),
        _ => false,
    };
    if spoils_only_itself { Ok(Problem::new(name.path(folder), error.to_string())) } else { Err(error) }
}

/// Notes a snapshot whose record was read.
pub(super) fn ingest_snapshot(
    transaction: &Transaction<'_>,
    name: &RecordName,
    folder: u32,
    record: &Record,
    snapshot: &Snapshot,
) -> rusqlite::Result<()> {
    ingest_record(transaction, name, folder, record)?;
    let (base, delta) = manifest_parts(name.object, &snapshot.manifest);
    let head = postcard::to_stdvec(&snapshot.head).unwrap_or_default();
    transaction
        .prepare_cached("INSERT OR REPLACE INTO snapshots VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute((
            &name.object.as_bytes()[..],
            name.time_ms as i64,
            &snapshot.head.set.host,
            &snapshot.head.set.name,
            head,
            &base.as_bytes()[..],
            delta.as_ref().map(|delta| &delta.as_bytes()[..]),
        ))
        .map(drop)
}

/// Notes that a record was read.
pub(super) fn ingest_record(
    transaction: &Transaction<'_>,
    name: &RecordName,
    folder: u32,
    record: &Record,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO records (object, time_ms, kind, folder, known, writer, sequence, previous)
               VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?7)
               ON CONFLICT DO UPDATE SET known = 1, writer = ?5, sequence = ?6, previous = ?7";
    transaction
        .prepare_cached(sql)?
        .execute((
            &name.object.as_bytes()[..],
            name.time_ms as i64,
            kind_word(name.kind),
            folder,
            &record.writer.as_bytes()[..],
            record.sequence as i64,
            record.previous.as_ref().map(|previous| &previous.as_bytes()[..]),
        ))
        .map(drop)
}
