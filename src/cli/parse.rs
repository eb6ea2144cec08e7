//! Words on the command line that are more than text: times, shares, sizes, patterns.

use crate::config::parse_pack_size;
use crate::files::filter::Filter;
use crate::model::clock::{Clock, SystemClock};
use crate::model::time::Timestamp;
use chrono::{DateTime, Local, NaiveDateTime, TimeZone};
use std::str::FromStr;
use std::time::Duration;

/// A share of something, above 0 and at most 100.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Percent(pub f64);

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.trim().trim_end_matches('%').trim_end();
        match number.parse::<f64>() {
            Ok(share) if share > 0.0 && share <= 100.0 => Ok(Self(share)),
            _ => Err("write a share above 0% and up to 100%, such as 5%".to_owned()),
        }
    }
}

/// Bytes of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PackSize(pub usize);

impl FromStr for PackSize {
    type Err = crate::config::SizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_pack_size(text).map(Self)
    }
}

/// The longest wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LongestWait(pub Duration);

impl FromStr for LongestWait {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = humantime::parse_duration(text.trim());
        parsed.map(Self).map_err(|_| "write a time such as 0s, 10m or 2h".to_owned())
    }
}

/// A glob that can be used.
pub(super) fn pattern(text: &str) -> Result<String, String> {
    let pattern = text.to_owned();
    match Filter::new(std::slice::from_ref(&pattern), &[]) {
        Ok(_) => Ok(pattern),
        Err(error) => Err(error.to_string()),
    }
}

/// A time that somebody means now, in this time zone.
pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    time_at(text, SystemClock.now(), &Local)
}

/// RFC 3339, a date and time in `zone`, or an age before `now`.
fn time_at<Z: TimeZone>(text: &str, now: Timestamp, zone: &Z) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(stamp(&time));
    }
    let formats = ["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S%.f"];
    let naive = formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    if let Some(naive) = naive {
        // Where the clock is set back an hour comes twice: the later one misses nothing.
        return zone
            .from_local_datetime(&naive)
            .latest()
            .map(|time| stamp(&time))
            .ok_or_else(|| "this hour is left out when the clock is set forward: name another".to_owned());
    }
    let age = humantime::parse_duration(text).ok().and_then(|age| i64::try_from(age.as_millis()).ok());
    match age.and_then(|age| now.millis().checked_sub(age)) {
        Some(millis) => Ok(Timestamp::from_millis(millis)),
        None => Err("write RFC 3339 (2026-11-20T12:00:00Z), `2026-11-20 12:00` in local time, or an age \
                     such as 3d, 12h or 30m"
            .to_owned()),
    }
}

fn stamp<Z: TimeZone>(time: &DateTime<Z>) -> Timestamp {
    Timestamp::new(time.timestamp(), time.timestamp_subsec_nanos().min(999_999_999))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::FixedOffset;

    #[test]
    fn times_are_rfc_3339_local_or_an_age() {
        let zone = FixedOffset::east_opt(8 * 3600).unwrap();
        let now = Timestamp::from_millis(1_800_000_000_500);
        let parse = |text: &str| time_at(text, now, &zone).map(Timestamp::millis);
        let noon_utc = 1_795_176_000_000;
        assert_eq!(parse("2026-11-20T12:00:00Z"), Ok(noon_utc));
        assert_eq!(parse("2026-11-20T13:00:00.25+01:00"), Ok(noon_utc + 250));
        assert_eq!(parse("2026-11-20 20:00"), Ok(noon_utc));
        assert_eq!(parse("2026-11-20 20:00:01"), Ok(noon_utc + 1000));
        assert_eq!(parse("3d"), Ok(now.millis() - 3 * 86_400_000));
        assert_eq!(parse("1h 30m"), Ok(now.millis() - 5_400_000));
        for bad in ["", "yesterday", "2026-11-20", "2026-13-20 12:00", "-3d", "3", "99999999999999999999y"] {
            assert!(parse(bad).unwrap_err().contains("3d"), "{bad}");
        }
    }

    #[test]
    fn shares_are_above_nothing_and_at_most_all() {
        assert_eq!("5%".parse(), Ok(Percent(5.0)));
        assert_eq!("2.5 %".parse(), Ok(Percent(2.5)));
        assert_eq!("100".parse(), Ok(Percent(100.0)));
        for bad in ["", "%", "0%", "101%", "-1%", "NaN", "a few"] {
            assert!(bad.parse::<Percent>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_bad_glob_is_refused() {
        assert!(pattern("*.pdf").is_ok());
        assert!(pattern("[").unwrap_err().contains('['));
    }
}
