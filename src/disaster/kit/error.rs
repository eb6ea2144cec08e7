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
    /// The certificates for the server cannot be put on it, and without them it would not do.
    #[error(
        "the certificates that the server is checked against (ca_file) cannot be put on the kit: they are not in PEM \
         form between BEGIN CERTIFICATE and END CERTIFICATE; no kit was made, and older ones work as before"
    )]
    Certificates,
    /// The key does not fit a QR code.
    #[error("cannot draw the QR code: {0}; please report this")]
    Qr(String),
}

impl KitError {
    pub(super) fn file(action: &'static str, path: &Path, error: std::io::Error) -> Self {
        KitError::File { action, path: path.to_owned(), error }
    }
}
