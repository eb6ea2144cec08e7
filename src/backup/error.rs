//! Why a backup ends without a snapshot.

use crate::files::filter::FilterError;
use crate::files::source::SourceError;
use crate::manifest::ManifestError;
use crate::repository::RepositoryError;
use crate::state::StateError;

/// A backup that came to nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The repository failed.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The kept list of files failed.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// No source can be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A pattern is wrong.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// Nothing can be done within the limits.
    #[error(
        "the limits of this run leave no room even for a snapshot without new content: allow more requests, \
         bytes or time (--max-requests, --max-upload, --stop-at, --max-wait), or run it again when the budget \
         of the account has room"
    )]
    LimitsTooSmall,
    /// Nobody said what to back up.
    #[error(
        "set `{0}` has no snapshot to take the sources from: name the folders to back up, or give the \
         set `sources` in the settings"
    )]
    NoSources(String),
}

impl From<StateError> for BackupError {
    fn from(error: StateError) -> Self {
        BackupError::Repository(error.into())
    }
}
