//! The local SQLite database of one repository: what makes runs fast and resumable. Losing it
//! loses nothing; everything in it can be had from the remote again, but for what a broken-off
//! run left to go on from.

pub mod drills;
pub mod error;
pub mod journal;
mod landings;
pub mod ledger;
pub mod lock;
pub mod meta;
pub mod objects;
pub mod restores;
mod schema;
pub mod scratch;
pub mod spool;

pub use error::StateError;
pub use ledger::Ledger;
pub use scratch::Scratch;
pub use spool::Spool;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a statement waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(60);

/// The database. One connection, used by one thread at a time; other processes may have it open.
#[derive(Debug)]
pub struct Database {
    connection: Mutex<Connection>,
    folder: Option<PathBuf>,
    /// Locks held on a database in memory.
    held: lock::Held,
}

impl Database {
    /// Opens or makes the database in `folder`, which is made, closed to other users.
    pub fn open(folder: &Path) -> Result<Self, StateError> {
        let io = |action, error| StateError::io(action, folder, &error);
        make_private_folder(folder).map_err(|error| io("make the state folder", error))?;
        let file = folder.join("state.sqlite");
        let connection = Connection::open(&file).map_err(|error| StateError::sqlite("open", &file, error))?;
        Self::prepare(connection, Some(folder.to_owned()), &file)
    }

    /// A database that is gone when it is dropped.
    pub fn in_memory() -> Result<Self, StateError> {
        let file = Path::new(":memory:");
        let connection =
            Connection::open_in_memory().map_err(|error| StateError::sqlite("open", file, error))?;
        Self::prepare(connection, None, file)
    }

    fn prepare(connection: Connection, folder: Option<PathBuf>, file: &Path) -> Result<Self, StateError> {
        let set_up = || {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.pragma_update(None, "journal_mode", "wal")?;
            connection.pragma_update(None, "synchronous", "normal")?;
            connection.pragma_update(None, "cache_size", -16_000)?;
            connection.set_prepared_statement_cache_capacity(64);
            schema::migrate(&connection)
        };
        match set_up() {
            Ok(schema::Outcome::Ready) => {}
            Ok(schema::Outcome::Newer(version)) => {
                return Err(StateError::Newer { path: file.to_owned(), version });
            }
            Err(error) => return Err(StateError::sqlite("set up", file, error)),
        }
        Ok(Self { connection: Mutex::new(connection), folder, held: lock::Held::default() })
    }

    /// The folder it lies in, where other files of this repository's state may lie as well.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Runs `work` on the connection. `what` says in a few words what it is for.
    pub fn read<T>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        work(&self.connection()).map_err(|error| self.error(what, error))
    }

    /// Runs `work` in a transaction that is kept if it succeeds.
    pub fn write<T>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        let mut connection = self.connection();
        let run = || {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        run().map_err(|error| self.error(what, error))
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, what: &'static str, error: rusqlite::Error) -> StateError {
        StateError::sqlite(what, self.folder.as_deref().unwrap_or(Path::new(":memory:")), error)
    }
}

fn make_private_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
