//! placeholder
use super::{RecoveryError, RestoreOptions, RestoreOutcome};
use crate::progress::Observer;
use crate::repository::Repository;
use std::sync::Arc;

/// Restores from a repository.
pub struct RecoveryService {
    repository: Repository,
}

impl RecoveryService {
    /// A service on `repository`.
    pub fn new(repository: Repository) -> Self {
        Self { repository }
    }
    /// Restores.
    pub async fn run(
        &self,
        _options: RestoreOptions,
        _observer: Arc<dyn Observer>,
    ) -> Result<RestoreOutcome, RecoveryError> {
        let _ = &self.repository;
        unimplemented!()
    }
}
