//! The test of a plan: nothing is restored.

use super::packs::NeededPacks;
use super::report::{DrillKind, DrillReport, StepReport, StepState};
use super::steps::Prepared;
use super::{PlanService, PlansError};
use crate::model::plan::steps_of;
use crate::progress::Silent;
use crate::recovery::{Destination, RecoveryService, RestoreOptions};
use crate::repository::RepositoryError;
use std::path::Path;
use std::sync::Arc;

impl PlanService {
    /// Looks whether every set of the plan `name` has a snapshot whose packs are there, how old it is,
    /// and what bringing it back takes. Restores nothing and fetches no content; the folders of packs
    /// are listed.
    pub async fn test(&self, name: &str) -> Result<DrillReport, PlansError> {
        let (mut report, _lock) = self.begin(name, DrillKind::Test)?;
        let mut packs = NeededPacks::new(&self.repository)?;
        for (step, of_step) in steps_of(&self.plans, name)?.into_iter().zip(&mut report.steps) {
            match self.prepare(&step) {
                Ok(prepared) => {
                    self.describe(&prepared, of_step).await;
                    self.test_step(&prepared, &mut packs, of_step).await?;
                }
                Err(reason) => of_step.fail(&step.set.unwrap_or_default(), reason),
            }
        }
        report.looked = Some(packs.found());
        self.end(report).await
    }

    async fn test_step(
        &self,
        prepared: &Prepared,
        packs: &mut NeededPacks,
        report: &mut StepReport,
    ) -> Result<(), PlansError> {
        let service = RecoveryService::new(self.repository.clone());
        // Into a folder that is not there: everything counts.
        let nowhere = self.repository.state().folder().unwrap_or(Path::new("/")).join("no such folder");
        let options = RestoreOptions {
            dry_run: true,
            cancel: self.cancel.clone(),
            ..self.wish(prepared, Destination::Folder(nowhere)).options(prepared.snapshot.clone())
        };
        let outcome = loop {
            match service.run(options.clone(), Arc::new(Silent)).await {
                // Where one lacks, others may have what it held.
                Ok(outcome) if packs.look(&self.repository, outcome.packs.keys()).await? => {}
                Ok(outcome) => break outcome,
                Err(_) if self.cancel.is_cancelled() => return Err(RepositoryError::Cancelled.into()),
                Err(error) => {
                    report.fail(&prepared.set, error.to_string());
                    return Ok(());
                }
            }
        };
        (report.files, report.bytes) = (outcome.files, outcome.bytes);
        report.requests = if self.is_folder { 0 } else { outcome.traffic.total() };
        report.received = outcome.traffic.bytes_down;
        report.take_problems(&outcome.problems, outcome.problem_count);
        self.tell_suffering(prepared, &options, packs, report).await?;
        report.state = if report.problem_count == 0 { StepState::Good } else { StepState::Failed };
        Ok(())
    }
}
