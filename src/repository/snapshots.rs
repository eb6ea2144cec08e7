//! The snapshots that are known, and the entries of one.

use super::fetch::get_right;
use super::{Repository, RepositoryError, Run};
use crate::files::source::shown_root;
use crate::format::entries::{EntryError, Merge, Merged};
use crate::format::record::stream::BlockSplitter;
use crate::format::record::{Body, MAX_RECORD_BYTES, ManifestRef, Record, SnapshotHead, Stream, object_id};
use crate::format::{FormatError, names::RecordName};
use crate::model::entry::Entry;
use crate::model::id::ObjectId;
use crate::model::path::EntryPath;
use crate::state::{Database, Spool, StateError};
use crate::store::StoreError;
use bytes::Bytes;
use rusqlite::{OptionalExtension, Row};
use std::sync::Arc;

/// A snapshot as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// Its id: the hash of its record.
    pub id: ObjectId,
    /// When its record was made, milliseconds since 1970.
    pub time_ms: i64,
    /// What is known of it.
    pub head: SnapshotHead,
    /// The record that holds its base manifest.
    pub base: ObjectId,
    /// The record that holds its delta, if it has one.
    pub delta: Option<ObjectId>,
}

impl SnapshotInfo {
    /// The folder that its paths are shown relative to; none where its sources make no sense.
    pub fn root(&self) -> Option<EntryPath> {
        let sources = self.head.sources.iter();
        let sources: Result<Vec<_>, _> =
            sources.map(|source| source.entry_path().map(|path| (path, source.is_folder))).collect();
        shown_root(&sources.ok()?)
    }
}

type SnapshotRow = (Vec<u8>, i64, Vec<u8>, Vec<u8>, Option<Vec<u8>>);

fn row_of(row: &Row<'_>) -> rusqlite::Result<SnapshotRow> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

fn info_of((object, time_ms, head, base, delta): SnapshotRow) -> Option<SnapshotInfo> {
    Some(SnapshotInfo {
        id: ObjectId::from_slice(&object)?,
        time_ms,
        head: postcard::from_bytes(&head).ok()?,
        base: ObjectId::from_slice(&base)?,
        delta: match delta {
            Some(delta) => Some(ObjectId::from_slice(&delta)?),
            None => None,
        },
    })
}

/// The newest snapshot of a set that `state` knows, whether or not the repository is open.
pub fn newest_of(state: &Database, host: &str, name: &str) -> Result<Option<SnapshotInfo>, StateError> {
    let row = state.read("find the newest snapshot", |connection| {
        let sql = "SELECT object, time_ms, head, base, delta FROM snapshots
                   WHERE host = ?1 AND name = ?2 ORDER BY time_ms DESC, object DESC LIMIT 1";
        connection.prepare_cached(sql)?.query_row((host, name), row_of).optional()
    })?;
    Ok(row.and_then(info_of))
}

impl Repository {
    /// All known snapshots, the oldest first. Does not ask the store.
    pub fn snapshots(&self) -> Result<Vec<SnapshotInfo>, RepositoryError> {
        let rows: Vec<_> = self.state().read("list snapshots", |connection| {
            let sql = "SELECT object, time_ms, head, base, delta FROM snapshots ORDER BY time_ms, object";
            connection.prepare_cached(sql)?.query_map([], row_of)?.collect()
        })?;
        Ok(rows.into_iter().filter_map(info_of).collect())
    }

    /// The newest known snapshot of a set.
    pub fn newest_of(&self, host: &str, name: &str) -> Result<Option<SnapshotInfo>, RepositoryError> {
        Ok(newest_of(self.state(), host, name)?)
    }

    /// The entries of a snapshot.
    pub async fn entries(&self, snapshot: &SnapshotInfo) -> Result<SnapshotEntries, RepositoryError> {
        self.entries_beside(snapshot, None).await
    }

    /// The entries of a snapshot. What it has in common with the one that `known` are of is not
    /// fetched again.
    pub async fn entries_beside(
        &self,
        snapshot: &SnapshotInfo,
        known: Option<&SnapshotEntries>,
    ) -> Result<SnapshotEntries, RepositoryError> {
        let base = match known.filter(|known| known.base_record == snapshot.base) {
            Some(known) => known.base.clone(),
            None => Arc::new(self.manifest_blocks(&snapshot.base).await?),
        };
        let delta = match (&snapshot.delta, known) {
            (delta, Some(known)) if *delta == known.delta_record => known.delta.clone(),
            (Some(delta), _) => Arc::new(self.manifest_blocks(delta).await?),
            (None, _) => Arc::default(),
        };
        Ok(SnapshotEntries { base_record: snapshot.base, base, delta_record: snapshot.delta, delta })
    }

    /// Whether the records and packs that hold a snapshot's list of files are known to be there, or
    /// were sent or proven by `run`.
    pub async fn has_manifest(&self, snapshot: &SnapshotInfo, run: &Run) -> Result<bool, RepositoryError> {
        for object in [Some(snapshot.base), snapshot.delta].into_iter().flatten() {
            if !self.is_known_record(&object)? {
                return Ok(false);
            }
            let Ok((_, record)) = self.record(&object).await else { return Ok(false) };
            let Body::Snapshot(held) = record.body else { return Ok(false) };
            let (ManifestRef::Base(stream) | ManifestRef::Delta { stream, .. }) = held.manifest else {
                return Ok(false);
            };
            if let Stream::Chunks(ids) = stream {
                for id in ids {
                    if !self.knows_chunk(&id, Some(run))? {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }

    /// The blocks of the manifest that the record `object` holds.
    pub async fn manifest_blocks(&self, object: &ObjectId) -> Result<Spool, RepositoryError> {
        let (path, record) = self.record(object).await?;
        let Body::Snapshot(snapshot) = record.body else {
            let reason = FormatError::Damaged("a record without a manifest where one should be");
            return Err(RepositoryError::damaged(path, reason));
        };
        match &snapshot.manifest {
            ManifestRef::Base(stream) | ManifestRef::Delta { stream, .. } => {
                let (mut splitter, mut blocks) = (BlockSplitter::default(), self.state().spool());
                let damaged = |reason| RepositoryError::damaged(&path, reason);
                let take = |piece: &[u8]| {
                    let whole = splitter.push(piece).map_err(damaged)?;
                    Ok(whole.into_iter().try_for_each(|block| blocks.push(block))?)
                };
                self.read_stream_by_pieces(stream, take).await?;
                splitter.finish().map_err(damaged)?;
                Ok(blocks)
            }
            ManifestRef::Same { .. } => {
                let reason = FormatError::Damaged("a record without a manifest where one should be");
                Err(RepositoryError::damaged(path, reason))
            }
        }
    }

    /// Whether a record was read and is, as far as known, still there.
    fn is_known_record(&self, object: &ObjectId) -> Result<bool, RepositoryError> {
        Ok(self.state().read("look up a record", |connection| {
            connection
                .prepare_cached("SELECT 1 FROM records WHERE object = ?1 AND known = 1")?
                .exists([&object.as_bytes()[..]])
        })?)
    }

    /// A record by its hash: kept bytes, or fetched.
    async fn record(&self, object: &ObjectId) -> Result<(String, Record), RepositoryError> {
        let Some((folder, name, _)) = self.known_record(object)? else {
            return Err(RepositoryError::Selection(format!(
                "record {object}, which a snapshot needs, is not in the log any more: run `filbert check`"
            )));
        };
        let record = self.fetch_record(folder, &name).await?;
        Ok((name.path(folder), record))
    }

    /// Fetches a record again, whatever is kept, and opens it.
    pub async fn reread_record(&self, folder: u32, name: &RecordName) -> Result<(), RepositoryError> {
        let path = name.path(folder);
        let bytes = self.get_record(&path, name).await?;
        Record::open(&bytes, name, self.keyring(), self.id())
            .map(drop)
            .map_err(|reason| RepositoryError::damaged(path, reason))
    }

    /// Lists the log and reads the newest snapshot's record: proof that keys and content belong together,
    /// for the price of two or three requests. None where there is no snapshot.
    pub async fn read_newest_snapshot(&self) -> Result<Option<RecordName>, RepositoryError> {
        self.look().await?;
        let newest = self.newest_listed_snapshot()?;
        if let Some((folder, name)) = newest {
            self.reread_record(folder, &name).await?;
        }
        Ok(newest.map(|(_, name)| name))
    }

    async fn get_record(&self, path: &str, name: &RecordName) -> Result<Bytes, StoreError> {
        get_right(self.store(), path, MAX_RECORD_BYTES, |bytes| object_id(bytes) == name.object).await
    }

    /// The record `name`: kept bytes, or fetched and kept.
    pub(super) async fn fetch_record(
        &self,
        folder: u32,
        name: &RecordName,
    ) -> Result<Record, RepositoryError> {
        let path = name.path(folder);
        if let Some(bytes) = self.state().object(&name.object)?
            && let Ok(record) = Record::open(&bytes, name, self.keyring(), self.id())
        {
            return Ok(record);
        }
        let bytes = self.get_record(&path, name).await?;
        let record = Record::open(&bytes, name, self.keyring(), self.id())
            .map_err(|reason| RepositoryError::damaged(path, reason))?;
        self.state().put_object(&name.object, &bytes)?;
        Ok(record)
    }
}

/// The manifest of a snapshot, as compressed blocks.
#[derive(Debug)]
pub struct SnapshotEntries {
    base_record: ObjectId,
    base: Arc<Spool>,
    delta_record: Option<ObjectId>,
    delta: Arc<Spool>,
}

impl SnapshotEntries {
    /// Whether it is the very list of `other`: nothing changed between the two.
    pub fn is_list_of(&self, other: &SnapshotEntries) -> bool {
        self.base_record == other.base_record && self.delta_record == other.delta_record
    }

    /// All entries in path order. An entry that is refused is an error among them; the rest
    /// goes on, unless [`unless_local`] says otherwise.
    pub fn iter(&self) -> impl Iterator<Item = Result<Entry, EntryError>> + '_ {
        let merge = Merge::new(self.base.changes(), self.delta.changes());
        merge.filter_map(|merged| merged.map(Merged::into_now).transpose())
    }
}

/// Of an entry that cannot be had: the reason, to be told while the rest goes on; an error where what
/// this machine keeps of the list failed, since nothing is known of the rest then.
pub fn unless_local(error: EntryError) -> Result<EntryError, RepositoryError> {
    match error {
        EntryError::Local(reason) => Err(StateError::Told(reason).into()),
        error => Ok(error),
    }
}

/// The streams of a snapshot's own record that a stream's reader must be able to find.
pub(super) fn manifest_parts(id: ObjectId, manifest: &ManifestRef) -> (ObjectId, Option<ObjectId>) {
    match manifest {
        ManifestRef::Base(_) => (id, None),
        ManifestRef::Delta { base, .. } => (*base, Some(id)),
        ManifestRef::Same { record, base } if record == base => (*base, None),
        ManifestRef::Same { record, base } => (*base, Some(*record)),
    }
}
