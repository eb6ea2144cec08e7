//! Fetches what a batch needs: near frames of a pack with one request, one request after the other.
//! Every frame is opened once, and as soon as it is there, while the rest of the answer is coming.

use super::RecoveryError;
use super::batch::WantedChunk;
use super::fill::Filling;
use super::reuse::Finder;
use crate::format::names;
use crate::format::pack::PackEntry;
use crate::repository::reader::{Fetch, FrameReader, plan_fetches};
use crate::repository::{Cancel, Landing, Repository, RepositoryError};
use crate::store::TrafficCount;
use futures_util::TryStreamExt;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;

/// Packs that are worked on at the same time: one of them comes, of the other the last frames are
/// written.
const AT_WORK: usize = 2;

/// How many frames are opened at the same time, the memory that they are decoded into one after the
/// other, and where packs come down.
pub(super) struct Hands {
    landing: Option<Arc<Landing>>,
    free: Arc<Semaphore>,
    rooms: Mutex<Vec<Vec<u8>>>,
}

impl Hands {
    pub(super) fn new(threads: usize, landing: Option<Arc<Landing>>) -> Self {
        Self { landing, free: Arc::new(Semaphore::new(threads.max(1))), rooms: Mutex::default() }
    }

    /// Waits until one more frame may be opened. Who waits here holds the frame that comes next and
    /// no other: that bounds what is in memory.
    async fn take_one(&self) -> Result<OwnedSemaphorePermit, RepositoryError> {
        acquired(&self.free).await
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
        let round = tokio::select! {
            filled = fill_round(repository, &filling, wanted, hands) => filled,
            () = cancel.cancelled() => Err(RepositoryError::Cancelled.into()),
        };
        if round.is_err() && !filling.is_disk_full() {
            filling.leave_unfinished();
        }
        settle(&filling).await;
        if let Some(error) = filling.take_full_disk() {
            return Err(error.into());
        }
        round?;
        wanted = elsewhere(repository, &filling)?;
    }
    filling.tell_unfinished();
    Ok(())
}

/// Waits for threads that are still at work on these files. After a failure some may be.
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
    let jobs = futures_util::stream::iter(jobs(repository, wanted)?.into_iter().map(Ok));
    let turn = Arc::new(Semaphore::new(1));
    let fill = |job| fill_from(repository, filling, Arc::new(job), hands, &turn);
    jobs.try_for_each_concurrent(AT_WORK, fill).await
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

/// What came of the frames of a fetch. Those in neither list are written.
struct Came {
    /// They did not open.
    spoilt: Vec<(u32, u64)>,
    /// They did not come, and why.
    missing: Vec<(u32, u64)>,
    reason: String,
}

/// Fetches the frames of a job and writes them. Those that did not open may have been spoilt on the
/// way: they are fetched once more.
async fn fill_from(
    repository: &Repository,
    filling: &Arc<Filling>,
    job: Arc<Job>,
    hands: &Arc<Hands>,
    turn: &Arc<Semaphore>,
) -> Result<(), RecoveryError> {
    let turn = acquired(turn).await?;
    let landing = hands.landing.as_deref();
    let came = fetch_and_open(repository, filling, &job, &job.fetch, hands, (landing, Some(turn))).await?;
    lose(filling, &job, &came.missing, &came.reason);
    if came.spoilt.is_empty() {
        return Ok(());
    }
    let again = Fetch { range: job.fetch.range.clone(), frames: came.spoilt };
    let came = fetch_and_open(repository, filling, &job, &again, hands, (None, None)).await?;
    lose(filling, &job, &came.missing, &came.reason);
    let path = names::pack(job.pack.folder, &job.pack.object);
    lose(filling, &job, &came.spoilt, &format!("{path} is damaged: run `filbert check --read-data`"));
    Ok(())
}

/// Fetches frames and opens each as soon as it is there, several at the same time. The `turn` is for
/// the next request, which begins when the last frame of this one is asked for: early enough to hide its
/// way, and late enough that no more than two packs lie in the landing.
async fn fetch_and_open(
    repository: &Repository,
    filling: &Arc<Filling>,
    job: &Arc<Job>,
    fetch: &Fetch,
    hands: &Arc<Hands>,
    (landing, mut turn): (Option<&Landing>, Option<OwnedSemaphorePermit>),
) -> Result<Came, RecoveryError> {
    let mut frames = repository.frames(&job.pack, fetch, landing);
    let (mut opening, mut left) = (Vec::new(), frames.bytes_left());
    let (missing, reason) = loop {
        if frames.missing().len() <= 1 {
            drop(turn.take());
        }
        let next = frames.next().await;
        filling.received(left - frames.bytes_left());
        left = frames.bytes_left();
        let (frame, at, sealed) = match next {
            Ok(Some(frame)) => frame,
            Ok(None) => break (Vec::new(), String::new()),
            Err(error) if error.spoils_only_itself() => break (frames.missing().to_vec(), error.to_string()),
            Err(error) => return Err(error.into()),
        };
        let hand = hands.take_one().await?;
        if filling.is_disk_full() {
            return Err(RepositoryError::Cancelled.into());
        }
        let (repository, filling, job) = (repository.clone(), filling.clone(), job.clone());
        let hands = hands.clone();
        let open = move || {
            let _until_opened = hand;
            open_frame(&repository, &filling, &job, frame, &sealed, &hands)
        };
        opening.push((frame, at, tokio::task::spawn_blocking(open)));
    };
    let mut spoilt = Vec::new();
    for (frame, at, opened) in opening {
        if !joined(opened.await)? {
            spoilt.push((frame, at));
        }
    }
    frames.forget();
    Ok(Came { spoilt, missing, reason })
}

/// Opens a frame and writes its chunks. Tells whether it could be opened.
fn open_frame(
    repository: &Repository,
    filling: &Filling,
    job: &Job,
    frame: u32,
    sealed: &[u8],
    hands: &Hands,
) -> bool {
    let wanted = wanted_of(job, frame);
    let Ok(mut reader) = FrameReader::new(repository, &job.pack, hands.take_room()) else { return false };
    let opened = reader.each_chunk(frame, 0, sealed, |id, content| filling.write(wanted, id, content));
    hands.put_by(reader.into_room());
    opened.is_ok()
}

fn wanted_of(job: &Job, frame: u32) -> &[WantedChunk] {
    let chunks = &job.all[job.chunks.clone()];
    let start = chunks.partition_point(|chunk| chunk.frame < frame);
    let end = chunks.partition_point(|chunk| chunk.frame <= frame);
    &chunks[start..end]
}

fn lose(filling: &Filling, job: &Job, frames: &[(u32, u64)], reason: &str) {
    for (frame, _) in frames {
        filling.lose(wanted_of(job, *frame), reason);
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, RepositoryError> {
    joined(tokio::task::spawn_blocking(work).await)
}

async fn acquired(one_of: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, RepositoryError> {
    let one = one_of.clone().acquire_owned().await;
    one.map_err(|error| RepositoryError::Internal(error.to_string()))
}

fn joined<T>(result: Result<T, JoinError>) -> Result<T, RepositoryError> {
    result.map_err(|error| RepositoryError::Internal(error.to_string()))
}
