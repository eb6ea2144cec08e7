//! The record that is being published. Its bytes are kept before they are sent, so that after a
//! lost answer or a crash the same bytes are sent again, and no second record follows before
//! the first is settled.

use super::{Database, StateError};
use rusqlite::OptionalExtension;

/// A record whose publishing has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its file name.
    pub name: String,
    /// The numbered log folder.
    pub folder: u32,
    /// The sealed bytes.
    pub bytes: Vec<u8>,
}

impl Database {
    /// The record whose publishing has begun and is not settled.
    pub fn pending(&self) -> Result<Option<Pending>, StateError> {
        self.read("read the journal", |connection| {
            connection
                .query_row("SELECT name, folder, bytes FROM pending", [], |row| {
                    Ok(Pending { name: row.get(0)?, folder: row.get(1)?, bytes: row.get(2)? })
                })
                .optional()
        })
    }

    /// Notes that publishing begins.
    pub fn put_pending(&self, pending: &Pending) -> Result<(), StateError> {
        // This must outlive a power cut: the record may reach the server right after.
        self.read("make the journal durable", |connection| {
            connection.pragma_update(None, "synchronous", "full")
        })?;
        self.write("write the journal", |transaction| {
            transaction
                .execute(
                    "INSERT OR REPLACE INTO pending VALUES (1, ?1, ?2, ?3)",
                    (&pending.name, pending.folder, &pending.bytes),
                )
                .map(drop)
        })?;
        self.read("make the journal durable", |connection| {
            connection.pragma_update(None, "synchronous", "normal")
        })
    }

    /// Notes that the publishing of this record is settled.
    pub fn clear_pending(&self, name: &str) -> Result<(), StateError> {
        self.write("clear the journal", |transaction| {
            transaction.execute("DELETE FROM pending WHERE name = ?1", [name]).map(drop)
        })
    }
}
