//! A backup from beginning to end.

use super::allowance::{Allowance, Fixed};
use super::before::Before;
use super::begun::{self, Begun};
use super::content::ContentReader;
use super::databases::Databases;
use super::list::List;
use super::ration::RationedWriter;
use super::scan::{Scan, ScanOptions, Scanned};
use super::sink::{ChunkSink, DrySink};
use super::sources::{self, Chosen};
use super::{BackupError, BackupOptions, BackupOutcome};
use crate::files::ahead::WalkAhead;
use crate::format::record::snapshot::MAX_PROBLEMS;
use crate::format::record::{IndexRef, ManifestRef, Snapshot, SnapshotHead, SnapshotKind, SnapshotState};
use crate::manifest::Manifests;
use crate::model::amount::counted;
use crate::model::time::Timestamp;
use crate::progress::{Event, Observer, Problem, Stage};
use crate::repository::cost::Cost;
use crate::repository::writer::{PackWriter, Sending, fitting};
use crate::repository::{KnownPack, Repository, RepositoryError};
use crate::store::TrafficCount;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// Packs that turn out not to be on the remote are made and sent again; so often in all.
const PASSES: usize = 3;

/// Backs up sets to a repository.
pub struct BackupService {
    pub(super) repository: Repository,
    pub(super) manifests: Manifests,
    pub(super) begun: Mutex<Option<Begun>>,
}

/// Kept for the record where a new base of the list of files is thought of, in bytes.
const REBASE_RESERVE: u64 = 512 << 10;

/// Where a run began.
struct Start {
    time: Timestamp,
    traffic: TrafficCount,
}

/// What lies on the remote before the record does.
struct Made {
    scanned: Scanned,
    list: List,
    manifest: ManifestRef,
    index: IndexRef,
    packs: Vec<KnownPack>,
}

impl BackupService {
    /// A service on `repository`.
    pub fn new(repository: Repository) -> Self {
        let manifests = Manifests::new(repository.state().clone());
        Self { repository, manifests, begun: Mutex::default() }
    }

    /// Backs up. Must be called inside a multi-threaded tokio runtime.
    pub async fn run(
        &self,
        options: BackupOptions,
        observer: Arc<dyn Observer>,
    ) -> Result<BackupOutcome, BackupError> {
        let (opened, before) = (self.repository.clock().now(), self.began());
        let start = Start { time: before, traffic: self.repository.store().traffic() };
        let minimum = self.repository.commit_requests()?;
        let too_late = options.limits.stop_at.is_some_and(|stop| self.repository.clock().now() >= stop);
        let too_few = options.limits.requests.is_some_and(|limit| limit < minimum);
        // To try out what a backup would do spends nothing.
        if !options.dry_run && (too_late || too_few) {
            return Err(BackupError::LimitsTooSmall);
        }
        let set = &options.set;
        let lock = self.repository.state().try_lock(&format!("set {}\n{}", set.host, set.name))?;
        let _one_at_a_time = lock.ok_or_else(|| RepositoryError::Busy(format!("set `{}`", set.name)))?;
        let sending = Sending {
            run: Arc::new(self.repository.begin_run()?),
            options: options.writer,
            observer: observer.clone(),
            cancel: options.cancel.clone(),
        };

        let mut gone_before = false;
        let mut outcome = loop {
            let limit = self.repository.object_limit()?;
            match self.attempt(&options, &sending, &start).await {
                Err(BackupError::Repository(error @ RepositoryError::HistoryGone(_))) if !gone_before => {
                    // What was lost is put back or forgotten by now: this time nothing is built on it.
                    observer.event(Event::Problem(&Problem::new("the repository", error.to_string())));
                    gone_before = true;
                }
                // Smaller pieces than those that were under way. The limit falls by half each time.
                Err(BackupError::Repository(RepositoryError::ObjectTooLarge { .. }))
                    if self.repository.object_limit()? != limit => {}
                outcome => break outcome?,
            }
        };
        outcome.traffic = self.repository.store().traffic().since(&start.traffic);
        self.note_rate(opened, &outcome.traffic)?;
        Ok(outcome)
    }

    async fn attempt(
        &self,
        options: &BackupOptions,
        sending: &Sending,
        start: &Start,
    ) -> Result<BackupOutcome, BackupError> {
        let observer = &sending.observer;
        observer.event(Event::Stage { stage: Stage::Opening, files: None, bytes: None });
        let before = self.before(options, sending).await?;
        let chosen = sources::choose(options, before.snapshot.as_ref(), &**observer)?;
        let totals = before.snapshot.as_ref().map(|snapshot| snapshot.head.tally);
        observer.event(Event::Stage {
            stage: Stage::BackingUp,
            files: totals.map(|tally| tally.entries),
            bytes: totals.map(|tally| tally.bytes),
        });
        match options.dry_run {
            true => self.try_out(options, &chosen, &before, sending).await,
            false => self.back_up(options, &chosen, before, sending, start).await,
        }
    }

    async fn back_up(
        &self,
        options: &BackupOptions,
        chosen: &Chosen,
        before: Before,
        sending: &Sending,
        start: &Start,
    ) -> Result<BackupOutcome, BackupError> {
        let doubt = before.doubt;
        let Made { mut scanned, list, manifest, index, packs } =
            self.scan_and_send(options, chosen, before, sending, start).await?;
        scanned.tally.bytes_added = packs.iter().map(|pack| pack.size).sum();
        let mut outcome = outcome_of(scanned, &chosen.problems, list.kind());
        sending.observer.event(Event::Stage { stage: Stage::Committing, files: None, bytes: None });
        let head = self.head(options, chosen, &outcome, start.time);
        let introduced: Vec<_> = packs.iter().map(|pack| pack.object).collect();
        let snapshot = Snapshot { head, manifest, index };
        let id = self.repository.publish_snapshot(snapshot, &introduced, doubt, &sending.cancel).await?;
        self.keep(&options.set, id, &list, doubt)?;
        outcome.snapshot = Some(id);
        if options.limits.any() {
            // A checkpoint can wait until a run has enough left for it.
            let cost = self.repository.checkpoint_cost(&options.writer)?;
            if cost.is_none_or(|cost| !self.has_left(options, start, cost)) {
                return Ok(outcome);
            }
        }
        // The snapshot stands, whatever becomes of the checkpoint.
        let problems = match self.repository.checkpoint_if_due(sending).await {
            Ok(problems) => problems,
            Err(error) => vec![Problem::new("a checkpoint", format!("not written this time: {error}"))],
        };
        problems.iter().for_each(|problem| sending.observer.event(Event::Problem(problem)));
        Ok(outcome)
    }

    async fn try_out(
        &self,
        options: &BackupOptions,
        chosen: &Chosen,
        before: &Before,
        sending: &Sending,
    ) -> Result<BackupOutcome, BackupError> {
        let sink = DrySink::new(self.repository.clone());
        let (scanned, sink) = self.scan(options, chosen, before, sink, sending).await?;
        let kind = match before.needs_whole_list(options) {
            true => SnapshotKind::Full,
            false => SnapshotKind::Incremental,
        };
        let mut outcome = outcome_of(scanned?, &chosen.problems, kind);
        outcome.tally.bytes_added = sink.new_bytes;
        Ok(outcome)
    }

    /// Goes over the files and sends what is new, until all of it lies on the remote.
    async fn scan_and_send(
        &self,
        options: &BackupOptions,
        chosen: &Chosen,
        mut before: Before,
        sending: &Sending,
        start: &Start,
    ) -> Result<Made, BackupError> {
        let repository = &self.repository;
        for _ in 0..PASSES {
            let writer = PackWriter::start(repository, sending)?;
            let (scanned, writer) = if options.limits.any() {
                let rationed = self.ration(writer, options, chosen, sending, start)?;
                let (scanned, rationed) = self.scan(options, chosen, &before, rationed, sending).await?;
                (scanned, rationed.writer)
            } else {
                self.scan(options, chosen, &before, writer, sending).await?
            };
            let mut scanned = match scanned {
                Ok(scanned) => scanned,
                Err(error) => {
                    writer.abandon().await;
                    self.start_again(error, options, &mut before, sending).await?;
                    continue;
                }
            };
            writer.finish().await?;
            let whole = before.needs_whole_list(options);
            let may_rebase = self.may_rebase(options, &before, &scanned, sending, start)?;
            let list = self.choose_list(&before, &mut scanned, whole, may_rebase)?;
            let manifest = self.place_list(&list, sending).await?;
            let mut packs = repository.packs_of_run(&sending.run)?;
            let (index, tail) = repository.place_index(sending, &packs).await?;
            packs.extend(tail);
            let unproven = repository.unproven_packs(&packs).await?;
            if unproven.is_empty() {
                return Ok(Made { scanned, list, manifest, index, packs });
            }
            for pack in &unproven {
                repository.forget_pack(pack)?;
            }
            sending.observer.event(Event::Notice(&format!(
                "not whole on the server: {}; what is missing is sent again",
                counted(unproven.len() as u64, "pack")
            )));
        }
        let object = "what this backup sent".to_owned();
        let symptom = "some of it does not lie there whole afterwards".to_owned();
        Err(RepositoryError::NotStanding { object, symptom }.into())
    }

    /// Whether the limits of the run leave so much.
    fn has_left(&self, options: &BackupOptions, start: &Start, cost: Cost) -> bool {
        let spent = self.repository.store().traffic().since(&start.traffic);
        let limits = options.limits;
        let within = |limit: Option<u64>, spent: u64, more: u64| {
            limit.is_none_or(|limit| spent.saturating_add(more) <= limit)
        };
        within(limits.requests, spent.total(), cost.requests)
            && within(limits.upload_bytes, spent.bytes_up, cost.bytes)
            && limits.stop_at.is_none_or(|stop| self.repository.clock().now() < stop)
    }

    /// Whether the limits of the run leave enough for a whole list of files, and for the commit.
    fn may_rebase(
        &self,
        options: &BackupOptions,
        before: &Before,
        scanned: &Scanned,
        sending: &Sending,
        start: &Start,
    ) -> Result<bool, BackupError> {
        let Some(manifest) = before.manifest.as_ref().filter(|_| options.limits.any()) else {
            return Ok(true);
        };
        let pack_bytes = options.writer.pack_bytes as u64;
        let changes = scanned.blocks.bytes();
        let base = Cost::of_stream(manifest.base_bytes.saturating_add(changes), pack_bytes);
        let packs = self.repository.packs_of_run(&sending.run)?;
        let folders: BTreeSet<_> = packs.iter().map(|pack| pack.folder).collect();
        let index = Cost::of_stream(packs.iter().map(|pack| pack.entry_bytes).sum(), pack_bytes);
        let commit = self.repository.commit_requests()? + folders.len() as u64;
        let cost = Cost {
            requests: base.requests.saturating_add(index.requests).saturating_add(commit),
            bytes: base.bytes.saturating_add(index.bytes).saturating_add(REBASE_RESERVE),
        };
        Ok(self.has_left(options, start, cost))
    }

    /// A writer that keeps to the limits. What was spent before counts.
    fn ration(
        &self,
        writer: PackWriter,
        options: &BackupOptions,
        chosen: &Chosen,
        sending: &Sending,
        start: &Start,
    ) -> Result<RationedWriter, BackupError> {
        let repository = &self.repository;
        let spent = repository.store().traffic().since(&start.traffic);
        let leftovers = repository.packs_of_run(&sending.run)?;
        let folders: BTreeSet<_> = leftovers.iter().map(|pack| pack.folder).collect();
        let texts = [&chosen.includes, &chosen.excludes, &options.tags]
            .into_iter()
            .flatten()
            .chain(&options.description);
        let head_bytes: usize = texts.map(|text| text.len() + 8).sum::<usize>()
            + chosen.records.iter().map(|source| source.path.len() + 8).sum::<usize>()
            + chosen
                .problems
                .iter()
                .map(|problem| problem.subject.len() + problem.message.len() + 8)
                .sum::<usize>();
        let fixed = Fixed {
            spent: (spent.total(), spent.bytes_up),
            commit_requests: repository.commit_requests()?,
            leftover_folders: folders.len() as u64,
            leftover_index: leftovers.iter().map(|pack| pack.entry_bytes).sum(),
            head_bytes: head_bytes as u64,
            inline_bytes: repository.inline_bytes(&options.writer)? as u64,
            pack_bytes: repository
                .object_limit_of(&options.writer)?
                .unwrap_or(u64::MAX)
                .min(options.writer.pack_bytes as u64),
        };
        let allowance = Allowance::new(options.limits, fixed);
        Ok(RationedWriter::new(writer, allowance, repository.clock().clone()))
    }

    pub(super) async fn scan<S: ChunkSink + 'static>(
        &self,
        options: &BackupOptions,
        chosen: &Chosen,
        before: &Before,
        mut sink: S,
        sending: &Sending,
    ) -> Result<(Result<Scanned, BackupError>, S), BackupError> {
        let walk_options = begun::walk_options(options, chosen);
        let walk = || begun::walk(chosen, &walk_options);
        let known = || self.manifests.entries(before.manifest.as_ref());
        let first = (options.limits.any() && !options.dry_run).then(|| (walk(), known()));
        let begun = self.take_begun(chosen, &walk_options, before).filter(|_| first.is_none());
        let walk = walk();
        let known = known();
        let most = self.repository.object_limit_of(&options.writer)?.map_or(usize::MAX, fitting);
        let reader = ContentReader::new(self.repository.chunker()?, self.repository.keyring().clone(), most)
            .of_sample(sink.sample());
        let (clock, observer) = (self.repository.clock().clone(), sending.observer.clone());
        let scan_options = ScanOptions {
            read_all: options.full,
            whole: before.needs_whole_list(options),
            check_chunks: before.manifest.as_ref().is_some_and(|manifest| manifest.doubt != before.doubt),
            ignore_inode: options.ignore_inode,
            cancel: options.cancel.clone(),
        };
        let databases = match options.databases {
            true => Some(Databases::new(self.repository.state().scratch()?, options.cancel.clone())),
            false => None,
        };
        let blocks = self.repository.state().spool();
        let scanning = tokio::task::spawn_blocking(move || {
            let mut scan = Scan::new(scan_options, reader, &mut sink, clock, observer);
            scan.found.blocks = blocks;
            scan.databases = databases;
            let read = first.map_or(Ok(()), |(walk, known)| scan.read_by_worth(walk, known));
            // What was read above took its time: the list is of what lies there now.
            let scanned = read.and_then(|()| match begun.map_or_else(|| WalkAhead::start(walk), Ok) {
                Ok(walk) => scan.run(walk, known),
                Err(error) => Err(RepositoryError::Internal(format!("no thread: {error}")).into()),
            });
            (scanned, sink)
        });
        Ok(scanning.await.map_err(|error| RepositoryError::Internal(error.to_string()))?)
    }

    pub(super) fn head(
        &self,
        options: &BackupOptions,
        chosen: &Chosen,
        outcome: &BackupOutcome,
        started: Timestamp,
    ) -> SnapshotHead {
        SnapshotHead {
            set: options.set.clone(),
            sources: chosen.records.clone(),
            includes: chosen.includes.clone(),
            excludes: chosen.excludes.clone(),
            one_file_system: chosen.one_file_system,
            started,
            finished: self.repository.clock().now(),
            tags: options.tags.clone(),
            description: options.description.clone(),
            kind: outcome.kind,
            state: outcome.state,
            tally: outcome.tally,
            problems: outcome.problems.clone(),
            problem_count: outcome.problem_count,
            missing: outcome.missing.clone(),
        }
    }
}

pub(super) fn outcome_of(scanned: Scanned, earlier: &[Problem], kind: SnapshotKind) -> BackupOutcome {
    let problem_count = earlier.len() as u64 + scanned.problem_count;
    let mut problems = earlier.to_vec();
    problems.extend(scanned.problems);
    problems.truncate(MAX_PROBLEMS);
    BackupOutcome {
        snapshot: None,
        kind,
        state: match (scanned.missing.files, problem_count) {
            (0, 0) => SnapshotState::Whole,
            (0, _) => SnapshotState::Incomplete,
            _ => SnapshotState::Partial,
        },
        tally: scanned.tally,
        bytes_read: scanned.bytes_read,
        databases: scanned.databases,
        databases_as_they_lie: scanned.databases_as_they_lie,
        traffic: TrafficCount::default(),
        problems,
        problem_count,
        missing: scanned.missing,
    }
}
