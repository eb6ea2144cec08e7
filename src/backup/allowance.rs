//! What of a run's limits is left, judged before a chunk is taken up: whatever is taken up is
//! sent, so all that follows from it must fit, the commit included. Every bound here is from
//! above.

use super::limits::RunLimits;
use crate::format::padding::padme;
use crate::repository::writer::{Coming, Load};

/// A record beside its lists: set, sources, patterns, numbers, other writers.
const RECORD_BYTES: u64 = 4 << 10;
/// A pack in the index beside its frames and chunks; a frame; a chunk.
const INDEX_COSTS: (u64, u64, u64) = (112, 10, 25);
/// An upload that is repeated costs itself and up to two looks.
const REQUESTS_OF_A_REPEAT: u64 = 3;
/// A pack folder takes so many packs, then comes the next.
const FOLDER_FILL: u64 = 400;

/// What the run spent before its pass over the files, and what its commit takes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Fixed {
    /// Requests and bytes sent.
    pub(super) spent: (u64, u64),
    /// Putting the record and looking.
    pub(super) commit_requests: u64,
    /// Listings of folders with packs that were sent before.
    pub(super) leftover_folders: u64,
    /// Bytes of those packs in the index.
    pub(super) leftover_index: u64,
    /// Tags, patterns, sources and what else of the options goes into the record.
    pub(super) head_bytes: u64,
    /// Longer streams do not go into the record.
    pub(super) inline_bytes: u64,
    /// A pack is about this large.
    pub(super) pack_bytes: u64,
}

/// The account of one pass.
#[derive(Debug)]
pub(super) struct Allowance {
    limits: RunLimits,
    fixed: Fixed,
    list_bytes: u64,
    names_bytes: u64,
}

impl Allowance {
    pub(super) fn new(limits: RunLimits, fixed: Fixed) -> Self {
        Self { limits, fixed, list_bytes: 0, names_bytes: 0 }
    }

    /// The list of files grows by so much.
    pub(super) fn list_grows(&mut self, bytes: u64) {
        self.list_bytes = self.list_bytes.saturating_add(bytes);
    }

    /// Not as much as it was to grow by.
    pub(super) fn list_shrinks(&mut self, bytes: u64) {
        self.list_bytes = self.list_bytes.saturating_sub(bytes);
    }

    /// Names of missing files take so much of the record.
    pub(super) fn names_take(&mut self, bytes: u64) {
        self.names_bytes = bytes;
    }

    /// Requests and bytes of the whole run if nothing more is taken up than what is under way and
    /// `coming`.
    pub(super) fn total(&self, load: Load, coming: Coming) -> (u64, u64) {
        let fixed = &self.fixed;
        let packs = load.packs.saturating_add(coming.packs);
        let (of_pack, of_frame, of_chunk) = INDEX_COSTS;
        let index = sum([
            fixed.leftover_index,
            packs.saturating_mul(of_pack),
            load.frames.saturating_add(coming.frames).saturating_mul(of_frame),
            load.chunks.saturating_add(coming.chunks).saturating_mul(of_chunk),
        ]);
        let (list_packs, list_sent, list_inline) = self.stream(self.list_bytes);
        let (index_packs, index_sent, index_inline) =
            self.stream(index.saturating_add(list_packs.saturating_mul(256)));
        let record = sum([RECORD_BYTES, fixed.head_bytes, self.names_bytes, list_inline, index_inline]);
        let any_packs = sum([packs, list_packs, index_packs]);
        let folders = match any_packs {
            0 => 0,
            // Each is made, and listed.
            packs => 2 * (1 + packs / FOLDER_FILL),
        };
        let requests = sum([
            fixed.spent.0,
            any_packs,
            load.repeats.saturating_mul(REQUESTS_OF_A_REPEAT),
            folders,
            fixed.leftover_folders,
            fixed.commit_requests,
        ]);
        let repeated = fixed.pack_bytes.saturating_add(fixed.pack_bytes / 8);
        let bytes = sum([
            fixed.spent.1,
            load.pack_bytes,
            coming.bytes,
            load.repeats.saturating_mul(repeated),
            list_sent,
            index_sent,
            padme(record),
        ]);
        (requests, bytes)
    }

    /// Whether that fits the limits.
    pub(super) fn fits(&self, load: Load, coming: Coming) -> bool {
        let (requests, bytes) = self.total(load, coming);
        self.limits.requests.is_none_or(|limit| requests <= limit)
            && self.limits.upload_bytes.is_none_or(|limit| bytes <= limit)
    }

    /// About how many bytes of content may still be taken up.
    pub(super) fn left(&self, load: Load, coming: Coming) -> u64 {
        let (requests, bytes) = self.total(load, coming);
        let of_requests = self
            .limits
            .requests
            .map_or(u64::MAX, |limit| limit.saturating_sub(requests).saturating_mul(self.fixed.pack_bytes));
        let of_bytes = self.limits.upload_bytes.map_or(u64::MAX, |limit| limit.saturating_sub(bytes));
        of_requests.min(of_bytes)
    }

    pub(super) fn limits(&self) -> RunLimits {
        self.limits
    }

    /// Packs and bytes of a stream of so many bytes, and what it takes in the record.
    fn stream(&self, bytes: u64) -> (u64, u64, u64) {
        if bytes <= self.fixed.inline_bytes {
            return (0, 0, sum([bytes, bytes / 256, 64]));
        }
        let packs = 2 + bytes.saturating_mul(2) / self.fixed.pack_bytes.max(1);
        let pieces = 2 + bytes / (32 << 10);
        let (sent, noted) = (packs.saturating_mul(512), packs.saturating_mul(256));
        (packs, sum([bytes, bytes / 8, sent]), pieces.saturating_mul(64).saturating_add(noted))
    }
}

/// Together, or as much as a number holds: sparse files may claim any size.
fn sum<const N: usize>(numbers: [u64; N]) -> u64 {
    numbers.into_iter().fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowance(limits: RunLimits) -> Allowance {
        let fixed = Fixed {
            spent: (5, 1000),
            commit_requests: 3,
            inline_bytes: 1 << 20,
            pack_bytes: 16 << 20,
            ..Fixed::default()
        };
        Allowance::new(limits, fixed)
    }

    #[test]
    fn what_was_spent_and_what_the_commit_takes_count() {
        let allowance = allowance(RunLimits { requests: Some(12), ..RunLimits::default() });
        assert_eq!(allowance.total(Load::default(), Coming::default()).0, 8);
        let packs = |packs| Coming { packs, bytes: packs << 24, frames: packs * 16, chunks: packs * 64 };
        assert!(allowance.fits(Load::default(), packs(2)), "two packs, a folder, its listing");
        assert!(!allowance.fits(Load::default(), packs(3)));
        let repeated = Load { repeats: 1, ..Load::default() };
        assert!(!allowance.fits(repeated, packs(2)));
    }

    #[test]
    fn bytes_count_with_what_lists_and_record_take() {
        let limits = RunLimits { upload_bytes: Some(1 << 20), ..RunLimits::default() };
        let mut allowance = allowance(limits);
        let coming = Coming { packs: 1, bytes: 1_000_000, frames: 1, chunks: 4 };
        assert!(allowance.fits(Load::default(), coming));
        let before = allowance.left(Load::default(), coming);
        allowance.list_grows(60_000);
        assert!(!allowance.fits(Load::default(), coming));
        assert!(before > 0 && allowance.left(Load::default(), coming) == 0);
    }

    #[test]
    fn absurd_sizes_leave_nothing_and_do_not_wrap() {
        let limits = RunLimits { requests: Some(1000), upload_bytes: Some(1 << 40), stop_at: None };
        let mut allowance = allowance(limits);
        let endless = Coming { packs: u64::MAX, bytes: u64::MAX, frames: u64::MAX, chunks: u64::MAX };
        assert!(!allowance.fits(Load::default(), endless));
        assert_eq!(allowance.left(Load::default(), endless), 0);
        allowance.list_grows(u64::MAX);
        assert!(!allowance.fits(Load::default(), Coming::default()));
    }
}
