//! Why a plan cannot be carried out at all.

use crate::backup::BackupError;
use crate::browse::BrowseError;
use crate::model::plan::PlanError;
use crate::recovery::RecoveryError;
use crate::repository::RepositoryError;
use crate::state::StateError;
use std::path::PathBuf;

/// Why a plan cannot be tested, rehearsed or run. What goes wrong in a step is in its report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlansError {
    /// It is wrong as it is written.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A set of which nothing was ever backed up.
    #[error("step {step} of the plan `{plan}` cannot be done: {reason}")]
    UnknownSet {
        /// The plan.
        plan: String,
        /// The step, counted from 1.
        step: usize,
        /// Why no snapshot was found.
        reason: String,
    },
    /// It is being run.
    #[error("the plan `{plan}` is being run on this machine already: wait for its end, or stop it")]
    Busy {
        /// The plan.
        plan: String,
    },
    /// A scratch folder with something in it, which would be taken for what was restored.
    #[error("{} is not empty: name an empty folder, or one that is not there", .folder.display())]
    ScratchUsed {
        /// The folder.
        folder: PathBuf,
    },
    /// A scratch folder that cannot be used.
    #[error("cannot make the scratch folder {} and close it to others: {reason}; name another with --scratch", .folder.display())]
    Scratch {
        /// The folder.
        folder: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// No run to go on with.
    #[error("no run of the plan `{plan}` is open: `filbert dr run {plan}` begins one")]
    NothingOpen {
        /// The plan.
        plan: String,
    },
    /// The plan was changed since the run began.
    #[error("the plan `{plan}` has other steps than when run {id} began: begin a new run")]
    Changed {
        /// The plan.
        plan: String,
        /// The run.
        id: String,
    },
    /// What is kept of plans or reports cannot be read.
    #[error("what is kept of plans cannot be read: {0}")]
    Unreadable(String),
    /// The plans of this machine, or a report, are not kept.
    #[error("{what} could not be kept, what was kept before stays: {reason}")]
    NotKept {
        /// What was to be kept.
        what: &'static str,
        /// Why it is not.
        reason: String,
    },
    /// The repository failed.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// A restore failed for a reason that is none of the step.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// The plans could not be kept.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The plans could not be read.
    #[error(transparent)]
    Browse(#[from] BrowseError),
}

impl PlansError {
    pub(super) fn not_kept(what: &'static str, reason: impl ToString) -> Self {
        PlansError::NotKept { what, reason: reason.to_string() }
    }
}

impl From<StateError> for PlansError {
    fn from(error: StateError) -> Self {
        PlansError::Repository(error.into())
    }
}
