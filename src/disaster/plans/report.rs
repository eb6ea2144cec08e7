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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepState {
    /// Not begun.
    #[default]
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

/// What was restored for trial, where not all of a step was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sampled {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// One step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
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
    /// The snapshot of what was there before a restore in place.
    pub safety_snapshot: Option<String>,
    /// Files that the step is about.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those that were restored for trial, where not all were.
    pub sample: Option<Sampled>,
    /// Things that were restored, read again and found as in the snapshot.
    pub proven: u64,
    /// Things that were restored and read back as something else.
    pub disproven: u64,
    /// Requests that it took, or after a test that it would take.
    pub requests: u64,
    /// Bytes received, or after a test to be received.
    pub received: u64,
    /// Time that restoring and comparing took, in ms.
    pub restore_ms: u64,
    /// Time that the command that proves it took, in ms.
    pub prove_ms: u64,
    /// How long the whole step takes, in ms: measured, or after a sample an estimate. None where it is
    /// not back, or the sample tells too little.
    pub expected_ms: Option<u64>,
    /// What the command that proves it said.
    pub proof: Option<Proof>,
    /// Why the command that proves it was not run.
    pub not_proven: Option<String>,
    /// What went wrong, or would have.
    pub problems: Vec<Problem>,
    /// How many there were.
    pub problem_count: u64,
}

impl StepReport {
    /// A step that is not begun.
    pub(super) fn new(set: &str, target: String) -> Self {
        Self { set: set.to_owned(), target, ..Self::default() }
    }

    /// Time that it took, in ms.
    pub fn duration_ms(&self) -> u64 {
        self.restore_ms.saturating_add(self.prove_ms)
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

/// What is known of how long a recovery takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecoveryTime {
    /// Everything came back, and took so long, in ms.
    Measured(u64),
    /// A part came back: all takes about so long, in ms, without the commands that prove steps.
    Estimated(u64),
    /// A part came back, which is too little to tell.
    Unknown,
    /// Not everything came back.
    NotRecovered,
    /// Nothing was restored: a test.
    Untried,
}

/// What a test found of the packs that a plan needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacksLooked {
    /// Packs looked for.
    pub packs: u64,
    /// Those that are missing or cut.
    pub lacking: u64,
    /// Requests that looking took.
    pub requests: u64,
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
    /// The temporary folder that is to be removed.
    #[serde(default)]
    pub scratch: Option<String>,
    /// After a test: the packs that the steps need.
    #[serde(default)]
    pub looked: Option<PacksLooked>,
    /// In order.
    pub steps: Vec<StepReport>,
}

impl DrillReport {
    /// Whether every step is good.
    pub fn is_good(&self) -> bool {
        self.steps.iter().all(|step| step.state == StepState::Good)
    }

    /// How many steps are not good.
    pub fn bad_steps(&self) -> usize {
        self.steps.iter().filter(|step| step.state != StepState::Good).count()
    }

    /// How long it takes until everything is back and proven.
    pub fn recovery_time(&self) -> RecoveryTime {
        if self.kind == DrillKind::Test {
            return RecoveryTime::Untried;
        }
        if !self.is_good() {
            return RecoveryTime::NotRecovered;
        }
        let is_sample = self.steps.iter().any(|step| step.sample.is_some());
        match self.steps.iter().map(|step| step.expected_ms).sum() {
            None => RecoveryTime::Unknown,
            Some(ms) if is_sample => RecoveryTime::Estimated(ms),
            Some(ms) => RecoveryTime::Measured(ms),
        }
    }

    /// Times of restoring and of the commands that prove steps, in ms.
    pub fn times_ms(&self) -> (u64, u64) {
        let sum = |time: fn(&StepReport) -> u64| self.steps.iter().map(time).sum();
        (sum(|step| step.restore_ms), sum(|step| step.prove_ms))
    }

    /// What was restored for trial and what all of it is, as files and bytes.
    pub fn basis(&self) -> (Sampled, Sampled) {
        let mut tried = Sampled { files: 0, bytes: 0 };
        let mut all = tried;
        for step in &self.steps {
            let whole = Sampled { files: step.files, bytes: step.bytes };
            let of_step = step.sample.unwrap_or(whole);
            (tried.files, tried.bytes) = (tried.files + of_step.files, tried.bytes + of_step.bytes);
            (all.files, all.bytes) = (all.files + whole.files, all.bytes + whole.bytes);
        }
        (tried, all)
    }

    /// How old the oldest state is that comes back, in ms.
    pub fn data_age_ms(&self) -> Option<i64> {
        self.steps.iter().filter_map(|step| step.data_age_ms).max()
    }

    /// How many things were proven.
    pub fn proven(&self) -> u64 {
        self.steps.iter().map(|step| step.proven).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(steps: Vec<StepReport>) -> DrillReport {
        DrillReport {
            id: "1".to_owned(),
            plan: "p".to_owned(),
            description: String::new(),
            kind: DrillKind::Run,
            began_ms: 0,
            ended_ms: Some(1),
            scratch: None,
            looked: None,
            steps,
        }
    }

    #[test]
    fn only_what_came_back_has_a_recovery_time() {
        let good = StepReport { state: StepState::Good, expected_ms: Some(5), ..StepReport::default() };
        let failed = StepReport { state: StepState::Failed, ..good.clone() };
        let sampled = StepReport { sample: Some(Sampled { files: 1, bytes: 1 }), ..good.clone() };
        let small = StepReport { expected_ms: None, ..sampled.clone() };
        let time =
            |steps: &[&StepReport]| report(steps.iter().map(|&step| step.clone()).collect()).recovery_time();
        assert_eq!(time(&[&good, &good]), RecoveryTime::Measured(10));
        assert_eq!(time(&[&good, &failed]), RecoveryTime::NotRecovered);
        assert_eq!(time(&[&good, &sampled]), RecoveryTime::Estimated(10));
        assert_eq!(time(&[&good, &small]), RecoveryTime::Unknown);
        let test = DrillReport { kind: DrillKind::Test, ..report(vec![good]) };
        assert_eq!(test.recovery_time(), RecoveryTime::Untried);
    }

    #[test]
    fn a_report_that_was_kept_before_a_field_was_added_is_read() {
        let step = r#"{"set":"s","target":"t","state":"good","sample":[5,134000],"files":9}"#;
        let step: StepReport = serde_json::from_str(step).unwrap();
        assert_eq!((step.sample, step.files), (Some(Sampled { files: 5, bytes: 134_000 }), 9));
        assert_eq!(step.prove_ms, 0);
    }
}
