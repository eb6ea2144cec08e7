//! Counts what a store costs: requests by method and bytes each way.

use std::collections::BTreeMap;
use std::sync::Mutex;

/// Requests and bytes of a store since it was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrafficCount {
    /// Requests sent, by method, repeated attempts included.
    pub requests: BTreeMap<&'static str, u64>,
    /// Bytes of request bodies of objects.
    pub bytes_up: u64,
    /// Bytes of response bodies.
    pub bytes_down: u64,
}

impl TrafficCount {
    /// Requests of all methods.
    pub fn total(&self) -> u64 {
        self.requests.values().sum()
    }

    /// Counts `times` requests of a method.
    pub fn add(&mut self, method: &'static str, times: u64) {
        if times > 0 {
            *self.requests.entry(method).or_default() += times;
        }
    }

    /// Counts all of `other`.
    pub fn add_all(&mut self, other: &TrafficCount) {
        other.requests.iter().for_each(|(method, times)| self.add(method, *times));
        self.bytes_up = self.bytes_up.saturating_add(other.bytes_up);
        self.bytes_down = self.bytes_down.saturating_add(other.bytes_down);
    }

    /// What was added since `earlier`.
    pub fn since(&self, earlier: &TrafficCount) -> TrafficCount {
        let mut requests = self.requests.clone();
        for (method, count) in &mut requests {
            *count -= earlier.requests.get(method).copied().unwrap_or(0).min(*count);
        }
        requests.retain(|_, count| *count > 0);
        TrafficCount {
            requests,
            bytes_up: self.bytes_up.saturating_sub(earlier.bytes_up),
            bytes_down: self.bytes_down.saturating_sub(earlier.bytes_down),
        }
    }
}

/// How often uploads were sent again since a store was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Repeats {
    /// Because the connection broke, or the server failed.
    pub broken: u64,
    /// Because the server wanted less.
    pub throttled: u64,
}

/// The counter that a store keeps.
#[derive(Debug, Default)]
pub struct Traffic(Mutex<TrafficCount>);

impl Traffic {
    /// Counts a request that is about to be sent with so many body bytes.
    pub fn sent(&self, method: &'static str, body_bytes: u64) {
        let mut count = self.lock();
        *count.requests.entry(method).or_default() += 1;
        count.bytes_up += body_bytes;
    }

    /// Counts object bytes stored without a request, as on a local disk.
    pub fn uploaded(&self, body_bytes: u64) {
        self.lock().bytes_up += body_bytes;
    }

    /// Counts bytes of a response body.
    pub fn received(&self, body_bytes: u64) {
        self.lock().bytes_down += body_bytes;
    }

    /// The counts so far.
    pub fn count(&self) -> TrafficCount {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, TrafficCount> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
