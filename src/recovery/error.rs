//! Why a restore cannot begin, or cannot go on.

use crate::files::filter::FilterError;
use crate::files::place::PlaceError;
use crate::format::FormatError;
use crate::repository::RepositoryError;
use crate::state::StateError;
use std::path::PathBuf;

/// A restore that ended early. What was restored until then is whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoveryError {
    /// The repository failed.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The target cannot be used.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// It would not fit.
    #[error(
        "{} has room for {free} bytes and the restore needs {needed}: make room, choose another target or fewer files; \
         where the file system compresses, --ignore-free-space tries all the same",
        .target.display()
    )]
    TooLittleRoom {
        /// The target.
        target: PathBuf,
        /// Bytes that are to be written.
        needed: u64,
        /// Bytes that the file system has left for this user.
        free: u64,
    },
    /// A pattern is wrong.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The snapshot's list of files cannot be read.
    #[error("the list of files of snapshot {snapshot} cannot be read: {reason}")]
    Manifest {
        /// The snapshot.
        snapshot: String,
        /// Why.
        reason: FormatError,
    },
    /// Nothing matches.
    #[error("nothing in snapshot {snapshot} matches: `filbert ls {snapshot}` shows what is in it")]
    NothingSelected {
        /// The snapshot.
        snapshot: String,
    },
}

impl From<StateError> for RecoveryError {
    fn from(error: StateError) -> Self {
        RecoveryError::Repository(error.into())
    }
}
