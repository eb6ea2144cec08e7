//! placeholder
use super::{CheckOptions, CheckOutcome};
use crate::progress::Observer;
use crate::repository::{Repository, RepositoryError};
use std::sync::Arc;

/// Checks a repository.
pub struct CheckService {
    repository: Repository,
}

impl CheckService {
    /// A service on `repository`.
    pub fn new(repository: Repository) -> Self {
        Self { repository }
    }
    /// Checks.
    pub async fn run(
        &self,
        _options: CheckOptions,
        _observer: Arc<dyn Observer>,
    ) -> Result<CheckOutcome, RepositoryError> {
        let _ = &self.repository;
        unimplemented!()
    }
}
