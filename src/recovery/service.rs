//! A restore from beginning to end.

use super::batch::Batch;
use super::changes::Changes;
use super::fetch::{self, Hands};
use super::fill::Filling;
use super::logs::LogRemover;
use super::places::{Places, check_entries};
use super::plan::{LateLink, Leftover, Planner};
use super::removal::Removing;
use super::report::Report;
use super::room::check_room;
use super::verify::verify;
use super::{RecoveryError, RestoreOptions, RestoreOutcome};
use crate::files::place::ShortfallKind;
use crate::format::record::SnapshotState;
use crate::model::amount::counted;
use crate::model::path::display_bytes;
use crate::model::set::SAFETY_SET;
use crate::progress::{Event, Observer, Stage};
use crate::repository::{Repository, RepositoryError};
use crate::store::TrafficCount;
use crossbeam_channel::Receiver;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Restores from a repository.
#[derive(Clone)]
pub struct RecoveryService {
    pub(super) repository: Repository,
}

/// What the fetching came to.
#[derive(Default)]
struct Fetched {
    /// Of a dry run.
    cost: TrafficCount,
    /// Of a dry run.
    packs: BTreeMap<String, u64>,
    /// Why it ended early.
    failure: Option<RecoveryError>,
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
        self.run_noting(options, observer, None).await
    }

    /// As [`Self::run`], and gathers in `changes` what a dry run finds that would change.
    pub(super) async fn run_noting(
        &self,
        options: RestoreOptions,
        observer: Arc<dyn Observer>,
        changes: Option<Arc<Changes>>,
    ) -> Result<RestoreOutcome, RecoveryError> {
        let repository = &self.repository;
        let before = repository.store().traffic();
        if options.delete {
            may_delete(&options)?;
        }
        let report = Arc::new(Report::new(observer.clone()));
        observer.event(Event::Stage { stage: Stage::Planning, files: None, bytes: None });
        let entries = Arc::new(repository.entries(&options.snapshot).await?);
        {
            let (options, entries) = (options.clone(), entries.clone());
            fetch::blocking(move || check_entries(&options, &entries)).await??;
        }
        let places = Arc::new(Places::open(&options)?);
        if !options.ignore_free_space {
            let (options, entries, places) = (options.clone(), entries.clone(), places.clone());
            let is_asked = options.dry_run && changes.is_none();
            match fetch::blocking(move || check_room(&options, &entries, &places)).await? {
                Err(RecoveryError::TooLittleRoom { target, needed, free }) if is_asked => {
                    let subject = target.display().to_string();
                    report
                        .problem(subject, RecoveryError::TooLittleRoom { target, needed, free }.to_string());
                }
                checked => checked?,
            }
        }
        let all = options.includes.is_empty() && options.excludes.is_empty() && options.exactly.is_none();
        let tally = Some(options.snapshot.head.tally).filter(|_| all);
        observer.event(Event::Stage {
            stage: Stage::Restoring,
            files: tally.map(|tally| tally.files),
            bytes: tally.map(|tally| tally.bytes),
        });

        let planner =
            Planner::new(repository.clone(), options.clone(), places.clone(), report.clone(), changes);
        // Nothing lies between the two: a batch is planned while the one before is filled, and no more.
        let (batches, planned) = crossbeam_channel::bounded::<Batch>(0);
        let planned_entries = entries.clone();
        let planning = tokio::task::spawn_blocking(move || {
            planner.run(&planned_entries, |batch| {
                let gone = |_| RepositoryError::Cancelled;
                Ok(batches.send(batch).map_err(gone)?)
            })
        });
        let fetched = self.fetch(&options, &places, &report, planned).await;
        // Nothing goes on in the target after this has ended.
        let planned = planning.await.map_err(|error| RepositoryError::Internal(error.to_string()))?;
        let fetched = fetched?;
        let disk_full = match (fetched.failure, &planned) {
            (Some(RecoveryError::Place(error)), _) if error.is_disk_full() => Some(error.to_string()),
            (Some(error), _) => return Err(error),
            (None, Err(RecoveryError::Place(error))) if error.is_disk_full() => Some(error.to_string()),
            (None, _) => None,
        };
        let mut verified = None;
        match disk_full.clone() {
            Some(reason) => {
                let subject = places.all().next().map(|place| place.folder.display().to_string());
                report.problem(subject.unwrap_or_default(), reason);
                let _ = places.finish();
            }
            None if options.dry_run => {
                for link in planned?.links {
                    report.written(&places.shown(link.spot.at()), link.takes_place);
                }
            }
            None => {
                let leftover = planned?;
                let (repository, options, report) = (repository.clone(), options.clone(), report.clone());
                verified = fetch::blocking(move || {
                    finish(&repository, &options, &places, leftover, &report)?;
                    let verify = || verify(&repository, &options, &entries, &places, &report);
                    options.verify.then(verify).transpose()
                })
                .await??;
            }
        }
        let mut outcome = report.outcome();
        if outcome.other_owner > 0 {
            let things = counted(outcome.other_owner, "thing");
            report.tell(Event::Notice(&format!(
                "{things} already there of another owner or with other attributes than in the snapshot, left so: \
                 --overwrite sets them"
            )));
        }
        (outcome.verified, outcome.packs) = (verified, fetched.packs);
        outcome.disk_full = disk_full.is_some();
        outcome.traffic = match options.dry_run {
            true => fetched.cost,
            false => repository.store().traffic().since(&before),
        };
        Ok(outcome)
    }

    /// Fetches and writes what is planned, or in a dry run tells what that would cost.
    async fn fetch(
        &self,
        options: &RestoreOptions,
        places: &Arc<Places>,
        report: &Arc<Report>,
        planned: Receiver<Batch>,
    ) -> Result<Fetched, RecoveryError> {
        let mut fetched = Fetched::default();
        let logs = Arc::new(LogRemover::new(self.repository.clone(), options));
        let hands = Arc::new(Hands::new(options.threads, options.landing.clone()));
        while let Some(mut batch) = next(&planned).await? {
            let chunks = std::mem::take(&mut batch.chunks);
            if options.dry_run {
                let jobs = fetch::jobs(&self.repository, chunks)?;
                fetched.cost.add_all(&fetch::cost(&jobs));
                for (pack, bytes) in jobs.iter().map(fetch::Job::of_pack) {
                    *fetched.packs.entry(pack).or_default() += bytes;
                }
                batch.local.iter().for_each(|local| report.found_here(u64::from(local.len)));
                batch.files.iter().for_each(|file| {
                    report.written(&places.shown(file.spot.at()), file.takes_place);
                });
                continue;
            }
            let filling = Arc::new(Filling::new(batch, places.clone(), report.clone(), logs.clone()));
            if let Err(error) = fetch::fill(&self.repository, filling, chunks, &hands, &options.cancel).await
            {
                fetched.failure = Some(error);
                break;
            }
        }
        Ok(fetched)
    }
}

/// What is not in a snapshot must have been gone when it was made.
fn may_delete(options: &RestoreOptions) -> Result<(), RecoveryError> {
    let (head, snapshot) = (&options.snapshot.head, options.snapshot.id.short());
    match head.state {
        _ if head.set.name == SAFETY_SET => Err(RecoveryError::OnlyWhatChanged { snapshot }),
        SnapshotState::Whole => Ok(()),
        _ => Err(RecoveryError::NotWhole { snapshot }),
    }
}

/// The batch that is planned next.
async fn next(planned: &Receiver<Batch>) -> Result<Option<Batch>, RepositoryError> {
    let planned = planned.clone();
    fetch::blocking(move || planned.recv().ok()).await
}

/// Further names, what is to go, metadata of folders, and what could not be set.
fn finish(
    repository: &Repository,
    options: &RestoreOptions,
    places: &Places,
    leftover: Leftover,
    report: &Report,
) -> Result<(), RecoveryError> {
    leftover.links.iter().for_each(|link| make_link(places, link, report));
    let removing = Removing { repository, options, places, report };
    leftover.logs.finish(&removing, report)?;
    let is_whole = report.outcome().is_whole();
    match is_whole || leftover.removals.is_empty() {
        true => leftover.removals.finish(&removing)?,
        false => report.tell(Event::Notice(
            "nothing was removed, since not everything could be restored: restore once more when that is mended",
        )),
    }
    for (subject, error) in places.finish() {
        report.problem(subject, error.to_string());
    }
    let targets = places.all().filter_map(|place| place.target.as_ref());
    for shortfall in targets.flat_map(|target| target.shortfalls().list()) {
        match shortfall.kind {
            // Only root may give files away: told, and no fault of the restore.
            ShortfallKind::Owner => report.tell(Event::Notice(&shortfall.to_string())),
            _ => report.problem(shortfall.first.clone(), shortfall.to_string()),
        }
    }
    Ok(())
}

fn make_link(places: &Places, link: &LateLink, report: &Report) {
    let at = link.spot.at();
    let first = super::places::Spot { place: at.place, relative: link.first.clone() };
    let Some(target) = places.target(at) else { return };
    if !report.is_linkable(&first) {
        let first = display_bytes(&link.first);
        let message = format!("not restored: it is the same file as {first}, which was not restored");
        report.unrestored(at);
        report.problem(places.shown(at), message);
        return;
    }
    let made = match link.replaces {
        Some(seen) => target.link_over(&link.first, at.relative, seen),
        None => target.link(&link.first, at.relative),
    };
    match made {
        Ok(()) => report.written(&places.shown(at), link.takes_place),
        Err(error) => {
            report.unrestored(at);
            report.problem(places.shown(at), error.to_string());
        }
    }
}
