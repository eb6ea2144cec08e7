//! GET and HEAD, with ranges as Nutstore has them: an end past the last byte is refused, and so is
//! a range that counts from the end.

use super::answer::Reply;
use super::tree::{Missing, Node, Tree};
use http::StatusCode;
use http::header;
use std::ops::Range;
use std::time::{Duration, UNIX_EPOCH};

/// The answer to a GET; a HEAD has the same without the body.
pub(super) fn get(tree: &Tree, path: &[String], range: Option<&str>) -> Reply {
    let object = match tree.find(path) {
        Ok(Node::Object(object)) => object,
        Ok(Node::Folder(_)) => return Reply::forbidden("this is a folder"),
        Err(missing) => return nothing(missing),
    };
    let length = object.bytes.len();
    let (status, part) = match range.and_then(|range| range.strip_prefix("bytes=")) {
        None => (StatusCode::OK, 0..length),
        Some(range) => match inside(range, length) {
            Some(part) => (StatusCode::PARTIAL_CONTENT, part),
            None => return Reply::empty(StatusCode::RANGE_NOT_SATISFIABLE),
        },
    };
    let mut reply = Reply::empty(status)
        .with(header::CONTENT_TYPE, "application/octet-stream")
        .with(header::LAST_MODIFIED, http_date(object.modified_ms));
    if status == StatusCode::PARTIAL_CONTENT {
        let told = format!("bytes {}-{}/{length}", part.start, part.end - 1);
        reply = reply.with(header::CONTENT_RANGE, told);
    }
    reply.body = object.bytes.slice(part);
    reply
}

/// The answer where nothing was found.
pub(super) fn nothing(missing: Missing) -> Reply {
    match missing {
        Missing::Itself => Reply::not_found(),
        Missing::Parent => Reply::no_ancestors(),
    }
}

/// Milliseconds since 1970 as RFC 1123 wants them; 1970 for all that is before.
pub(super) fn http_date(ms: i64) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(ms.max(0).unsigned_abs()))
}

/// `5-9` as 5..10, if all of it is there.
fn inside(range: &str, length: usize) -> Option<Range<usize>> {
    let (first, last) = range.split_once('-')?;
    let first: usize = first.trim().parse().ok()?;
    let last: usize =
        if last.trim().is_empty() { length.checked_sub(1)? } else { last.trim().parse().ok()? };
    (first <= last && last < length).then(|| first..last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ranges_that_are_there_are_answered() {
        assert_eq!(inside("0-9", 10), Some(0..10));
        assert_eq!(inside("3-3", 10), Some(3..4));
        assert_eq!(inside("7-", 10), Some(7..10));
        for outside in ["0-10", "10-", "10-10", "-3", "5-4", "0-0,2-3", "x-y", ""] {
            assert_eq!(inside(outside, 10), None, "{outside}");
        }
        assert_eq!(inside("0-", 0), None);
    }
}
