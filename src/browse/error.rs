//! Why a look into a snapshot came to nothing.

use crate::files::filter::FilterError;
use crate::repository::RepositoryError;

/// A look that ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrowseError {
    /// The repository failed.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// A pattern is wrong.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// Nothing is there under that name.
    #[error("no such path in snapshot {snapshot}: `filbert ls {snapshot}` shows what is in it")]
    NoSuchPath {
        /// The snapshot.
        snapshot: String,
    },
    /// A part of a file cannot be had.
    #[error(
        "{path} cannot be had whole: {reason}; `filbert check --read-data` tells what else suffers, --exclude leaves it out of an archive"
    )]
    Spoilt {
        /// Its path, fit for a terminal.
        path: String,
        /// Why.
        reason: String,
    },
    /// Patterns that match nothing.
    #[error("nothing in snapshot {snapshot} matches: `filbert ls {snapshot}` shows what is in it")]
    NothingSelected {
        /// The snapshot.
        snapshot: String,
    },
    /// It has no content.
    #[error("{path} is no file: `filbert export` makes an archive of a folder")]
    NoFile {
        /// Its path, fit for a terminal.
        path: String,
    },
    /// What takes the bytes takes no more.
    #[error("cannot write what was read: {0}")]
    Write(std::io::Error),
}

impl BrowseError {
    /// Whether who reads the output stopped reading, as `head` does.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, BrowseError::Write(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }
}
