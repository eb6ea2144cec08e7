//! A restore from beginning to end.

use super::batch::Batch;
use super::fetch::{self, Hands};
use super::fill::Filling;
use super::plan::{LateLink, Planner};
use super::report::Report;
use super::room::check_room;
use super::verify::verify;
use super::{RecoveryError, RestoreOptions, RestoreOutcome};
use crate::files::place::{Flusher, ShortfallKind, Target};
use crate::model::path::display_bytes;
use crate::progress::{Event, FileAction, Observer, Stage};
use crate::repository::{Repository, RepositoryError};
use crossbeam_channel::Receiver;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Restores from a repository.
pub struct RecoveryService {
    pub(super) repository: Repository,
}

impl RecoveryService {
    /// A service on `repository`.
    pub fn new(repository: Repository) -> Self {
        Self { repository }
    }

    /// Restores. Must be called inside a multi-threaded tokio runtime.
    pub async fn run(
        &self,
        options: RestoreOptions,
        observer: Arc<dyn Observer>,
    ) -> Result<RestoreOutcome, RecoveryError> {
        let repository = &self.repository;
        let before = repository.store().traffic();
        let report = Arc::new(Report::new(observer.clone()));
        observer.event(Event::Stage { stage: Stage::Planning, files: None, bytes: None });
        let entries = Arc::new(repository.entries(&options.snapshot).await?);
        let target = match options.dry_run {
            true => Target::open(&options.target)?.map(Arc::new),
            false => Some(Arc::new(Target::open_or_create(&options.target)?)),
        };
        if let Some(target) = target.clone().filter(|_| !options.dry_run && !options.ignore_free_space) {
            let (options, entries) = (options.clone(), entries.clone());
            fetch::blocking(move || check_room(&options, &entries, &target)).await??;
        }
        let all = options.includes.is_empty() && options.excludes.is_empty();
        let tally = Some(options.snapshot.head.tally).filter(|_| all);
        observer.event(Event::Stage {
            stage: Stage::Restoring,
            files: tally.map(|tally| tally.files),
            bytes: tally.map(|tally| tally.bytes),
        });

        let planner = Planner::new(repository.clone(), options.clone(), target.clone(), report.clone());
        // Nothing lies between the two: a batch is planned while the one before is filled, and no more.
        let (batches, planned) = crossbeam_channel::bounded::<Batch>(0);
        let planned_entries = entries.clone();
        let planning = tokio::task::spawn_blocking(move || {
            planner.run(&planned_entries, |batch| {
                let gone = |_| RepositoryError::Cancelled;
                Ok(batches.send(batch).map_err(gone)?)
            })
        });
        let mut cost = crate::store::TrafficCount::default();
        let writable = target.as_ref().filter(|_| !options.dry_run);
        let flusher = writable.map(|target| Arc::new(Flusher::new(target.clone())));
        let hands = Arc::new(Hands::new(options.threads));
        let (mut filled, mut packs) = (Ok(()), BTreeMap::new());
        while let Some(mut batch) = next(&planned).await? {
            let chunks = std::mem::take(&mut batch.chunks);
            match writable.zip(flusher.as_ref()) {
                None => {
                    let jobs = fetch::jobs(repository, chunks)?;
                    cost.add_all(&fetch::cost(&jobs));
                    for (pack, bytes) in jobs.iter().map(fetch::Job::of_pack) {
                        *packs.entry(pack).or_default() += bytes;
                    }
                    batch.files.iter().for_each(|_| report.wrote());
                }
                Some((target, flusher)) => {
                    let (target, flusher) = (target.clone(), flusher.clone());
                    let filling =
                        Arc::new(Filling::new(batch, target, flusher, report.clone(), options.overwrite));
                    filled = fetch::fill(repository, filling, chunks, &hands, &options.cancel).await;
                }
            }
            if filled.is_err() {
                break;
            }
        }
        drop(planned);
        let links = planning.await.map_err(|error| RepositoryError::Internal(error.to_string()))?;
        let disk_full = match (filled, &links) {
            (Err(RecoveryError::Place(error)), _) if error.is_disk_full() => Some(error.to_string()),
            (Err(error), _) => return Err(error),
            (Ok(()), Err(RecoveryError::Place(error))) if error.is_disk_full() => Some(error.to_string()),
            (Ok(()), _) => None,
        };
        if let Some(reason) = &disk_full {
            report.problem(options.target.display().to_string(), reason.clone());
        }
        let links = if disk_full.is_some() { Vec::new() } else { links? };
        if let Some((target, flusher)) = writable.zip(flusher) {
            finish(target, &flusher, links, &report, options.overwrite);
        }
        let mut verified = None;
        if let Some(target) = writable.filter(|_| options.verify && disk_full.is_none()).cloned() {
            let (repository, options, report) = (repository.clone(), options.clone(), report.clone());
            let verifying =
                fetch::blocking(move || verify(&repository, &options, &entries, &target, &report));
            verified = Some(verifying.await??);
        }
        let mut outcome = report.outcome();
        (outcome.verified, outcome.packs) = (verified, packs);
        outcome.disk_full = disk_full.is_some();
        outcome.traffic = match options.dry_run {
            true => cost,
            false => repository.store().traffic().since(&before),
        };
        Ok(outcome)
    }
}

/// The batch that is planned next.
async fn next(planned: &Receiver<Batch>) -> Result<Option<Batch>, RepositoryError> {
    let planned = planned.clone();
    fetch::blocking(move || planned.recv().ok()).await
}

/// Further names, metadata of folders, and what could not be set.
fn finish(target: &Target, flusher: &Flusher, links: Vec<LateLink>, report: &Report, overwrite: bool) {
    for link in links {
        if !report.is_linkable(&link.first) {
            let first = display_bytes(&link.first);
            let message = format!("not restored: it is the same file as {first}, which was not restored");
            report.unrestored(&link.relative);
            report.problem(display_bytes(&link.relative).into_owned(), message);
            continue;
        }
        let made = match target.existing(&link.relative) {
            Ok(Some(_)) if overwrite => target.remove(&link.relative),
            other => other.map(drop),
        };
        match made.and_then(|()| target.link(&link.first, &link.relative)) {
            Ok(()) => report.written(&link.relative, FileAction::Restored),
            Err(error) => {
                report.unrestored(&link.relative);
                report.problem(display_bytes(&link.relative).into_owned(), error.to_string());
            }
        }
    }
    for error in target.finish_folders() {
        report.problem(String::from("a folder"), error.to_string());
    }
    if let Err(error) = flusher.finish() {
        report.problem(String::from("the target"), error.to_string());
    }
    for shortfall in target.shortfalls().list() {
        match shortfall.kind {
            // Only root may give files away: told, and no fault of the restore.
            ShortfallKind::Owner => report.tell(Event::Notice(&shortfall.to_string())),
            _ => report.problem(shortfall.first.clone(), shortfall.to_string()),
        }
    }
}
