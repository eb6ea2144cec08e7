//! Packs as the local state lists them: without what lies in them, which is as much as the ids of
//! all chunks.

use super::index::Origin;
use super::run::Run;
use super::{Repository, RepositoryError};
use crate::model::id::ObjectId;
use crate::state::StateError;
use rusqlite::Row;

/// A pack that the local state knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownPack {
    /// Its number in the local state.
    pub number: i64,
    /// Its name.
    pub object: ObjectId,
    /// The numbered folder it lies in.
    pub folder: u32,
    /// Its bytes.
    pub size: u64,
    /// Bytes of its entry in an index.
    pub entry_bytes: u64,
}

fn known_of(row: &Row<'_>) -> rusqlite::Result<KnownPack> {
    let object: Vec<u8> = row.get(1)?;
    let object = ObjectId::from_slice(&object).ok_or(rusqlite::Error::InvalidQuery)?;
    let (size, entry_bytes): (i64, i64) = (row.get(3)?, row.get(4)?);
    let (size, entry_bytes) = (size as u64, entry_bytes as u64);
    Ok(KnownPack { number: row.get(0)?, object, folder: row.get(2)?, size, entry_bytes })
}

impl Repository {
    /// All packs that records introduce.
    pub fn recorded_packs(&self) -> Result<Vec<KnownPack>, StateError> {
        let sql = "SELECT id, object, folder, size, length(entry) FROM packs
                   WHERE recorded > ?1 OR doubted ORDER BY id";
        self.known_where(sql, Origin::UNRECORDED)
    }

    /// The packs of a run that no record introduces yet.
    pub fn packs_of_run(&self, run: &Run) -> Result<Vec<KnownPack>, StateError> {
        let sql = "SELECT id, object, folder, size, length(entry) FROM packs
                   WHERE recorded = 0 AND run = ?1 ORDER BY id";
        self.known_where(sql, run.id())
    }

    /// The packs that no record introduces yet, of all runs of this machine.
    pub fn unrecorded_packs(&self) -> Result<Vec<KnownPack>, StateError> {
        let sql = "SELECT id, object, folder, size, length(entry) FROM packs
                   WHERE recorded = ?1 ORDER BY id";
        self.known_where(sql, Origin::UNRECORDED)
    }

    /// The packs that a record introduces and no checkpoint.
    pub(super) fn uncovered_packs(&self) -> Result<Vec<KnownPack>, StateError> {
        let sql = "SELECT id, object, folder, size, length(entry) FROM packs
                   WHERE recorded = ?1 ORDER BY id";
        self.known_where(sql, Origin::RECORDED)
    }

    /// The pack with this number in the local state.
    pub(super) fn known_pack(&self, number: i64) -> Result<KnownPack, StateError> {
        self.state().read("look up a pack", |connection| {
            let sql = "SELECT id, object, folder, size, length(entry) FROM packs WHERE id = ?1";
            connection.prepare_cached(sql)?.query_row([number], known_of)
        })
    }

    /// A pack's entry as an index has it.
    pub(super) fn encoded_entry(&self, pack: &KnownPack) -> Result<Vec<u8>, RepositoryError> {
        Ok(self.state().read("look up a pack", |connection| {
            let mut select = connection.prepare_cached("SELECT entry FROM packs WHERE id = ?1")?;
            select.query_row([pack.number], |row| row.get(0))
        })?)
    }

    fn known_where(&self, sql: &'static str, value: i64) -> Result<Vec<KnownPack>, StateError> {
        self.state().read("list packs", |connection| {
            connection.prepare_cached(sql)?.query_map([value], known_of)?.collect()
        })
    }
}
