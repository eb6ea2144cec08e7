//! Threads that compress frames and put them into the open pack. A full pack is decoded once
//! before it goes on: what bad memory spoilt is found here and not on the day of the restore.

use super::split::finish;
use super::{PackToSend, Shared, WriterOptions};
use crate::format::frame::FrameEncoder;
use crate::format::pack::{ChunkEntry, FinishedPack, PackBuilder};
use crate::format::padding::padme;
use crate::repository::{Repository, RepositoryError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

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
    options: WriterOptions,
    open: Mutex<Option<(PackBuilder, Token)>>,
    packs: Mutex<Option<mpsc::Sender<PackToSend>>>,
    spare: Mutex<Vec<Vec<u8>>>,
    tokens: Tokens,
    shared: Arc<Shared>,
}

/// Bounds the packs that exist at the same time, from the first frame until they are sent, and
/// hands the memory of those that are sent to the next ones.
struct Tokens {
    free: crossbeam_channel::Receiver<Vec<u8>>,
    give_back: crossbeam_channel::Sender<Vec<u8>>,
}

/// The right to have a pack in memory.
pub(super) struct Token {
    give_back: crossbeam_channel::Sender<Vec<u8>>,
    buffer: Vec<u8>,
}

impl Tokens {
    fn new(count: usize) -> Self {
        let (give_back, free) = crossbeam_channel::bounded(count);
        for _ in 0..count {
            let _ = give_back.try_send(Vec::new());
        }
        Self { free, give_back }
    }

    /// Waits until a pack may be begun. Packs that cannot be sent are dropped and give theirs
    /// back, so nobody waits for ever.
    fn take(&self) -> (Token, Vec<u8>) {
        // It cannot be disconnected: `self` has both ends.
        let buffer = self.free.recv().unwrap_or_default();
        (Token { give_back: self.give_back.clone(), buffer: Vec::new() }, buffer)
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
        let _ = self.give_back.try_send(std::mem::take(&mut self.buffer));
    }
}

impl Assembler {
    pub(super) fn new(
        repository: Repository,
        options: WriterOptions,
        packs: mpsc::Sender<PackToSend>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            repository,
            options,
            open: Mutex::default(),
            packs: Mutex::new(Some(packs)),
            spare: Mutex::default(),
            // One is filled, one is read back.
            tokens: Tokens::new(options.uploads.max(1) + 2),
            shared,
        }
    }

    /// Runs until no more frames come. After a failure the rest is only taken off the queue, so
    /// that nobody waits for ever.
    pub(super) fn work(&self, frames: crossbeam_channel::Receiver<FrameJob>) {
        let _told = TellPanic(&self.shared);
        let mut encoder = match FrameEncoder::new(self.options.level) {
            Ok(encoder) => encoder,
            Err(reason) => return self.shared.fail(RepositoryError::damaged("a new pack", reason)),
        };
        let mut encoded = Vec::new();
        for mut job in frames {
            if self.shared.stopped.is_cancelled() || self.shared.cancel.is_cancelled() {
                continue;
            }
            let result = encoder
                .encode(&job.plain, &mut encoded)
                .map_err(|reason| RepositoryError::damaged("a new frame", reason))
                .and_then(|()| self.append(&encoded, std::mem::take(&mut job.chunks)));
            if let Err(error) = result {
                self.shared.fail(error);
            }
            job.plain.clear();
            self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(job.plain);
        }
    }

    /// An empty job, with a buffer that was used before where there is one.
    pub(super) fn spare_job(&self) -> FrameJob {
        let plain = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        FrameJob { plain: plain.unwrap_or_default(), chunks: Vec::new() }
    }

    /// Sends the pack that is open on its way and lets the sender know that it was the last.
    pub(super) fn close(&self) -> Result<(), RepositoryError> {
        let last = self.lock_open().take();
        let sent = last.map_or(Ok(()), |pack| self.ship(pack));
        self.packs.lock().unwrap_or_else(PoisonError::into_inner).take();
        sent
    }

    fn append(&self, frame: &[u8], chunks: Vec<ChunkEntry>) -> Result<(), RepositoryError> {
        let most = self.pack_bytes();
        let full = |pack: &PackBuilder| pack.size_with(frame.len(), chunks.len()) > most;
        let mut open = self.lock_open();
        // A full pack goes on its way before a place for the next is waited for. Meanwhile another
        // thread may have filled the next one.
        while let Some(pack) = open.take_if(|(pack, _)| !pack.is_empty() && full(pack)) {
            drop(open);
            self.ship(pack)?;
            open = self.lock_open();
        }
        let pack = match &mut *open {
            Some((pack, _)) => pack,
            none => {
                let (token, buffer) = self.tokens.take();
                &mut none.insert((self.new_pack(buffer)?, token)).0
            }
        };
        pack.push(frame, chunks).map_err(|reason| RepositoryError::damaged("a new pack", reason))
    }

    /// How large the next pack may get, in bytes.
    fn pack_bytes(&self) -> usize {
        self.options.pack_bytes.min(usize::try_from(self.shared.limit.bytes()).unwrap_or(usize::MAX))
    }

    fn lock_open(&self) -> MutexGuard<'_, Option<(PackBuilder, Token)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_pack(&self, mut buffer: Vec<u8>) -> Result<PackBuilder, RepositoryError> {
        let repository = &self.repository;
        let salt = repository.salt()?;
        buffer.clear();
        buffer.reserve_exact(padme(self.pack_bytes() as u64) as usize);
        PackBuilder::new(repository.keyring(), repository.id(), salt, buffer)
            .map_err(|reason| RepositoryError::damaged("a new pack", reason))
    }

    fn ship(&self, (pack, token): (PackBuilder, Token)) -> Result<(), RepositoryError> {
        if self.shared.stopped.is_cancelled() || self.shared.cancel.is_cancelled() {
            return Ok(());
        }
        let FinishedPack { bytes, entry } = finish(&self.repository, pack)?;
        let sender = self.packs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // A closed queue means that sending failed; its reason is in `shared`.
        if let Some(sender) = sender {
            let _ = sender.blocking_send(PackToSend { bytes, entry, token });
        }
        Ok(())
    }
}
