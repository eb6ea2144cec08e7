//! What the steps of a plan come to, before anything is restored; and the test of a plan.

use super::report::{DrillKind, DrillReport, StepReport, StepState};
use super::{PlanService, PlansError};
use crate::format::record::SnapshotState;
use crate::model::path::EntryPath;
use crate::model::plan::{PlanStep, steps_of};
use crate::progress::{Problem, Silent};
use crate::recovery::{Destination, RecoveryService, RestoreOptions, RestoreWish};
use crate::repository::select::Selector;
use crate::repository::snapshots::SnapshotInfo;
use crate::state::drills::DrillRecord;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A step, and the snapshot that it will bring back.
#[derive(Clone)]
pub(super) struct Prepared {
    pub(super) step: PlanStep,
    pub(super) set: String,
    pub(super) snapshot: SnapshotInfo,
}

impl PlanService {
    /// Looks whether every set of the plan `name` has a snapshot that can be restored, how old it is,
    /// and what bringing it back takes. Restores nothing and fetches no content.
    pub async fn test(&self, name: &str) -> Result<DrillReport, PlansError> {
        let mut report = self.begin(name, DrillKind::Test)?;
        let service = RecoveryService::new(self.repository.clone());
        for (number, step) in steps_of(&self.plans, name)?.into_iter().enumerate() {
            let Some(of_step) = report.steps.get_mut(number) else { break };
            let prepared = match self.prepare(&step) {
                Ok(prepared) => prepared,
                Err(reason) => {
                    of_step.fail(&step.set.unwrap_or_default(), reason);
                    continue;
                }
            };
            self.describe(&prepared, of_step);
            // Into a folder that is not there: everything counts.
            let nowhere = self.repository.state().folder().unwrap_or(Path::new("/")).join("no such folder");
            let options = RestoreOptions {
                dry_run: true,
                cancel: self.cancel.clone(),
                ..self.wish(&prepared, Destination::Folder(nowhere)).options(prepared.snapshot.clone())
            };
            match service.run(options, Arc::new(Silent)).await {
                Ok(outcome) => {
                    (of_step.files, of_step.bytes) = (outcome.files, outcome.bytes);
                    (of_step.requests, of_step.received) =
                        (outcome.traffic.total(), outcome.traffic.bytes_down);
                    of_step.take_problems(&outcome.problems, outcome.problem_count);
                }
                Err(_) if self.cancel.is_cancelled() => {
                    return Err(crate::repository::RepositoryError::Cancelled.into());
                }
                Err(error) => of_step.fail(&prepared.set, error.to_string()),
            }
            let is_good = of_step.problem_count == 0;
            of_step.state = if is_good { StepState::Good } else { StepState::Failed };
        }
        self.end(report).await
    }

    /// A report of steps that are not begun.
    pub(super) fn begin(&self, name: &str, kind: DrillKind) -> Result<DrillReport, PlansError> {
        let steps = steps_of(&self.plans, name)?;
        let report =
            |step: &PlanStep| StepReport::new(step.set.as_deref().unwrap_or_default(), shown_target(step));
        Ok(DrillReport {
            id: format!("{:08x}", self.repository.random_number()? as u32),
            plan: name.to_owned(),
            description: self.plan(name)?.description.clone(),
            kind,
            began_ms: self.repository.clock().now().millis(),
            ended_ms: None,
            steps: steps.iter().map(report).collect(),
        })
    }

    /// Remembers the report as it is.
    pub(super) fn keep(&self, report: &DrillReport) -> Result<(), PlansError> {
        let json =
            serde_json::to_string(report).map_err(|error| PlansError::not_kept("the report", error))?;
        let record = DrillRecord {
            id: report.id.clone(),
            plan: report.plan.clone(),
            began_ms: report.began_ms,
            report: json,
        };
        Ok(self.repository.state().put_drill(&record)?)
    }

    /// The reports that are remembered, the oldest first.
    pub fn history(&self) -> Result<Vec<DrillReport>, PlansError> {
        let records = self.repository.state().drills()?;
        let read = |record: DrillRecord| {
            serde_json::from_str(&record.report)
                .map_err(|error| PlansError::Unreadable(format!("report {}: {error}", record.id)))
        };
        records.into_iter().map(read).collect()
    }

    /// Notes the end, and tells whom the plan names.
    pub(super) async fn end(&self, mut report: DrillReport) -> Result<DrillReport, PlansError> {
        report.ended_ms = Some(self.repository.clock().now().millis());
        self.keep(&report)?;
        if let Some(command) = &self.plan(&report.plan)?.notify {
            let json = serde_json::to_vec(&report).unwrap_or_default();
            let setting = super::Setting { folder: PathBuf::from("/"), variables: Vec::new() };
            let ran = self.commands.run(command, setting, json).await;
            if !ran.passed {
                let message = format!("the notice of the plan was not taken: {}", ran.output);
                self.observer.event(crate::progress::Event::Problem(&Problem::new(&report.plan, message)));
            }
        }
        Ok(report)
    }

    /// The snapshot that a step brings back, or why there is none.
    pub(super) fn prepare(&self, step: &PlanStep) -> Result<Prepared, String> {
        let set = step.set.clone().unwrap_or_default();
        let selector = Selector {
            id: None,
            set: Some(set.clone()),
            host: step.host.clone(),
            this_host: self.host.clone(),
            at: None,
        };
        let selected = self.repository.select(&selector).map_err(|error| error.to_string())?;
        Ok(Prepared { step: step.clone(), set, snapshot: selected.snapshot })
    }

    /// All steps of a plan with their snapshots, before anything is begun.
    pub(super) fn prepare_all(&self, name: &str) -> Result<Vec<Prepared>, PlansError> {
        let steps = steps_of(&self.plans, name)?.into_iter().enumerate();
        let prepare = |(number, step): (usize, PlanStep)| {
            let unknown = |reason| PlansError::UnknownSet { plan: name.to_owned(), step: number + 1, reason };
            self.prepare(&step).map_err(unknown)
        };
        steps.map(prepare).collect()
    }

    /// Which snapshot it is, how old, and what it lacks.
    pub(super) fn describe(&self, prepared: &Prepared, report: &mut StepReport) {
        let head = &prepared.snapshot.head;
        let now = self.repository.clock().now().millis();
        report.snapshot = Some(prepared.snapshot.id.to_string());
        report.data_age_ms = Some(now.saturating_sub(head.started.millis()).max(0));
        (report.files, report.bytes) = (head.tally.files, head.tally.bytes);
        let lacks = match head.state {
            SnapshotState::Whole => return,
            SnapshotState::Incomplete => format!("{} things could not be backed up", head.problem_count),
            SnapshotState::Partial => format!("{} files had not been sent yet", head.missing.files),
        };
        let message = format!("the snapshot {} is not whole: {lacks}", prepared.snapshot.id.short());
        report.take_problems(&[Problem::new(&prepared.set, message)], 1);
    }

    /// What a step asks for, to `destination`.
    pub(super) fn wish(&self, prepared: &Prepared, destination: Destination) -> RestoreWish {
        let step = &prepared.step;
        RestoreWish {
            includes: step.include.clone(),
            excludes: step.exclude.clone(),
            ..RestoreWish::new(prepared.snapshot.id, destination)
        }
    }
}

/// Where a step puts things.
pub(super) fn destination(step: &PlanStep) -> Destination {
    match &step.target {
        Some(folder) => Destination::Folder(folder.clone()),
        None => {
            let maps = step.map.iter().flatten();
            let map = |(from, to): (&PathBuf, &PathBuf)| Some((EntryPath::from_path(from).ok()?, to.clone()));
            Destination::Original { maps: maps.filter_map(map).collect() }
        }
    }
}

fn shown_target(step: &PlanStep) -> String {
    match (&step.target, &step.map) {
        (Some(folder), _) => folder.display().to_string(),
        (None, Some(maps)) if !maps.is_empty() => {
            let shown = maps.iter().map(|(from, to)| format!("{} to {}", from.display(), to.display()));
            format!("in place, {}", shown.collect::<Vec<_>>().join(", "))
        }
        _ => "in place".to_owned(),
    }
}
