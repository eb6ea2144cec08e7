//! Which chunk lies in which pack: in the local state, kept equal to what the records say.

use super::{Repository, RepositoryError};
use crate::format::codec::{Reader, Writer};
use crate::format::pack::PackEntry;
use crate::model::id::{ChunkId, ObjectId};
use crate::state::StateError;
use rusqlite::{Connection, OptionalExtension, Transaction};
use std::sync::Arc;

/// Where a chunk lies.
#[derive(Debug, Clone)]
pub struct Place {
    /// The pack's number in the local state.
    pub pack: i64,
    /// The frame in it.
    pub frame: u32,
}

/// What introduces a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing yet: it was sent by a run that is not done or was broken off.
    Unrecorded = 0,
    /// A record that no checkpoint covers.
    Recorded = 1,
    /// A checkpoint.
    Covered = 2,
}

/// Adds a pack and its chunks. A chunk that is known elsewhere keeps its first place.
pub(super) fn add_pack(
    transaction: &Transaction<'_>,
    pack: &PackEntry,
    standing: Standing,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO packs (object, folder, size, entry, recorded) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (object) DO UPDATE SET recorded = max(recorded, ?5) RETURNING id";
    let mut writer = Writer::default();
    pack.write(&mut writer);
    let id: i64 = transaction.prepare_cached(sql)?.query_row(
        (&pack.object.as_bytes()[..], pack.folder, pack.size as i64, writer.into_bytes(), standing as i64),
        |row| row.get(0),
    )?;
    let mut insert = transaction.prepare_cached("INSERT OR IGNORE INTO chunks VALUES (?1, ?2, ?3)")?;
    for (number, frame) in pack.index.frames.iter().enumerate() {
        for chunk in &frame.chunks {
            insert.execute((&chunk.id.as_bytes()[..], id, number as u32))?;
        }
    }
    Ok(())
}

/// Raises the standing of packs.
pub(super) fn mark(
    transaction: &Transaction<'_>,
    packs: &[ObjectId],
    standing: Standing,
) -> rusqlite::Result<()> {
    let sql = "UPDATE packs SET recorded = max(recorded, ?2) WHERE object = ?1";
    let mut update = transaction.prepare_cached(sql)?;
    for pack in packs {
        update.execute((&pack.as_bytes()[..], standing as i64))?;
    }
    Ok(())
}

fn entry_of(bytes: &[u8]) -> Result<PackEntry, RepositoryError> {
    PackEntry::read(&mut Reader::new(bytes))
        .map_err(|reason| RepositoryError::damaged("a pack's entry in the local state", reason))
}

fn knows(connection: &Connection, id: &ChunkId) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM chunks WHERE id = ?1")?.exists([&id.as_bytes()[..]])
}

impl Repository {
    /// Whether a pack on the remote has this chunk.
    pub fn knows_chunk(&self, id: &ChunkId) -> Result<bool, StateError> {
        self.state().read("look up a chunk", |connection| knows(connection, id))
    }

    /// Whether no chunk is known at all.
    pub fn index_is_empty(&self) -> Result<bool, StateError> {
        self.state().read("look at the index", |connection| {
            connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM chunks)", [], |row| row.get(0))
        })
    }

    /// Where the chunks lie, in the order of `ids`; none for a chunk that no pack has.
    pub fn places(&self, ids: &[ChunkId]) -> Result<Vec<Option<Place>>, StateError> {
        self.state().read("look up chunks", |connection| {
            let mut select = connection.prepare_cached("SELECT pack, frame FROM chunks WHERE id = ?1")?;
            ids.iter()
                .map(|id| {
                    select
                        .query_row([&id.as_bytes()[..]], |row| {
                            Ok(Place { pack: row.get(0)?, frame: row.get(1)? })
                        })
                        .optional()
                })
                .collect()
        })
    }

    /// The pack with this number in the local state.
    pub fn pack(&self, number: i64) -> Result<Arc<PackEntry>, RepositoryError> {
        let bytes: Vec<u8> = self.state().read("look up a pack", |connection| {
            let mut select = connection.prepare_cached("SELECT entry FROM packs WHERE id = ?1")?;
            select.query_row([number], |row| row.get(0))
        })?;
        entry_of(&bytes).map(Arc::new)
    }

    /// Numbers and objects of all packs that records introduce.
    pub fn recorded_packs(&self) -> Result<Vec<i64>, StateError> {
        self.state().read("list the packs", |connection| {
            connection
                .prepare_cached("SELECT id FROM packs WHERE recorded > 0 ORDER BY id")?
                .query_map([], |row| row.get(0))?
                .collect()
        })
    }

    /// Packs that lie on the remote and that no record introduces yet: those of this run, and of
    /// runs that were broken off.
    pub fn unrecorded_packs(&self) -> Result<Vec<PackEntry>, RepositoryError> {
        self.packs_of(Standing::Unrecorded)
    }

    /// The packs of one standing.
    pub(super) fn packs_of(&self, standing: Standing) -> Result<Vec<PackEntry>, RepositoryError> {
        let entries: Vec<Vec<u8>> = self.state().read("list packs", |connection| {
            connection
                .prepare_cached("SELECT entry FROM packs WHERE recorded = ?1 ORDER BY id")?
                .query_map([standing as i64], |row| row.get(0))?
                .collect()
        })?;
        entries.iter().map(|bytes| entry_of(bytes)).collect()
    }

    /// Forgets a pack and its chunks: it is not on the remote, or not whole.
    pub fn forget_pack(&self, object: &ObjectId) -> Result<(), StateError> {
        self.state().write("forget a pack", |transaction| {
            let object = &object.as_bytes()[..];
            transaction.execute(
                "DELETE FROM chunks WHERE pack = (SELECT id FROM packs WHERE object = ?1)",
                [object],
            )?;
            transaction.execute("DELETE FROM packs WHERE object = ?1", [object]).map(drop)
        })
    }

    /// How many packs the numbered folder holds.
    pub(super) fn packs_in_folder(&self, folder: u32) -> Result<u64, StateError> {
        self.state().read("count packs", |connection| {
            connection.query_row("SELECT count(*) FROM packs WHERE folder = ?1", [folder], |row| {
                row.get::<_, i64>(0).map(|count| count as u64)
            })
        })
    }

    /// The highest numbered folder of a known pack.
    pub(super) fn newest_pack_folder(&self) -> Result<Option<u32>, StateError> {
        self.state().read("find the newest pack folder", |connection| {
            connection.query_row("SELECT max(folder) FROM packs", [], |row| row.get(0))
        })
    }
}
