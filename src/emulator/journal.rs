//! What the emulator was asked, and what that came to in numbers.

use super::gate::Refusal;
use super::locked;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// One request as the server saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The method, such as `PROPFIND`.
    pub method: String,
    /// The path, encoded as sent.
    pub path: String,
    /// What followed the `?`, such as the mark of a further page.
    pub query: Option<String>,
    /// The status answered; `None` where the connection was closed without an answer.
    pub status: Option<u16>,
    /// Bytes of the request's body that were read.
    pub bytes_up: u64,
    /// Bytes of the answer's body as its head tells them; 0 for one without an end.
    pub bytes_down: u64,
    /// The limit of requests that turned it away.
    pub refused: Option<Refusal>,
}

impl Seen {
    /// `PUT /dav/repo/a 201`, with `-` for the status of an answer that never came.
    pub fn line(&self) -> String {
        let query = self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let status = self.status.map_or("-".to_owned(), |status| status.to_string());
        format!("{} {}{query} {status}", self.method, self.path)
    }
}

/// What was asked since the start. Taking the journal leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests by method, those refused included.
    pub requests: BTreeMap<String, u64>,
    /// Bytes of the bodies of PUT that were read.
    pub bytes_up: u64,
    /// Bytes of the bodies of all answers that went out.
    pub bytes_down: u64,
    /// Requests turned away as a burst.
    pub refused_burst: u64,
    /// Requests turned away by the window.
    pub refused_window: u64,
}

impl Counts {
    /// Requests of all methods.
    pub fn total(&self) -> u64 {
        self.requests.values().sum()
    }
}

/// Every request in the order of the answers' beginnings.
#[derive(Debug, Default)]
pub struct Journal {
    seen: Mutex<Vec<Seen>>,
    counts: Mutex<Counts>,
    bytes_down: AtomicU64,
}

impl Journal {
    /// All requests since they were last taken.
    pub fn requests(&self) -> Vec<Seen> {
        locked(&self.seen).clone()
    }

    /// The requests as lines, see [`Seen::line`].
    pub fn lines(&self) -> Vec<String> {
        locked(&self.seen).iter().map(Seen::line).collect()
    }

    /// Forgets what was asked, and answers it.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *locked(&self.seen))
    }

    /// What all requests came to.
    pub fn counts(&self) -> Counts {
        let bytes_down = self.bytes_down.load(Ordering::SeqCst);
        Counts { bytes_down, ..locked(&self.counts).clone() }
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.bytes_down.fetch_add(bytes as u64, Ordering::SeqCst);
    }

    fn add(&self, seen: Seen) {
        let mut counts = locked(&self.counts);
        *counts.requests.entry(seen.method.clone()).or_default() += 1;
        if seen.method == "PUT" {
            counts.bytes_up += seen.bytes_up;
        }
        match seen.refused {
            Some(Refusal::Burst) => counts.refused_burst += 1,
            Some(Refusal::Window) => counts.refused_window += 1,
            None => {}
        }
        locked(&self.seen).push(seen);
    }
}

/// A line of the journal in the making: written when dropped, so that a request whose client went
/// away is there as well.
pub(super) struct Entry<'a> {
    pub seen: Seen,
    journal: &'a Journal,
}

impl<'a> Entry<'a> {
    pub fn begin(journal: &'a Journal, method: &str, uri: &http::Uri) -> Self {
        let seen = Seen {
            method: method.to_owned(),
            path: uri.path().to_owned(),
            query: uri.query().map(str::to_owned),
            status: None,
            bytes_up: 0,
            bytes_down: 0,
            refused: None,
        };
        Self { seen, journal }
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.journal.add(self.seen.clone());
    }
}
