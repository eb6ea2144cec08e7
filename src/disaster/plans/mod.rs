//! Disaster-recovery plans: kept in the repository, tested, rehearsed and run.

mod error;
mod html;
mod packs;
mod proof;
mod rehearse;
mod report;
mod run;
mod sample;
mod scratch;
mod steps;
mod store;
mod test;
mod told;
mod words;

pub use error::PlansError;
pub use html::page;
pub use proof::{Commands, Ran, Setting};
pub use rehearse::Rehearsal;
pub use report::{DrillKind, DrillReport, PacksLooked, Proof, RecoveryTime, Sampled, StepReport, StepState};
pub use sample::Sample;
pub use scratch::Scratch;
pub use store::{StoredPlans, keep_plans, stored_plans};
pub use told::ToldReport;
pub use words::{duration, notes, packs_words, recovery_words};

use crate::model::plan::{PlanError, Plans, RecoveryPlan};
use crate::model::time::Timestamp;
use crate::progress::Observer;
use crate::recovery::RestoreSessions;
use crate::repository::{Cancel, Repository};
use std::sync::Arc;

/// Carries out plans.
pub struct PlanService {
    /// Where from.
    pub repository: Repository,
    /// It lies in a folder of this machine: nothing that is read there is a request.
    pub is_folder: bool,
    /// All plans that there are.
    pub plans: Plans,
    /// The machine whose plans they are: its sets are meant where several machines have one of that
    /// name.
    pub host: String,
    /// Each set as it was then: the newest snapshot at or before that time.
    pub at: Option<Timestamp>,
    /// Restores.
    pub sessions: RestoreSessions,
    /// Runs the commands of a plan.
    pub commands: Arc<dyn Commands>,
    /// Who listens.
    pub observer: Arc<dyn Observer>,
    /// A wish to stop.
    pub cancel: Cancel,
}

impl PlanService {
    fn plan(&self, name: &str) -> Result<&RecoveryPlan, PlansError> {
        Ok(self.plans.get(name).ok_or_else(|| PlanError::Unknown { name: name.to_owned() })?)
    }
}
