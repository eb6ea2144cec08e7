//! A rehearsal: really restores, into a scratch folder, within an allowance, compares, and measures.

use super::report::{DrillKind, DrillReport, Sampled, StepReport, StepState};
use super::sample::{self, Sample};
use super::scratch::Scratch;
use super::steps::{Prepared, Turn};
use super::{PlanService, PlansError};
use crate::model::amount::counted;
use crate::model::plan::{PlanStep, steps_of};
use crate::progress::Silent;
use crate::recovery::{Destination, RecoveryService, RestoreOptions, Verified};
use crate::repository::RepositoryError;
use crate::store::TrafficCount;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// So many times a single file is drawn anew where the one before took too much.
const MOST_DRAWS: u32 = 16;

/// What a rehearsal may take.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    /// Where it restores to.
    pub scratch: Scratch,
    /// How much of each step.
    pub sample: Sample,
    /// The most requests, of all steps together.
    pub most_requests: Option<u64>,
    /// The most bytes to be received, of all steps together.
    pub most_received: Option<u64>,
}

/// What a step restores for trial.
struct Part {
    options: RestoreOptions,
    is_sample: bool,
    /// What reading the list and planning took.
    planning_ms: u64,
}

impl PlanService {
    /// Restores every set of the plan `name` for trial. What one step finds keeps no other from being
    /// tried. Removes what killed rehearsals left.
    pub async fn rehearse(&self, name: &str, rehearsal: &Rehearsal) -> Result<DrillReport, PlansError> {
        let steps = steps_of(&self.plans, name)?;
        self.remove_leftovers()?;
        let (mut report, _lock) = self.begin(name, DrillKind::Rehearsal)?;
        if let Scratch::Temporary(_) = &rehearsal.scratch {
            // Before it is there, so that nothing stays of which nobody knows.
            report.scratch = rehearsal.scratch.folder(&report.id).to_str().map(str::to_owned);
            self.keep(&report)?;
        }
        let tried = match rehearsal.scratch.make(&report.id) {
            Ok(()) => self.rehearse_steps(&steps, rehearsal, &mut report).await,
            Err(error) => Err(error),
        };
        self.remove_scratch(&mut report)?;
        tried?;
        self.end(report).await
    }

    async fn rehearse_steps(
        &self,
        steps: &[PlanStep],
        rehearsal: &Rehearsal,
        report: &mut DrillReport,
    ) -> Result<(), PlansError> {
        let scratch = rehearsal.scratch.folder(&report.id);
        let before = self.repository.store().traffic();
        for (number, step) in steps.iter().enumerate() {
            let Some(mut of_step) = report.steps.get(number).cloned() else { break };
            let turn = Turn { number, of: steps.len(), is_rehearsal: true };
            let done = match self.prepare(step) {
                Ok(prepared) => {
                    self.describe(&prepared, &mut of_step).await;
                    let folder = scratch.join(format!("{:02}-{}", number + 1, name_of(&prepared.set)));
                    of_step.target = folder.display().to_string();
                    self.tell_turn(turn, &of_step);
                    of_step.state = StepState::Begun;
                    self.put_step(report, number, &of_step)?;
                    self.rehearse_step(&prepared, rehearsal, folder, &before, turn, &mut of_step).await
                }
                Err(reason) => {
                    of_step.fail(step.set.as_deref().unwrap_or_default(), reason);
                    Ok(())
                }
            };
            self.put_step(report, number, &of_step)?;
            done?;
        }
        Ok(())
    }

    async fn rehearse_step(
        &self,
        prepared: &Prepared,
        rehearsal: &Rehearsal,
        folder: PathBuf,
        before: &TrafficCount,
        turn: Turn,
        report: &mut StepReport,
    ) -> Result<(), PlansError> {
        let wish = self.wish(prepared, Destination::Folder(folder.clone()));
        let options = RestoreOptions {
            verify: true,
            threads: self.sessions.threads,
            cancel: self.cancel.clone(),
            ..wish.options(prepared.snapshot.clone())
        };
        let Some(part) = self.within(options, rehearsal, before, prepared, report).await? else {
            return Ok(());
        };
        make_private(&folder)?;
        let (began, spent) = (self.repository.clock().now().millis(), self.repository.store().traffic());
        let service = RecoveryService::new(self.repository.clone());
        let ended = service.run(part.options, self.observer.clone()).await;
        report.restore_ms = self.since(began);
        let spent = self.repository.store().traffic().since(&spent);
        (report.requests, report.received) = (spent.total(), spent.bytes_down);
        let outcome = match ended {
            Ok(outcome) => outcome,
            Err(_) if self.cancel.is_cancelled() => return Err(RepositoryError::Cancelled.into()),
            Err(error) => {
                report.fail(&prepared.set, error.to_string());
                return Ok(());
            }
        };
        let restored = Sampled { files: outcome.files, bytes: outcome.bytes };
        if part.is_sample {
            report.sample = Some(restored);
        } else {
            (report.files, report.bytes) = (outcome.files, outcome.bytes);
        }
        let Verified { passed, failed } = outcome.verified.unwrap_or_default();
        (report.proven, report.disproven) = (passed, failed);
        report.take_problems(&outcome.problems, outcome.problem_count);
        if part.is_sample {
            // A command would miss what was not restored.
            report.not_proven = prepared.step.prove.as_ref().map(|_| "only a sample was restored".to_owned());
        } else {
            self.prove(prepared, folder, turn, report).await?;
        }
        if !outcome.is_whole() || report.problem_count > 0 {
            report.state = StepState::Failed;
            return Ok(());
        }
        report.state = StepState::Good;
        let all = Sampled { files: report.files, bytes: report.bytes };
        report.expected_ms = match part.is_sample {
            true => estimate(report.restore_ms, part.planning_ms, restored, all),
            false => Some(report.duration_ms()),
        };
        Ok(())
    }

    /// What keeps to what is left of the allowance; none where each of some files would take more.
    async fn within(
        &self,
        options: RestoreOptions,
        rehearsal: &Rehearsal,
        before: &TrafficCount,
        prepared: &Prepared,
        report: &mut StepReport,
    ) -> Result<Option<Part>, PlansError> {
        let spent = self.repository.store().traffic().since(before);
        let left = |most: Option<u64>, spent: u64| most.map_or(u64::MAX, |most| most.saturating_sub(spent));
        let requests = left(rehearsal.most_requests, spent.total());
        let received = left(rehearsal.most_received, spent.bytes_down);
        let service = RecoveryService::new(self.repository.clone());
        let (mut sample, mut seed) = (rehearsal.sample, self.repository.random_number()?);
        let mut draws = 1;
        loop {
            let mut options = options.clone();
            if sample != Sample::All {
                let entries = self.repository.entries(&prepared.snapshot).await?;
                let chosen = sample::choose(sample, seed, &options, &entries)?;
                if chosen.is_empty() && draws < MOST_DRAWS {
                    (sample, seed, draws) = (Sample::Files(1), seed.wrapping_add(1), draws + 1);
                    continue;
                }
                if chosen.is_empty() {
                    let message =
                        "not rehearsed: what is allowed or left is less than any of the files drawn takes";
                    report.fail(&prepared.set, message.to_owned());
                    return Ok(None);
                }
                if chosen.len() as u64 >= report.files {
                    // No sample, then: with its folders and links.
                    sample = Sample::All;
                } else {
                    options.exactly = Some(Arc::new(chosen));
                }
            }
            let began = self.repository.clock().now().millis();
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
                let (is_sample, planning_ms) = (sample != Sample::All, self.since(began));
                return Ok(Some(Part { options, is_sample, planning_ms }));
            }
            match sample.half(cost.files, cost.bytes) {
                Some(less) => sample = less,
                // Another file may lie in fewer frames.
                None if draws < MOST_DRAWS => {
                    (sample, seed, draws) = (Sample::Files(1), seed.wrapping_add(1), draws + 1);
                }
                None => {
                    let message = format!(
                        "not rehearsed: it takes {} and {}, and {requests} and {received} are left",
                        counted(takes, "request"),
                        counted(bytes, "byte")
                    );
                    report.fail(&prepared.set, message);
                    return Ok(None);
                }
            }
        }
    }
}

/// Makes the folder of a step, closed to others also where the scratch folder is not.
fn make_private(folder: &Path) -> Result<(), PlansError> {
    let made = DirBuilder::new().mode(0o700).create(folder);
    made.map_err(|error| PlansError::Scratch { folder: folder.to_owned(), reason: error.to_string() })
}

/// A set's name as that of a folder.
fn name_of(set: &str) -> String {
    let plain = |letter: char| if letter.is_alphanumeric() || "-_.".contains(letter) { letter } else { '_' };
    set.chars().take(60).map(plain).collect()
}

/// A sample with so many bytes tells of the whole, however large that is.
const TELLING_BYTES: u64 = 32 << 20;
/// And so does one that is such a share of it.
const TELLING_SHARE: u64 = 10;

/// How long all of it takes, by how long a part took: planning takes what it took, the rest grows with
/// the bytes. None where the part is so small that what every restore takes hides the rest.
fn estimate(restore_ms: u64, planning_ms: u64, part: Sampled, all: Sampled) -> Option<u64> {
    let is_telling = part.bytes >= TELLING_BYTES || part.bytes.saturating_mul(TELLING_SHARE) >= all.bytes;
    if !is_telling || part.bytes == 0 {
        return None;
    }
    let planning = planning_ms.min(restore_ms);
    let transfer = restore_ms.saturating_sub(planning) as f64 * all.bytes as f64 / part.bytes as f64;
    Some(planning.saturating_add(transfer as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_tells_of_the_whole_if_it_is_large_enough() {
        let part = |bytes| Sampled { files: 1, bytes };
        assert_eq!(estimate(150, 50, part(100), part(1000)), Some(1050), "planning is not done ten times");
        assert_eq!(estimate(150, 50, part(99), part(1000)), None);
        assert_eq!(estimate(10, 20, part(500), part(1000)), Some(10));
        let large = estimate(1000, 0, part(TELLING_BYTES), part(TELLING_BYTES * 100));
        assert_eq!(large, Some(100_000));
        assert_eq!(estimate(5, 0, part(0), part(0)), None);
    }

    #[test]
    fn a_set_is_one_folder_whatever_it_is_called() {
        assert_eq!(name_of("../etc/文 x"), ".._etc_文_x");
    }
}
