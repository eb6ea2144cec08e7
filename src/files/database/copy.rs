//! Copies a database that is in use through SQLite's online backup, reading as any other program
//! does that has it open.

use super::{Beside, CopyError, aside, check, uri, wal};
use crate::files::read::{FileReader, ReadError};
use crate::model::cancel::Cancel;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};
use std::fs::{Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// How long a database may be locked by others.
const PATIENCE: Duration = Duration::from_secs(5);
/// Copied between two looks at the wish to stop.
const PAGES: i32 = 1024;
/// Between two such parts, where a writer has to wait for a reader.
const PAUSE: Duration = Duration::from_millis(2);
/// A copy that a writer made begin anew so often is ended with that writer kept waiting.
const MOST_RESTARTS: u32 = 3;
/// Tries at a database that only a writer could read, while somebody writes to it.
const ATTEMPTS: usize = 10;
/// Left free beside a copy: what else this run writes there must not fail for it.
const SPARE_BYTES: u64 = 64 << 20;

/// Makes copies of databases, one after another.
#[derive(Debug)]
pub struct Copier {
    folder: PathBuf,
    patience: Duration,
    cancel: Cancel,
}

impl Copier {
    /// Copies are made in `folder`, which nobody else uses. Nothing of them stays there.
    pub fn new(folder: PathBuf, cancel: Cancel) -> Self {
        Self { folder, patience: PATIENCE, cancel }
    }

    /// Copies the database at `path`, which was found as `found` with `beside` beside it. The copy is
    /// whole in one file, and of one moment after the call; the file has no name any more.
    ///
    /// # Errors
    /// There is no sound copy: it is locked, damaged, there is no room, or it cannot be read.
    pub fn copy(
        &self,
        path: &Path,
        found: &Metadata,
        beside: Option<&Beside>,
    ) -> Result<FileReader, CopyError> {
        self.expect_room(found.len().saturating_add(beside.map_or(0, Beside::bytes)))?;
        let failed = |source| CopyError::Copy { folder: self.folder.clone(), source };
        let private = Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().permissions(private).tempdir_in(&self.folder);
        let folder = folder.map_err(failed)?;
        let copy = folder.path().join("database");
        let has_wal = beside.is_some_and(Beside::has_wal);
        if has_wal && let Some(found) = wal::find_break(path, &self.cancel)? {
            return Err(CopyError::Damaged(found.to_string()));
        }
        self.copy_to(&copy, path, found, has_wal)?;
        // SQLite opened it by its path.
        let identity = |found: &Metadata| (found.dev(), found.ino());
        if path.symlink_metadata().ok().as_ref().map(identity) != Some(identity(found)) {
            return Err(ReadError::Replaced { path: path.to_owned() }.into());
        }
        check::quick_check(&copy, &self.cancel)?;
        let found = copy.symlink_metadata().map_err(failed)?;
        Ok(FileReader::open(&copy, &found)?)
    }

    fn copy_to(&self, copy: &Path, path: &Path, found: &Metadata, has_wal: bool) -> Result<(), CopyError> {
        let mut attempt = 1;
        loop {
            make_private(copy).map_err(|source| CopyError::Copy { folder: self.folder.clone(), source })?;
            match self.copy_online(path, copy, has_wal) {
                Err(CopyError::Sqlite(error)) if is_for_writers_only(&error) => {}
                copied => return copied,
            }
            // What looks like left by a dead writer may be of one between two steps.
            match aside::copy(path, found, copy, &self.cancel) {
                Err(CopyError::Restless) if attempt < ATTEMPTS => attempt += 1,
                copied => return copied,
            }
        }
    }

    /// Never writes beside the original: the write-ahead log's index is mapped to be read only, and
    /// where it is missing SQLite refuses. Whoever closes last would else empty the log into the file.
    fn copy_online(&self, path: &Path, copy: &Path, has_wal: bool) -> Result<(), CopyError> {
        let read = |error: rusqlite::Error| match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => CopyError::Locked(self.patience),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                CopyError::Damaged(error.to_string())
            }
            _ => CopyError::Sqlite(error),
        };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NOFOLLOW
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let source = Connection::open_with_flags(uri(path, "mode=ro&readonly_shm=1"), flags).map_err(read)?;
        source.busy_timeout(self.patience).map_err(read)?;
        source.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(read)?;
        let mut target = Connection::open(copy).map_err(CopyError::Sqlite)?;
        target
            .execute_batch("PRAGMA journal_mode = off; PRAGMA synchronous = off;")
            .map_err(CopyError::Sqlite)?;

        // In a read transaction the copy is of the moment where that began. With a write-ahead log
        // this hinders nobody; without one it would keep writers waiting.
        let mut is_held = has_wal;
        if is_held {
            source.execute_batch("BEGIN").map_err(read)?;
        }
        read_something(&source).map_err(read)?;
        let backup = Backup::new(&source, &mut target).map_err(CopyError::Sqlite)?;
        let (mut left, mut restarts) = (i32::MAX, 0);
        loop {
            if self.cancel.is_cancelled() {
                return Err(CopyError::Cancelled);
            }
            match backup.step(PAGES).map_err(read)? {
                StepResult::Done => return Ok(()),
                StepResult::Busy | StepResult::Locked => return Err(CopyError::Locked(self.patience)),
                _ => {}
            }
            let now = backup.progress().remaining;
            restarts += u32::from(now >= left);
            left = now;
            if is_held {
                continue;
            }
            if restarts >= MOST_RESTARTS {
                source.execute_batch("BEGIN").and_then(|()| read_something(&source)).map_err(read)?;
                is_held = true;
            } else {
                thread::sleep(PAUSE);
            }
        }
    }

    fn expect_room(&self, bytes: u64) -> Result<(), CopyError> {
        let needed = bytes.saturating_add(SPARE_BYTES);
        let Ok(found) = rustix::fs::statvfs(&self.folder) else { return Ok(()) };
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        match free < needed {
            true => Err(CopyError::NoRoom { folder: self.folder.clone(), needed, free }),
            false => Ok(()),
        }
    }
}

/// Begins to read, if this is inside a transaction, without a look at the schema.
fn read_something(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_query_value(None, "schema_version", |_| Ok(()))
}

/// An empty file that only this user may read.
fn make_private(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).map(drop)
}

/// Whether a database can only be read by somebody who may write: a journal is to be rolled back, or
/// the index of a write-ahead log is to be made.
fn is_for_writers_only(error: &rusqlite::Error) -> bool {
    let extended = error.sqlite_extended_error_code();
    error.sqlite_error_code() == Some(ErrorCode::CannotOpen)
        || extended.is_some_and(|code| {
            [
                ffi::SQLITE_READONLY_ROLLBACK,
                ffi::SQLITE_READONLY_RECOVERY,
                ffi::SQLITE_READONLY_CANTINIT,
                ffi::SQLITE_READONLY_CANTLOCK,
            ]
            .contains(&code)
        })
}

#[cfg(test)]
mod tests;
