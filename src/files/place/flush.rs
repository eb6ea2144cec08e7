//! Brings what is restored to the disk while more is being written, so that little is left to wait
//! for at the end.

use super::{PlaceError, Target};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Bytes written between two flushes.
const FLUSH_EVERY: u64 = 64 << 20;

/// Flushes a target in a thread of its own.
#[derive(Debug)]
pub struct Flusher {
    target: Arc<Target>,
    written: AtomicU64,
    at_work: Mutex<Option<AtWork>>,
}

#[derive(Debug)]
struct AtWork {
    wake: SyncSender<()>,
    thread: JoinHandle<Result<(), PlaceError>>,
}

impl Flusher {
    /// One for this target.
    pub fn new(target: Arc<Target>) -> Self {
        let (wake, woken) = sync_channel(1);
        let flushed = Arc::clone(&target);
        let thread = std::thread::Builder::new().name("flush".to_owned()).spawn(move || {
            // The system tells a failed write once: it must not be lost here.
            woken.iter().map(|()| flushed.sync()).fold(Ok(()), Result::and)
        });
        // Without a thread everything is flushed at the end.
        let at_work = Mutex::new(thread.ok().map(|thread| AtWork { wake, thread }));
        Self { target, written: AtomicU64::new(0), at_work }
    }

    /// Notes that so many bytes were written.
    pub fn wrote(&self, bytes: u64) {
        let before = self.written.fetch_add(bytes, Ordering::Relaxed);
        if before / FLUSH_EVERY < before.saturating_add(bytes) / FLUSH_EVERY
            && let Some(AtWork { wake, .. }) = &*self.at_work.lock().unwrap_or_else(PoisonError::into_inner)
        {
            // One that waits already will bring this along.
            let _ = wake.try_send(());
        }
    }

    /// Makes all that was restored safe on the disk.
    ///
    /// # Errors
    /// The disk failed to take it, now or before.
    pub fn finish(&self) -> Result<(), PlaceError> {
        let at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner).take();
        let before = at_work.map_or(Ok(()), |AtWork { wake, thread }| {
            drop(wake);
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        let now = self.target.sync();
        before.and(now)
    }
}
