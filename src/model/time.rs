//! Points in time as files and records carry them.

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};

/// A point in time to the nanosecond, before or after 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z, rounded down; negative before.
    pub seconds: i64,
    /// Nanoseconds after `seconds`, 0 to 999,999,999.
    pub nanos: u32,
}

impl Timestamp {
    /// The point in time `seconds` and `nanos` after 1970.
    pub fn new(seconds: i64, nanos: u32) -> Self {
        Self { seconds, nanos }
    }

    /// Milliseconds since 1970, rounded down; saturates far from our time.
    pub fn millis(self) -> i64 {
        self.seconds.saturating_mul(1000).saturating_add(i64::from(self.nanos / 1_000_000))
    }

    /// The point in time `millis` milliseconds after 1970.
    pub fn from_millis(millis: i64) -> Self {
        let nanos = millis.rem_euclid(1000) as u32 * 1_000_000;
        Self::new(millis.div_euclid(1000), nanos)
    }

    /// RFC 3339 in UTC to the second, such as `2026-11-20T12:00:00Z`.
    pub fn rfc3339(self) -> String {
        self.written(SecondsFormat::Secs)
    }

    /// RFC 3339 in UTC to the millisecond, such as `2026-11-20T12:00:00.250Z`.
    pub fn rfc3339_millis(self) -> String {
        self.written(SecondsFormat::Millis)
    }

    fn written(self, precision: SecondsFormat) -> String {
        DateTime::from_timestamp(self.seconds, self.nanos.min(999_999_999))
            .map_or_else(|| format!("@{}", self.seconds), |time| time.to_rfc3339_opts(precision, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_keep_their_nanoseconds() {
        let time = Timestamp::from_millis(-1);
        assert_eq!(time, Timestamp::new(-1, 999_000_000));
        assert_eq!(time.millis(), -1);
        assert_eq!(time.rfc3339(), "1969-12-31T23:59:59Z");
    }
}
