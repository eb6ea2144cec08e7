//! Disaster-recovery plans: kept in the repository, tested, rehearsed and run.

mod error;
mod html;
mod proof;
mod rehearse;
mod report;
mod run;
mod sample;
mod steps;
mod store;

pub use error::PlansError;
pub use html::{duration, page};
pub use proof::{Commands, Ran, Setting};
pub use rehearse::Rehearsal;
pub use report::{DrillKind, DrillReport, Proof, StepReport, StepState};
pub use sample::Sample;
pub use store::{StoredPlans, keep_plans, stored_plans};

use crate::model::plan::{Plans, RecoveryPlan};
use crate::progress::Observer;
use crate::recovery::RestoreSessions;
use crate::repository::{Cancel, Repository};
use std::sync::Arc;

/// Carries out plans.
pub struct PlanService {
    /// Where from.
    pub repository: Repository,
    /// All plans that there are.
    pub plans: Plans,
    /// The machine whose plans they are: its sets are meant where several machines have one of that
    /// name.
    pub host: String,
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
        let unknown = || crate::model::plan::PlanError::Unknown { name: name.to_owned() };
        Ok(self.plans.get(name).ok_or_else(unknown)?)
    }
}
