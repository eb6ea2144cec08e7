//! placeholder
use super::{BackupError, BackupOptions, BackupOutcome};
use crate::progress::Observer;
use crate::repository::Repository;
use std::sync::Arc;

/// Backs up sets to a repository.
pub struct BackupService {
    repository: Repository,
}

impl BackupService {
    /// A service on `repository`.
    pub fn new(repository: Repository) -> Self {
        Self { repository }
    }
    /// Backs up. Must be called inside a multi-threaded tokio runtime.
    pub async fn run(
        &self,
        _options: BackupOptions,
        _observer: Arc<dyn Observer>,
    ) -> Result<BackupOutcome, BackupError> {
        let _ = &self.repository;
        unimplemented!()
    }
}
