//! Single values by name.

use super::{Database, StateError};
use rusqlite::{Connection, OptionalExtension};

/// The values that are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meta {
    /// The descriptor's file name.
    DescriptorName,
    /// The descriptor's bytes.
    Descriptor,
    /// This state's id as a writer.
    Writer,
    /// When the log was last listed, milliseconds since 1970.
    LastLook,
    /// The numbered log folder that fills up.
    LogFolder,
    /// How many records it holds.
    LogFill,
    /// The numbered pack folder that fills up.
    PackFolder,
    /// How many numbered pack folders are known to exist.
    PackFolders,
    /// How many objects the last listing of a pack folder showed.
    PackListing,
    /// The checkpoints that count.
    Checkpoints,
    /// Counts the times that something known to be on the remote turned out not to be.
    Doubt,
    /// Bytes a second that the last backup sent that sent enough to tell.
    UploadRate,
    /// The most bytes that an object should have, learnt from refusals.
    LargestObject,
    /// The zstd level that the last run ended with.
    CompressionLevel,
    /// Uploads at the same time that the last run ended with.
    Uploads,
    /// The size of pack that got through where larger ones never did.
    PackBytes,
    /// The hash of the plans that were kept in the repository last.
    Plans,
}

impl Meta {
    fn name(self) -> &'static str {
        match self {
            Meta::DescriptorName => "descriptor_name",
            Meta::Descriptor => "descriptor",
            Meta::Writer => "writer",
            Meta::LastLook => "last_look_ms",
            Meta::LogFolder => "log_folder",
            Meta::LogFill => "log_fill",
            Meta::PackFolder => "pack_folder",
            Meta::PackFolders => "pack_folders",
            Meta::PackListing => "pack_listing",
            Meta::Checkpoints => "checkpoints",
            Meta::Doubt => "doubt",
            Meta::UploadRate => "upload_rate",
            Meta::LargestObject => "largest_object",
            Meta::CompressionLevel => "compression_level",
            Meta::Uploads => "uploads",
            Meta::PackBytes => "pack_bytes",
            Meta::Plans => "plans",
        }
    }
}

/// Reads a value inside other work.
pub fn get(connection: &Connection, meta: Meta) -> rusqlite::Result<Option<Vec<u8>>> {
    let mut statement = connection.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
    statement.query_row([meta.name()], |row| row.get(0)).optional()
}

/// Writes a value inside other work.
pub fn put(connection: &Connection, meta: Meta, value: &[u8]) -> rusqlite::Result<()> {
    let sql = "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2";
    connection.prepare_cached(sql)?.execute((meta.name(), value)).map(drop)
}

/// Reads a number inside other work.
pub fn get_number(connection: &Connection, meta: Meta) -> rusqlite::Result<Option<i64>> {
    let bytes = get(connection, meta)?;
    Ok(bytes.and_then(|bytes| bytes.try_into().ok()).map(i64::from_le_bytes))
}

/// Writes a number inside other work.
pub fn put_number(connection: &Connection, meta: Meta, value: i64) -> rusqlite::Result<()> {
    put(connection, meta, &value.to_le_bytes())
}

/// Notes that something known to be on the remote turned out not to be.
pub fn raise_doubt(connection: &Connection) -> rusqlite::Result<()> {
    let doubt = get_number(connection, Meta::Doubt)?.unwrap_or(0);
    put_number(connection, Meta::Doubt, doubt + 1)
}

impl Database {
    /// Reads a value.
    pub fn meta(&self, meta: Meta) -> Result<Option<Vec<u8>>, StateError> {
        self.read("read a value", |connection| get(connection, meta))
    }

    /// Reads a number.
    pub fn meta_number(&self, meta: Meta) -> Result<Option<i64>, StateError> {
        self.read("read a number", |connection| get_number(connection, meta))
    }

    /// Writes a value.
    pub fn put_meta(&self, meta: Meta, value: &[u8]) -> Result<(), StateError> {
        self.write("write a value", |transaction| put(transaction, meta, value))
    }

    /// Writes a number.
    pub fn put_meta_number(&self, meta: Meta, value: i64) -> Result<(), StateError> {
        self.put_meta(meta, &value.to_le_bytes())
    }

    /// Forgets everything: the state is of another repository, or behind the remote.
    pub fn clear(&self) -> Result<(), StateError> {
        self.write("clear everything", |transaction| {
            transaction.execute_batch(
                "DELETE FROM meta; DELETE FROM records; DELETE FROM heads; DELETE FROM snapshots; DELETE FROM packs;
                 DELETE FROM chunks; DELETE FROM objects; DELETE FROM pending; DELETE FROM manifests;
                 DELETE FROM manifest_blocks;",
            )
        })
    }
}
