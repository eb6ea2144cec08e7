//! Values as people and programs read them: times, sizes, tables, counts of requests.

use crate::format::record::snapshot::Missing;
pub(super) use crate::model::amount::{counted, size};
use crate::model::time::Timestamp;
use crate::store::TrafficCount;
use chrono::{DateTime, Local};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// A time of this machine's zone to the second.
pub(super) fn local_time(millis: i64) -> String {
    DateTime::from_timestamp_millis(millis).map_or_else(
        || format!("{millis} ms"),
        |time| time.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S").to_string(),
    )
}

/// RFC 3339 in UTC to the millisecond: `--at` with it finds what happened then.
pub(super) fn rfc3339(millis: i64) -> String {
    Timestamp::from_millis(millis).rfc3339_millis()
}

/// `4 requests (2 PUT, 2 PROPFIND)`.
pub(super) fn requests(traffic: &TrafficCount) -> String {
    let each: Vec<_> = traffic.requests.iter().map(|(method, count)| format!("{count} {method}")).collect();
    match traffic.total() {
        0 => "no requests".to_owned(),
        total => format!("{} ({})", counted(total, "request"), each.join(", ")),
    }
}

/// Requests as a JSON object: `{"total":4,"PROPFIND":2,"PUT":2}`.
#[derive(Debug, Clone)]
pub(super) struct Requests(pub TrafficCount);

impl Serialize for Requests {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1 + self.0.requests.len()))?;
        map.serialize_entry("total", &self.0.total())?;
        for (method, count) in &self.0.requests {
            map.serialize_entry(method, count)?;
        }
        map.end()
    }
}

/// What a partial snapshot lacks, as JSON.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct MissingCount {
    files: u64,
    bytes: u64,
}

impl From<&Missing> for MissingCount {
    fn from(missing: &Missing) -> Self {
        Self { files: missing.files, bytes: missing.bytes }
    }
}

/// So many missing files are named to people.
const NAMED: usize = 10;

/// The first missing files, one a line.
pub(super) fn missing_names(missing: &Missing) -> Vec<String> {
    let mut lines: Vec<_> =
        missing.names.iter().take(NAMED).map(|name| format!("  missing: {name}")).collect();
    let rest = missing.files.saturating_sub(lines.len() as u64);
    if rest > 0 && !lines.is_empty() {
        lines.push(format!("  and {} more", counted(rest, "file")));
    }
    lines
}

/// Rows in columns; those named in `right` are aligned to the right.
pub(super) fn table(head: &[&str], right: &[usize], rows: &[Vec<String>]) -> Vec<String> {
    let heads: Vec<String> = head.iter().map(|&word| word.to_owned()).collect();
    let all = || std::iter::once(&heads).chain(rows);
    let width = |column: usize| all().map(|row| row.get(column).map_or(0, |cell| cell.chars().count())).max();
    let widths: Vec<usize> = (0..head.len()).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if right.contains(&column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    all().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_by_method() {
        let mut traffic = TrafficCount::default();
        assert_eq!(requests(&traffic), "no requests");
        traffic.requests.insert("PUT", 2);
        traffic.requests.insert("PROPFIND", 1);
        assert_eq!(requests(&traffic), "3 requests (1 PROPFIND, 2 PUT)");
        let json = serde_json::to_string(&Requests(traffic)).unwrap();
        assert_eq!(json, r#"{"total":3,"PROPFIND":1,"PUT":2}"#);
    }

    #[test]
    fn tables_line_up() {
        let rows = [vec!["a".to_owned(), "10".to_owned()], vec!["bcd".to_owned(), "5".to_owned()]];
        assert_eq!(table(&["name", "n"], &[1], &rows), ["name   n", "a     10", "bcd    5"]);
    }

    #[test]
    fn times_keep_their_milliseconds_for_programs() {
        assert_eq!(rfc3339(1_795_176_000_250), "2026-11-20T12:00:00.250Z");
    }
}
