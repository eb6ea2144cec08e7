//! Words on the command line that are more than text: times, shares, sizes, patterns.

use crate::config::parse_pack_size;
use crate::disaster::plans::Sample;
use crate::files::filter::Filter;
use crate::model::clock::{Clock, SystemClock};
use crate::model::time::Timestamp;
use bytesize::ByteSize;
use chrono::{DateTime, Local, NaiveDate, NaiveDateTime, NaiveTime, TimeZone};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

const DAY_MS: i64 = 86_400_000;

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

/// Bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size(pub u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes =
            text.trim().parse::<ByteSize>().map_err(|_| "write a size, such as 500MB or 2GiB".to_owned());
        bytes.map(|bytes| Self(bytes.as_u64()))
    }
}

/// How much a rehearsal restores: `all`, a number of files, or a size with a unit.
pub(super) fn sample(text: &str) -> Result<Sample, String> {
    if text == "all" {
        return Ok(Sample::All);
    }
    if let Ok(files) = text.parse() {
        return if files > 0 { Ok(Sample::Files(files)) } else { Err("none is no sample".to_owned()) };
    }
    let size: Size =
        text.parse().map_err(|_| "write all, a number of files, or a size such as 1GB".to_owned())?;
    Ok(Sample::Bytes(size.0))
}

/// A glob that can be used.
pub(super) fn pattern(text: &str) -> Result<String, String> {
    let pattern = text.to_owned();
    match Filter::new(std::slice::from_ref(&pattern), &[]) {
        Ok(_) => Ok(pattern),
        Err(error) => Err(error.to_string()),
    }
}

/// The beginning of a time that somebody means now, in this time zone.
pub(super) fn from_time(text: &str) -> Result<Timestamp, String> {
    Ok(span_at(text, SystemClock.now(), &Local)?.0)
}

/// The end of a time that somebody means now, in this time zone: of 12:00 its last moment before 12:01, of
/// a date the end of that day.
pub(super) fn to_time(text: &str) -> Result<Timestamp, String> {
    Ok(span_at(text, SystemClock.now(), &Local)?.1)
}

/// A time to come, in this time zone.
pub(super) fn deadline(text: &str) -> Result<Timestamp, String> {
    deadline_at(text, SystemClock.now(), &Local)
}

/// RFC 3339, a date and time in `zone`, the next such time of the day in `zone`, or a duration from
/// `now`.
fn deadline_at<Z: TimeZone>(text: &str, now: Timestamp, zone: &Z) -> Result<Timestamp, String> {
    let word = text.trim();
    let form = "write RFC 3339 (2026-11-20T12:00:00Z), `2026-11-20 12:00` or 06:30 in local time, or a duration \
                from now such as 2h or 90m";
    let time = if let Ok(of_day) = NaiveTime::parse_from_str(word, "%H:%M") {
        next_time_of_day(of_day, now, zone)
    } else if let Ok(wait) = humantime::parse_duration(word) {
        let later = i64::try_from(wait.as_millis()).ok().and_then(|wait| now.millis().checked_add(wait));
        later.map(Timestamp::from_millis)
    } else {
        // A day says too little of when.
        span_at(word, now, zone)
            .ok()
            .filter(|(from, to)| to.millis() - from.millis() < DAY_MS / 2)
            .map(|(from, _)| from)
    };
    let time = time.ok_or_else(|| form.to_owned())?;
    if time <= now { Err(format!("that time is past: {form}")) } else { Ok(time) }
}

fn next_time_of_day<Z: TimeZone>(of_day: NaiveTime, now: Timestamp, zone: &Z) -> Option<Timestamp> {
    let today = DateTime::from_timestamp_millis(now.millis())?.with_timezone(zone).date_naive();
    let mut days = std::iter::successors(Some(today), NaiveDate::succ_opt).take(3);
    // On some days the clock leaves an hour out.
    days.find_map(|day| {
        let time = stamp(&zone.from_local_datetime(&day.and_time(of_day)).latest()?);
        (time > now).then_some(time)
    })
}

/// The first and the last moment of a time: RFC 3339, a date and time or a date in `zone`, or an age before
/// `now`. Without a fraction it is a whole second, without seconds a whole minute, as they are shown.
fn span_at<Z: TimeZone>(text: &str, now: Timestamp, zone: &Z) -> Result<(Timestamp, Timestamp), String> {
    let text = text.trim();
    let second = if text.contains('.') { 1 } else { 1000 };
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(span(stamp(&time), second));
    }
    let left_out = || "this hour is left out when the clock is set forward: name another".to_owned();
    // Where the clock is set back an hour comes twice: the first moment is in the earlier one, the last in the later.
    let local = |naive: NaiveDateTime| {
        let both = zone.from_local_datetime(&naive);
        Some((stamp(&both.clone().earliest()?), stamp(&both.latest()?)))
    };
    let formats = [
        ("%Y-%m-%d %H:%M", 60_000),
        ("%Y-%m-%dT%H:%M", 60_000),
        ("%Y-%m-%d %H:%M:%S%.f", second),
        ("%Y-%m-%dT%H:%M:%S%.f", second),
    ];
    let naive = formats
        .iter()
        .find_map(|(format, length)| Some((NaiveDateTime::parse_from_str(text, format).ok()?, *length)));
    if let Some((naive, length_ms)) = naive {
        let told = local(naive).map(|(from, again)| (from, span(again, length_ms).1));
        return told.ok_or_else(left_out);
    }
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        let (from, _) = local(day.and_time(NaiveTime::MIN)).ok_or_else(left_out)?;
        let next = day.succ_opt().and_then(|next| local(next.and_time(NaiveTime::MIN))).map(|(next, _)| next);
        return Ok(span(from, next.map_or(DAY_MS, |next| next.millis() - from.millis())));
    }
    let age = humantime::parse_duration(text).ok().and_then(|age| i64::try_from(age.as_millis()).ok());
    match age.and_then(|age| now.millis().checked_sub(age)) {
        Some(millis) => Ok(span(Timestamp::from_millis(millis), 1)),
        None => Err(
            "write RFC 3339 (2026-11-20T12:00:00Z), `2026-11-20 12:00` or `2026-11-20` in local time, or \
                     an age such as 3d, 12h or 30m"
                .to_owned(),
        ),
    }
}

/// From a moment on, for so long.
fn span(from: Timestamp, length_ms: i64) -> (Timestamp, Timestamp) {
    (from, Timestamp::from_millis(from.millis().saturating_add(length_ms - 1)))
}

fn stamp<Z: TimeZone>(time: &DateTime<Z>) -> Timestamp {
    Timestamp::new(time.timestamp(), time.timestamp_subsec_nanos().min(999_999_999))
}

/// `FROM=TO`, two paths, the first of them absolute.
pub(super) fn map(text: &str) -> Result<(PathBuf, PathBuf), String> {
    let (from, to) = text.split_once('=').ok_or("write FROM=TO, such as /home/anna=/home/bob")?;
    let from = PathBuf::from(from);
    match (from.is_absolute(), to.is_empty()) {
        (true, false) => Ok((from, PathBuf::from(to))),
        (false, _) => {
            Err("FROM is the path that `filbert show` tells as a source, or one below: it begins with /"
                .to_owned())
        }
        (true, true) => Err("TO is missing".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::FixedOffset;

    #[test]
    fn times_are_rfc_3339_local_or_an_age() {
        let zone = FixedOffset::east_opt(8 * 3600).unwrap();
        let now = Timestamp::from_millis(1_800_000_000_500);
        let parse = |text: &str| span_at(text, now, &zone).map(|(from, _)| from.millis());
        let length = |text: &str| {
            let (from, to) = span_at(text, now, &zone).unwrap();
            to.millis() - from.millis() + 1
        };
        let noon_utc = 1_795_176_000_000;
        assert_eq!(parse("2026-11-20"), Ok(noon_utc - 20 * 3_600_000));
        assert_eq!((length("2026-11-20"), length("2026-11-20 20:00")), (86_400_000, 60_000));
        assert_eq!((length("2026-11-20 20:00:01"), length("2026-11-20T12:00:00Z")), (1000, 1000));
        assert_eq!(
            (length("2026-11-20 20:00:01.5"), length("2026-11-20T12:00:00.000Z"), length("3d")),
            (1, 1, 1)
        );
        assert_eq!(parse("2026-11-20T12:00:00Z"), Ok(noon_utc));
        assert_eq!(parse("2026-11-20T13:00:00.25+01:00"), Ok(noon_utc + 250));
        assert_eq!(parse("2026-11-20 20:00"), Ok(noon_utc));
        assert_eq!(parse("2026-11-20 20:00:01"), Ok(noon_utc + 1000));
        assert_eq!(parse("3d"), Ok(now.millis() - 3 * 86_400_000));
        assert_eq!(parse("1h 30m"), Ok(now.millis() - 5_400_000));
        for bad in ["", "yesterday", "2026-11-31", "2026-13-20 12:00", "-3d", "3", "99999999999999999999y"] {
            assert!(parse(bad).unwrap_err().contains("3d"), "{bad}");
        }
    }

    #[test]
    fn deadlines_are_to_come() {
        let zone = FixedOffset::east_opt(8 * 3600).unwrap();
        // 2026-11-20 20:00 there.
        let now = Timestamp::from_millis(1_795_176_000_000);
        let after =
            |text: &str| deadline_at(text, now, &zone).map(|time| (time.millis() - now.millis()) / 60_000);
        assert_eq!(after("2h"), Ok(120));
        assert_eq!(after("20:30"), Ok(30));
        assert_eq!(after("20:00"), Ok(24 * 60), "the next one");
        assert_eq!(after("06:30"), Ok(10 * 60 + 30));
        assert_eq!(after("2026-11-20T13:00:00Z"), Ok(60));
        assert_eq!(after("2026-11-20 21:00"), Ok(60));
        assert!(after("2026-11-20 19:00").unwrap_err().contains("past"));
        for bad in ["", "soon", "25:00", "-2h", "2026-11-20"] {
            assert!(after(bad).unwrap_err().contains("06:30"), "{bad}");
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
