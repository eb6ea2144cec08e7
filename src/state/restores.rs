//! The restores of this machine: what was asked for, how each stands, and what one in place changed,
//! so that it can go on or be taken back.

use super::{Database, StateError};
use crate::model::id::ObjectId;
use crate::model::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// So many restores are remembered.
const MOST: u32 = 200;

/// How a restore stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreState {
    /// Under way, or broken off by a crash: whoever holds its lock knows.
    Running,
    /// All that was asked for is there.
    Done,
    /// It came to its end, but not everything could be restored.
    NotAll,
    /// It was stopped.
    Cancelled,
    /// It failed.
    Failed,
    /// It was taken back.
    Undone,
}

impl RestoreState {
    const ALL: [RestoreState; 6] = [
        RestoreState::Running,
        RestoreState::Done,
        RestoreState::NotAll,
        RestoreState::Cancelled,
        RestoreState::Failed,
        RestoreState::Undone,
    ];

    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            RestoreState::Running => "running",
            RestoreState::Done => "done",
            RestoreState::NotAll => "incomplete",
            RestoreState::Cancelled => "stopped",
            RestoreState::Failed => "failed",
            RestoreState::Undone => "undone",
        }
    }

    fn from_number(number: i64) -> Self {
        let known = usize::try_from(number).ok().and_then(|number| Self::ALL.get(number));
        known.copied().unwrap_or(RestoreState::Failed)
    }

    fn number(self) -> i64 {
        Self::ALL.iter().position(|state| *state == self).unwrap_or(0) as i64
    }
}

/// A restore as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreRecord {
    /// Its id.
    pub id: String,
    /// When it began.
    pub began_ms: i64,
    /// When it ended, if it did.
    pub ended_ms: Option<i64>,
    /// The snapshot; none where one only takes away what another made.
    pub snapshot: Option<ObjectId>,
    /// What was asked for, in the words of the service.
    pub wish: Vec<u8>,
    /// How it stands.
    pub state: RestoreState,
    /// The snapshot of what was there before.
    pub safety: Option<ObjectId>,
    /// The restore that it takes back.
    pub undoes: Option<String>,
    /// What came of it, as JSON.
    pub counts: Option<String>,
}

/// What a restore does to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChangeKind {
    /// Something else takes its place.
    Replaced,
    /// A folder that is there and stays, or another name of a file that is replaced or removed.
    #[default]
    Kept,
    /// Nothing was there.
    Made,
    /// It goes, for the snapshot does not have it.
    Removed,
}

impl ChangeKind {
    const ALL: [ChangeKind; 4] =
        [ChangeKind::Replaced, ChangeKind::Kept, ChangeKind::Made, ChangeKind::Removed];
}

/// One thing that a restore in place changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// Where it lies on this machine, absolute.
    pub path: Vec<u8>,
    /// What is done to it.
    pub kind: ChangeKind,
    /// The ctime of what was there; zero where nothing was.
    pub ctime: Timestamp,
    /// Its mtime.
    pub mtime: Timestamp,
    /// Its bytes.
    pub size: u64,
    /// How many names it had.
    pub links: u64,
    /// Its device and inode.
    pub file: (u64, u64),
}

const CHANGE_COLUMNS: &str = "path, kind, ctime_s, ctime_ns, mtime_s, mtime_ns, size, links, device, inode";
const COLUMNS: &str = "id, began_ms, ended_ms, snapshot, wish, state, safety, undoes, counts";

impl Database {
    /// Remembers a restore, or how it stands now. The oldest ones that ended are forgotten.
    pub fn put_restore(&self, record: &RestoreRecord) -> Result<(), StateError> {
        let blob = |id: &Option<ObjectId>| id.map(|id| id.0.to_vec());
        self.write("remember a restore", |transaction| {
            let sql = format!(
                "INSERT OR REPLACE INTO restores ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
            );
            transaction.prepare_cached(&sql)?.execute((
                &record.id,
                record.began_ms,
                record.ended_ms,
                blob(&record.snapshot),
                &record.wish,
                record.state.number(),
                blob(&record.safety),
                &record.undoes,
                &record.counts,
            ))?;
            forget_old(transaction)
        })
    }

    /// Forgets a restore that changed nothing and never will.
    pub fn forget_restore(&self, id: &str) -> Result<(), StateError> {
        self.write("forget a restore", |transaction| {
            transaction.execute("DELETE FROM restores WHERE id = ?1", [id])?;
            transaction.execute("DELETE FROM restore_changes WHERE restore = ?1", [id]).map(drop)
        })
    }

    /// The restore of this id.
    pub fn restore(&self, id: &str) -> Result<Option<RestoreRecord>, StateError> {
        self.read("look up a restore", |connection| {
            let sql = format!("SELECT {COLUMNS} FROM restores WHERE id = ?1");
            connection.prepare_cached(&sql)?.query_row([id], record).optional()
        })
    }

    /// All restores that are remembered, the oldest first.
    pub fn restores(&self) -> Result<Vec<RestoreRecord>, StateError> {
        self.read("list restores", |connection| {
            let sql = format!("SELECT {COLUMNS} FROM restores ORDER BY began_ms, id");
            connection.prepare_cached(&sql)?.query_map([], record)?.collect()
        })
    }

    /// Notes what a restore is about to change, in place of what was noted of it.
    pub fn put_changes(&self, restore: &str, changes: &[Change]) -> Result<(), StateError> {
        self.write("note what a restore changes", |transaction| {
            transaction.execute("DELETE FROM restore_changes WHERE restore = ?1", [restore])?;
            let mut insert = transaction.prepare_cached(
                "INSERT OR IGNORE INTO restore_changes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?;
            for change in changes {
                let kind = ChangeKind::ALL.iter().position(|kind| *kind == change.kind).unwrap_or(0);
                let Change { path, ctime, mtime, .. } = change;
                // The database has signed numbers: the same bits.
                let [size, links, device, inode] =
                    [change.size, change.links, change.file.0, change.file.1].map(u64::cast_signed);
                insert.execute(params![
                    restore,
                    path,
                    kind as i64,
                    ctime.seconds,
                    ctime.nanos,
                    mtime.seconds,
                    mtime.nanos,
                    size,
                    links,
                    device,
                    inode
                ])?;
            }
            Ok(())
        })
    }

    /// What was noted of one path that a restore changes.
    pub fn change(&self, restore: &str, path: &[u8]) -> Result<Option<Change>, StateError> {
        self.read("look up what a restore changes", |connection| {
            let sql =
                format!("SELECT {CHANGE_COLUMNS} FROM restore_changes WHERE restore = ?1 AND path = ?2");
            connection.prepare_cached(&sql)?.query_row((restore, path), change).optional()
        })
    }

    /// All that was noted of a restore, by bytes of the paths.
    pub fn changes(&self, restore: &str) -> Result<Vec<Change>, StateError> {
        self.read("list what a restore changes", |connection| {
            let sql =
                format!("SELECT {CHANGE_COLUMNS} FROM restore_changes WHERE restore = ?1 ORDER BY path");
            connection.prepare_cached(&sql)?.query_map([restore], change)?.collect()
        })
    }
}

fn forget_old(connection: &Connection) -> rusqlite::Result<()> {
    let running = RestoreState::Running.number();
    connection.execute(
        "DELETE FROM restores WHERE state != ?1 AND id NOT IN
             (SELECT id FROM restores ORDER BY began_ms DESC LIMIT ?2)",
        (running, MOST),
    )?;
    let sql = "DELETE FROM restore_changes WHERE restore NOT IN (SELECT id FROM restores)";
    connection.execute(sql, []).map(drop)
}

fn record(row: &Row<'_>) -> rusqlite::Result<RestoreRecord> {
    let object = |bytes: Option<Vec<u8>>| bytes.and_then(|bytes| bytes.try_into().ok()).map(ObjectId);
    Ok(RestoreRecord {
        id: row.get(0)?,
        began_ms: row.get(1)?,
        ended_ms: row.get(2)?,
        snapshot: object(row.get(3)?),
        wish: row.get(4)?,
        state: RestoreState::from_number(row.get(5)?),
        safety: object(row.get(6)?),
        undoes: row.get(7)?,
        counts: row.get(8)?,
    })
}

fn change(row: &Row<'_>) -> rusqlite::Result<Change> {
    let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
    let kind =
        usize::try_from(row.get::<_, i64>(1)?).ok().and_then(|kind| ChangeKind::ALL.get(kind).copied());
    Ok(Change {
        path: row.get(0)?,
        kind: kind.unwrap_or(ChangeKind::Kept),
        ctime: Timestamp::new(row.get(2)?, row.get(3)?),
        mtime: Timestamp::new(row.get(4)?, row.get(5)?),
        size: number(6)?,
        links: number(7)?,
        file: (number(8)?, number(9)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(id: &str, began_ms: i64, state: RestoreState) -> RestoreRecord {
        RestoreRecord {
            id: id.to_owned(),
            began_ms,
            ended_ms: None,
            snapshot: Some(ObjectId([7; 32])),
            wish: vec![1, 2],
            state,
            safety: None,
            undoes: None,
            counts: Some("{}".to_owned()),
        }
    }

    fn made() -> Change {
        Change { path: b"/a".to_vec(), kind: ChangeKind::Made, ..Change::default() }
    }

    #[test]
    fn restores_and_what_they_change_read_back() {
        let state = Database::in_memory().unwrap();
        let mut one = at("one", 1, RestoreState::Running);
        state.put_restore(&one).unwrap();
        (one.state, one.safety) = (RestoreState::NotAll, Some(ObjectId([9; 32])));
        state.put_restore(&one).unwrap();
        assert_eq!(state.restores().unwrap(), [one]);
        let made = Change { path: b"/a/b".to_vec(), ..made() };
        let (ctime, mtime) = (Timestamp::new(5, 6), Timestamp::new(7, 8));
        let (kind, file) = (ChangeKind::Removed, (u64::MAX, 9));
        let gone = Change { path: b"/a".to_vec(), kind, ctime, mtime, size: 3, links: 2, file };
        state.put_changes("one", &[made.clone(), gone.clone()]).unwrap();
        assert_eq!(state.changes("one").unwrap(), [gone.clone(), made]);
        assert_eq!(state.change("one", b"/a").unwrap(), Some(gone));
        assert_eq!(state.change("two", b"/a").unwrap(), None);
    }

    #[test]
    fn the_oldest_that_ended_are_forgotten_with_their_changes() {
        let state = Database::in_memory().unwrap();
        state.put_restore(&at("running", 0, RestoreState::Running)).unwrap();
        for number in 1..=i64::from(MOST) + 2 {
            let id = format!("r{number}");
            state.put_restore(&at(&id, number, RestoreState::Done)).unwrap();
            let change = made();
            state.put_changes(&id, &[change]).unwrap();
        }
        let left: Vec<_> = state.restores().unwrap().into_iter().map(|record| record.id).collect();
        assert_eq!((left.len(), left[0].as_str(), left[1].as_str()), (MOST as usize + 1, "running", "r3"));
        assert!(state.changes("r1").unwrap().is_empty());
        assert_eq!(state.changes("r3").unwrap().len(), 1);
    }
}
