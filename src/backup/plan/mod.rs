//! What a backup will cost, before it is made: the same walk and comparison, the same chunks and
//! frames of all new content or of a sample, and the decisions of `repository::decide`. Nothing is
//! sent, but the look at the log where that is due.

mod meter;
mod sample;

pub use sample::SampleOptions;

pub(super) use sample::Sample;

use super::list::List;
use super::service::outcome_of;
use super::sources;
use super::{BackupError, BackupOptions, BackupService, RunLimits};
use crate::format::record::stream::join_blocks;
use crate::format::record::{Body, ManifestRef, Snapshot, SnapshotKind, Tally};
use crate::model::time::Timestamp;
use crate::progress::{Event, Observer, Problem, Silent, Stage};
use crate::repository::outlook::Outlook;
use crate::repository::writer::{Manner, Sending};
use crate::state::Spool;
use crate::state::meta::Meta;
use crate::store::TrafficCount;
use meter::MeterSink;
use std::sync::Arc;
use std::time::Duration;

/// A backup that sent less tells nothing of the line's rate.
const TELLING_BYTES: u64 = 1 << 20;

/// What a backup will come to.
#[derive(Debug, Clone)]
pub struct BackupPlan {
    /// Requests and bytes that it will take.
    pub cost: TrafficCount,
    /// Requests and bytes that the planning took.
    pub spent: TrafficCount,
    /// Whether it will write a whole list of files.
    pub kind: SnapshotKind,
    /// Numbers of the snapshot; `bytes_added` are those of its packs.
    pub tally: Tally,
    /// Bytes of content that it will read.
    pub content_bytes: u64,
    /// Bytes of it that the plan read. Where this is all, the plan is exact.
    pub sampled_bytes: u64,
    /// Plain bytes of content that the repository does not have.
    pub new_bytes: u64,
    /// Packs that it will send.
    pub packs: u64,
    /// How long reading, compressing and sending take by themselves, as far as it is known.
    pub work: Duration,
    /// Bytes a second that the last backups sent, if one sent enough to tell.
    pub upload_rate: Option<u64>,
    /// What could not be read, or looked at.
    pub problems: Vec<Problem>,
    /// How many there are.
    pub problem_count: u64,
}

impl BackupPlan {
    /// Whether all new content was read, so that nothing is extrapolated.
    pub fn is_exact(&self) -> bool {
        self.sampled_bytes >= self.content_bytes
    }
}

impl BackupService {
    /// Finds out what [`Self::run`] with these options will cost. Must be called inside a
    /// multi-threaded tokio runtime.
    pub async fn plan(
        &self,
        options: BackupOptions,
        sampling: SampleOptions,
        observer: Arc<dyn Observer>,
    ) -> Result<BackupPlan, BackupError> {
        // What a run may spend does not change what all of it costs.
        let options = BackupOptions { dry_run: true, limits: RunLimits::default(), ..options };
        let repository = &self.repository;
        let (store, clock) = (repository.store(), repository.clock());
        let (started, traffic) = (clock.now(), store.traffic());
        observer.event(Event::Stage { stage: Stage::Planning, files: None, bytes: None });
        let sending = Sending {
            run: Arc::new(repository.begin_run()?),
            options: options.writer,
            observer: observer.clone(),
            cancel: options.cancel.clone(),
        };
        let before = self.before(&options, &sending).await?;
        let chosen = sources::choose(&options, before.snapshot.as_ref(), &*observer)?;
        let manner = Manner::of(repository, &options.writer)?;
        let meter = |sample| MeterSink::new(repository.clone(), manner, sample);

        // How much there is to read decides how much of it is read.
        let unheard = Sending { observer: Arc::new(Silent), ..sending.clone() };
        let counting = meter(Sample::nothing(&sampling));
        let (scanned, counted) = self.scan(&options, &chosen, &before, counting, &unheard).await?;
        let (mut scanned, mut measured) = (scanned?, counted.finish()?);
        let begun = clock.now();
        if measured.content() > 0 {
            let reading = meter(Sample::of(measured.content(), &sampling));
            let (again, sink) = self.scan(&options, &chosen, &before, reading, &sending).await?;
            scanned = again?;
            let finished = tokio::task::spawn_blocking(|| sink.finish()).await;
            measured = finished
                .map_err(|error| crate::repository::RepositoryError::Internal(error.to_string()))??;
        }
        let reading = measured.extrapolated(millis_since(begun, clock.now()));

        let list = self.choose_list(&before, &mut scanned, before.needs_whole_list(&options), true)?;
        let mut outlook = Outlook::new(repository, manner)?;
        let packs = outlook.send(measured.all_frames())?.len() as u64;
        scanned.tally.bytes_added = outlook.packs().iter().map(|pack| pack.size).sum();
        let mut plan = BackupPlan {
            cost: TrafficCount::default(),
            spent: TrafficCount::default(),
            kind: list.kind(),
            tally: scanned.tally,
            content_bytes: measured.content(),
            sampled_bytes: measured.read,
            new_bytes: measured.extrapolated(measured.new),
            packs,
            work: Duration::ZERO,
            upload_rate: repository
                .state()
                .meta_number(Meta::UploadRate)?
                .and_then(|rate| rate.try_into().ok()),
            problems: Vec::new(),
            problem_count: 0,
        };
        let outcome = outcome_of(scanned, &chosen.problems, list.kind());
        plan.problems = outcome.problems.clone();
        plan.problem_count = outcome.problem_count;
        let mut place = |blocks: &Spool| -> Result<_, BackupError> {
            let blocks = blocks.blocks().collect::<Result<Vec<_>, _>>()?;
            Ok(outlook.place_stream(join_blocks(blocks.iter().map(|block| &block[..])))?)
        };
        let (manifest, base) = match &list {
            List::Base(blocks) => (ManifestRef::Base(place(blocks)?), None),
            List::Delta(base, blocks) => {
                (ManifestRef::Delta { base: *base, stream: place(blocks)? }, Some(*base))
            }
            List::Same { record, base } => (ManifestRef::Same { record: *record, base: *base }, Some(*base)),
        };
        let all = outlook.packs().to_vec();
        let index = outlook.place_index(&all)?;
        let all = outlook.packs().to_vec();
        outlook.prove(&all)?;
        plan.tally.bytes_added = all.iter().map(|pack| pack.size).sum();
        let head = self.head(&options, &chosen, &outcome, started);
        let body = Body::Snapshot(Box::new(Snapshot { head: head.clone(), manifest, index }));
        let record_bytes = outlook.publish(body)?;
        let list_bytes = if matches!(list, List::Same { .. }) { 0 } else { record_bytes };
        outlook.checkpoint_if_due(head, base, list_bytes).await?;

        plan.cost = outlook.cost().clone();
        let sending =
            plan.upload_rate.and_then(|rate| plan.cost.bytes_up.saturating_mul(1000).checked_div(rate));
        // They go on at the same time.
        plan.work = Duration::from_millis(reading.max(sending.unwrap_or(0)));
        plan.spent = store.traffic().since(&traffic);
        Ok(plan)
    }

    /// Remembers how fast a backup sent, for later plans.
    pub(super) fn note_rate(&self, started: Timestamp, traffic: &TrafficCount) -> Result<(), BackupError> {
        let took = millis_since(started, self.repository.clock().now()).max(1);
        if traffic.bytes_up >= TELLING_BYTES {
            let rate = i64::try_from(traffic.bytes_up.saturating_mul(1000) / took).unwrap_or(i64::MAX);
            self.repository.state().put_meta_number(Meta::UploadRate, rate)?;
        }
        Ok(())
    }
}

fn millis_since(then: Timestamp, now: Timestamp) -> u64 {
    now.millis().saturating_sub(then.millis()).max(0).unsigned_abs()
}
