//! Threads that compress frames and put them into the open pack. A full pack is decoded once
//! before it goes on: what bad memory spoilt is found here and not on the day of the restore.

use super::level::Compressed;
use super::split::finish;
use super::{Choice, MOST_UPLOADS, PackToSend, Shared, WriterOptions, millis};
use crate::format::frame::FrameEncoder;
use crate::format::pack::{ChunkEntry, FinishedPack, PackBuilder};
use crate::format::padding::padme;
use crate::repository::{Repository, RepositoryError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// Packs in memory beside those that are on their way. On a fast line one of those is not, and is
/// read back while this one is filled; on a slow one there is time for both.
const BESIDE_UPLOADS: usize = 1;
/// Where nobody said how many go at once, packs take no more memory than this, in bytes, as long as
/// three of them fit. Of what more uploads would win on a long line most is had with three.
const PACK_MEMORY: usize = 48 << 20;
const LEAST_PACKS: usize = 3;

/// How often and after what time is looked whether the line is known by now.
const MEETING_STEPS: u32 = 200;
const MEETING_STEP: Duration = Duration::from_millis(5);

/// The most packs in memory for a writer with these options.
fn most_packs(options: &WriterOptions) -> usize {
    match options.uploads {
        Choice::Fixed(uploads) => uploads.max(1) + BESIDE_UPLOADS,
        Choice::Auto => {
            let fitting = PACK_MEMORY / options.pack_bytes.max(1);
            fitting.clamp(LEAST_PACKS, MOST_UPLOADS + BESIDE_UPLOADS)
        }
    }
}

/// Chunks that become one frame.
#[derive(Default)]
pub(super) struct FrameJob {
    pub(super) plain: Vec<u8>,
    pub(super) chunks: Vec<ChunkEntry>,
}

/// Lets the others know when a thread panics, or they would go on for hours in vain.
struct TellPanic<'a>(&'a Shared);

impl Drop for TellPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(RepositoryError::Internal("a packing thread panicked".to_owned()));
        }
    }
}

pub(super) struct Assembler {
    repository: Repository,
    open: Mutex<Option<(PackBuilder, Token)>>,
    packs: Mutex<Option<mpsc::Sender<PackToSend>>>,
    spare: Mutex<Vec<Vec<u8>>>,
    tokens: Tokens,
    most_packs: usize,
    shared: Arc<Shared>,
}

/// Bounds the packs that exist at the same time, from the first frame until they are sent, and
/// hands the memory of those that are sent to the next ones.
struct Tokens {
    free: crossbeam_channel::Receiver<Vec<u8>>,
    purse: Arc<Purse>,
}

struct Purse {
    give_back: crossbeam_channel::Sender<Vec<u8>>,
    /// Tokens that there are, free and taken, and that there may be.
    count: Mutex<(usize, usize)>,
}

impl Purse {
    /// Whether there may be one more; it is counted then.
    fn one_more(&self) -> bool {
        let mut count = self.count();
        let more = count.0 < count.1.max(1);
        count.0 += usize::from(more);
        more
    }

    fn count(&self) -> MutexGuard<'_, (usize, usize)> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to have a pack in memory.
pub(super) struct Token {
    purse: Arc<Purse>,
    buffer: Vec<u8>,
}

impl Tokens {
    fn new(most: usize) -> Self {
        let (give_back, free) = crossbeam_channel::bounded(most);
        Self { free, purse: Arc::new(Purse { give_back, count: Mutex::new((0, 0)) }) }
    }

    /// How many there may be from now on. Of those that are too many each goes when it is given
    /// back.
    fn allow(&self, allowed: usize) {
        self.purse.count().1 = allowed;
    }

    /// Waits until a pack may be begun. Packs that cannot be sent are dropped and give theirs
    /// back, so nobody waits for ever. Memory that was used before is taken first: a fast line
    /// gives it back before more is needed.
    fn take(&self) -> (Token, Vec<u8>) {
        let buffer = self.free.try_recv().ok().or_else(|| self.purse.one_more().then(Vec::new));
        // It cannot be disconnected: `self` has both ends.
        let buffer = buffer.unwrap_or_else(|| self.free.recv().unwrap_or_default());
        (Token { purse: self.purse.clone(), buffer: Vec::new() }, buffer)
    }
}

impl Token {
    /// Hands on the memory of a pack that was sent.
    pub(super) fn reuse(&mut self, buffer: Vec<u8>) {
        self.buffer = buffer;
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        let mut count = self.purse.count();
        if count.0 > count.1.max(1)
            || self.purse.give_back.try_send(std::mem::take(&mut self.buffer)).is_err()
        {
            count.0 = count.0.saturating_sub(1);
        }
    }
}

impl Assembler {
    pub(super) fn new(
        repository: Repository,
        options: &WriterOptions,
        packs: mpsc::Sender<PackToSend>,
        shared: Arc<Shared>,
    ) -> Self {
        let most_packs = most_packs(options);
        Self {
            repository,
            open: Mutex::default(),
            packs: Mutex::new(Some(packs)),
            spare: Mutex::default(),
            tokens: Tokens::new(most_packs),
            most_packs,
            shared,
        }
    }

    /// Runs until no more frames come. After a failure the rest is only taken off the queue, so
    /// that nobody waits for ever.
    pub(super) fn work(&self, frames: crossbeam_channel::Receiver<FrameJob>) {
        let _told = TellPanic(&self.shared);
        let mut encoder = match FrameEncoder::new(self.shared.pace().level()) {
            Ok(encoder) => encoder,
            Err(reason) => return self.shared.fail(RepositoryError::damaged("a new pack", reason)),
        };
        let mut encoded = Vec::new();
        for mut job in frames {
            if self.is_stopped() {
                continue;
            }
            encoder.set_level(self.meet_line());
            let began = self.millis();
            let plain_len = job.plain.len();
            let result = encoder
                .encode(&mut job.plain, &mut encoded)
                .map_err(|reason| RepositoryError::damaged("a new frame", reason));
            // Before a pack is read back, which takes it for what it decodes.
            self.put_by(job.plain);
            let at_level = result.as_ref().is_ok_and(|at_level| *at_level);
            let result = result.and_then(|_| self.append(&encoded, plain_len, job.chunks));
            match result {
                Ok(waited) => {
                    let all = self.millis().saturating_sub(began);
                    let positive = |millis: i64| u64::try_from(millis).unwrap_or(0);
                    self.shared.pace().compressed(Compressed {
                        encoded: at_level.then_some(encoded.len() as u64),
                        worked_ms: positive(all.saturating_sub(waited)),
                        waited_ms: positive(waited),
                    });
                }
                Err(error) => self.shared.fail(error),
            }
        }
    }

    /// The zstd level for the next frame. Waits a moment while the line is being met.
    fn meet_line(&self) -> i32 {
        for _ in 0..MEETING_STEPS {
            let (now, moved) = (self.millis(), self.repository.store().moved());
            let mut pace = self.shared.pace();
            pace.moved(now, moved);
            if !pace.line().is_being_met() || self.is_stopped() {
                return pace.level();
            }
            drop(pace);
            std::thread::sleep(MEETING_STEP);
        }
        // What answers nothing for so long will not be waited for again.
        self.shared.pace().line().gave_up_meeting();
        self.shared.pace().level()
    }

    /// Keeps a buffer for the next one who needs one.
    fn put_by(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }

    fn spare(&self) -> Option<Vec<u8>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// An empty job, with a buffer that was used before where there is one; else it has room for so
    /// many bytes, for one that grows leaves holes behind.
    pub(super) fn spare_job(&self, most_bytes: usize) -> FrameJob {
        FrameJob { plain: self.spare().unwrap_or_else(|| Vec::with_capacity(most_bytes)), chunks: Vec::new() }
    }

    /// Sends the pack that is open on its way and lets the sender know that it was the last. No
    /// thread packs any more, so `hands` of them read it back.
    pub(super) fn close(&self, hands: usize) -> Result<(), RepositoryError> {
        let last = self.lock_open().take();
        let sent = last.map_or(Ok(0), |pack| {
            self.shared.load().closed(&pack.0);
            self.ship(pack, hands)
        });
        self.packs.lock().unwrap_or_else(PoisonError::into_inner).take();
        sent.map(drop)
    }

    /// Appends a frame to the open pack, and returns for how many milliseconds it waited for the
    /// line, or for those who did.
    fn append(&self, frame: &[u8], plain: usize, chunks: Vec<ChunkEntry>) -> Result<i64, RepositoryError> {
        let most = self.shared.pack_bytes();
        let full = |pack: &PackBuilder| pack.size_with(frame.len(), chunks.len()) > most;
        let began = self.millis();
        let mut open = self.lock_open();
        let mut waited = self.millis() - began;
        // A full pack goes on its way before a place for the next is waited for. Meanwhile another
        // thread may have filled the next one.
        while let Some(pack) = open.take_if(|(pack, _)| !pack.is_empty() && full(pack)) {
            self.shared.load().closed(&pack.0);
            drop(open);
            waited += self.ship(pack, 1)?;
            let began = self.millis();
            open = self.lock_open();
            waited += self.millis() - began;
        }
        let pack = match &mut *open {
            Some((pack, _)) => pack,
            none => {
                let began = self.millis();
                let wanted = self.shared.pace().uploads() + BESIDE_UPLOADS;
                self.tokens.allow(wanted.min(self.most_packs));
                let (token, buffer) = self.tokens.take();
                waited += self.millis() - began;
                &mut none.insert((self.new_pack(buffer)?, token)).0
            }
        };
        let count = chunks.len();
        pack.push(frame, chunks).map_err(|reason| RepositoryError::damaged("a new pack", reason))?;
        self.shared.load().framed(plain, count, pack);
        Ok(waited)
    }

    fn is_stopped(&self) -> bool {
        self.shared.stopped.is_cancelled() || self.shared.cancel.is_cancelled()
    }

    fn millis(&self) -> i64 {
        millis(&**self.repository.clock())
    }

    fn lock_open(&self) -> MutexGuard<'_, Option<(PackBuilder, Token)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_pack(&self, mut buffer: Vec<u8>) -> Result<PackBuilder, RepositoryError> {
        let repository = &self.repository;
        let salt = repository.salt()?;
        buffer.clear();
        buffer.reserve_exact(padme(self.shared.pack_bytes() as u64) as usize);
        PackBuilder::new(repository.keyring(), repository.id(), salt, buffer)
            .map_err(|reason| RepositoryError::damaged("a new pack", reason))
    }

    /// Sends a pack on its way, and returns for how many milliseconds it waited for a place.
    fn ship(&self, (pack, token): (PackBuilder, Token), hands: usize) -> Result<i64, RepositoryError> {
        if self.is_stopped() {
            return Ok(0);
        }
        let mut rooms: Vec<_> = (0..hands).map(|_| self.spare().unwrap_or_default()).collect();
        let finished = finish(&self.repository, pack, &mut rooms);
        rooms.into_iter().for_each(|room| self.put_by(room));
        let FinishedPack { bytes, entry } = finished?;
        let began = self.millis();
        let sender = self.packs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // A closed queue means that sending failed; its reason is in `shared`.
        if let Some(sender) = sender {
            self.shared.pace().line().handed();
            let _ = sender.blocking_send(PackToSend { bytes, entry, token });
        }
        Ok(self.millis() - began)
    }
}
