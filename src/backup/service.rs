//! A backup from beginning to end.

use super::content::ContentReader;
use super::scan::{Scan, ScanOptions, Scanned};
use super::sink::DrySink;
use super::sources::{self, Chosen};
use super::{BackupError, BackupOptions, BackupOutcome};
use crate::files::walk::{Walk, WalkOptions};
use crate::format::entries::{Block, BlockWriter, Change, Merge};
use crate::format::pack::PackEntry;
use crate::format::record::snapshot::MAX_PROBLEMS;
use crate::format::record::stream::join_blocks;
use crate::format::record::{IndexRef, ManifestRef, Snapshot, SnapshotHead, SnapshotKind, SnapshotState};
use crate::manifest::{Kept, Manifest, Manifests};
use crate::model::id::ObjectId;
use crate::model::time::Timestamp;
use crate::progress::{Event, Observer, Problem, Stage};
use crate::repository::snapshots::SnapshotInfo;
use crate::repository::writer::PackWriter;
use crate::repository::{Repository, RepositoryError};
use crate::store::TrafficCount;
use std::sync::Arc;

/// Packs that turn out not to be on the remote are made and sent again; so often in all.
const PASSES: usize = 3;
/// A delta larger than this share of its base makes a new base.
const BASE_SHARE: u64 = 4;
/// Deltas smaller than this are never worth a new base, in bytes.
const SMALL_DELTA: u64 = 64 << 10;

/// Backs up sets to a repository.
pub struct BackupService {
    repository: Repository,
    manifests: Manifests,
}

/// What a run knows of the set from before.
struct Before {
    snapshot: Option<SnapshotInfo>,
    manifest: Option<Manifest>,
}

impl BackupService {
    /// A service on `repository`.
    pub fn new(repository: Repository) -> Self {
        let manifests = Manifests::new(repository.state().clone());
        Self { repository, manifests }
    }

    /// Backs up. Must be called inside a multi-threaded tokio runtime.
    pub async fn run(
        &self,
        options: BackupOptions,
        observer: Arc<dyn Observer>,
    ) -> Result<BackupOutcome, BackupError> {
        let started = self.repository.clock().now();
        let traffic = self.repository.store().traffic();
        let set = &options.set;
        let lock = self.repository.state().try_lock(&format!("set {}\n{}", set.host, set.name))?;
        let _one_at_a_time = lock.ok_or_else(|| RepositoryError::Busy(format!("set `{}`", set.name)))?;

        observer.event(Event::Stage { stage: Stage::Opening, files: None, bytes: None });
        let before = self.before(&options, &*observer).await?;
        let chosen = sources::choose(&options, before.snapshot.as_ref(), &*observer)?;
        let totals = before.snapshot.as_ref().map(|snapshot| snapshot.head.tally);
        observer.event(Event::Stage {
            stage: Stage::BackingUp,
            files: totals.map(|tally| tally.entries),
            bytes: totals.map(|tally| tally.bytes),
        });
        let earlier = chosen.problems.clone();
        let mut outcome = if options.dry_run {
            let sink = DrySink::new(self.repository.clone());
            let (scanned, sink) = self.scan(&options, &chosen, &before, sink, observer.clone()).await?;
            let kind = match options.full || before.manifest.is_none() {
                true => SnapshotKind::Full,
                false => SnapshotKind::Incremental,
            };
            let mut outcome = outcome_of(scanned, earlier, kind);
            outcome.tally.bytes_added = sink.new_bytes;
            outcome
        } else {
            let Made { mut scanned, list, manifest, index, packs } =
                self.scan_and_send(&options, &chosen, &before, observer.clone()).await?;
            scanned.tally.bytes_added = packs.iter().map(|pack| pack.size).sum();
            let mut outcome = outcome_of(scanned, earlier, list.kind());
            observer.event(Event::Stage { stage: Stage::Committing, files: None, bytes: None });
            let head = self.head(&options, &chosen, &outcome, started);
            let introduced: Vec<_> = packs.iter().map(|pack| pack.object).collect();
            let snapshot = Snapshot { head, manifest, index };
            let id = self.repository.publish_snapshot(snapshot, &introduced).await?;
            self.keep(&options, id, &list)?;
            outcome.snapshot = Some(id);
            for problem in self.repository.checkpoint_if_due(options.writer, observer.clone()).await? {
                observer.event(Event::Problem(&problem));
            }
            outcome
        };
        outcome.traffic = self.repository.store().traffic().since(&traffic);
        Ok(outcome)
    }

    /// What is known of the set: from the local state, or from the remote where that is new, long
    /// not looked at, or another machine's.
    async fn before(&self, options: &BackupOptions, observer: &dyn Observer) -> Result<Before, BackupError> {
        let repository = &self.repository;
        if !options.dry_run {
            repository.settle().await?;
        }
        if repository.look_is_due()? {
            for problem in repository.catch_up().await? {
                observer.event(Event::Problem(&problem));
            }
        }
        if !options.dry_run {
            self.prove_leftovers(observer).await?;
        }
        let snapshot = repository.newest_of(&options.set.host, &options.set.name)?;
        let Some(newest) = &snapshot else {
            return Ok(Before { snapshot, manifest: None });
        };
        let kept = self.manifests.load(&options.set)?;
        let fits = |kept: &Manifest| kept.base == newest.base && kept.delta == newest.delta;
        if let Some(manifest) = kept.filter(fits) {
            return Ok(Before { snapshot, manifest: Some(manifest) });
        }
        match self.fetch_manifest(options, newest).await {
            Ok(manifest) => Ok(Before { snapshot, manifest }),
            Err(BackupError::Repository(error @ (RepositoryError::Store(_) | RepositoryError::State(_)))) => {
                Err(error.into())
            }
            Err(error) => {
                let message = format!("the last snapshot cannot be compared with, so all is read: {error}");
                // Told, but no file of this run lacks for it.
                observer.event(Event::Problem(&Problem::new(newest.id.to_string(), message)));
                Ok(Before { snapshot, manifest: None })
            }
        }
    }

    /// What a broken-off run left is only gone on from if it really lies there.
    async fn prove_leftovers(&self, observer: &dyn Observer) -> Result<(), BackupError> {
        let leftovers = self.repository.unrecorded_packs()?;
        if leftovers.is_empty() {
            return Ok(());
        }
        let unproven = self.repository.unproven_packs(&leftovers).await?;
        for pack in &unproven {
            self.repository.forget_pack(pack)?;
        }
        let kept = leftovers.len() - unproven.len();
        observer.event(Event::Notice(&format!(
            "going on from a run that was broken off: {kept} packs are there already"
        )));
        Ok(())
    }

    async fn fetch_manifest(
        &self,
        options: &BackupOptions,
        newest: &SnapshotInfo,
    ) -> Result<Option<Manifest>, BackupError> {
        let base = self.repository.manifest_stream(&newest.base).await?;
        let delta = match &newest.delta {
            Some(delta) => self.repository.manifest_stream(delta).await?,
            None => Vec::new(),
        };
        let ids = (newest.id, newest.base, newest.delta);
        self.manifests.keep_streams(&options.set, ids, &base, &delta)?;
        Ok(self.manifests.load(&options.set)?)
    }

    /// Goes over the files and sends what is new, until all of it lies on the remote.
    async fn scan_and_send(
        &self,
        options: &BackupOptions,
        chosen: &Chosen,
        before: &Before,
        observer: Arc<dyn Observer>,
    ) -> Result<Made, BackupError> {
        let repository = &self.repository;
        let whole = options.full || before.manifest.is_none();
        for pass in 1.. {
            let sink =
                PackWriter::start(repository, options.writer, observer.clone(), options.cancel.clone())?;
            let (mut scanned, writer) = self.scan(options, chosen, before, sink, observer.clone()).await?;
            writer.finish().await?;
            let list = self.choose_list(before, &mut scanned, whole)?;
            let manifest = self.place_list(&list, options, observer.clone()).await?;
            let mut packs = repository.unrecorded_packs()?;
            let (index, tail) = repository
                .place_index(&packs, options.writer, observer.clone(), options.cancel.clone())
                .await?;
            if !tail.is_empty() {
                packs = repository.unrecorded_packs()?;
            }
            let unproven = repository.unproven_packs(&packs).await?;
            if unproven.is_empty() {
                return Ok(Made { scanned, list, manifest, index, packs });
            }
            for pack in &unproven {
                repository.forget_pack(pack)?;
            }
            if pass == PASSES {
                let object = format!("{} packs", unproven.len());
                let symptom = "they do not lie there whole afterwards".to_owned();
                return Err(RepositoryError::NotStanding { object, symptom }.into());
            }
            observer.event(Event::Notice(&format!(
                "{} packs do not lie on the server whole: their content is sent again",
                unproven.len()
            )));
        }
        Err(RepositoryError::Internal("no pass was made".to_owned()).into())
    }

    async fn place_list(
        &self,
        list: &List,
        options: &BackupOptions,
        observer: Arc<dyn Observer>,
    ) -> Result<ManifestRef, BackupError> {
        let place = async |blocks: &[Block]| {
            let bytes = join_blocks(blocks.iter().map(|block| &block.bytes[..]));
            let cancel = options.cancel.clone();
            self.repository.place_stream(bytes, options.writer, observer, cancel).await
        };
        Ok(match list {
            List::Base(blocks) => ManifestRef::Base(place(blocks).await?),
            List::Delta(base, blocks) => ManifestRef::Delta { base: *base, stream: place(blocks).await? },
            List::Same { record, base } => ManifestRef::Same { record: *record, base: *base },
        })
    }

    async fn scan<S: super::sink::ChunkSink + 'static>(
        &self,
        options: &BackupOptions,
        chosen: &Chosen,
        before: &Before,
        mut sink: S,
        observer: Arc<dyn Observer>,
    ) -> Result<(Scanned, S), BackupError> {
        let walk_options = WalkOptions {
            exclude_caches: options.exclude_caches,
            one_file_system: chosen.one_file_system,
            skip: options.skip.clone(),
        };
        let walk = Walk::new(&chosen.sources, chosen.root.clone(), chosen.filter.clone(), walk_options);
        let known = self.manifests.entries(before.manifest.as_ref());
        let reader = ContentReader::new(self.repository.chunker()?, self.repository.keyring().clone());
        let clock = self.repository.clock().clone();
        let scan_options = ScanOptions {
            read_all: options.full,
            whole: options.full || before.manifest.is_none(),
            ignore_inode: options.ignore_inode,
            cancel: options.cancel.clone(),
        };
        tokio::task::spawn_blocking(move || {
            let scanned = Scan::new(scan_options, reader, &mut sink, clock, observer).run(walk, known)?;
            Ok((scanned, sink))
        })
        .await
        .map_err(|error| RepositoryError::Internal(error.to_string()))?
    }

    fn head(
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
        }
    }

    /// Keeps the new state of the set.
    fn keep(&self, options: &BackupOptions, id: ObjectId, list: &List) -> Result<(), BackupError> {
        let (base, delta, base_blocks, delta_blocks) = match list {
            List::Base(blocks) => (id, None, Some(&blocks[..]), Some(&[][..])),
            List::Delta(base, blocks) => (*base, Some(id), None, Some(&blocks[..])),
            List::Same { record, base } => (*base, (record != base).then_some(*record), None, None),
        };
        let kept = Kept { snapshot: id, base, delta, base_blocks, delta_blocks };
        Ok(self.manifests.keep(&options.set, &kept)?)
    }

    fn choose_list(&self, before: &Before, scanned: &mut Scanned, whole: bool) -> Result<List, BackupError> {
        let blocks = std::mem::take(&mut scanned.blocks);
        let Some(manifest) = before.manifest.as_ref().filter(|_| !whole) else {
            return Ok(List::Base(blocks));
        };
        if !scanned.differs {
            let record = manifest.delta.unwrap_or(manifest.base);
            return Ok(List::Same { record, base: manifest.base });
        }
        let delta_bytes: u64 = blocks.iter().map(|block| block.bytes.len() as u64).sum();
        if delta_bytes > SMALL_DELTA && delta_bytes * BASE_SHARE > manifest.base_bytes {
            return Ok(List::Base(self.rebase(manifest, &blocks)?));
        }
        Ok(List::Delta(manifest.base, blocks))
    }

    /// Replays the delta over the base: a new base.
    fn rebase(&self, manifest: &Manifest, delta: &[Block]) -> Result<Vec<Block>, BackupError> {
        let unwritable = |reason| RepositoryError::damaged("the list of files", reason);
        let base = self.manifests.base(manifest);
        let delta = crate::manifest::changes(delta);
        let mut writer = BlockWriter::default();
        let mut blocks = Vec::new();
        for merged in Merge::new(base, delta) {
            let merged = merged.map_err(crate::manifest::ManifestError::Entry)?;
            if let Some(entry) = merged.into_now() {
                blocks.extend(writer.push(&Change::Put(entry)).map_err(unwritable)?);
            }
        }
        blocks.extend(writer.finish().map_err(unwritable)?);
        Ok(blocks)
    }
}

/// What lies on the remote before the record does.
struct Made {
    scanned: Scanned,
    list: List,
    manifest: ManifestRef,
    index: IndexRef,
    packs: Vec<PackEntry>,
}

/// The list of files that goes into the record.
enum List {
    Base(Vec<Block>),
    Delta(ObjectId, Vec<Block>),
    Same { record: ObjectId, base: ObjectId },
}

impl List {
    fn kind(&self) -> SnapshotKind {
        match self {
            List::Base(_) => SnapshotKind::Full,
            List::Delta(..) | List::Same { .. } => SnapshotKind::Incremental,
        }
    }
}

fn outcome_of(scanned: Scanned, mut problems: Vec<Problem>, kind: SnapshotKind) -> BackupOutcome {
    let problem_count = problems.len() as u64 + scanned.problem_count;
    problems.extend(scanned.problems);
    problems.truncate(MAX_PROBLEMS);
    BackupOutcome {
        snapshot: None,
        kind,
        state: if problem_count == 0 { SnapshotState::Whole } else { SnapshotState::Incomplete },
        tally: scanned.tally,
        bytes_read: scanned.bytes_read,
        traffic: TrafficCount::default(),
        problems,
        problem_count,
    }
}
