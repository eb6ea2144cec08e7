//! Bytes sent and received by calendar month, with a clock that may be wrong.

use super::line::Moment;
use serde::{Deserialize, Serialize};

/// Months that are remembered.
const MOST: usize = 24;
/// What was noted under a month that is yet to come counts for so long.
const BELIEVED_MS: i64 = 31 * 86_400_000;

/// The months of an account.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Months(Vec<Month>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Month {
    number: i32,
    up: u64,
    down: u64,
    /// When it was last added to, on the line.
    noted_ms: i64,
}

impl Months {
    /// Bytes sent and received in this month. If the newest month that was noted is yet to come, the
    /// clock was wrong then or is wrong now: what was noted under it in the last 31 days counts too.
    pub(super) fn used(&self, now: Moment) -> (u64, u64) {
        let this = now.month();
        let newest = self.0.iter().map(|month| month.number).max().unwrap_or(this);
        let counts = |month: &&Month| {
            let recent = now.ms.saturating_sub(month.noted_ms) < BELIEVED_MS;
            month.number == this || (month.number == newest && newest > this && recent)
        };
        let add = |(up, down): (u64, u64), month: &Month| {
            (up.saturating_add(month.up), down.saturating_add(month.down))
        };
        self.0.iter().filter(counts).fold((0, 0), add)
    }

    /// Notes bytes, or takes them back where negative.
    pub(super) fn note(&mut self, now: Moment, up: i64, down: i64) {
        let number = now.month();
        if !self.0.iter().any(|month| month.number == number) {
            if self.0.len() >= MOST {
                self.0.remove(0);
            }
            self.0.push(Month { number, ..Month::default() });
        }
        for month in self.0.iter_mut().filter(|month| month.number == number) {
            month.up = month.up.saturating_add_signed(up);
            month.down = month.down.saturating_add_signed(down);
            month.noted_ms = now.ms;
        }
    }

    /// Moves all times on the line.
    pub(super) fn shift(&mut self, by_ms: i64) {
        self.0.iter_mut().for_each(|month| month.noted_ms = month.noted_ms.saturating_add(by_ms));
    }

    /// What can never come true is forgotten.
    pub(super) fn bring_to(&mut self, now: Moment) {
        let this = now.month();
        self.0.iter_mut().for_each(|month| month.noted_ms = month.noted_ms.min(now.ms));
        let stale = |month: &Month| now.ms.saturating_sub(month.noted_ms) >= BELIEVED_MS;
        self.0.retain(|month| month.number <= this || !stale(month));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, ms: i64) -> Moment {
        let time = chrono::DateTime::parse_from_rfc3339(text).unwrap();
        Moment { wall_ms: time.timestamp_millis(), boot: 1, ms }
    }

    #[test]
    fn a_clock_that_was_ahead_counts_for_a_month_and_not_for_ever() {
        let mut months = Months::default();
        months.note(at("2038-01-01T00:00:00Z", 1000), 900, 0);
        assert_eq!(months.used(at("2026-11-20T00:00:00Z", 2000)), (900, 0));
        months.note(at("2026-11-20T00:00:00Z", 2000), 50, 7);
        assert_eq!(months.used(at("2026-11-20T00:00:00Z", 2000)), (950, 7));
        let later = at("2026-12-25T00:00:00Z", BELIEVED_MS + 2000);
        months.bring_to(later);
        assert_eq!(months.used(later), (0, 0));
    }

    #[test]
    fn a_clock_that_starts_in_1970_counts_the_newest_month_only() {
        let mut months = Months::default();
        months.note(at("2026-10-20T00:00:00Z", 1000), 500, 0);
        months.note(at("2026-11-20T00:00:00Z", 2000), 300, 0);
        let wrong = at("1970-01-01T00:00:00Z", 3000);
        months.bring_to(wrong);
        assert_eq!(months.used(wrong), (300, 0));
        months.note(wrong, 10, 0);
        assert_eq!(months.used(at("2026-11-20T01:00:00Z", 4000)), (300, 0));
    }

    #[test]
    fn absurd_numbers_do_not_wrap() {
        let mut months = Months(vec![Month { number: 5, up: u64::MAX, down: 1, noted_ms: i64::MAX }; 3]);
        let now = at("0000-06-15T00:00:00Z", 5);
        months.bring_to(now);
        months.note(now, i64::MAX, i64::MIN);
        assert_eq!(months.used(now), (u64::MAX, 0));
    }
}
