//! Fetches what a batch needs: near frames of a pack with one request, two packs ahead of the
//! threads that open frames and write files. Every frame is opened once.

use super::RecoveryError;
use super::batch::WantedChunk;
use super::fill::Filling;
use super::reuse::Finder;
use crate::format::names;
use crate::format::pack::PackEntry;
use crate::repository::reader::{Fetch, FrameReader, plan_fetches};
use crate::repository::{Cancel, Repository, RepositoryError};
use crate::store::TrafficCount;
use bytes::Bytes;
use futures_util::StreamExt;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Requests ahead of the writing.
const AHEAD: usize = 2;

/// How many threads open frames, and the memory that they decode into one batch after the other.
pub(super) struct Hands {
    threads: usize,
    rooms: Mutex<Vec<Vec<u8>>>,
}

impl Hands {
    pub(super) fn new(threads: usize) -> Self {
        Self { threads, rooms: Mutex::default() }
    }

    fn take_room(&self) -> Vec<u8> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn put_by(&self, room: Vec<u8>) {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner).push(room);
    }
}

/// A request and the chunks that come of it.
pub(super) struct Job {
    pack: Arc<PackEntry>,
    fetch: Fetch,
    /// All chunks that are wanted, sorted.
    all: Arc<[WantedChunk]>,
    /// Those of them that lie in this pack.
    chunks: std::ops::Range<usize>,
}

/// The requests for these chunks, which must be sorted, in the order of packs.
pub(super) fn jobs(repository: &Repository, chunks: Vec<WantedChunk>) -> Result<Vec<Job>, RepositoryError> {
    let all: Arc<[WantedChunk]> = chunks.into();
    let mut jobs = Vec::new();
    let mut start = 0;
    while let Some(first) = all.get(start) {
        let len = all[start..].partition_point(|chunk| chunk.pack == first.pack);
        let pack = repository.pack(first.pack)?;
        let frames: BTreeSet<_> = all[start..start + len].iter().map(|chunk| chunk.frame).collect();
        for fetch in plan_fetches(&pack, &frames) {
            jobs.push(Job { pack: pack.clone(), fetch, all: all.clone(), chunks: start..start + len });
        }
        start += len;
    }
    Ok(jobs)
}

/// What the requests cost.
pub(super) fn cost(jobs: &[Job]) -> TrafficCount {
    let mut cost = TrafficCount::default();
    if !jobs.is_empty() {
        cost.requests.insert("GET", jobs.len() as u64);
    }
    cost.bytes_down = jobs.iter().map(Job::bytes).sum();
    cost
}

impl Job {
    /// How many bytes are asked for.
    fn bytes(&self) -> u64 {
        self.fetch.range.end - self.fetch.range.start
    }

    /// Of which pack, and how many bytes.
    pub(super) fn of_pack(&self) -> (String, u64) {
        (names::pack(self.pack.folder, &self.pack.object), self.bytes())
    }
}

/// Fetches and writes all files of a batch. Chunks that are spoilt in one pack are looked for in
/// others that have them.
pub(super) async fn fill(
    repository: &Repository,
    filling: Arc<Filling>,
    chunks: Vec<WantedChunk>,
    hands: &Arc<Hands>,
    cancel: &Cancel,
) -> Result<(), RecoveryError> {
    let mut wanted = chunks;
    {
        let (filling, repository) = (filling.clone(), repository.clone());
        let missed = blocking(move || {
            filling.make_empty_files();
            match filling.batch.local.as_slice() {
                [] => Ok(Vec::new()),
                local => Ok(filling.take_local(local, &mut Finder::new(&repository)?)),
            }
        });
        let missed: Result<_, RepositoryError> = missed.await?;
        wanted.extend(missed?);
        wanted.sort_unstable();
    }
    if let Some(error) = filling.take_full_disk() {
        return Err(error.into());
    }
    while !wanted.is_empty() {
        let filled = tokio::select! {
            filled = fill_round(repository, &filling, wanted, hands) => filled,
            () = cancel.cancelled() => Err(RepositoryError::Cancelled.into()),
        };
        match filled.and_then(|()| elsewhere(repository, &filling)) {
            Ok(found) => wanted = found,
            // A restore that goes on finds what was written.
            Err(error) => {
                filling.leave_unfinished();
                settle(&filling).await;
                return Err(error);
            }
        }
    }
    filling.tell_unfinished();
    Ok(())
}

/// Waits for threads that are still at work on these files. They find nothing left to do.
async fn settle(filling: &Arc<Filling>) {
    while Arc::strong_count(filling) > 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn fill_round(
    repository: &Repository,
    filling: &Arc<Filling>,
    wanted: Vec<WantedChunk>,
    hands: &Arc<Hands>,
) -> Result<(), RecoveryError> {
    let fetching = futures_util::stream::iter(jobs(repository, wanted)?).map(|job| {
        let repository = repository.clone();
        // A task of its own, so that it goes on while the files of the one before are written.
        let task = AbortOnDrop(tokio::spawn(async move {
            let bytes = repository.fetch(&job.pack, &job.fetch.range).await;
            (job, bytes)
        }));
        async { task.join().await }
    });
    let mut fetched = fetching.buffered(AHEAD);
    while let Some(next) = fetched.next().await {
        let (job, bytes) = next?;
        match bytes {
            Ok(bytes) => {
                filling.received(bytes.len() as u64);
                let (opened, files, openers) = (repository.clone(), filling.clone(), hands.clone());
                let lost = blocking(move || open_frames(&opened, &files, job, &bytes, &openers)).await?;
                if let Some((job, frames)) = lost {
                    retry(repository, filling, job, frames, hands).await?;
                }
            }
            Err(error) if error.spoils_only_itself() => lose(filling, &job, None, &error.to_string()),
            Err(error) => return Err(error.into()),
        }
        if let Some(error) = filling.take_full_disk() {
            return Err(error.into());
        }
    }
    Ok(())
}

/// Other places of the chunks that were lost; files whose chunks have none are given up.
fn elsewhere(repository: &Repository, filling: &Filling) -> Result<Vec<WantedChunk>, RecoveryError> {
    let lost = filling.take_lost();
    let packs: BTreeSet<_> = lost.iter().map(|(chunk, _)| chunk.pack).collect();
    let mut bad = Vec::new();
    for pack in packs {
        bad.push(repository.pack(pack)?.object);
    }
    repository.note_bad_packs(&[], &bad)?;
    let mut found = Vec::new();
    for (chunk, reason) in lost {
        match repository.places(&[chunk.id])?.into_iter().flatten().next() {
            // The best place was tried already if it is bad.
            Some(place) if place.pack != chunk.pack && !place.bad => {
                found.push(WantedChunk { pack: place.pack, frame: place.frame, ..chunk });
            }
            _ => filling.give_up(&chunk, &reason),
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// A task that ends when nobody waits for it any more.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> AbortOnDrop<T> {
    async fn join(mut self) -> Result<T, RepositoryError> {
        (&mut self.0).await.map_err(|error| RepositoryError::Internal(error.to_string()))
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Frames that did not open may have been spoilt on the way: they are fetched once more.
async fn retry(
    repository: &Repository,
    filling: &Arc<Filling>,
    job: Job,
    frames: Vec<(u32, u64)>,
    hands: &Arc<Hands>,
) -> Result<(), RecoveryError> {
    let job = Job { fetch: Fetch { frames, ..job.fetch }, ..job };
    match repository.fetch(&job.pack, &job.fetch.range).await {
        Ok(bytes) => {
            let (repository, filling, hands) = (repository.clone(), filling.clone(), hands.clone());
            blocking(move || {
                if let Some((job, frames)) = open_frames(&repository, &filling, job, &bytes, &hands) {
                    let path = names::pack(job.pack.folder, &job.pack.object);
                    let reason = format!("{path} is damaged: run `filbert check --read-data`");
                    lose(&filling, &job, Some(&frames), &reason);
                }
            })
            .await?;
        }
        Err(error) if error.spoils_only_itself() => lose(filling, &job, None, &error.to_string()),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Opens the frames of a job on several threads and writes their chunks. Returns the frames that
/// did not open.
fn open_frames(
    repository: &Repository,
    filling: &Filling,
    job: Job,
    bytes: &Bytes,
    hands: &Hands,
) -> Option<(Job, Vec<(u32, u64)>)> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut lost = Vec::new();
        let mut reader = FrameReader::new(repository, &job.pack, hands.take_room());
        while let Some(&(frame, at)) = job.fetch.frames.get(next.fetch_add(1, Ordering::Relaxed)) {
            if filling.is_disk_full() {
                break;
            }
            let wanted = wanted_of(&job, frame);
            let at_in_bytes = at - job.fetch.range.start;
            let opened = match &mut reader {
                Ok(reader) => reader.each_chunk(frame, at_in_bytes, bytes, |id, content| {
                    filling.write(wanted, id, content);
                }),
                Err(_) => Err(RepositoryError::MissingChunk(String::new())),
            };
            if opened.is_err() {
                lost.push((frame, at));
            }
        }
        if let Ok(reader) = reader {
            hands.put_by(reader.into_room());
        }
        lost
    };
    let threads = hands.threads.clamp(1, job.fetch.frames.len().max(1));
    let lost: Vec<_> = std::thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut lost = work();
        for helper in helpers {
            match helper.join() {
                Ok(more) => lost.extend(more),
                // Files that lack for it are told as unfinished.
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        lost
    });
    (!lost.is_empty()).then_some((job, lost))
}

fn wanted_of(job: &Job, frame: u32) -> &[WantedChunk] {
    let chunks = &job.all[job.chunks.clone()];
    let start = chunks.partition_point(|chunk| chunk.frame < frame);
    let end = chunks.partition_point(|chunk| chunk.frame <= frame);
    &chunks[start..end]
}

fn lose(filling: &Filling, job: &Job, frames: Option<&[(u32, u64)]>, reason: &str) {
    for (frame, _) in frames.unwrap_or(&job.fetch.frames) {
        filling.lose(wanted_of(job, *frame), reason);
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, RepositoryError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| RepositoryError::Internal(error.to_string()))
}
