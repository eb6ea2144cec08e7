//! What the steps of a plan come to, before anything is restored; and what all reports begin and end
//! with.

use super::proof::NOTIFY_TIMEOUT;
use super::report::{DrillKind, DrillReport, StepReport};
use super::told::ToldReport;
use super::{PlanService, PlansError, Setting};
use crate::format::record::SnapshotState;
use crate::model::amount::counted;
use crate::model::entry::Node;
use crate::model::path::{EntryPath, display_bytes};
use crate::model::plan::{PlanStep, steps_of};
use crate::progress::{Event, Problem};
use crate::recovery::{Destination, RestoreWish, selected_entries};
use crate::repository::select::Selector;
use crate::repository::snapshots::SnapshotInfo;
use crate::state::drills::DrillRecord;
use crate::state::lock::Lock;
use std::fmt;
use std::path::PathBuf;

/// A step, and the snapshot that it will bring back.
#[derive(Clone)]
pub(super) struct Prepared {
    pub(super) step: PlanStep,
    pub(super) set: String,
    pub(super) snapshot: SnapshotInfo,
}

/// Which step it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    /// Counted from 0.
    pub(super) number: usize,
    pub(super) of: usize,
    pub(super) is_rehearsal: bool,
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {} of {}", self.number + 1, self.of)
    }
}

impl PlanService {
    /// A report of steps that are not begun, and what shows other processes that it lives. It is
    /// remembered from now on: one that is killed shows as broken off.
    pub(super) fn begin(&self, name: &str, kind: DrillKind) -> Result<(DrillReport, Lock), PlansError> {
        let steps = steps_of(&self.plans, name)?;
        let report =
            |step: &PlanStep| StepReport::new(step.set.as_deref().unwrap_or_default(), shown_target(step));
        let id = format!("{:08x}", self.repository.random_number()? as u32);
        let lock = self.lock_drill(&id, name)?;
        let report = DrillReport {
            id,
            plan: name.to_owned(),
            description: self.plan(name)?.description.clone(),
            kind,
            began_ms: self.repository.clock().now().millis(),
            ended_ms: None,
            scratch: None,
            looked: None,
            steps: steps.iter().map(report).collect(),
        };
        self.keep(&report)?;
        Ok((report, lock))
    }

    /// Shows other processes that the test, rehearsal or run `id` of the plan lives.
    pub(super) fn lock_drill(&self, id: &str, plan: &str) -> Result<Lock, PlansError> {
        self.try_lock_drill(id)?.ok_or_else(|| PlansError::Busy { plan: plan.to_owned() })
    }

    pub(super) fn try_lock_drill(&self, id: &str) -> Result<Option<Lock>, PlansError> {
        Ok(self.repository.state().try_lock(&format!("drill {id}"))?.map(Lock::used_once))
    }

    /// Whether a report without an end is of one that is still at work.
    pub fn is_under_way(&self, report: &DrillReport) -> Result<bool, PlansError> {
        Ok(report.ended_ms.is_none() && self.try_lock_drill(&report.id)?.is_none())
    }

    /// Tells that a step begins.
    pub(super) fn tell_turn(&self, turn: Turn, report: &StepReport) {
        let shown = |text: &str| display_bytes(text.as_bytes()).into_owned();
        let notice = format!("{turn}: set {} ({})", shown(&report.set), shown(&report.target));
        self.observer.event(Event::Notice(&notice));
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
            let mut json = serde_json::to_vec(&ToldReport::from(&report)).unwrap_or_default();
            json.push(b'\n');
            let setting = Setting {
                folder: PathBuf::from("/"),
                variables: Vec::new(),
                time_limit: NOTIFY_TIMEOUT,
                cancel: self.cancel.clone(),
            };
            let ran = self.commands.run(command, setting, json).await;
            if !ran.passed {
                let message = format!("the notice of the plan was not taken: {}", ran.output);
                self.observer.event(Event::Problem(&Problem::new(&report.plan, message)));
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
            at: self.at,
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

    /// Which snapshot it is, how old, how much of it the step is about, and what it lacks.
    pub(super) async fn describe(&self, prepared: &Prepared, report: &mut StepReport) {
        let head = &prepared.snapshot.head;
        let now = self.repository.clock().now().millis();
        report.snapshot = Some(prepared.snapshot.id.to_string());
        report.data_age_ms = Some(now.saturating_sub(head.started.millis()).max(0));
        let whole = (head.tally.files, head.tally.bytes);
        (report.files, report.bytes) = match prepared.step.is_part() {
            // A list that cannot be read is told by who restores it.
            true => self.count(prepared).await.unwrap_or(whole),
            false => whole,
        };
        let lacks = match head.state {
            SnapshotState::Whole => return,
            SnapshotState::Incomplete => {
                format!("{} could not be backed up", counted(head.problem_count, "thing"))
            }
            SnapshotState::Partial => {
                format!("{} had not been sent yet", counted(head.missing.files, "file"))
            }
        };
        let message = format!("the snapshot {} is not whole: {lacks}", prepared.snapshot.id.short());
        report.take_problems(&[Problem::new(&prepared.set, message)], 1);
    }

    /// Files that the patterns of a step select, and their bytes.
    async fn count(&self, prepared: &Prepared) -> Result<(u64, u64), PlansError> {
        let entries = self.repository.entries(&prepared.snapshot).await?;
        let wish = self.wish(prepared, Destination::Folder(PathBuf::new()));
        let (mut files, mut bytes) = (0, 0_u64);
        selected_entries(&wish.options(prepared.snapshot.clone()), &entries, |entry| {
            if let Node::File(content) = &entry.node {
                files += 1;
                bytes = bytes.saturating_add(content.size);
            }
            Ok(())
        })?;
        Ok((files, bytes))
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
