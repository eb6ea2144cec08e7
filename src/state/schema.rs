//! The tables, and how an older database becomes this one.

use rusqlite::Connection;

/// What brings the database from each version to the next: version 0 is an empty one.
const STEPS: [&str; 4] = [TABLES, RESTORES, DRILLS, LINKS];
/// Counts the changes of the schema.
const VERSION: i64 = STEPS.len() as i64;

const TABLES: &str = "
-- Single values by name.
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;

-- Records of the remote log. known: 0 seen in a listing, 1 read or covered by a checkpoint.
CREATE TABLE records (
    object BLOB PRIMARY KEY, time_ms INTEGER NOT NULL, kind TEXT NOT NULL, folder INTEGER NOT NULL,
    size INTEGER, known INTEGER NOT NULL,
    writer BLOB, sequence INTEGER, previous BLOB, covered INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX records_by_writer ON records (writer, sequence);
-- The newest record of each writer that a checkpoint covers.
CREATE TABLE heads (
    writer BLOB PRIMARY KEY, sequence INTEGER NOT NULL, object BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Snapshots of records that are known. base and delta: the records that hold its manifest.
CREATE TABLE snapshots (
    object BLOB PRIMARY KEY, time_ms INTEGER NOT NULL, host TEXT NOT NULL, name TEXT NOT NULL,
    head BLOB NOT NULL, base BLOB NOT NULL, delta BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX snapshots_by_time ON snapshots (host, name, time_ms);

-- Packs on the remote. recorded: 0 by a run that is not done or was broken off, 1 introduced by a
-- record, 2 by a checkpoint. record: which record introduced it. run: which run of this machine sent
-- it. bad: it was found missing or spoilt. doubted: the record that introduced it is gone.
CREATE TABLE packs (
    id INTEGER PRIMARY KEY, object BLOB NOT NULL UNIQUE, folder INTEGER NOT NULL, size INTEGER NOT NULL,
    entry BLOB NOT NULL, recorded INTEGER NOT NULL, record BLOB, run INTEGER NOT NULL DEFAULT 0,
    bad INTEGER NOT NULL DEFAULT 0, doubted INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX packs_unrecorded ON packs (recorded) WHERE recorded = 0;
-- Places of chunks; one that was sent again has several.
CREATE TABLE chunks (
    id BLOB NOT NULL, pack INTEGER NOT NULL, frame INTEGER NOT NULL, PRIMARY KEY (id, pack)
) STRICT, WITHOUT ROWID;

-- Bytes of small remote objects, to spare requests.
CREATE TABLE objects (
    object BLOB PRIMARY KEY, used INTEGER NOT NULL, size INTEGER NOT NULL, bytes BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- The record that is being published.
CREATE TABLE pending (
    one INTEGER PRIMARY KEY CHECK (one = 1), name TEXT NOT NULL, folder INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT;

-- The last state of each set: blocks of entries in path order. part: 0 base, 1 delta. doubt: what the
-- meta value of that name was when all chunks of the state were known. first: empty, nobody asks.
CREATE TABLE manifests (
    id INTEGER PRIMARY KEY, host TEXT NOT NULL, name TEXT NOT NULL, snapshot BLOB NOT NULL,
    base BLOB NOT NULL, delta BLOB, doubt INTEGER NOT NULL, UNIQUE (host, name)
) STRICT;
CREATE TABLE manifest_blocks (
    manifest INTEGER NOT NULL, part INTEGER NOT NULL, number INTEGER NOT NULL, first BLOB NOT NULL,
    bytes BLOB NOT NULL, PRIMARY KEY (manifest, part, number)
) STRICT;
";

const RESTORES: &str = "
-- Restores of this machine. wish: what was asked for; state: how it stands; safety: the snapshot of what
-- was there before; undoes: the restore that this one takes back; counts: what came of it, as JSON.
CREATE TABLE restores (
    id TEXT PRIMARY KEY, began_ms INTEGER NOT NULL, ended_ms INTEGER, snapshot BLOB, wish BLOB NOT NULL,
    state INTEGER NOT NULL, safety BLOB, undoes TEXT, counts TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX restores_by_time ON restores (began_ms);
-- What a restore in place was to change, noted before it began. kind: 0 replaced, 1 a folder that was
-- there, 2 made anew, 3 removed. The time of its last change of state, of what was there.
CREATE TABLE restore_changes (
    restore TEXT NOT NULL, path BLOB NOT NULL, kind INTEGER NOT NULL, ctime_s INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL, PRIMARY KEY (restore, path)
) STRICT, WITHOUT ROWID;
";

const DRILLS: &str = "
-- Tests, rehearsals and runs of plans; the report is JSON.
CREATE TABLE drills (id TEXT PRIMARY KEY, plan TEXT NOT NULL, began_ms INTEGER NOT NULL, report TEXT NOT NULL)
    STRICT, WITHOUT ROWID;
";

const LINKS: &str = "
-- Of what was there: replacing one of its names changes the ctime of the others.
ALTER TABLE restore_changes ADD COLUMN mtime_s INTEGER NOT NULL DEFAULT 0;
ALTER TABLE restore_changes ADD COLUMN mtime_ns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE restore_changes ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
ALTER TABLE restore_changes ADD COLUMN links INTEGER NOT NULL DEFAULT 0;
ALTER TABLE restore_changes ADD COLUMN device INTEGER NOT NULL DEFAULT 0;
ALTER TABLE restore_changes ADD COLUMN inode INTEGER NOT NULL DEFAULT 0;
";

/// What migrating came to.
pub(super) enum Outcome {
    /// The database has this version now.
    Ready,
    /// It has a later version and is left as it is.
    Newer(i64),
}

/// Brings the database to this version.
pub(super) fn migrate(connection: &Connection) -> rusqlite::Result<Outcome> {
    let version =
        |connection: &Connection| connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
    match version(connection)? {
        VERSION => return Ok(Outcome::Ready),
        newer if newer > VERSION => return Ok(Outcome::Newer(newer)),
        _ => {}
    }
    connection.execute_batch("BEGIN IMMEDIATE")?;
    // Another process may have been faster.
    let done = usize::try_from(version(connection)?).unwrap_or(0);
    for step in STEPS.iter().skip(done) {
        connection.execute_batch(step)?;
    }
    connection.pragma_update(None, "user_version", VERSION.max(done as i64))?;
    connection.execute_batch("COMMIT")?;
    Ok(Outcome::Ready)
}
