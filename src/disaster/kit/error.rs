//! Why there is no kit.

use crate::repository::RepositoryError;
use std::path::{Path, PathBuf};

/// A kit that was not made. No file of it is left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KitError {
    /// The repository failed.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// Nothing is overwritten, least of all an older kit.
    #[error("{0} exists: name another place with --out, or move it away")]
    Exists(PathBuf),
    /// The disk failed.
    #[error("cannot {action} {path}: {error}; no kit was made, and older ones work as before")]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        error: std::io::Error,
    },
    /// The key does not fit a QR code.
    #[error("cannot draw the QR code: {0}; please report this")]
    Qr(String),
}

impl KitError {
    pub(super) fn file(action: &'static str, path: &Path, error: std::io::Error) -> Self {
        KitError::File { action, path: path.to_owned(), error }
    }
}
