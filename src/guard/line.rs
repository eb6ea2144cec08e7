//! The time that budgets are counted in: how long the machine is up, which no one can set, and the
//! clock's time where the machine was started anew in between.

use crate::model::clock::Clock;
use crate::model::time::Timestamp;

/// A moment, by the clock and by how long the machine is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since 1970 by the clock.
    pub wall_ms: i64,
    /// Which start of the machine `ms` counts from; 0 where that is not known.
    pub boot: i64,
    /// Milliseconds on the line that does not jump; those of the clock where there is none.
    pub ms: i64,
}

impl Moment {
    /// Now.
    pub fn now(clock: &dyn Clock) -> Self {
        let wall_ms = clock.now().millis();
        match clock.uptime() {
            Some(up) => Self { wall_ms, boot: up.boot, ms: up.millis },
            None => Self { wall_ms, boot: 0, ms: wall_ms },
        }
    }

    /// What the clock will show at `ms` of the line.
    pub fn at(self, ms: i64) -> Timestamp {
        Timestamp::from_millis(self.wall_ms.saturating_add(ms.saturating_sub(self.ms)))
    }

    /// The calendar month by the clock, in UTC, counted from the year 0.
    pub fn month(self) -> i32 {
        use chrono::Datelike;
        let date = chrono::DateTime::from_timestamp_millis(self.wall_ms).unwrap_or_default();
        date.year() * 12 + date.month0() as i32
    }

    /// When the next month begins by the clock, in milliseconds since 1970.
    pub fn next_month_ms(self) -> i64 {
        let next = self.month() + 1;
        chrono::NaiveDate::from_ymd_opt(next.div_euclid(12), next.rem_euclid(12) as u32 + 1, 1)
            .and_then(|day| day.and_hms_opt(0, 0, 0))
            .map_or(i64::MAX, |time| time.and_utc().timestamp_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_turn_in_utc() {
        let at = |text: &str| {
            let time = chrono::DateTime::parse_from_rfc3339(text).unwrap();
            Moment { wall_ms: time.timestamp_millis(), boot: 0, ms: 0 }
        };
        let (last, first) = (at("2026-12-31T23:59:59Z"), at("2027-01-01T00:00:00Z"));
        assert_eq!(last.month() + 1, first.month());
        assert_eq!(last.next_month_ms(), first.wall_ms);
    }
}
