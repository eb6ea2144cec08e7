//! Which chunk lies in which pack: in the local state, kept equal to what the records say.

use super::decide::PackFolders;
use super::run::Run;
use super::{Repository, RepositoryError};
use crate::format::codec::{Reader, Writer};
use crate::format::pack::PackEntry;
use crate::model::id::{ChunkId, ObjectId};
use crate::state::StateError;
use crate::state::meta::{self, Meta};
use rusqlite::{Connection, OptionalExtension, Transaction};
use std::collections::HashMap;
use std::sync::Arc;

/// Where a chunk lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The pack's number in the local state.
    pub pack: i64,
    /// The frame in it.
    pub frame: u32,
    /// The pack was found missing or spoilt.
    pub bad: bool,
}

/// What vouches for a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Only the run that sent it.
    Run(i64),
    /// A record that no checkpoint covers.
    Record(ObjectId),
    /// A checkpoint.
    Checkpoint(ObjectId),
}

impl Origin {
    pub(super) const UNRECORDED: i64 = 0;
    pub(super) const RECORDED: i64 = 1;

    fn columns(&self) -> (i64, Option<&[u8]>, i64) {
        match self {
            Origin::Run(run) => (Self::UNRECORDED, None, *run),
            Origin::Record(record) => (Self::RECORDED, Some(record.as_bytes()), 0),
            Origin::Checkpoint(record) => (2, Some(record.as_bytes()), 0),
        }
    }
}

/// Adds a pack and its chunks.
pub(super) fn add_pack(
    transaction: &Transaction<'_>,
    pack: &PackEntry,
    origin: Origin,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO packs (object, folder, size, entry, recorded, record, run)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (object) DO UPDATE SET
               record = CASE WHEN ?5 >= recorded THEN coalesce(?6, record) ELSE record END,
               recorded = CASE WHEN doubted THEN recorded ELSE max(recorded, ?5) END
               RETURNING id";
    let mut writer = Writer::default();
    pack.write(&mut writer);
    let (recorded, record, run) = origin.columns();
    let (object, size) = (&pack.object.as_bytes()[..], pack.size as i64);
    let id: i64 = transaction
        .prepare_cached(sql)?
        .query_row((object, pack.folder, size, writer.into_bytes(), recorded, record, run), |row| {
            row.get(0)
        })?;
    let mut insert = transaction.prepare_cached("INSERT OR IGNORE INTO chunks VALUES (?1, ?2, ?3)")?;
    for (number, frame) in pack.index.frames.iter().enumerate() {
        for chunk in &frame.chunks {
            insert.execute((&chunk.id.as_bytes()[..], id, number as u32))?;
        }
    }
    Ok(())
}

/// Notes what vouches for packs, which are proven, from now on.
pub(super) fn introduce(
    transaction: &Transaction<'_>,
    packs: &[ObjectId],
    origin: Origin,
) -> rusqlite::Result<()> {
    let (recorded, record, _) = origin.columns();
    let sql = "UPDATE packs SET recorded = ?2, record = ?3, doubted = 0
               WHERE object = ?1 AND recorded <= ?2";
    let mut update = transaction.prepare_cached(sql)?;
    for pack in packs {
        update.execute((&pack.as_bytes()[..], recorded, record))?;
    }
    Ok(())
}

/// By the primary key alone. A join would do the same in one statement, but SQLite prepares some
/// joins anew each time they leave the cache of statements, which costs three times the search.
const PLACES_OF_CHUNK: &str = "SELECT pack, frame FROM chunks WHERE id = ?1 ORDER BY pack";

/// What is known of a pack that has a chunk.
#[derive(Clone, Copy)]
struct PackState {
    bad: bool,
    recorded: bool,
    run: i64,
}

fn pack_state(connection: &Connection, pack: i64) -> rusqlite::Result<Option<PackState>> {
    let sql = "SELECT bad, recorded > 0, run FROM packs WHERE id = ?1";
    connection
        .prepare_cached(sql)?
        .query_row([pack], |row| Ok(PackState { bad: row.get(0)?, recorded: row.get(1)?, run: row.get(2)? }))
        .optional()
}

fn entry_of(bytes: &[u8]) -> Result<PackEntry, RepositoryError> {
    PackEntry::read(&mut Reader::new(bytes))
        .map_err(|reason| RepositoryError::damaged("a pack's entry in the local state", reason))
}

impl Repository {
    /// Whether this chunk need not be sent by `run`: a pack has it that a record introduces or
    /// that the run itself sent, and that is not known to be bad.
    pub fn knows_chunk(&self, id: &ChunkId, run: Option<&Run>) -> Result<bool, StateError> {
        let run = run.map_or(-1, Run::id);
        self.any_pack(id, |pack| !pack.bad && (pack.recorded || pack.run == run))
    }

    /// Whether the next run will not send this chunk, if no other is at work: what broken-off runs
    /// left counts too.
    pub fn will_know_chunk(&self, id: &ChunkId) -> Result<bool, StateError> {
        self.any_pack(id, |pack| !pack.bad)
    }

    fn any_pack(&self, id: &ChunkId, counts: impl Fn(&PackState) -> bool) -> Result<bool, StateError> {
        self.state().read("look up a chunk", |connection| {
            let mut chunk = connection.prepare_cached(PLACES_OF_CHUNK)?;
            let mut rows = chunk.query([&id.as_bytes()[..]])?;
            while let Some(row) = rows.next()? {
                if pack_state(connection, row.get(0)?)?.is_some_and(|pack| counts(&pack)) {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    /// Whether no chunk is known at all.
    pub fn index_is_empty(&self) -> Result<bool, StateError> {
        self.state().read("look at the index", |connection| {
            connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM chunks)", [], |row| row.get(0))
        })
    }

    /// Where the chunks lie, in the order of `ids`; none for a chunk that no pack has. Of several
    /// places one that is not known to be bad.
    pub fn places(&self, ids: &[ChunkId]) -> Result<Vec<Option<Place>>, StateError> {
        self.state().read("look up chunks", |connection| {
            // One transaction, or each id would lock the file anew.
            let transaction = connection.unchecked_transaction()?;
            let mut select = transaction.prepare_cached(PLACES_OF_CHUNK)?;
            let mut packs = HashMap::new();
            let mut places = Vec::with_capacity(ids.len());
            for id in ids {
                let mut rows = select.query([&id.as_bytes()[..]])?;
                let mut best: Option<((bool, bool), Place)> = None;
                while let Some(row) = rows.next()? {
                    let (pack, frame) = (row.get(0)?, row.get(1)?);
                    let state = match packs.get(&pack) {
                        Some(state) => *state,
                        None => *packs.entry(pack).or_insert(pack_state(&transaction, pack)?),
                    };
                    let Some(PackState { bad, recorded, .. }) = state else { continue };
                    let rank = (bad, !recorded);
                    if best.is_none_or(|(least, _)| rank < least) {
                        best = Some((rank, Place { pack, frame, bad }));
                    }
                }
                places.push(best.map(|(_, place)| place));
            }
            Ok(places)
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

    /// Notes which packs are bad and which, of those looked at, are not (any more). What is bad is
    /// not counted on when something is backed up, and used last when something is restored.
    pub fn note_bad_packs(&self, good: &[ObjectId], bad: &[ObjectId]) -> Result<(), StateError> {
        self.state().write("note bad packs", |transaction| {
            let sql = "UPDATE packs SET bad = ?2 WHERE object = ?1 AND bad <> ?2";
            let mut update = transaction.prepare_cached(sql)?;
            for object in good {
                update.execute((&object.as_bytes()[..], 0))?;
            }
            let mut newly_bad = 0;
            for object in bad {
                newly_bad += update.execute((&object.as_bytes()[..], 1))?;
            }
            if newly_bad > 0 { meta::raise_doubt(transaction) } else { Ok(()) }
        })
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

    /// What is known of the numbered folders of packs.
    pub(super) fn pack_folders(&self) -> Result<PackFolders, StateError> {
        let state = self.state();
        Ok(PackFolders {
            filling: state.meta_number(Meta::PackFolder)?.map_or(0, |number| number as u32),
            newest: self.newest_pack_folder()?,
            made: state.meta_number(Meta::PackFolders)?.unwrap_or(0),
        })
    }

    /// The highest numbered folder of a known pack.
    fn newest_pack_folder(&self) -> Result<Option<u32>, StateError> {
        self.state().read("find the newest pack folder", |connection| {
            connection.query_row("SELECT max(folder) FROM packs", [], |row| row.get(0))
        })
    }
}
