//! The ledger of accounts: one SQLite file for all repositories and processes of this machine. It
//! keeps bytes by account; who reads and writes them knows what they mean.

use super::{StateError, make_private_folder};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const FILE: &str = "accounts.sqlite";
const VERSION: i64 = 1;
/// How long a request waits for another process that notes one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(15);
/// More bytes than that are no account's.
const MOST_BYTES: usize = 4 << 20;

/// The ledger.
#[derive(Debug)]
pub struct Ledger {
    connection: Mutex<Connection>,
    file: PathBuf,
}

impl Ledger {
    /// Opens or makes the ledger in `folder`, which is made, closed to other users.
    pub fn open(folder: &Path) -> Result<Self, StateError> {
        make_private_folder(folder)
            .map_err(|error| StateError::io("make the state folder", folder, &error))?;
        let file = folder.join(FILE);
        let connection = Connection::open(&file).map_err(|error| StateError::sqlite("open", &file, error))?;
        Self::prepare(connection, file)
    }

    /// A ledger that is gone when it is dropped.
    pub fn in_memory() -> Result<Self, StateError> {
        let file = PathBuf::from(":memory:");
        let connection =
            Connection::open_in_memory().map_err(|error| StateError::sqlite("open", &file, error))?;
        Self::prepare(connection, file)
    }

    fn prepare(mut connection: Connection, file: PathBuf) -> Result<Self, StateError> {
        let mut set_up = || {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.pragma_update(None, "journal_mode", "wal")?;
            connection.pragma_update(None, "synchronous", "normal")?;
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let version = transaction.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))?;
            if version == 0 {
                transaction.execute_batch(
                    "CREATE TABLE IF NOT EXISTS accounts (name TEXT PRIMARY KEY, data BLOB NOT NULL) STRICT, WITHOUT ROWID",
                )?;
                transaction.pragma_update(None, "user_version", VERSION)?;
            }
            transaction.commit()?;
            Ok(version)
        };
        match set_up() {
            Ok(version) if version > VERSION => Err(StateError::Newer { path: file, version }),
            Ok(_) => Ok(Self { connection: Mutex::new(connection), file }),
            Err(error) => Err(StateError::sqlite("set up", &file, error)),
        }
    }

    /// What is kept of account `name`.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StateError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        data(&connection, name)
            .map_err(|error| StateError::sqlite("read the request budget", &self.file, error))
    }

    /// Changes what is kept of account `name`, alone among all processes. `change` is handed what is
    /// kept and answers what is to be kept.
    pub fn change<T>(
        &self,
        name: &str,
        change: impl FnOnce(Option<Vec<u8>>) -> (Vec<u8>, T),
    ) -> Result<T, StateError> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let run = || {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let (data, value) = change(data(&transaction, name)?);
            let sql = "INSERT INTO accounts VALUES (?1, ?2) ON CONFLICT DO UPDATE SET data = ?2";
            transaction.prepare_cached(sql)?.execute((name, data))?;
            transaction.commit()?;
            Ok(value)
        };
        run().map_err(|error| StateError::sqlite("note a request", &self.file, error))
    }
}

fn data(connection: &Connection, name: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    let sql = "SELECT data FROM accounts WHERE name = ?1 AND length(data) <= ?2";
    connection.prepare_cached(sql)?.query_row((name, MOST_BYTES), |row| row.get(0)).optional()
}
