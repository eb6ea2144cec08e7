//! What a restore will cost, before it is made: a dry run, whose requests for content are those that
//! the restore makes, and what the restore asks before.

use super::{RecoveryError, RecoveryService, RestoreOptions, RestoreOutcome};
use crate::progress::Observer;
use crate::store::TrafficCount;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a restore will come to.
#[derive(Debug, Clone)]
pub struct RestorePlan {
    /// Requests and bytes that it will take, the look at the log before it included.
    pub cost: TrafficCount,
    /// What a dry run found: files, what is right already, what is in the way.
    pub outcome: RestoreOutcome,
}

impl RecoveryService {
    /// Finds out what a look at the log and then [`Self::run`] with these options will cost. Fetches
    /// no content, and the list of files only where it is not kept. Must be called inside a
    /// multi-threaded tokio runtime.
    pub async fn plan(
        &self,
        options: RestoreOptions,
        observer: Arc<dyn Observer>,
    ) -> Result<RestorePlan, RecoveryError> {
        let repository = &self.repository;
        let options = RestoreOptions { dry_run: true, ..options };
        let snapshot = options.snapshot.clone();
        let outcome = self.run(options, observer).await?;
        let (mut cost, _) = repository.cost_of_look()?;
        // Now that the records were read they are kept.
        cost.add_all(&repository.cost_of_entries(&snapshot, &mut BTreeSet::new()).await?);
        cost.add_all(&outcome.traffic);
        Ok(RestorePlan { cost, outcome })
    }
}
