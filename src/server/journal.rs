//! What the server was asked, so that tests can hold exact sequences of requests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One request as the server saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The method, such as `PROPFIND`.
    pub method: String,
    /// The path, encoded as sent.
    pub path: String,
    /// The status answered.
    pub status: u16,
}

/// Every request in the order of the answers' beginnings.
#[derive(Debug, Default)]
pub struct Journal(Mutex<Vec<Seen>>);

impl Journal {
    /// All requests so far.
    pub fn requests(&self) -> Vec<Seen> {
        self.lock().clone()
    }

    /// How many requests there were of each method.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for seen in self.lock().iter() {
            *counts.entry(seen.method.clone()).or_default() += 1;
        }
        counts
    }

    /// Forgets what was asked, and answers it.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.lock())
    }

    pub(super) fn add(&self, seen: Seen) {
        self.lock().push(seen);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
