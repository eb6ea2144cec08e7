//! Bytes of records, kept to spare requests. They are sealed as on the remote. When they grow
//! beyond a bound, those not used for longest go.

use super::{Database, StateError};
use crate::model::id::ObjectId;
use rusqlite::OptionalExtension;

/// All cached objects together have at most so many bytes.
const MOST_BYTES: i64 = 128 << 20;

impl Database {
    /// The bytes of an object, if they are kept.
    pub fn object(&self, object: &ObjectId) -> Result<Option<Vec<u8>>, StateError> {
        self.write("read a kept object", |transaction| {
            let sql = "UPDATE objects SET used = 1 + (SELECT max(used) FROM objects) WHERE object = ?1
                       RETURNING bytes";
            transaction.query_row(sql, [&object.as_bytes()[..]], |row| row.get(0)).optional()
        })
    }

    /// Keeps the bytes of an object.
    pub fn put_object(&self, object: &ObjectId, bytes: &[u8]) -> Result<(), StateError> {
        self.write("keep an object", |transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO objects
                 VALUES (?1, 1 + coalesce((SELECT max(used) FROM objects), 0), ?2, ?3)",
                (&object.as_bytes()[..], bytes.len() as i64, bytes),
            )?;
            loop {
                let total: i64 =
                    transaction
                        .query_row("SELECT coalesce(sum(size), 0) FROM objects", [], |row| row.get(0))?;
                if total <= MOST_BYTES {
                    return Ok(());
                }
                transaction
                    .execute("DELETE FROM objects WHERE used = (SELECT min(used) FROM objects)", [])?;
            }
        })
    }
}
