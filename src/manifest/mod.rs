//! The last state of each set, in the local database: blocks of entries in path order, encoded
//! as on the remote. A cache: it can be had again from the records.

use crate::format::entries::{BlockReader, Change, EntryError, Merge, Merged};
use crate::model::id::ObjectId;
use crate::model::set::SetId;
use crate::state::{Database, Spool, StateError};
use rusqlite::{OptionalExtension, Transaction};
use std::sync::Arc;

/// Why the entries of a set cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The database failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// A block or an entry cannot be read.
    #[error("the kept list of files: {0}")]
    Entry(#[from] EntryError),
}

/// The kept state of one set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    id: i64,
    /// The snapshot it is the state of.
    pub snapshot: ObjectId,
    /// The record that holds its base.
    pub base: ObjectId,
    /// The record that holds its delta.
    pub delta: Option<ObjectId>,
    /// Bytes of the base's blocks.
    pub base_bytes: u64,
    /// What the state's count of doubts was when all chunks were known; less than 0 if that was
    /// never looked at.
    pub doubt: i64,
}

/// What is to be kept of a set.
#[derive(Debug)]
pub struct Kept<'a> {
    /// The snapshot it is the state of.
    pub snapshot: ObjectId,
    /// The record that holds its base.
    pub base: ObjectId,
    /// The record that holds its delta.
    pub delta: Option<ObjectId>,
    /// Blocks of a new base; none where the kept base stands.
    pub base_blocks: Option<&'a Spool>,
    /// Blocks of the delta; none where the kept delta stands.
    pub delta_blocks: Option<&'a Spool>,
    /// The state's count of doubts when all chunks were known.
    pub doubt: i64,
}

/// The kept states.
#[derive(Debug, Clone)]
pub struct Manifests {
    state: Arc<Database>,
}

const BASE: i64 = 0;
const DELTA: i64 = 1;

impl Manifests {
    /// The states kept in this database.
    pub fn new(state: Arc<Database>) -> Self {
        Self { state }
    }

    /// The kept state of a set.
    pub fn load(&self, set: &SetId) -> Result<Option<Manifest>, StateError> {
        self.state.read("find the kept list of files", |connection| {
            let sql = "SELECT id, snapshot, base, delta, (SELECT coalesce(sum(length(bytes)), 0)
                       FROM manifest_blocks WHERE manifest = id AND part = 0), doubt
                       FROM manifests WHERE host = ?1 AND name = ?2";
            let row = connection.query_row(sql, (&set.host, &set.name), |row| {
                let delta: Option<Vec<u8>> = row.get(3)?;
                let (snapshot, base): (Vec<u8>, Vec<u8>) = (row.get(1)?, row.get(2)?);
                let base_bytes: i64 = row.get(4)?;
                Ok((row.get(0)?, snapshot, base, delta, base_bytes as u64, row.get(5)?))
            });
            let found = row.optional()?.and_then(|(id, snapshot, base, delta, base_bytes, doubt)| {
                Some(Manifest {
                    id,
                    snapshot: ObjectId::from_slice(&snapshot)?,
                    base: ObjectId::from_slice(&base)?,
                    delta: match delta {
                        Some(delta) => Some(ObjectId::from_slice(&delta)?),
                        None => None,
                    },
                    base_bytes,
                    doubt,
                })
            });
            Ok(found)
        })
    }

    /// Keeps a state in place of the one before.
    pub fn keep(&self, set: &SetId, kept: &Kept<'_>) -> Result<(), StateError> {
        self.state.write("keep the list of files", |transaction| {
            let sql = "INSERT INTO manifests (host, name, snapshot, base, delta, doubt)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (host, name) DO UPDATE
                       SET snapshot = ?3, base = ?4, delta = ?5, doubt = ?6 RETURNING id";
            let id: i64 = transaction.query_row(
                sql,
                (
                    &set.host,
                    &set.name,
                    &kept.snapshot.as_bytes()[..],
                    &kept.base.as_bytes()[..],
                    kept.delta.as_ref().map(|delta| &delta.as_bytes()[..]),
                    kept.doubt,
                ),
                |row| row.get(0),
            )?;
            if let Some(blocks) = kept.base_blocks {
                replace(transaction, id, BASE, blocks)?;
            }
            if let Some(blocks) = kept.delta_blocks {
                replace(transaction, id, DELTA, blocks)?;
            }
            Ok(())
        })
    }

    /// Forgets the kept state of a set.
    pub fn forget(&self, set: &SetId) -> Result<(), StateError> {
        self.state.write("forget the list of files", |transaction| {
            let key = (&set.host, &set.name);
            transaction.execute(
                "DELETE FROM manifest_blocks WHERE manifest IN
                 (SELECT id FROM manifests WHERE host = ?1 AND name = ?2)",
                key,
            )?;
            transaction.execute("DELETE FROM manifests WHERE host = ?1 AND name = ?2", key).map(drop)
        })
    }

    /// Keeps a state that came from records.
    pub fn keep_streams(
        &self,
        set: &SetId,
        (snapshot, base, delta): (ObjectId, ObjectId, Option<ObjectId>),
        base_blocks: &Spool,
        delta_blocks: &Spool,
    ) -> Result<(), ManifestError> {
        // What cannot be read must not be kept: it would be fetched again for ever.
        for block in base_blocks.blocks().chain(delta_blocks.blocks()) {
            BlockReader::new(&block?).map_err(EntryError::from)?;
        }
        let (base_blocks, delta_blocks) = (Some(base_blocks), Some(delta_blocks));
        Ok(self.keep(set, &Kept { snapshot, base, delta, base_blocks, delta_blocks, doubt: -1 })?)
    }

    /// What base and delta of a state say, path by path. Blocks are read when their turn comes.
    pub fn entries(
        &self,
        manifest: Option<&Manifest>,
    ) -> impl Iterator<Item = Result<Merged, ManifestError>> + use<> {
        let (base, delta) = (self.part(manifest, BASE), self.part(manifest, DELTA));
        Merge::new(base, delta).map(|merged| merged.map_err(ManifestError::Entry))
    }

    /// The base of a state alone.
    pub fn base(&self, manifest: &Manifest) -> impl Iterator<Item = Result<Change, EntryError>> + use<> {
        self.part(Some(manifest), BASE)
    }

    fn part(&self, manifest: Option<&Manifest>, part: i64) -> Blocks {
        let manifest = manifest.map(|manifest| manifest.id);
        Blocks { state: self.state.clone(), manifest, part, next: 0, open: None }
    }
}

fn replace(transaction: &Transaction<'_>, id: i64, part: i64, blocks: &Spool) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM manifest_blocks WHERE manifest = ?1 AND part = ?2", (id, part))?;
    let sql = "INSERT INTO manifest_blocks VALUES (?1, ?2, ?3, x'', ?4)";
    let mut insert = transaction.prepare_cached(sql)?;
    for (number, block) in blocks.blocks().enumerate() {
        let block = block.map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        insert.execute((id, part, number as i64, &block[..]))?;
    }
    Ok(())
}

/// The changes of one part, block after block.
struct Blocks {
    state: Arc<Database>,
    manifest: Option<i64>,
    part: i64,
    next: i64,
    open: Option<BlockReader>,
}

impl Blocks {
    fn next_block(&mut self) -> Result<Option<BlockReader>, EntryError> {
        let Some(manifest) = self.manifest else { return Ok(None) };
        let block: Option<Vec<u8>> = self
            .state
            .read("read the kept list of files", |connection| {
                let sql = "SELECT bytes FROM manifest_blocks
                           WHERE manifest = ?1 AND part = ?2 AND number = ?3";
                connection
                    .prepare_cached(sql)?
                    .query_row((manifest, self.part, self.next), |row| row.get(0))
                    .optional()
            })
            .map_err(|error| EntryError::Local(error.to_string()))?;
        self.next += 1;
        Ok(block.map(|block| BlockReader::new(&block)).transpose()?)
    }
}

impl Iterator for Blocks {
    type Item = Result<Change, EntryError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(change) = self.open.as_mut().and_then(Iterator::next) {
                return Some(change);
            }
            match self.next_block() {
                Ok(Some(block)) => self.open = Some(block),
                Ok(None) => return None,
                Err(error) => {
                    self.manifest = None;
                    return Some(Err(error));
                }
            }
        }
    }
}
