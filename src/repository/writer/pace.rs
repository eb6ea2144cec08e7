//! How packs are made and sent, as the line and the server bear it: the size of packs, uploads at
//! the same time, and the level of compression. Pure: it is told what was measured and answers
//! what to do next.

use super::level::{Compressed, Level};
use super::line::Line;

/// Something that somebody chose, or that is left to what the line bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice<T> {
    /// As the line bears it.
    #[default]
    Auto,
    /// This, whatever happens.
    Fixed(T),
}

/// Uploads at the same time: at the start, and at the most.
const UPLOADS: usize = 2;
pub(super) const MOST_UPLOADS: usize = 4;
/// Broken connections make packs no smaller than this.
const LEAST_PACK: usize = 1 << 20;
/// An upload that fails for good is made again in halves if it is larger: the smallest packs, padded.
const LEAST_TO_HALVE: u64 = (LEAST_PACK + LEAST_PACK / 8) as u64;
/// After so many good uploads something larger is tried.
const GOOD: u32 = 4;
/// One more upload at once is worth it if so many hundredths of bytes a second more go through.
const GAIN_PERCENT: u64 = 115;
/// A trial that gained nothing is made again after so many good uploads.
const AFTER_A_VAIN_TRIAL: u32 = 64;

/// An upload that ended well.
#[derive(Debug, Clone, Copy)]
pub(super) struct Uploaded {
    /// Its bytes.
    pub(super) bytes: u64,
    /// When it ended, by a clock that does not jump.
    pub(super) at_ms: i64,
    /// Times that uploads were sent again since the last report because a connection broke.
    pub(super) broken: u64,
    /// Times that the server wanted less since the last report.
    pub(super) throttled: u64,
}

/// A trial of one more upload at the same time.
#[derive(Debug, Clone, Copy)]
struct Trial {
    rate_before: u64,
}

#[derive(Debug)]
pub(super) struct Pace {
    pack_bytes: usize,
    asked_pack_bytes: usize,
    /// Packs get no larger in this run, for larger ones never got through.
    most_pack_bytes: usize,
    /// It is known that packs of the size that was asked for once did not get through.
    learnt: bool,
    /// Good uploads before larger packs are tried.
    wanted_for_growth: u32,
    level: Level,
    line: Line,
    uploads: Choice<usize>,
    at_once: usize,
    good: u32,
    good_for_uploads: u32,
    wanted_for_trial: u32,
    trial: Option<Trial>,
    /// Since when bytes are counted, and how many.
    window: Option<(i64, u64)>,
    /// Bytes a second when last measured.
    rate: Option<u64>,
    packs_wait: bool,
}

/// What is worth remembering for the next run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Remembered {
    pub(super) level: Option<i64>,
    pub(super) uploads: Option<i64>,
    /// The size of pack that got through where larger ones never did; 0 where all do.
    pub(super) pack_bytes: Option<i64>,
}

impl Pace {
    pub(super) fn new(
        pack_bytes: usize,
        level: Level,
        uploads: Choice<usize>,
        remembered: Remembered,
    ) -> Self {
        let at_once = remembered.uploads.and_then(|uploads| usize::try_from(uploads).ok());
        let least = LEAST_PACK.min(pack_bytes);
        let lighter = remembered.pack_bytes.and_then(|bytes| usize::try_from(bytes).ok());
        let lighter = lighter.map(|bytes| bytes.max(least)).filter(|_| remembered.pack_bytes != Some(0));
        Self {
            pack_bytes: lighter.map_or(pack_bytes, |bytes| bytes.min(pack_bytes)),
            asked_pack_bytes: pack_bytes,
            most_pack_bytes: pack_bytes,
            learnt: lighter.is_some(),
            // Larger ones may cost minutes until they are given up once more.
            wanted_for_growth: if lighter.is_some() { AFTER_A_VAIN_TRIAL } else { GOOD },
            level,
            line: Line::default(),
            uploads,
            // No more than the base, or a fast line would hold more packs in memory than it needs.
            at_once: at_once.unwrap_or(UPLOADS).clamp(1, UPLOADS),
            good: 0,
            good_for_uploads: 0,
            wanted_for_trial: GOOD,
            trial: None,
            window: None,
            rate: None,
            packs_wait: false,
        }
    }

    /// A pack is closed before it would be larger, in bytes.
    pub(super) fn pack_bytes(&self) -> usize {
        self.pack_bytes
    }

    /// The zstd level for the next frame.
    pub(super) fn level(&self) -> i32 {
        self.level.now()
    }

    /// Packs that may be on their way at the same time.
    pub(super) fn uploads(&self) -> usize {
        match self.uploads {
            Choice::Fixed(uploads) => uploads.max(1),
            Choice::Auto => self.at_once,
        }
    }

    pub(super) fn remembered(&self) -> Remembered {
        let uploads = match self.uploads {
            Choice::Fixed(_) => None,
            Choice::Auto => Some(self.at_once.min(UPLOADS) as i64),
        };
        let reached = if self.pack_bytes < self.asked_pack_bytes { self.pack_bytes as i64 } else { 0 };
        Remembered { level: self.level.remembered(), uploads, pack_bytes: self.learnt.then_some(reached) }
    }

    /// Whether a pack of so many bytes that never got through is worth a try in halves.
    pub(super) fn may_halve(bytes: u64) -> bool {
        bytes > LEAST_TO_HALVE
    }

    /// A pack of so many bytes never got through, though the line is there: for the rest of the
    /// run packs have half of that at most.
    pub(super) fn gave_up(&mut self, bytes: u64) {
        let half = usize::try_from(bytes / 2).unwrap_or(usize::MAX).max(LEAST_PACK);
        self.most_pack_bytes = self.most_pack_bytes.min(half);
        self.pack_bytes = self.pack_bytes.min(half);
        self.learnt = true;
        self.slow_down();
    }

    /// The size that a pack of so many bytes must be cut to, for its like never got through in
    /// this run.
    pub(super) fn too_heavy(&self, bytes: u64) -> Option<u64> {
        let most = self.most_pack_bytes as u64;
        (self.most_pack_bytes < self.asked_pack_bytes && Self::may_halve(bytes) && bytes / 2 >= most)
            .then_some(most)
    }

    fn slow_down(&mut self) {
        (self.at_once, self.good, self.good_for_uploads) = (1, 0, 0);
        (self.trial, self.window, self.wanted_for_trial) = (None, None, GOOD);
    }

    /// A pack waits because as many as may be are on their way.
    pub(super) fn pack_waits(&mut self) {
        self.packs_wait = true;
    }

    /// An upload ended well, if not at once.
    pub(super) fn uploaded(&mut self, upload: Uploaded) {
        if upload.broken > 0 {
            let least = LEAST_PACK.min(self.asked_pack_bytes);
            self.pack_bytes = (self.pack_bytes / 2).max(least);
        }
        if upload.broken > 0 || upload.throttled > 0 {
            self.slow_down();
            return;
        }
        self.good += 1;
        if self.good >= self.wanted_for_growth {
            self.good = 0;
            self.pack_bytes = self.pack_bytes.saturating_mul(2).min(self.most_pack_bytes);
        }
        let Some((since, bytes)) = &mut self.window else {
            self.window = Some((upload.at_ms, 0));
            return;
        };
        *bytes += upload.bytes;
        self.good_for_uploads += 1;
        let millis = u64::try_from(upload.at_ms.saturating_sub(*since)).unwrap_or(0);
        if self.good_for_uploads >= GOOD && millis > 0 {
            let rate = bytes.saturating_mul(1000) / millis;
            self.judge_uploads(rate);
            self.rate = Some(rate);
            self.window = Some((upload.at_ms, 0));
            self.packs_wait = false;
        }
    }

    fn judge_uploads(&mut self, rate: u64) {
        if let Some(Trial { rate_before }) = self.trial.take() {
            if rate.saturating_mul(100) < rate_before.saturating_mul(GAIN_PERCENT) {
                self.at_once = (self.at_once - 1).max(1);
                self.wanted_for_trial = AFTER_A_VAIN_TRIAL;
            }
            self.good_for_uploads = 0;
        } else if self.good_for_uploads >= self.wanted_for_trial
            && self.packs_wait
            && self.at_once < MOST_UPLOADS
        {
            self.at_once += 1;
            self.wanted_for_trial = GOOD;
            self.good_for_uploads = 0;
            // Back to the base nothing has to be proven.
            self.trial = (self.at_once > UPLOADS).then_some(Trial { rate_before: rate });
        }
    }

    /// A thread compressed a frame.
    pub(super) fn compressed(&mut self, frame: Compressed) {
        self.level.compressed(frame, self.line.rate().or(self.rate));
    }

    /// The line, to be told of uploads that begin and end.
    pub(super) fn line(&mut self) -> &mut Line {
        &mut self.line
    }

    /// Connections took `moved` bytes of uploads so far.
    pub(super) fn moved(&mut self, at_ms: i64, moved: u64) {
        if let Some(rate) = self.line.moved(at_ms, moved) {
            self.level.line_takes(rate);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn new(pack_bytes: usize, remembered: Remembered) -> Pace {
        let level = Level::new(Choice::Auto, 2, remembered.level);
        Pace::new(pack_bytes, level, Choice::Auto, remembered)
    }

    fn auto() -> Pace {
        new(16 * MIB, Remembered::default())
    }

    /// Packs that go through at `rate` bytes a second in all while others wait.
    fn go(pace: &mut Pace, packs: u32, at_ms: &mut i64, rate: impl Fn(usize) -> u64) {
        for _ in 0..packs {
            let bytes = pace.pack_bytes() as u64;
            *at_ms += i64::try_from(bytes * 1000 / rate(pace.uploads())).unwrap();
            pace.pack_waits();
            pace.uploaded(Uploaded { bytes, at_ms: *at_ms, broken: 0, throttled: 0 });
        }
    }

    fn breaks(pace: &mut Pace) {
        pace.uploaded(Uploaded { bytes: 1, at_ms: 0, broken: 1, throttled: 0 });
    }

    #[test]
    fn packs_shrink_where_connections_break_and_grow_again_to_what_was_asked() {
        let mut pace = auto();
        let mut sizes = Vec::new();
        for _ in 0..6 {
            breaks(&mut pace);
            sizes.push(pace.pack_bytes() / MIB);
        }
        assert_eq!(sizes, [8, 4, 2, 1, 1, 1]);
        assert_eq!(pace.uploads(), 1);
        let mut at = 0;
        go(&mut pace, 2 * GOOD, &mut at, |_| 1 << 20);
        assert_eq!(pace.pack_bytes(), 4 * MIB);
        go(&mut pace, 40, &mut at, |_| 1 << 20);
        assert_eq!(pace.pack_bytes(), 16 * MIB);
        let mut small = new(8 << 10, Remembered::default());
        breaks(&mut small);
        assert_eq!(small.pack_bytes(), 8 << 10);
    }

    #[test]
    fn more_uploads_at_once_stay_only_where_more_goes_through() {
        let (mut pace, mut at) = (auto(), 0);
        go(&mut pace, 40, &mut at, |uploads| uploads as u64 * 1_000_000);
        assert_eq!(pace.uploads(), MOST_UPLOADS, "each has its own share of the line");
        let (mut pace, mut at) = (auto(), 0);
        go(&mut pace, 60, &mut at, |_| 1_000_000);
        assert_eq!(pace.uploads(), UPLOADS, "the line is full");
        let mut pace = auto();
        for number in 0..40 {
            pace.uploaded(Uploaded { bytes: 1 << 24, at_ms: number * 1000, broken: 0, throttled: 0 });
        }
        assert_eq!(pace.uploads(), UPLOADS, "no pack waits: the line is faster than the threads");
    }

    #[test]
    fn a_throttle_makes_it_one_upload_and_leaves_the_packs_as_they_are() {
        let (mut pace, mut at) = (auto(), 0);
        pace.uploaded(Uploaded { bytes: 1, at_ms: 0, broken: 0, throttled: 1 });
        assert_eq!((pace.uploads(), pace.pack_bytes()), (1, 16 * MIB));
        go(&mut pace, 2 * GOOD, &mut at, |_| 1_000_000);
        assert_eq!(pace.uploads(), UPLOADS);
    }

    #[test]
    fn what_is_fixed_stays_whatever_happens() {
        let mut at = 0;
        let level = Level::new(Choice::Fixed(1), 2, None);
        let mut pace = Pace::new(16 * MIB, level, Choice::Fixed(3), Remembered::default());
        breaks(&mut pace);
        go(&mut pace, 20, &mut at, |_| 1_000_000);
        let idle = Compressed { worked_ms: 10, waited_ms: 5_000, ..Compressed::default() };
        (0..10).for_each(|_| pace.compressed(idle));
        assert_eq!((pace.level(), pace.uploads()), (1, 3));
        assert_eq!(pace.remembered(), Remembered::default());
    }

    #[test]
    fn a_run_starts_where_the_last_one_ended_within_reason() {
        let known = Remembered { level: Some(6), uploads: Some(1), pack_bytes: None };
        let pace = new(MIB, known);
        assert_eq!((pace.level(), pace.uploads(), pace.remembered()), (6, 1, known));
        let strange = Remembered { level: Some(-4), uploads: Some(99), pack_bytes: Some(-1) };
        let pace = new(MIB, strange);
        assert_eq!((pace.level(), pace.uploads(), pace.pack_bytes()), (3, UPLOADS, MIB));
    }

    #[test]
    fn packs_that_never_get_through_stay_small_in_this_run_and_grow_slowly_in_the_next() {
        let (mut pace, mut at) = (auto(), 0);
        assert_eq!(pace.too_heavy(1 << 40), None);
        pace.gave_up(16 * MIB as u64);
        pace.gave_up(8 * MIB as u64);
        assert_eq!((pace.pack_bytes(), pace.too_heavy(8 * MIB as u64)), (4 * MIB, Some(4 * MIB as u64)));
        assert_eq!(pace.too_heavy(5 * MIB as u64), None);
        go(&mut pace, 200, &mut at, |_| 1 << 20);
        assert_eq!(pace.pack_bytes(), 4 * MIB, "a larger one would cost minutes again");
        let known = pace.remembered();
        assert_eq!(known.pack_bytes, Some(4 * MIB as i64));
        let mut next = new(16 * MIB, known);
        assert_eq!(next.pack_bytes(), 4 * MIB);
        go(&mut next, AFTER_A_VAIN_TRIAL, &mut at, |_| 1 << 20);
        assert_eq!((next.pack_bytes(), next.remembered().pack_bytes), (8 * MIB, Some(8 * MIB as i64)));
        go(&mut next, AFTER_A_VAIN_TRIAL, &mut at, |_| 1 << 20);
        assert_eq!((next.pack_bytes(), next.remembered().pack_bytes), (16 * MIB, Some(0)));
        let third = new(16 * MIB, next.remembered());
        assert_eq!((third.pack_bytes(), third.remembered().pack_bytes), (16 * MIB, None));
        (0..9).for_each(|_| pace.gave_up(MIB as u64));
        assert_eq!(pace.pack_bytes(), MIB);
        assert!(!Pace::may_halve(MIB as u64) && Pace::may_halve(2 * MIB as u64));
    }
}
