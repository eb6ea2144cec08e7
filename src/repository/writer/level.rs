//! The level of compression, as the line bears it: where it takes less than the threads make,
//! higher levels are free. Pure: it is told what was measured.

use super::Choice;

/// The levels of zstd that are gone through, from what a fast line takes to what costs a hundred
/// times as much, and how fast each is in hundredths of the first one's speed (measured on sources).
const LEVELS: [(i32, u64); 6] = [(3, 100), (6, 39), (9, 22), (12, 12), (15, 3), (19, 1)];
/// A later run starts at most with this one: its line may be a fast one.
const MOST_REMEMBERED: i32 = 9;
/// What the threads did is judged after so many milliseconds of all of them together.
const JUDGED_MS: u64 = 2000;
/// Threads that wait for more than this percentage of their time could compress better.
const IDLE_PERCENT: u64 = 60;
/// Threads that wait less than this hold the line up.
const BUSY_PERCENT: u64 = 10;
/// On a line that takes more bytes a second no higher level pays.
const FAST_LINE: u64 = 24 << 20;
/// A level is good for a line if the threads make so many hundredths of what it takes: what comes
/// may be harder to compress than what came.
const HEADROOM_PERCENT: u64 = 150;

/// What a thread did with a frame.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Compressed {
    /// Bytes that came of it; none where it was not worth the level, and says nothing of that.
    pub(super) encoded: Option<u64>,
    pub(super) worked_ms: u64,
    /// For the line, or for those who did.
    pub(super) waited_ms: u64,
}

#[derive(Debug)]
pub(super) struct Level {
    choice: Choice<i32>,
    step: usize,
    threads: u64,
    /// Milliseconds that threads worked and waited since that was judged last.
    spent: (u64, u64),
    /// Bytes that they made at this level since then, and the milliseconds for that.
    made: (u64, u64),
}

impl Level {
    /// Begins with the level that is remembered.
    pub(super) fn new(choice: Choice<i32>, threads: usize, remembered: Option<i64>) -> Self {
        let known = |(level, _): &(i32, u64)| remembered == Some(i64::from(*level));
        let step = LEVELS.iter().position(known).unwrap_or(0);
        Self { choice, step, threads: threads.max(1) as u64, spent: (0, 0), made: (0, 0) }
    }

    /// The zstd level for the next frame.
    pub(super) fn now(&self) -> i32 {
        match self.choice {
            Choice::Fixed(level) => level,
            Choice::Auto => self.entry().0,
        }
    }

    /// The one to begin with in the next run.
    pub(super) fn remembered(&self) -> Option<i64> {
        match self.choice {
            Choice::Fixed(_) => None,
            Choice::Auto => Some(i64::from(self.now().min(MOST_REMEMBERED))),
        }
    }

    fn entry(&self) -> (i32, u64) {
        LEVELS.get(self.step).copied().unwrap_or(LEVELS[0])
    }

    /// A thread compressed a frame; the line took `rate` bytes a second when last measured.
    pub(super) fn compressed(&mut self, frame: Compressed, rate: Option<u64>) {
        if let Some(encoded) = frame.encoded {
            self.made = (self.made.0 + encoded, self.made.1 + frame.worked_ms);
        }
        self.spent = (self.spent.0 + frame.worked_ms, self.spent.1 + frame.waited_ms);
        let (all, waited) = (self.spent.0 + self.spent.1, self.spent.1 * 100);
        if all < JUDGED_MS {
            return;
        }
        if rate.is_some_and(|rate| rate < FAST_LINE) && waited > all * IDLE_PERCENT {
            self.step = (self.step + 1).min(LEVELS.len() - 1);
        } else if waited < all * BUSY_PERCENT {
            self.step = self.step.saturating_sub(1);
        }
        self.begin_anew();
    }

    fn begin_anew(&mut self) {
        (self.spent, self.made) = ((0, 0), (0, 0));
    }

    /// The line takes `rate` bytes a second. Goes to the highest level with which the threads make
    /// more than that, if that is a higher one: waiting for them to fall idle would take packs.
    pub(super) fn line_takes(&mut self, rate: u64) {
        let (encoded, worked_ms) = self.made;
        if rate >= FAST_LINE || encoded == 0 || worked_ms == 0 {
            return;
        }
        let made = self.threads * encoded.saturating_mul(1000) / worked_ms;
        let made_by = |speed: u64| made.saturating_mul(speed) / self.entry().1;
        let keeps_up = |(_, speed): &(i32, u64)| {
            made_by(*speed).saturating_mul(100) >= rate.saturating_mul(HEADROOM_PERCENT)
        };
        let highest = LEVELS.iter().rposition(keeps_up).unwrap_or(0);
        if highest > self.step {
            self.step = highest;
            self.begin_anew();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: Option<u64> = Some(1_000_000);

    fn auto() -> Level {
        Level::new(Choice::Auto, 2, None)
    }

    fn times(worked_ms: u64, waited_ms: u64) -> Compressed {
        Compressed { worked_ms, waited_ms, ..Compressed::default() }
    }

    #[test]
    fn it_rises_where_threads_wait_for_the_line_and_falls_where_they_hold_it_up() {
        let mut level = auto();
        level.compressed(times(100, 9_000), None);
        assert_eq!(level.now(), 3, "how fast the line is was not measured yet");
        let mut levels = Vec::new();
        for _ in 0..6 {
            level.compressed(times(300, 2_000), SLOW);
            levels.push(level.now());
        }
        assert_eq!(levels, [6, 9, 12, 15, 19, 19]);
        level.compressed(times(1_200, 1_000), SLOW);
        assert_eq!(level.now(), 19, "between the bounds it stays");
        for wanted in [15, 12] {
            level.compressed(times(2_500, 10), SLOW);
            assert_eq!(level.now(), wanted);
        }
        assert_eq!(level.remembered(), Some(9));
    }

    #[test]
    fn on_a_fast_line_it_stays_low_whatever_waits() {
        let mut level = auto();
        for _ in 0..10 {
            level.compressed(times(10, 5_000), Some(200 << 20));
            level.line_takes(200 << 20);
        }
        assert_eq!(level.now(), 3);
    }

    /// Frames of 4 MB that become 1 MB in 16 ms: 125 MB/s of two threads.
    fn used_to(rate: u64) -> i32 {
        let mut level = auto();
        level.line_takes(rate);
        assert_eq!(level.now(), 3, "what the threads make is not known yet");
        let frame = Compressed { encoded: Some(1_000_000), worked_ms: 16, waited_ms: 0 };
        (0..8).for_each(|_| level.compressed(frame, None));
        level.line_takes(rate);
        level.now()
    }

    #[test]
    fn it_goes_at_once_to_what_the_threads_can_do_on_a_line_that_was_measured() {
        assert_eq!(used_to(20_000_000), 6);
        assert_eq!(used_to(10_000_000), 12);
        assert_eq!(used_to(2_500_000), 15);
        assert_eq!(used_to(100_000), 19);
        assert_eq!(used_to(60_000_000), 3);
        let mut level = Level::new(Choice::Auto, 2, Some(9));
        level.compressed(Compressed { encoded: Some(100), worked_ms: 100, waited_ms: 0 }, None);
        level.line_takes(10_000_000);
        assert_eq!(level.now(), 9, "threads that cannot keep up are seen by their never waiting");
    }

    #[test]
    fn noise_tells_nothing_of_what_the_threads_can_do() {
        let mut level = auto();
        let noise = Compressed { encoded: None, worked_ms: 1, waited_ms: 0 };
        (0..100).for_each(|_| level.compressed(noise, None));
        level.line_takes(2_500_000);
        assert_eq!(level.now(), 3);
    }

    #[test]
    fn a_fixed_one_stays() {
        let mut level = Level::new(Choice::Fixed(1), 2, Some(6));
        level.compressed(times(10, 5_000), SLOW);
        assert_eq!((level.now(), level.remembered()), (1, None));
    }
}
