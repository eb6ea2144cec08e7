//! What can go wrong with the local state.

use std::path::{Path, PathBuf};

/// A failure of the local state.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// SQLite refused.
    #[error("cannot {action} in the local state at {}: {source}{}", .path.display(), hint(.source))]
    Sqlite {
        /// What was tried.
        action: &'static str,
        /// The database, or its folder.
        path: PathBuf,
        /// SQLite's reason.
        source: rusqlite::Error,
    },
    /// The file system refused.
    #[error("cannot {action} {}: {reason}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// One of these failures, of which only the words came through.
    #[error("{0}")]
    Told(String),
    /// The database was made by a later filbert.
    #[error(
        "the local state at {} has version {version}, made by a newer filbert: install that, or name \
         another --state-dir (everything in the state can be had from the remote again)",
        .path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        version: i64,
    },
}

impl StateError {
    /// Whether another process holds the database, which passes.
    pub fn is_busy(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
        let StateError::Sqlite { source, .. } = self else { return false };
        matches!(source.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked))
    }

    pub(super) fn sqlite(action: &'static str, path: &Path, source: rusqlite::Error) -> Self {
        StateError::Sqlite { action, path: path.to_owned(), source }
    }

    pub(super) fn io(action: &'static str, path: &Path, error: &std::io::Error) -> Self {
        StateError::Io { action, path: path.to_owned(), reason: error.to_string() }
    }
}

fn hint(error: &rusqlite::Error) -> &'static str {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseCorrupt, DiskFull, NotADatabase, ReadOnly};
    match error.sqlite_error_code() {
        Some(DatabaseBusy) => "; another filbert holds it: wait until that one is done",
        Some(DatabaseCorrupt | NotADatabase) => {
            "; move the folder away and run again: everything in it can be had from the remote"
        }
        Some(DiskFull) => "; the disk is full: make room or name another --state-dir",
        Some(ReadOnly) => "; it cannot be written: mend its permissions or name another --state-dir",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    #[test]
    fn only_what_another_process_holds_passes_by_itself() {
        let of = |code| {
            let source = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            StateError::sqlite("read", Path::new("x"), source).is_busy()
        };
        assert!(of(ffi::SQLITE_BUSY) && of(ffi::SQLITE_LOCKED));
        assert!(
            ![ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB, ffi::SQLITE_FULL, ffi::SQLITE_READONLY]
                .map(of)
                .contains(&true)
        );
    }
}
