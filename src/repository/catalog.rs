//! Keeps what is known of the log equal to the log: fetches the records that are new and takes
//! their packs into the index.

use super::index::{self, Origin};
use super::log::{Look, kind_word, record_name};
use super::snapshots::manifest_parts;
use super::{Repository, RepositoryError};
use crate::format::FormatError;
use crate::format::names::{RecordKind, RecordName};
use crate::format::pack::PackEntry;
use crate::format::record::{Body, Head, IndexRef, Record, Snapshot};
use crate::model::id::WriterId;
use crate::progress::Problem;
use crate::state::StateError;
use crate::state::meta::Meta;
use futures_util::StreamExt;
use rusqlite::Transaction;

/// Records fetched at the same time.
const FETCHES: usize = 4;

impl Repository {
    /// Looks at the log and fetches every record that is new. Records that cannot be read are
    /// told and left out: one bad object spoils only itself.
    pub async fn catch_up(&self) -> Result<Vec<Problem>, RepositoryError> {
        Ok(self.catch_up_by_looking().await?.0)
    }

    /// As [`Self::catch_up`], and hands on what was listed, so that it need not be asked for again.
    pub async fn catch_up_by_looking(&self) -> Result<(Vec<Problem>, Look), RepositoryError> {
        let look = self.look().await?;
        let mut problems: Vec<_> = look.missing.iter().map(missing_record).collect();
        problems.extend(self.fetch_new_records().await?);
        Ok((problems, look))
    }

    /// As [`Self::catch_up`], and forgets records that are gone, so that a backup does not build on
    /// what is not there.
    pub async fn catch_up_to_write(&self) -> Result<Vec<Problem>, RepositoryError> {
        let look = self.look().await?;
        self.mend_records(&look.missing).await?;
        let mut problems: Vec<_> = look.missing.iter().map(missing_record).collect();
        problems.extend(self.fetch_new_records().await?);
        Ok(problems)
    }

    /// Fetches every record that is listed and not known.
    pub(super) async fn fetch_new_records(&self) -> Result<Vec<Problem>, RepositoryError> {
        let mut problems = Vec::new();
        let mut claims = Vec::new();
        // The newest checkpoint stands for most of the rest; older ones that it does not know of
        // count beside it.
        let mut unreadable = Vec::new();
        while let Some((folder, name)) = self.newest_unknown_checkpoint(&unreadable)? {
            match self.fetch_and_ingest(folder, &name).await {
                Ok((heads, more)) => {
                    claims.extend(heads);
                    problems.extend(more);
                }
                Err(error) => {
                    problems.push(as_problem(error, folder, &name)?);
                    unreadable.push(name);
                }
            }
        }
        let mut unknown = self.unknown_records()?;
        unknown.retain(|(_, name)| name.kind == RecordKind::Snapshot);
        if unknown.is_empty() && claims.is_empty() {
            return Ok(problems);
        }
        let fetches = unknown
            .into_iter()
            .map(|(folder, name)| async move { (folder, name, self.fetch_and_ingest(folder, &name).await) });
        let mut results = futures_util::stream::iter(fetches).buffered(FETCHES);
        while let Some((folder, name, result)) = results.next().await {
            match result {
                Ok((heads, more)) => {
                    claims.extend(heads);
                    problems.extend(more);
                }
                Err(error) => problems.push(as_problem(error, folder, &name)?),
            }
        }
        problems.extend(self.chain_problems(&claims)?);
        Ok(problems)
    }

    fn newest_unknown_checkpoint(
        &self,
        unreadable: &[RecordName],
    ) -> Result<Option<(u32, RecordName)>, RepositoryError> {
        let wanted =
            |(_, name): &(u32, RecordName)| name.kind == RecordKind::Checkpoint && !unreadable.contains(name);
        Ok(self.unknown_records()?.into_iter().rev().find(wanted))
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

    /// Takes in one record. Returns the heads that it claims to have seen, and problems of others
    /// that it led to.
    async fn fetch_and_ingest(
        &self,
        folder: u32,
        name: &RecordName,
    ) -> Result<(Vec<Head>, Vec<Problem>), RepositoryError> {
        let record = self.fetch_record(folder, name).await?;
        let mut problems = Vec::new();
        match &record.body {
            Body::Snapshot(snapshot) => {
                let origin = Origin::Record(name.object);
                self.take_packs(&name.path(folder), &snapshot.index, origin).await?;
                self.state().write("take in a record", |transaction| {
                    ingest_snapshot(transaction, name, folder, &record, snapshot)
                })?;
            }
            Body::Checkpoint(checkpoint) => {
                problems = self.ingest_checkpoint(folder, name, &record, checkpoint).await?;
            }
        }
        let own = self.state().meta(Meta::Writer)?.and_then(|bytes| WriterId::from_slice(&bytes));
        if own == Some(record.writer) {
            // Written under our name and unknown to us: this state is an older copy. The next
            // record gets a name of its own.
            self.state().write("renew the writer", |transaction| {
                transaction.execute("DELETE FROM meta WHERE name = 'writer'", []).map(drop)
            })?;
        }
        Ok((record.heads, problems))
    }

    /// Takes the packs of a record into the index.
    pub(super) async fn take_packs(
        &self,
        path: &str,
        index: &IndexRef,
        origin: Origin,
    ) -> Result<(), RepositoryError> {
        let damaged = |reason| RepositoryError::damaged(path, reason);
        self.add_packs(&index.inline, origin).map_err(damaged)??;
        if !index.chunks.is_empty() {
            let bytes = self.read_chunks(&index.chunks).await?;
            self.add_packs(&bytes, origin).map_err(damaged)??;
        }
        Ok(())
    }

    /// Adds all of these packs or, if one cannot be read, none. One is in memory at a time.
    fn add_packs(&self, written: &[u8], origin: Origin) -> Result<Result<(), StateError>, FormatError> {
        PackEntry::each(written).try_for_each(|pack| pack.map(drop))?;
        let readable = PackEntry::each(written).filter_map(Result::ok);
        Ok(self.state().write("take packs into the index", |transaction| {
            let mut packs = readable;
            packs.try_for_each(|pack| index::add_pack(transaction, &pack, origin))
        }))
    }
}

fn missing_record((folder, name): &(u32, RecordName)) -> Problem {
    let message = "this record stood there before and does not any more, or not whole: it was removed, \
                   spoilt, or the server was set back to an older state";
    Problem::new(name.path(*folder), message)
}

/// Damage is told and the run goes on; that the store cannot be reached is no damage.
pub(super) fn as_problem(
    error: RepositoryError,
    folder: u32,
    name: &RecordName,
) -> Result<Problem, RepositoryError> {
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
               ON CONFLICT DO UPDATE SET known = 1, writer = ?5, sequence = ?6, previous = ?7,
               size = coalesce((SELECT size FROM objects WHERE object = ?1), size)";
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
