//! What a test, a rehearsal or a run of a plan found, step by step.

use crate::progress::Problem;
use serde::{Deserialize, Serialize};

/// The most problems of a step that a report names; the rest is only counted.
pub(super) const MOST_PROBLEMS: usize = 100;

/// What was done with a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DrillKind {
    /// Nothing was restored: looked whether everything is there.
    Test,
    /// Restored into a scratch folder and compared.
    Rehearsal,
    /// Restored to where it belongs.
    Run,
}

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepState {
    /// Not begun.
    Waiting,
    /// Begun, and not at its end: under way, or broken off.
    Begun,
    /// All of it is good.
    Good,
    /// It failed.
    Failed,
}

/// What a command that proves a step said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The command.
    pub command: String,
    /// Whether it ended with 0.
    pub passed: bool,
    /// The end of what it wrote.
    pub output: String,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// The set.
    pub set: String,
    /// Where to: a folder, or `in place`.
    pub target: String,
    /// How it stands.
    pub state: StepState,
    /// The snapshot.
    pub snapshot: Option<String>,
    /// How old the state is that comes back, in ms: from when its backup began.
    pub data_age_ms: Option<i64>,
    /// The restore's id.
    pub session: Option<String>,
    /// Files that the step is about, and their bytes.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files and bytes of those that were restored for trial, where not all were.
    pub sample: Option<(u64, u64)>,
    /// Things that were restored, read again and found as in the snapshot.
    pub proven: u64,
    /// Things that were restored and read back as something else.
    pub disproven: u64,
    /// Requests that it took, or after a test that it would take.
    pub requests: u64,
    /// Bytes received, or after a test to be received.
    pub received: u64,
    /// Time that it took, in ms.
    pub duration_ms: u64,
    /// What the whole step will take by that, in ms.
    pub expected_ms: Option<u64>,
    /// What the command that proves it said.
    pub proof: Option<Proof>,
    /// What went wrong, or would have.
    pub problems: Vec<Problem>,
    /// How many there were.
    pub problem_count: u64,
}

impl StepReport {
    /// A step that is not begun.
    pub(super) fn new(set: &str, target: String) -> Self {
        Self {
            set: set.to_owned(),
            target,
            state: StepState::Waiting,
            snapshot: None,
            data_age_ms: None,
            session: None,
            files: 0,
            bytes: 0,
            sample: None,
            proven: 0,
            disproven: 0,
            requests: 0,
            received: 0,
            duration_ms: 0,
            expected_ms: None,
            proof: None,
            problems: Vec::new(),
            problem_count: 0,
        }
    }

    /// Notes what went wrong, and that the step failed.
    pub(super) fn fail(&mut self, subject: &str, message: String) {
        self.state = StepState::Failed;
        self.take_problems(&[Problem::new(subject, message)], 1);
    }

    pub(super) fn take_problems(&mut self, problems: &[Problem], count: u64) {
        let room = MOST_PROBLEMS.saturating_sub(self.problems.len());
        self.problems.extend(problems.iter().take(room).cloned());
        self.problem_count += count;
    }
}

/// The whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillReport {
    /// Its id.
    pub id: String,
    /// The plan.
    pub plan: String,
    /// What the plan says of itself.
    pub description: String,
    /// What was done.
    pub kind: DrillKind,
    /// When it began, ms since 1970.
    pub began_ms: i64,
    /// When it ended, if it did.
    pub ended_ms: Option<i64>,
    /// In order.
    pub steps: Vec<StepReport>,
}

impl DrillReport {
    /// Whether every step is good.
    pub fn is_good(&self) -> bool {
        self.steps.iter().all(|step| step.state == StepState::Good)
    }

    /// How long it takes until everything is back, in ms, by what was measured; none where nothing was.
    pub fn recovery_ms(&self) -> Option<u64> {
        let expected = self.steps.iter().map(|step| step.expected_ms);
        expected.sum()
    }

    /// How old the oldest state is that comes back, in ms.
    pub fn data_age_ms(&self) -> Option<i64> {
        self.steps.iter().filter_map(|step| step.data_age_ms).max()
    }

    /// How many things were proven.
    pub fn proven(&self) -> u64 {
        self.steps.iter().map(|step| step.proven).sum()
    }

    /// The first step that is not good.
    pub fn first_open(&self) -> Option<usize> {
        self.steps.iter().position(|step| step.state != StepState::Good)
    }
}
