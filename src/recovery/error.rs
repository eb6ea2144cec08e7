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
    /// What is not in a snapshot may not be taken for gone.
    #[error(
        "--delete needs a whole snapshot, and {snapshot} lacks files that were there: they would be removed; \
         restore without --delete, or choose a whole one"
    )]
    NotWhole {
        /// The snapshot.
        snapshot: String,
    },
    /// A safety snapshot holds only what a restore changed.
    #[error(
        "--delete would remove all that the restore before {snapshot} did not change: `filbert rollback` takes a \
         restore back"
    )]
    OnlyWhatChanged {
        /// The snapshot.
        snapshot: String,
    },
    /// Places that cannot be meant so.
    #[error("{0}")]
    Map(String),
    /// What is there could not be kept, so nothing was changed.
    #[error(
        "nothing was restored, for what is there now could not be kept as a safety snapshot: {0}; `restore \
         --no-safety` does without, and leaves no way back"
    )]
    NotKept(#[source] super::SafetyError),
    /// No such restore, or one that this cannot be done with.
    #[error("{0}")]
    Session(String),
    /// Nothing matches.
    #[error("nothing in snapshot {snapshot} matches: `filbert ls {snapshot}` shows what is in it")]
    NothingSelected {
        /// The snapshot.
        snapshot: String,
    },
}

impl RecoveryError {
    /// Whether the same restore may succeed, or go further, when it is tried again: what it was asked for can
    /// be had, and the fault lay elsewhere.
    pub fn is_worth_resuming(&self) -> bool {
        match self {
            Self::Repository(error) => !matches!(error, RepositoryError::Busy(_)),
            Self::Place(error) => !matches!(error, PlaceError::Busy { .. } | PlaceError::Target { .. }),
            Self::TooLittleRoom { .. } | Self::Manifest { .. } | Self::NotKept(_) => true,
            Self::Filter(_)
            | Self::NotWhole { .. }
            | Self::OnlyWhatChanged { .. }
            | Self::Map(_)
            | Self::Session(_)
            | Self::NothingSelected { .. } => false,
        }
    }
}

impl From<StateError> for RecoveryError {
    fn from(error: StateError) -> Self {
        RecoveryError::Repository(error.into())
    }
}
