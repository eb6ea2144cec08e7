//! A rehearsal: really restores, into a scratch folder, within an allowance, compares, and measures.

use super::proof::{Setting, prove};
use super::report::{DrillKind, DrillReport, StepReport, StepState};
use super::sample::{self, Sample};
use super::steps::Prepared;
use super::{PlanService, PlansError};
use crate::progress::Silent;
use crate::recovery::{Destination, RecoveryService, RestoreOptions, Verified};
use crate::repository::RepositoryError;
use crate::store::TrafficCount;
use std::path::PathBuf;
use std::sync::Arc;

/// What a rehearsal may take.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    /// Where it restores to: a folder that is empty or not there. It is left as it is afterwards.
    pub scratch: PathBuf,
    /// How much of each step.
    pub sample: Sample,
    /// The most requests, of all steps together.
    pub most_requests: Option<u64>,
    /// The most bytes to be received, of all steps together.
    pub most_received: Option<u64>,
}

impl PlanService {
    /// Restores every set of the plan `name` for trial. What one step finds keeps no other from being
    /// tried.
    pub async fn rehearse(&self, name: &str, rehearsal: &Rehearsal) -> Result<DrillReport, PlansError> {
        let mut report = self.begin(name, DrillKind::Rehearsal)?;
        let steps = crate::model::plan::steps_of(&self.plans, name)?;
        let before = self.repository.store().traffic();
        for (number, (step, mut of_step)) in steps.iter().zip(report.steps.clone()).enumerate() {
            match self.prepare(step) {
                Ok(prepared) => {
                    self.describe(&prepared, &mut of_step);
                    let folder =
                        rehearsal.scratch.join(format!("{:02}-{}", number + 1, name_of(&prepared.set)));
                    of_step.target = folder.display().to_string();
                    self.rehearse_step(&prepared, rehearsal, folder, &before, &mut of_step).await?;
                }
                Err(reason) => of_step.fail(step.set.as_deref().unwrap_or_default(), reason),
            }
            if let Some(place) = report.steps.get_mut(number) {
                *place = of_step;
            }
            self.keep(&report)?;
        }
        self.end(report).await
    }

    async fn rehearse_step(
        &self,
        prepared: &Prepared,
        rehearsal: &Rehearsal,
        folder: PathBuf,
        before: &TrafficCount,
        report: &mut StepReport,
    ) -> Result<(), PlansError> {
        report.state = StepState::Begun;
        let wish = self.wish(prepared, Destination::Folder(folder.clone()));
        let options = RestoreOptions {
            verify: true,
            threads: self.sessions.threads,
            cancel: self.cancel.clone(),
            ..wish.options(prepared.snapshot.clone())
        };
        let Some((options, sampled)) = self.within(options, rehearsal, before, prepared, report).await?
        else {
            return Ok(());
        };
        let (began, spent) = (self.repository.clock().now().millis(), self.repository.store().traffic());
        let service = RecoveryService::new(self.repository.clone());
        let outcome = match service.run(options, self.observer.clone()).await {
            Ok(outcome) => outcome,
            Err(_) if self.cancel.is_cancelled() => return Err(RepositoryError::Cancelled.into()),
            Err(error) => {
                report.fail(&prepared.set, error.to_string());
                return Ok(());
            }
        };
        let duration = self.repository.clock().now().millis().saturating_sub(began).max(0) as u64;
        let spent = self.repository.store().traffic().since(&spent);
        (report.duration_ms, report.requests, report.received) = (duration, spent.total(), spent.bytes_down);
        report.sample = sampled.then_some((outcome.files, outcome.bytes));
        if !sampled {
            (report.files, report.bytes) = (outcome.files, outcome.bytes);
        }
        report.expected_ms = Some(expected(duration, outcome.bytes, report.bytes));
        let Verified { passed, failed } = outcome.verified.unwrap_or_default();
        (report.proven, report.disproven) = (passed, failed);
        report.take_problems(&outcome.problems, outcome.problem_count);
        if let Some(command) = &prepared.step.prove {
            let setting = setting(prepared, folder, true);
            let proof = prove(&*self.commands, command, setting).await;
            if !proof.passed {
                report.fail(&prepared.set, format!("the command that proves it failed: {}", proof.output));
            }
            report.proof = Some(proof);
        }
        let is_good = outcome.is_whole() && report.problem_count == 0;
        report.state = if is_good { StepState::Good } else { StepState::Failed };
        Ok(())
    }

    /// Options that keep to what is left of the allowance, and whether they are about a sample; none
    /// where even one file would take more.
    async fn within(
        &self,
        options: RestoreOptions,
        rehearsal: &Rehearsal,
        before: &TrafficCount,
        prepared: &Prepared,
        report: &mut StepReport,
    ) -> Result<Option<(RestoreOptions, bool)>, PlansError> {
        let spent = self.repository.store().traffic().since(before);
        let left = |most: Option<u64>, spent: u64| most.map_or(u64::MAX, |most| most.saturating_sub(spent));
        let requests = left(rehearsal.most_requests, spent.total());
        let received = left(rehearsal.most_received, spent.bytes_down);
        let service = RecoveryService::new(self.repository.clone());
        let (mut sample, seed) = (rehearsal.sample, self.repository.random_number()?);
        loop {
            let mut options = options.clone();
            if sample != Sample::All {
                let entries = self.repository.entries(&prepared.snapshot).await?;
                let chosen = sample::choose(sample, seed, &options, &entries)?;
                if chosen.is_empty() {
                    report.fail(
                        &prepared.set,
                        "not rehearsed: what is allowed or left is less than any one of its files takes"
                            .to_owned(),
                    );
                    return Ok(None);
                }
                options.exactly = Some(Arc::new(chosen));
            }
            let dry = RestoreOptions { dry_run: true, ..options.clone() };
            let cost = match service.run(dry, Arc::new(Silent)).await {
                Ok(outcome) => outcome,
                Err(_) if self.cancel.is_cancelled() => return Err(RepositoryError::Cancelled.into()),
                Err(error) => {
                    report.fail(&prepared.set, error.to_string());
                    return Ok(None);
                }
            };
            let (takes, bytes) = (cost.traffic.total(), cost.traffic.bytes_down);
            if takes <= requests && bytes <= received {
                return Ok(Some((options, sample != Sample::All)));
            }
            match sample.half(cost.files, cost.bytes) {
                Some(less) => sample = less,
                None => {
                    let message = format!(
                        "not rehearsed: it takes {takes} requests and {bytes} bytes, and {requests} and {received} are left"
                    );
                    report.fail(&prepared.set, message);
                    return Ok(None);
                }
            }
        }
    }
}

/// What a command that proves a step is told.
pub(super) fn setting(prepared: &Prepared, folder: PathBuf, is_rehearsal: bool) -> Setting {
    let variables = vec![
        ("FILBERT_TARGET", folder.display().to_string()),
        ("FILBERT_SET", prepared.set.clone()),
        ("FILBERT_SNAPSHOT", prepared.snapshot.id.to_string()),
        ("FILBERT_REHEARSAL", u8::from(is_rehearsal).to_string()),
    ];
    Setting { folder, variables }
}

/// A set's name as that of a folder.
fn name_of(set: &str) -> String {
    let plain = |letter: char| if letter.is_alphanumeric() || "-_.".contains(letter) { letter } else { '_' };
    set.chars().take(60).map(plain).collect()
}

/// How long all of it takes, by how long a part took.
fn expected(duration_ms: u64, bytes: u64, all_bytes: u64) -> u64 {
    if bytes == 0 || all_bytes <= bytes {
        return duration_ms;
    }
    (duration_ms as f64 * all_bytes as f64 / bytes as f64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_tells_of_the_whole() {
        assert_eq!(expected(100, 10, 1000), 10_000);
        assert_eq!(expected(100, 1000, 1000), 100);
        assert_eq!(expected(100, 0, 1000), 100);
    }

    #[test]
    fn a_set_is_one_folder_whatever_it_is_called() {
        assert_eq!(name_of("../etc/文 x"), ".._etc_文_x");
    }
}
