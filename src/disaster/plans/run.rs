//! A plan carried out: each step to where it belongs, in order, until one fails that must not.

use super::report::{DrillKind, DrillReport, StepReport, StepState};
use super::steps::{Prepared, Turn, destination};
use super::{PlanService, PlansError};
use crate::model::amount::counted;
use crate::model::plan::{OnFailure, PlanStep, steps_of};
use crate::progress::{Event, Problem};
use crate::recovery::{Destination, RecoveryError, RestoreSession, RestoreWish, Verified};
use crate::repository::RepositoryError;
use crate::state::lock::Lock;
use crate::state::restores::RestoreState;
use std::path::PathBuf;

impl PlanService {
    /// Carries out the plan `name`.
    ///
    /// # Errors
    /// Before anything is restored, where a step has no snapshot or the plan is being run already;
    /// afterwards only where the run was stopped or the local state failed.
    pub async fn run(&self, name: &str) -> Result<DrillReport, PlansError> {
        let _alone = self.lock_plan(name)?;
        let prepared = self.prepare_all(name)?;
        let (mut report, _lock) = self.begin(name, DrillKind::Run)?;
        for (prepared, of_step) in prepared.iter().zip(&mut report.steps) {
            self.describe(prepared, of_step).await;
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
        let steps = steps_of(&self.plans, name)?;
        let _alone = self.lock_plan(name)?;
        let is_open =
            |report: &DrillReport| report.plan == name && report.kind == DrillKind::Run && !report.is_good();
        let last = self
            .history()?
            .into_iter()
            .rev()
            .find(|report| report.plan == name && report.kind == DrillKind::Run);
        let mut report =
            last.filter(is_open).ok_or_else(|| PlansError::NothingOpen { plan: name.to_owned() })?;
        let _lock = self.lock_drill(&report.id, name)?;
        let fits = |(step, of_step): (&PlanStep, &StepReport)| step.set.as_ref() == Some(&of_step.set);
        if steps.len() != report.steps.len() || !steps.iter().zip(&report.steps).all(fits) {
            return Err(PlansError::Changed { plan: name.to_owned(), id: report.id });
        }
        // The same snapshots as in the beginning, where they are still there.
        let mut prepared = self.prepare_all(name)?;
        let snapshots = self.repository.snapshots()?;
        for (prepared, of_step) in prepared.iter_mut().zip(&report.steps) {
            match snapshots.iter().find(|one| Some(one.id.to_string()) == of_step.snapshot) {
                Some(same) => prepared.snapshot = same.clone(),
                None if of_step.state == StepState::Good => {}
                None => {
                    let id = prepared.snapshot.id.short();
                    let message =
                        format!("the snapshot that the run began with is gone: it goes on with {id}");
                    self.observer.event(Event::Problem(&Problem::new(&prepared.set, message)));
                }
            }
        }
        report.ended_ms = None;
        self.keep(&report)?;
        self.carry_out(report, prepared).await
    }

    /// One run of a plan at a time.
    fn lock_plan(&self, name: &str) -> Result<Lock, PlansError> {
        let lock = self.repository.state().try_lock(&format!("run of the plan {name}"))?;
        lock.ok_or_else(|| PlansError::Busy { plan: name.to_owned() })
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
            let turn = Turn { number, of: report.steps.len(), is_rehearsal: false };
            self.tell_turn(turn, &of_step);
            let done = self.carry_out_step(prepared, turn, &mut report, &mut of_step).await;
            let has_failed = of_step.state == StepState::Failed;
            self.put_step(&mut report, number, &of_step)?;
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
        turn: Turn,
        report: &mut DrillReport,
        of_step: &mut StepReport,
    ) -> Result<(), PlansError> {
        let (began, before) = (self.repository.clock().now().millis(), self.repository.store().traffic());
        let verify = self.plan(&report.plan)?.verify;
        let restored = match self.start(prepared, verify, of_step) {
            Ok(session) => {
                of_step.session = Some(session.id().to_owned());
                // Before it ends, so that a run that breaks off knows what to go on with.
                self.put_step(report, turn.number, of_step)?;
                session.wait().await
            }
            Err(error) => Err(error),
        };
        let spent = self.repository.store().traffic().since(&before);
        of_step.restore_ms += self.since(began);
        of_step.requests += spent.total();
        of_step.received += spent.bytes_down;
        self.note_safety(of_step)?;
        let outcome = match restored {
            Ok(ended) => ended.outcome,
            Err(_) if self.cancel.is_cancelled() => return Err(RepositoryError::Cancelled.into()),
            Err(error) => {
                of_step.fail(&prepared.set, error.to_string());
                return Ok(());
            }
        };
        (of_step.files, of_step.bytes) = (outcome.files, outcome.bytes);
        let Verified { passed, failed } = outcome.verified.unwrap_or_default();
        (of_step.proven, of_step.disproven) = (passed, failed);
        of_step.take_problems(&outcome.problems, outcome.problem_count);
        if outcome.left_alone > 0 && prepared.step.target.is_some() && !prepared.step.overwrite {
            let left = counted(outcome.left_alone, "thing");
            let message =
                format!("{left} in the target left alone: `overwrite = true` in this step replaces them");
            of_step.fail(&prepared.set, message);
        }
        let is_good = outcome.is_whole() && self.prove(prepared, folder_of(prepared), turn, of_step).await?;
        of_step.state = if is_good { StepState::Good } else { StepState::Failed };
        of_step.expected_ms = is_good.then(|| of_step.duration_ms());
        Ok(())
    }

    /// Remembers how far a step is.
    pub(super) fn put_step(
        &self,
        report: &mut DrillReport,
        number: usize,
        step: &StepReport,
    ) -> Result<(), PlansError> {
        if let Some(place) = report.steps.get_mut(number) {
            place.clone_from(step);
        }
        self.keep(report)
    }

    /// The snapshot of what was there before: also of a restore that failed.
    fn note_safety(&self, report: &mut StepReport) -> Result<(), PlansError> {
        if let Some(id) = &report.session
            && let Some(record) = self.repository.state().restore(id)?
        {
            report.safety_snapshot = record.safety.map(|safety| safety.to_string());
        }
        Ok(())
    }

    /// Starts the restore of a step, or goes on with it.
    fn start(
        &self,
        prepared: &Prepared,
        verify: bool,
        of_step: &StepReport,
    ) -> Result<RestoreSession, RecoveryError> {
        let destination = destination(&prepared.step);
        let in_place = matches!(destination, Destination::Original { .. });
        let overwrite = in_place || prepared.step.overwrite;
        let wish = RestoreWish { overwrite, safety: in_place, verify, ..self.wish(prepared, destination) };
        // The step may ask for something else by now, and somebody may have taken the restore back.
        if let Some(id) = &of_step.session
            && let Some(record) = self.repository.state().restore(id)?
            && record.state != RestoreState::Undone
            && self.sessions.wish_of(&record)? == wish
        {
            return self.sessions.resume(id, false, self.observer.clone());
        }
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
