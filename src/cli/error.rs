//! What ends a command early, and with which exit code.

use crate::backup::BackupError;
use crate::browse::BrowseError;
use crate::config::{PlaceError, SettingsError};
use crate::disaster::kit::KitError;
use crate::disaster::plans::PlansError;
use crate::recovery::RecoveryError;
use crate::repository::RepositoryError;
use crate::state::StateError;
use crate::store::WebdavOptionsError;

/// A command that came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// The command line asks for what cannot be.
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error(transparent)]
    Address(#[from] WebdavOptionsError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    #[error(transparent)]
    Browse(#[from] BrowseError),
    #[error(transparent)]
    Kit(#[from] KitError),
    #[error(transparent)]
    Plans(#[from] PlansError),
    /// Somebody pressed Ctrl-C where nothing had to be brought to an end.
    #[error("interrupted; what was done is kept, and the next run goes on from there")]
    Interrupted,
    /// Everything else. Never with a secret in it.
    #[error("{0}")]
    Failed(String),
}

impl From<StateError> for CliError {
    fn from(error: StateError) -> Self {
        CliError::Repository(error.into())
    }
}

impl CliError {
    /// A failure to do `what`.
    pub fn failed(what: impl std::fmt::Display, why: impl std::fmt::Display) -> Self {
        CliError::Failed(format!("cannot {what}: {why}"))
    }
}
