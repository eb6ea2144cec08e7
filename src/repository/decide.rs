//! The decisions that cost requests, as functions of plain values: a run follows them, and a plan
//! counts by them.

use super::proof::PAGE;
use crate::format::names::FOLDER_FILL;

/// So many snapshots without a checkpoint make one due.
pub const CHECKPOINT_AFTER: u64 = 32;
/// An older checkpoint is merged into the new one when it weighs at most so many times as much.
const MERGE_FACTOR: u64 = 4;
/// While both together weigh no more than this it is merged in any case, so that one stands alone.
const ALONE_WEIGHT: u64 = 1 << 20;
/// About the bytes of a listing without entries, and of an entry in it.
const LISTING_BYTES: u64 = 400;
const LISTED_BYTES: u64 = 420;

/// Whether a numbered folder with so many objects takes no more.
pub fn is_full(objects: u64) -> bool {
    objects >= FOLDER_FILL
}

/// The numbered folder of the log for the next record, and whether it is to be made: the newest one
/// that is known has so many records.
pub fn record_folder(newest: u32, records: u64) -> (u32, bool) {
    let number = if is_full(records) { newest.saturating_add(1) } else { newest };
    (number, records == 0 || is_full(records))
}

/// What is known of the numbered folders of packs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PackFolders {
    /// The one that fills up.
    pub filling: u32,
    /// The highest one that a known pack lies in.
    pub newest: Option<u32>,
    /// How many were made, the first ones in turn.
    pub made: i64,
}

impl PackFolders {
    /// The one that the next pack may go to.
    pub fn candidate(&self) -> u32 {
        self.filling.max(self.newest.unwrap_or(0))
    }

    /// The one that the next pack goes to, and whether it is to be made: the candidate has so many.
    pub fn next(&self, packs: u64) -> (u32, bool) {
        let number = self.candidate().saturating_add(u32::from(is_full(packs)));
        let seen = self.newest.is_some_and(|newest| newest >= number);
        (number, i64::from(number) >= self.made && !seen)
    }
}

/// Whether so many snapshots that no checkpoint covers make one due.
pub fn checkpoint_is_due(uncovered: u64) -> bool {
    uncovered >= CHECKPOINT_AFTER
}

/// Whether an older checkpoint is merged into a new one, by their weights.
pub fn is_merged(older: u64, new: u64) -> bool {
    older <= new.saturating_mul(MERGE_FACTOR) || older.saturating_add(new) <= ALONE_WEIGHT
}

/// Requests and about the bytes of a listing of so many objects.
pub fn listing(objects: u64) -> (u64, u64) {
    let bytes = LISTING_BYTES.saturating_add(objects.saturating_mul(LISTED_BYTES));
    (objects.div_ceil(PAGE).max(1), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_made_when_they_are_first_needed() {
        assert_eq!(record_folder(0, 0), (0, true));
        assert_eq!(record_folder(0, 499), (0, false));
        assert_eq!(record_folder(3, 500), (4, true));
        let none = PackFolders::default();
        assert_eq!(none.next(0), (0, true));
        let one = PackFolders { filling: 0, newest: Some(0), made: 1 };
        assert_eq!((one.next(499), one.next(500)), ((0, false), (1, true)));
        // Made before a run broke off, and still empty.
        let made = PackFolders { filling: 1, newest: Some(0), made: 2 };
        assert_eq!(made.next(0), (1, false));
        // Another machine went on to a folder that this one never made.
        let elsewhere = PackFolders { filling: 0, newest: Some(2), made: 1 };
        assert_eq!(elsewhere.next(7), (2, false));
    }

    #[test]
    fn listings_come_in_pages_and_checkpoints_merge_by_weight() {
        assert_eq!((listing(0).0, listing(749).0, listing(750).0), (1, 1, 2));
        let small = 200 << 10;
        assert!(is_merged(4 * small, small) && is_merged(4 * small + 1, small));
        assert!(is_merged((1 << 20) - 1, 1) && !is_merged(1 << 20, 1));
        let large = 1 << 20;
        assert!(is_merged(4 * large, large) && !is_merged(4 * large + 1, large));
        assert!(!checkpoint_is_due(31) && checkpoint_is_due(32));
    }
}
