//! A check from beginning to end.

use super::suffering::{self, Damage};
use super::{CheckOptions, CheckOutcome, ReadData, data, structure};
use crate::progress::{Event, Observer, Problem, Stage};
use crate::repository::{Repository, RepositoryError};
use std::sync::Arc;

/// Checks a repository.
pub struct CheckService {
    pub(super) repository: Repository,
}

impl CheckService {
    /// A service on `repository`.
    pub fn new(repository: Repository) -> Self {
        Self { repository }
    }

    /// Checks. Damage is part of the outcome; an error means that the check could not be made.
    pub async fn run(
        &self,
        options: CheckOptions,
        observer: Arc<dyn Observer>,
    ) -> Result<CheckOutcome, RepositoryError> {
        let repository = &self.repository;
        let before = repository.store().traffic();
        let mut outcome = CheckOutcome::default();
        observer.event(Event::Stage { stage: Stage::CheckingStructure, files: None, bytes: None });
        let (problems, look) = repository.catch_up_by_looking().await?;
        outcome.problems.extend(problems);
        for problem in repository.chain_problems(&[])? {
            if !outcome.problems.contains(&problem) {
                outcome.problems.push(problem);
            }
        }
        let packs = repository.recorded_packs()?;
        outcome.packs = packs.len() as u64;
        let mut damage: Vec<Damage> = structure::check(repository, &packs, &look, &mut outcome).await?;

        let chosen = match options.read_data {
            ReadData::Nothing => Vec::new(),
            ReadData::Everything => packs,
            ReadData::Share(percent) => data::sample(repository, packs, percent)?,
        };
        let mut good = Vec::new();
        if !chosen.is_empty() {
            let bytes = chosen.iter().map(|pack| pack.size).sum();
            observer.event(Event::Stage {
                stage: Stage::CheckingData,
                files: Some(chosen.len() as u64),
                bytes: Some(bytes),
            });
            let missing = damage.iter().map(|damage| damage.pack.object).collect();
            good = chosen.iter().map(|pack| pack.object).collect();
            damage.extend(data::read(repository, chosen, missing, &options, &*observer, &mut outcome).await?);
        }
        // The next backup does not count on what is bad, and sends it again where it has it.
        let bad: Vec<_> = damage.iter().map(|damage| damage.pack.object).collect();
        good.retain(|object| !bad.contains(object));
        repository.note_bad_packs(&good, &bad)?;
        if options.read_data == ReadData::Everything {
            let told = outcome.problems.iter().map(|problem| problem.subject.clone()).collect();
            outcome.problems.extend(structure::read_again(repository, &told).await?);
        }
        suffering::tell(repository, &damage, &options, &mut outcome).await?;
        let seen = outcome.problems.clone();
        seen.iter().for_each(|problem: &Problem| observer.event(Event::Problem(problem)));
        outcome.traffic = repository.store().traffic().since(&before);
        Ok(outcome)
    }
}
