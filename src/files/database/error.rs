//! Why a database could not be copied.

use crate::files::read::ReadError;
use crate::model::amount::size;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// A database of which there is no consistent copy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The run is to stop.
    #[error("the run was interrupted")]
    Cancelled,
    /// Another program does not let it be read.
    #[error("another program keeps it locked, for {} s by now", .0.as_secs_f32())]
    Locked(Duration),
    /// It changed under each attempt.
    #[error("another program writes to it without letting others read")]
    Restless,
    /// What SQLite finds in it is no sound database.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// The copy does not fit.
    #[error("its copy takes {}, and {} has room for {}", size(*.needed), .folder.display(), size(*.free))]
    NoRoom {
        /// Where copies are made.
        folder: PathBuf,
        /// For the copy, and to spare.
        needed: u64,
        /// By what the file system tells.
        free: u64,
    },
    /// The original.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The copy.
    #[error("cannot make its copy in {}: {source}", .folder.display())]
    Copy {
        /// Where.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Anything else that SQLite has to say.
    #[error("SQLite cannot read it: {0}")]
    Sqlite(rusqlite::Error),
}
