//! Copies a database that nobody has open, and of which a broken-off writer left the rest in a log:
//! file and log are put aside together, and SQLite applies the log to the copy.

use super::{CopyError, JOURNAL, WAL, beside_path};
use crate::files::read::{FileReader, Segment};
use crate::model::cancel::Cancel;
use rusqlite::Connection;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// A file that was written to this long ago has another mtime when it is written to again.
const QUIET: Duration = Duration::from_millis(50);
/// Read at once.
const BUFFER_BYTES: usize = 1 << 20;

/// Copies the database at `path`, found as `found`, to `copy`, with its logs applied.
///
/// # Errors
/// [`CopyError::Restless`] where somebody writes to it after all, now or a moment ago.
pub(super) fn copy(path: &Path, found: &Metadata, copy: &Path, cancel: &Cancel) -> Result<(), CopyError> {
    let before = stamps(path);
    thread::sleep(QUIET);
    if stamps(path) != before {
        return Err(CopyError::Restless);
    }
    let mut changed = put_aside(path, Some(found), copy, cancel)?;
    for suffix in [WAL, JOURNAL] {
        changed |= put_aside(&beside_path(path, suffix), None, &beside_path(copy, suffix), cancel)?;
    }
    match changed || stamps(path) != before {
        true => Err(CopyError::Restless),
        false => apply_log(copy),
    }
}

type Stamp = (u64, u64, u64, (i64, i64), (i64, i64));

/// All by which a change of the database or of a log shows.
fn stamps(path: &Path) -> [Option<Stamp>; 3] {
    ["", WAL, JOURNAL].map(|suffix| {
        let now = beside_path(path, suffix).symlink_metadata().ok()?;
        let (mtime, ctime) = ((now.mtime(), now.mtime_nsec()), (now.ctime(), now.ctime_nsec()));
        Some((now.dev(), now.ino(), now.len(), mtime, ctime))
    })
}

/// Copies one file, if it is there; tells whether it changed meanwhile. What is not `found` yet is
/// looked for.
fn put_aside(path: &Path, found: Option<&Metadata>, copy: &Path, cancel: &Cancel) -> Result<bool, CopyError> {
    let failed = |source| CopyError::Copy { folder: copy.parent().unwrap_or(copy).to_owned(), source };
    let looked = match found {
        Some(found) => Ok(found.clone()),
        None => path.symlink_metadata(),
    };
    let found = match looked {
        Ok(found) if found.is_file() => found,
        _ => {
            // Of an attempt before.
            return match std::fs::remove_file(copy) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
                _ => Ok(false),
            };
        }
    };
    let mut reader = FileReader::open(path, &found)?;
    let file = File::create(copy).map_err(failed)?;
    let (mut buffer, mut at) = (vec![0; BUFFER_BYTES], 0);
    loop {
        if cancel.is_cancelled() {
            return Err(CopyError::Cancelled);
        }
        match reader.next(&mut buffer)? {
            Segment::Data(read) => {
                file.write_all_at(&buffer[..read], at).map_err(failed)?;
                at += read as u64;
            }
            Segment::Hole(len) => at += len,
            Segment::End => break,
        }
    }
    file.set_len(at).map_err(failed)?;
    Ok(reader.finish()?.changed)
}

/// Opening rolls a journal back; a checkpoint brings a write-ahead log into the file.
fn apply_log(copy: &Path) -> Result<(), CopyError> {
    let damaged = |error: rusqlite::Error| CopyError::Damaged(error.to_string());
    let connection = Connection::open(copy).map_err(damaged)?;
    connection.pragma_update(None, "synchronous", "off").map_err(damaged)?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(damaged)?;
    connection.pragma_query_value(None, "schema_version", |_| Ok(())).map_err(damaged)?;
    connection.close().map_err(|(_, error)| damaged(error))?;
    let left = |suffix| beside_path(copy, suffix).symlink_metadata().is_ok_and(|found| found.len() > 0);
    match left(WAL) {
        true => Err(CopyError::Damaged("its log cannot be applied".to_owned())),
        false => Ok(()),
    }
}
