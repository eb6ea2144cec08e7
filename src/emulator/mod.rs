//! A stand-in for Nutstore, the drive that counts every request: its limits, its pages, its words
//! for errors, and a script of all that goes wrong between a client and a server. It works in
//! memory, on real HTTP, and by a clock that tests move.

mod address;
mod answer;
mod body;
mod connection;
mod exchange;
mod faked;
mod faults;
mod gate;
mod journal;
mod objects;
mod options;
mod propfind;
mod read;
mod shared;
mod tree;
mod upload;
mod window;
mod write;

pub use faults::{BodyRead, Canned, Effect, Fault, Faults, ListingFault};
pub use gate::Refusal;
pub use journal::{Counts, Journal, Seen};
pub use objects::Objects;
pub use options::{EmulatorOptions, Limits, Rate};

use connection::handle;
use shared::Shared;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// An emulator at work. Dropping it ends it at once.
pub struct Emulator {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

/// Starts an emulator with an empty drive on `listener`, within the current tokio runtime.
///
/// # Errors
/// The listener has no address.
pub fn start(listener: TcpListener, options: EmulatorOptions) -> io::Result<Emulator> {
    let shared = Arc::new(Shared::new(options, listener.local_addr()?));
    let (stop, stopped) = watch::channel(false);
    let accepting = tokio::spawn(accept(listener, Arc::clone(&shared), stopped));
    Ok(Emulator { shared, stop, accepting })
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    // Dropped with this task, which ends its connections.
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => break,
            Some(_) = open.join_next(), if !open.is_empty() => continue,
        };
        match accepted {
            Ok((stream, _)) => {
                open.spawn(handle(Arc::clone(&shared), stream, stopped.clone()));
            }
            // Out of file descriptors, most likely: give others time to end.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    while open.join_next().await.is_some() {}
}

impl Emulator {
    /// The address of the root, such as `http://127.0.0.1:4918/dav/`. Objects can only be put into
    /// folders below it.
    pub fn url(&self) -> String {
        format!("http://{}{}/", self.shared.address, address::ROOT)
    }

    /// What was asked so far.
    pub fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    /// What all requests came to since the start.
    pub fn counts(&self) -> Counts {
        self.shared.journal.counts()
    }

    /// What goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// What is stored, to look at and to spoil; no request is counted for it.
    pub fn objects(&self) -> Objects<'_> {
        Objects::new(&self.shared)
    }

    /// How many requests the window would take now; `None` without a window.
    pub fn window_left(&self) -> Option<u64> {
        locked(&self.shared.gate).left(self.shared.steady_ms())
    }

    /// Takes no more requests, finishes those begun, and returns when all is closed.
    pub async fn shutdown(mut self) {
        // Without a receiver the task has ended already.
        let _ = self.stop.send(true);
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").field("url", &self.url()).finish_non_exhaustive()
    }
}

/// What a panic in another thread left is as good as any: each change is whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
