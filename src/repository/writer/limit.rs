//! The size of object that a server takes, learnt from its refusals: half of the smallest one that
//! was refused. It holds for all that is made after it, in this run and in later ones.

use super::WriterOptions;
use crate::repository::Repository;
use crate::state::meta::{self, Meta};
use crate::state::{Database, StateError};
use std::sync::atomic::{AtomicU64, Ordering};

/// Where an object of less than twice this is refused, smaller ones are not tried, in bytes.
const FLOOR_BYTES: u64 = 64 << 10;

/// The limit as the threads of a writer see it: what was learnt or, if less, what was told.
#[derive(Debug)]
pub(super) struct ObjectLimit {
    least: AtomicU64,
    told: Option<u64>,
}

impl ObjectLimit {
    /// What was learnt so far, and `told` by somebody who knows the server.
    pub(super) fn load(state: &Database, told: Option<u64>) -> Result<Self, StateError> {
        let least = least(learnt(state)?, told).unwrap_or(u64::MAX);
        Ok(Self { least: AtomicU64::new(least), told })
    }

    /// Bytes of a pack before it is padded: with padding it is no larger than what was told.
    pub(super) fn pack_bytes(&self) -> usize {
        let told = self.told.map_or(u64::MAX, largest_padded);
        usize::try_from(self.bytes().min(told)).unwrap_or(usize::MAX)
    }

    /// Bytes that a new pack should not exceed; `u64::MAX` where nothing was refused.
    pub(super) fn bytes(&self) -> u64 {
        self.least.load(Ordering::SeqCst)
    }

    /// Whether an object of `size` bytes or a smaller one was refused already.
    pub(super) fn refuses(&self, size: u64) -> bool {
        size >= self.bytes().saturating_mul(2)
    }

    /// Notes that the server refused `size` bytes.
    pub(super) fn refused(&self, state: &Database, size: u64) -> Result<(), StateError> {
        if let Some(limit) = note_refused(state, size)? {
            self.least.fetch_min(limit, Ordering::SeqCst);
        }
        Ok(())
    }
}

/// The most plain bytes that fit an object of `limit` bytes for certain: sealing and padding take
/// less than the eighth that is left.
pub(crate) fn fitting(limit: u64) -> usize {
    usize::try_from(limit - limit / 8).unwrap_or(usize::MAX)
}

fn least(learnt: Option<u64>, told: Option<u64>) -> Option<u64> {
    learnt.into_iter().chain(told).min()
}

/// The largest size of at most `most` bytes that padding leaves as it is.
fn largest_padded(most: u64) -> u64 {
    // Sizes that padding leaves lie evenly between two powers of two.
    let exponent = u64::from(most.max(2).ilog2());
    let kept_bits = u64::from(exponent.max(1).ilog2()) + 1;
    most >> exponent.saturating_sub(kept_bits) << exponent.saturating_sub(kept_bits)
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

    /// The same, or what the options say if that is less.
    pub fn object_limit_of(&self, options: &WriterOptions) -> Result<Option<u64>, StateError> {
        Ok(least(learnt(self.state())?, options.max_object))
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
    use crate::format::padding::padme;

    #[test]
    fn the_smallest_refusal_counts_and_is_known_to_the_next_run() {
        let state = Database::in_memory().unwrap();
        let limit = ObjectLimit::load(&state, None).unwrap();
        assert!(!limit.refuses(u64::MAX / 4));
        for size in [16 << 20, 4 << 20, 8 << 20] {
            limit.refused(&state, size).unwrap();
        }
        assert_eq!(limit.bytes(), 2 << 20);
        assert!(limit.refuses(4 << 20) && !limit.refuses((4 << 20) - 1));
        assert_eq!(ObjectLimit::load(&state, None).unwrap().bytes(), 2 << 20);
    }

    #[test]
    fn a_refusal_of_something_tiny_is_about_something_else() {
        let state = Database::in_memory().unwrap();
        let limit = ObjectLimit::load(&state, None).unwrap();
        limit.refused(&state, 1000).unwrap();
        assert_eq!(limit.bytes(), u64::MAX);
    }

    #[test]
    fn padded_packs_keep_to_what_was_told() {
        let state = Database::in_memory().unwrap();
        for told in [1, 2, 1000, 100_000, 10_000_000, (16 << 20) - 1, 16 << 20, u64::MAX] {
            let limit = ObjectLimit::load(&state, Some(told)).unwrap();
            let packs = limit.pack_bytes() as u64;
            assert!(padme(packs) <= told && packs > told - told / 8 - 1, "{told}: {packs}");
            assert_eq!(limit.bytes(), told);
        }
    }
}
