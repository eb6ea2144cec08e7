//! The size of object that a server takes, learnt from its refusals: half of the smallest one that
//! was refused. It holds for all that is made after it, in this run and in later ones.

use crate::repository::Repository;
use crate::state::meta::{self, Meta};
use crate::state::{Database, StateError};
use std::sync::atomic::{AtomicU64, Ordering};

/// Where an object of less than twice this is refused, smaller ones are not tried, in bytes.
const FLOOR_BYTES: u64 = 64 << 10;

/// The learnt limit as the threads of a writer see it.
#[derive(Debug)]
pub(super) struct ObjectLimit(AtomicU64);

impl ObjectLimit {
    /// What was learnt so far.
    pub(super) fn load(state: &Database) -> Result<Self, StateError> {
        Ok(Self(AtomicU64::new(learnt(state)?.unwrap_or(u64::MAX))))
    }

    /// Bytes that a new pack should not exceed; `u64::MAX` where nothing was refused.
    pub(super) fn bytes(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// Whether an object of `size` bytes or a smaller one was refused already.
    pub(super) fn refuses(&self, size: u64) -> bool {
        size >= self.bytes().saturating_mul(2)
    }

    /// Notes that the server refused `size` bytes.
    pub(super) fn refused(&self, state: &Database, size: u64) -> Result<(), StateError> {
        if let Some(limit) = note_refused(state, size)? {
            self.0.fetch_min(limit, Ordering::SeqCst);
        }
        Ok(())
    }
}

/// The most plain bytes that fit an object of `limit` bytes for certain: sealing and padding take
/// less than the eighth that is left.
pub(crate) fn fitting(limit: u64) -> usize {
    usize::try_from(limit - limit / 8).unwrap_or(usize::MAX)
}

fn learnt(state: &Database) -> Result<Option<u64>, StateError> {
    let limit = state.meta_number(Meta::LargestObject)?;
    Ok(limit.and_then(|limit| u64::try_from(limit).ok()).map(|limit| limit.max(FLOOR_BYTES)))
}

fn note_refused(state: &Database, size: u64) -> Result<Option<u64>, StateError> {
    if size < 2 * FLOOR_BYTES {
        return Ok(None);
    }
    let half = i64::try_from(size / 2).unwrap_or(i64::MAX);
    let limit = state.write("note the size of object that is taken", |transaction| {
        let known = meta::get_number(transaction, Meta::LargestObject)?.unwrap_or(i64::MAX);
        let limit = known.min(half);
        meta::put_number(transaction, Meta::LargestObject, limit)?;
        Ok(limit)
    })?;
    Ok(u64::try_from(limit).ok())
}

impl Repository {
    /// The bytes that an object should have at most, learnt from refusals of this server; none
    /// where nothing was refused.
    pub fn object_limit(&self) -> Result<Option<u64>, StateError> {
        learnt(self.state())
    }

    /// Notes that an object of `size` bytes was refused. Returns whether smaller ones are worth a
    /// try.
    pub(in crate::repository) fn note_refused(&self, size: u64) -> Result<bool, StateError> {
        Ok(note_refused(self.state(), size)?.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_refusal_counts_and_is_known_to_the_next_run() {
        let state = Database::in_memory().unwrap();
        let limit = ObjectLimit::load(&state).unwrap();
        assert!(!limit.refuses(u64::MAX / 4));
        for size in [16 << 20, 4 << 20, 8 << 20] {
            limit.refused(&state, size).unwrap();
        }
        assert_eq!(limit.bytes(), 2 << 20);
        assert!(limit.refuses(4 << 20) && !limit.refuses((4 << 20) - 1));
        assert_eq!(ObjectLimit::load(&state).unwrap().bytes(), 2 << 20);
    }

    #[test]
    fn a_refusal_of_something_tiny_is_about_something_else() {
        let state = Database::in_memory().unwrap();
        let limit = ObjectLimit::load(&state).unwrap();
        limit.refused(&state, 1000).unwrap();
        assert_eq!(limit.bytes(), u64::MAX);
    }
}
