//! Looks whether a copy is a sound database.

use super::{CopyError, uri};
use crate::model::cancel::Cancel;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::Path;

/// So many steps of SQLite's virtual machine between two looks at the wish to stop.
const STEPS: i32 = 1_000;

/// Runs SQLite's quick check on a copy that nobody writes to. Nothing is made beside it.
pub(super) fn quick_check(copy: &Path, cancel: &Cancel) -> Result<(), CopyError> {
    let outcome = || -> rusqlite::Result<String> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let mut connection = Connection::open_with_flags(uri(copy, "mode=ro&immutable=1"), flags)?;
        let cancel = cancel.clone();
        connection.progress_handler(STEPS, Some(move || cancel.is_cancelled()))?;
        // Anybody may have written the schema, and what rows should be like is not asked.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.pragma_update(None, "ignore_check_constraints", true)?;
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
    };
    match outcome() {
        Ok(word) if word == "ok" => Ok(()),
        Ok(complaint) => Err(CopyError::Damaged(complaint)),
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Err(CopyError::Cancelled),
            // Not damage: it needs functions or modules of the program that it belongs to.
            Some(ErrorCode::Unknown) => Ok(()),
            _ => Err(CopyError::Damaged(error.to_string())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(
                "CREATE TABLE t (x TEXT CHECK (length(x) < 5000));
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
                 INSERT INTO t SELECT hex(randomblob(500)) FROM n;",
            )
            .unwrap();
        (dir, path)
    }

    #[test]
    fn a_sound_database_passes_and_leaves_no_trace() {
        let (dir, path) = database();
        Connection::open(&path).unwrap().pragma_update(None, "journal_mode", "wal").unwrap();
        quick_check(&path, &Cancel::default()).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_page_of_nonsense_is_found() {
        use std::os::unix::fs::FileExt;
        let (_dir, path) = database();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.write_all_at(&[0x5a; 4096], 8 * 4096).unwrap();
        assert!(matches!(quick_check(&path, &Cancel::default()), Err(CopyError::Damaged(_))));
    }

    #[test]
    fn what_only_its_own_program_can_judge_is_not_called_damaged() {
        let (_dir, path) = database();
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(
                "CREATE VIRTUAL TABLE f USING fts3(x);
                 PRAGMA writable_schema = on;
                 UPDATE sqlite_schema SET sql = 'CREATE VIRTUAL TABLE f USING fts3(x, tokenize=theirs)'
                 WHERE name = 'f';",
            )
            .unwrap();
        drop(connection);
        quick_check(&path, &Cancel::default()).unwrap();
    }

    #[test]
    fn a_check_ends_when_asked() {
        let (_dir, path) = database();
        let cancel = Cancel::default();
        cancel.cancel();
        assert!(matches!(quick_check(&path, &cancel), Err(CopyError::Cancelled)));
    }
}
