//! A plan carried out: each step to where it belongs, in order, until one fails that must not.

use super::proof::prove;
use super::rehearse::setting;
use super::report::{DrillKind, DrillReport, StepReport, StepState};
use super::steps::{Prepared, destination};
use super::{PlanService, PlansError};
use crate::model::plan::{OnFailure, PlanStep};
use crate::progress::{Event, Problem};
use crate::recovery::{Destination, RecoveryError, RestoreSession, RestoreWish, Verified};
use crate::repository::RepositoryError;
use std::path::PathBuf;

impl PlanService {
    /// Carries out the plan `name`.
    ///
    /// # Errors
    /// Before anything is restored, where a step has no snapshot; afterwards only where the run was
    /// stopped or the local state failed.
    pub async fn run(&self, name: &str) -> Result<DrillReport, PlansError> {
        let prepared = self.prepare_all(name)?;
        let mut report = self.begin(name, DrillKind::Run)?;
        for (prepared, of_step) in prepared.iter().zip(&mut report.steps) {
            self.describe(prepared, of_step);
            // That it is not whole was told; what it holds can be brought back.
            for problem in std::mem::take(&mut of_step.problems) {
                self.observer.event(Event::Problem(&problem));
            }
            of_step.problem_count = 0;
        }
        self.carry_out(report, prepared).await
    }

    /// Goes on with the last run of the plan `name`, at the first step that is not good.
    pub async fn resume(&self, name: &str) -> Result<DrillReport, PlansError> {
        let is_open =
            |report: &DrillReport| report.plan == name && report.kind == DrillKind::Run && !report.is_good();
        let last = self
            .history()?
            .into_iter()
            .rev()
            .find(|report| report.plan == name && report.kind == DrillKind::Run);
        let report = last.filter(is_open).ok_or_else(|| PlansError::NothingOpen { plan: name.to_owned() })?;
        let steps = crate::model::plan::steps_of(&self.plans, name)?;
        let fits = |(step, of_step): (&PlanStep, &StepReport)| step.set.as_ref() == Some(&of_step.set);
        if steps.len() != report.steps.len() || !steps.iter().zip(&report.steps).all(fits) {
            return Err(PlansError::Changed { plan: name.to_owned(), id: report.id });
        }
        // The same snapshots as in the beginning, where they are still there.
        let mut prepared = self.prepare_all(name)?;
        let snapshots = self.repository.snapshots()?;
        for (prepared, of_step) in prepared.iter_mut().zip(&report.steps) {
            let same = snapshots.iter().find(|one| Some(one.id.to_string()) == of_step.snapshot);
            prepared.snapshot = same.unwrap_or(&prepared.snapshot).clone();
        }
        self.carry_out(report, prepared).await
    }

    async fn carry_out(
        &self,
        mut report: DrillReport,
        prepared: Vec<Prepared>,
    ) -> Result<DrillReport, PlansError> {
        for (number, prepared) in prepared.iter().enumerate() {
            let Some(of_step) = report.steps.get(number).filter(|step| step.state != StepState::Good) else {
                continue;
            };
            let mut of_step = of_step.clone();
            (of_step.problems, of_step.problem_count) = (Vec::new(), 0);
            of_step.state = StepState::Begun;
            let done = self.carry_out_step(prepared, number, &mut report, &mut of_step).await;
            let has_failed = of_step.state == StepState::Failed;
            if let Some(place) = report.steps.get_mut(number) {
                *place = of_step;
            }
            self.keep(&report)?;
            done?;
            if has_failed && prepared.step.on_failure == OnFailure::Stop {
                break;
            }
        }
        self.end(report).await
    }

    async fn carry_out_step(
        &self,
        prepared: &Prepared,
        number: usize,
        report: &mut DrillReport,
        of_step: &mut StepReport,
    ) -> Result<(), PlansError> {
        let before = (self.repository.clock().now().millis(), self.repository.store().traffic());
        let verify = self.plan(&report.plan)?.verify;
        let restored = match self.start(prepared, verify, of_step) {
            Ok(session) => {
                of_step.session = Some(session.id().to_owned());
                // Before it ends, so that a run that breaks off knows what to go on with.
                if let Some(place) = report.steps.get_mut(number) {
                    *place = of_step.clone();
                }
                self.keep(report)?;
                session.wait().await
            }
            Err(error) => Err(error),
        };
        let spent = self.repository.store().traffic().since(&before.1);
        let duration = self.repository.clock().now().millis().saturating_sub(before.0).max(0) as u64;
        of_step.duration_ms += duration;
        of_step.requests += spent.total();
        of_step.received += spent.bytes_down;
        let outcome = match restored {
            Ok(ended) => ended.outcome,
            Err(_) if self.cancel.is_cancelled() => return Err(RepositoryError::Cancelled.into()),
            Err(error) => {
                of_step.fail(&prepared.set, error.to_string());
                return Ok(());
            }
        };
        (of_step.files, of_step.bytes) = (outcome.files, outcome.bytes);
        of_step.expected_ms = Some(of_step.duration_ms);
        let Verified { passed, failed } = outcome.verified.unwrap_or_default();
        (of_step.proven, of_step.disproven) = (passed, failed);
        of_step.take_problems(&outcome.problems, outcome.problem_count);
        let mut is_good = outcome.is_whole();
        if let Some(command) = prepared.step.prove.as_ref().filter(|_| is_good) {
            let proof = prove(&*self.commands, command, setting(prepared, folder_of(prepared), false)).await;
            is_good = proof.passed;
            if !proof.passed {
                let message = format!("the command that proves it failed: {}", proof.output);
                of_step.take_problems(&[Problem::new(&prepared.set, message)], 1);
            }
            of_step.proof = Some(proof);
        }
        of_step.state = if is_good { StepState::Good } else { StepState::Failed };
        Ok(())
    }

    /// Starts the restore of a step, or goes on with it.
    fn start(
        &self,
        prepared: &Prepared,
        verify: bool,
        of_step: &StepReport,
    ) -> Result<RestoreSession, RecoveryError> {
        if let Some(id) = &of_step.session
            && self.repository.state().restore(id)?.is_some()
        {
            return self.sessions.resume(id, false, self.observer.clone());
        }
        let destination = destination(&prepared.step);
        let in_place = matches!(destination, Destination::Original { .. });
        let wish =
            RestoreWish { overwrite: in_place, safety: in_place, verify, ..self.wish(prepared, destination) };
        self.sessions.start(wish, self.observer.clone())
    }
}

/// Where a command that proves a step is run.
fn folder_of(prepared: &Prepared) -> PathBuf {
    match destination(&prepared.step) {
        Destination::Folder(folder) => folder,
        Destination::Original { maps } => {
            let root = prepared.snapshot.root();
            let mapped =
                maps.iter().find(|(from, _)| root.as_ref().is_some_and(|root| root.below(from).is_some()));
            match (mapped, root) {
                (Some((_, to)), _) => to.clone(),
                (None, Some(root)) if root.as_path().is_dir() => root.as_path().to_owned(),
                _ => PathBuf::from("/"),
            }
        }
    }
}
