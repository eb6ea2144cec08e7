//! Chunks to packs on the remote: a caller adds chunks, threads compress frames of them and put
//! packs together, a task sends the packs. All queues are bounded, so a slow link holds back
//! the reading and memory does not grow.

mod assemble;
mod level;
mod limit;
mod line;
mod load;
mod manner;
mod pace;
mod split;
mod upload;

use super::run::Run;
use super::{Cancel, Repository, RepositoryError};
use crate::format::pack::{ChunkEntry, PackEntry};
use crate::model::clock::Clock;
use crate::model::id::ChunkId;
use crate::progress::Observer;
use crate::state::meta::Meta;
use crate::store::Repeats;
use assemble::{Assembler, FrameJob, Token};
use level::Level;
use limit::ObjectLimit;
pub(crate) use limit::fitting;
pub use load::{Coming, Load};
pub use manner::Manner;
pub use pace::Choice;
use pace::{MOST_UPLOADS, Pace, Remembered};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::mpsc;

/// How packs are made.
#[derive(Debug, Clone, Copy)]
pub struct WriterOptions {
    /// A pack is closed before it would be larger. A line that breaks gets smaller ones.
    pub pack_bytes: usize,
    /// A frame is closed when it has so many plain bytes, or earlier where packs are small.
    pub frame_bytes: usize,
    /// The zstd level, -7 to 22; left open it begins with 3 and rises where threads wait for the line.
    pub level: Choice<i32>,
    /// Threads that compress.
    pub threads: usize,
    /// Packs on their way at the same time; left open 1 to 4, as they get through.
    pub uploads: Choice<usize>,
    /// No object gets larger than this, padding included, where the server's limit is known.
    pub max_object: Option<u64>,
}

impl WriterOptions {
    /// The largest pack that may be asked for, in bytes: some servers take no more.
    pub const MAX_PACK_BYTES: usize = 256 << 20;
    const MAX_FRAME_BYTES: usize = 16 << 20;
    /// Small packs make frames no smaller than this.
    const LEAST_FRAME_BYTES: usize = 1 << 20;

    /// How many plain bytes close a frame of a pack that gets so large: a pack of few frames is
    /// hard to fill and hard to make smaller.
    fn frame_bytes_in(&self, pack_bytes: usize) -> usize {
        self.frame_bytes.min((pack_bytes / 4).max(Self::LEAST_FRAME_BYTES))
    }

    fn pace(&self, remembered: Remembered) -> Pace {
        let level = Level::new(self.level, self.threads, remembered.level);
        Pace::new(self.pack_bytes, level, self.uploads, remembered)
    }

    fn check(&self) -> Result<(), RepositoryError> {
        let fits = (1..=Self::MAX_PACK_BYTES).contains(&self.pack_bytes)
            && (1..=Self::MAX_FRAME_BYTES).contains(&self.frame_bytes);
        if fits {
            return Ok(());
        }
        Err(RepositoryError::Options(format!(
            "packs of {} bytes: choose a pack size up to 256 MiB",
            self.pack_bytes
        )))
    }
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            pack_bytes: 16 << 20,
            frame_bytes: 4 << 20,
            level: Choice::Auto,
            threads: 2,
            uploads: Choice::Auto,
            max_object: None,
        }
    }
}

/// So many ids are held in memory before the index is asked instead.
const MOST_HELD: usize = 256 << 10;

/// On whose behalf and how packs are sent.
#[derive(Clone)]
pub struct Sending {
    /// The run that they belong to.
    pub run: Arc<Run>,
    /// How they are made.
    pub options: WriterOptions,
    /// Who is told.
    pub observer: Arc<dyn Observer>,
    /// A wish to stop.
    pub cancel: Cancel,
}

/// What all parts of a writer share.
struct Shared {
    run: Arc<Run>,
    /// Chunks added in this run whose pack is not yet in the index; all chunks of this run while
    /// `holds_all` is set.
    in_flight: Mutex<HashSet<ChunkId>>,
    /// The index was empty at the start and nothing has left `in_flight`: no need to ask the index.
    holds_all: AtomicBool,
    /// The size of object that the server takes.
    limit: ObjectLimit,
    pace: Mutex<Pace>,
    load: Mutex<Load>,
    /// Repeated uploads of the store before this writer began.
    repeats_before: Repeats,
    /// Repeated uploads of the store that the pace knows of.
    repeats_seen: Mutex<Repeats>,
    /// Why the writer stopped: the first failure counts.
    failure: Mutex<Option<RepositoryError>>,
    cancel: Cancel,
    stopped: Cancel,
}

impl Shared {
    fn fail(&self, error: RepositoryError) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert(error);
        self.stopped.cancel();
    }

    /// These chunks are in the index now.
    fn indexed(&self, entry: &PackEntry) {
        let mut in_flight = self.in_flight();
        if self.holds_all.load(Ordering::SeqCst) && in_flight.len() < MOST_HELD {
            return;
        }
        // Before anything leaves, or a chunk could be taken for new.
        self.holds_all.store(false, Ordering::SeqCst);
        for chunk in entry.index.frames.iter().flat_map(|frame| &frame.chunks) {
            in_flight.remove(&chunk.id);
        }
    }

    fn in_flight(&self) -> std::sync::MutexGuard<'_, HashSet<ChunkId>> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pace(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn load(&self) -> std::sync::MutexGuard<'_, Load> {
        self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uploads that were repeated since this writer began.
    fn all_repeats(&self, now: Repeats) -> u64 {
        let count = |repeats: Repeats| repeats.broken + repeats.throttled;
        count(now).saturating_sub(count(self.repeats_before))
    }

    /// How large the next pack may get, in bytes.
    fn pack_bytes(&self) -> usize {
        self.pace().pack_bytes().min(self.limit.pack_bytes())
    }

    /// Uploads that were repeated since this was last asked.
    fn new_repeats(&self, now: Repeats) -> Repeats {
        let mut seen = self.repeats_seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *seen, now);
        Repeats {
            broken: now.broken.saturating_sub(before.broken),
            throttled: now.throttled.saturating_sub(before.throttled),
        }
    }

    fn take_failure(&self) -> Option<RepositoryError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Writes chunks to the repository.
pub struct PackWriter {
    repository: Repository,
    options: WriterOptions,
    frame: FrameJob,
    /// How many plain bytes close the frame.
    frame_bytes: usize,
    jobs: crossbeam_channel::Sender<FrameJob>,
    workers: Vec<JoinHandle<()>>,
    assembler: Arc<Assembler>,
    upload: Option<tokio::task::JoinHandle<()>>,
    shared: Arc<Shared>,
}

impl PackWriter {
    /// Starts threads and the sending task. Must be called inside a tokio runtime.
    pub fn start(repository: &Repository, sending: &Sending) -> Result<Self, RepositoryError> {
        let Sending { run, options, observer, cancel } = sending.clone();
        options.check()?;
        let remembered = remembered(repository)?;
        let shared = Arc::new(Shared {
            run,
            in_flight: Mutex::default(),
            holds_all: AtomicBool::new(repository.index_is_empty()?),
            limit: ObjectLimit::load(repository.state(), options.max_object)?,
            pace: Mutex::new(options.pace(remembered)),
            load: Mutex::default(),
            repeats_before: repository.store().repeats(),
            repeats_seen: Mutex::new(repository.store().repeats()),
            failure: Mutex::default(),
            cancel,
            stopped: Cancel::default(),
        });
        let (packs, packs_to_send) = mpsc::channel(1);
        let (jobs, frames) = crossbeam_channel::bounded(1);
        let assembler = Arc::new(Assembler::new(repository.clone(), &options, packs, shared.clone()));
        let upload = tokio::spawn(upload::run(repository.clone(), packs_to_send, observer, shared.clone()));
        let workers = (0..options.threads.max(1))
            .map(|number| {
                let (assembler, frames) = (assembler.clone(), frames.clone());
                std::thread::Builder::new()
                    .name(format!("pack-{number}"))
                    .spawn(move || assembler.work(frames))
                    .map_err(|error| RepositoryError::Internal(format!("no thread: {error}")))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            repository: repository.clone(),
            options,
            frame: FrameJob::default(),
            frame_bytes: options.frame_bytes_in(shared.pack_bytes()),
            jobs,
            workers,
            assembler,
            upload: Some(upload),
            shared,
        })
    }

    /// Adds a chunk, unless the repository has it. Blocks while the queues are full. Returns
    /// whether it was new.
    pub fn add(&mut self, id: ChunkId, content: &[u8]) -> Result<bool, RepositoryError> {
        self.check_running()?;
        if self.knows(&id)? {
            return Ok(false);
        }
        self.shared.in_flight().insert(id);
        let most = fitting(self.shared.limit.bytes());
        if self.frame.plain.len() + content.len() > most {
            self.close_frame()?;
        }
        self.shared.load().added(content.len());
        self.frame.plain.extend_from_slice(content);
        self.frame.chunks.push(ChunkEntry { id, len: content.len() as u32 });
        if self.frame.plain.len() >= self.frame_bytes.min(most) {
            self.close_frame()?;
        }
        Ok(true)
    }

    /// Whether a chunk need not be added.
    pub fn knows(&self, id: &ChunkId) -> Result<bool, RepositoryError> {
        if self.shared.in_flight().contains(id) {
            return Ok(true);
        }
        // A chunk leaves `in_flight` only after it is in the index, so there is no gap between the
        // two questions.
        let all_held = self.shared.holds_all.load(Ordering::SeqCst);
        Ok(!all_held && self.repository.knows_chunk(id, Some(&self.shared.run))?)
    }

    /// Closes the frame that is open, so that what comes is compressed apart.
    pub fn close_frame(&mut self) -> Result<(), RepositoryError> {
        if self.frame.chunks.is_empty() {
            return Ok(());
        }
        let most =
            self.options.frame_bytes.saturating_add(self.repository.descriptor.chunker.max_bytes as usize);
        let next = self.assembler.spare_job(most);
        let frame = std::mem::replace(&mut self.frame, next);
        self.frame_bytes = self.options.frame_bytes_in(self.shared.pack_bytes());
        self.jobs.send(frame).map_err(|_| self.stop_reason())
    }

    /// Waits until everything added lies on the remote and is in the index.
    pub async fn finish(mut self) -> Result<(), RepositoryError> {
        let upload = self.upload.take();
        let (shared, repository) = (self.shared.clone(), self.repository.clone());
        // It may wait for the threads, which wait for the sending task: not on that task's thread.
        let last = tokio::task::spawn_blocking(move || {
            let closed = self.close_frame();
            let Self { jobs, workers, assembler, options, .. } = self;
            drop(jobs);
            let died = workers.into_iter().filter_map(|worker| worker.join().err()).count();
            if died > 0 {
                return Err(RepositoryError::Internal("a packing thread panicked".to_owned()));
            }
            closed?;
            assembler.close(options.threads)
        })
        .await;
        let sent = match upload {
            Some(upload) => upload.await,
            None => Ok(()),
        };
        if let Some(failure) = shared.take_failure() {
            return Err(failure);
        }
        last.map_err(|error| RepositoryError::Internal(error.to_string()))??;
        remember(&repository, shared.pace().remembered())?;
        sent.map_err(|error| RepositoryError::Internal(error.to_string()))?;
        if shared.cancel.is_cancelled() {
            return Err(RepositoryError::Cancelled);
        }
        Ok(())
    }

    /// Stops without finishing, after an error elsewhere. Packs that were sent are in the index;
    /// when this returns no thread or task is at work any more.
    pub async fn abandon(mut self) {
        self.shared.stopped.cancel();
        self.frame = FrameJob::default();
        // The reason for abandoning is the caller's.
        let _ = self.finish().await;
    }

    fn check_running(&self) -> Result<(), RepositoryError> {
        if self.shared.cancel.is_cancelled() {
            return Err(RepositoryError::Cancelled);
        }
        if self.shared.stopped.is_cancelled() {
            return Err(self.stop_reason());
        }
        Ok(())
    }

    fn stop_reason(&self) -> RepositoryError {
        self.shared
            .take_failure()
            .unwrap_or_else(|| RepositoryError::Internal("the packing threads ended".to_owned()))
    }
}

/// What the last run learnt of the line.
fn remembered(repository: &Repository) -> Result<Remembered, RepositoryError> {
    let state = repository.state();
    Ok(Remembered {
        level: state.meta_number(Meta::CompressionLevel)?,
        uploads: state.meta_number(Meta::Uploads)?,
        pack_bytes: state.meta_number(Meta::PackBytes)?,
    })
}

fn remember(repository: &Repository, now: Remembered) -> Result<(), RepositoryError> {
    let (state, before) = (repository.state(), remembered(repository)?);
    for (meta, before, now) in [
        (Meta::CompressionLevel, before.level, now.level),
        (Meta::Uploads, before.uploads, now.uploads),
        (Meta::PackBytes, before.pack_bytes, now.pack_bytes),
    ] {
        if let Some(now) = now.filter(|now| before != Some(*now)) {
            state.put_meta_number(meta, now)?;
        }
    }
    Ok(())
}

/// Milliseconds by a clock that does not jump, where there is one.
fn millis(clock: &dyn Clock) -> i64 {
    clock.uptime().map_or_else(|| clock.now().millis(), |up| up.millis)
}

/// A pack on its way to the remote.
struct PackToSend {
    bytes: Vec<u8>,
    entry: PackEntry,
    token: Token,
}
