//! Reads a part of an object from servers that do ranges, ignore them, or refuse them.

use super::super::{ErrorKind, StoreError};
use super::answer::Answer;
use super::failure::refused;
use super::part::{Holds, Part};
use super::request::{Request, Verb};
use super::session::Session;
use std::ops::Range;

/// The bytes `range` of the object at `target`, to be read.
pub(super) async fn open<'a>(
    session: &'a Session,
    target: &str,
    range: Range<u64>,
) -> Result<Part<'a>, StoreError> {
    let mut wanted = range.clone();
    for _ in 0..2 {
        if wanted.is_empty() {
            return Ok(Part::nothing());
        }
        let header = format!("bytes={}-{}", wanted.start, wanted.end - 1);
        let request = Request::new(Verb::Get, target).header("range", header);
        let answer = session.exchange(&request).await?;
        match answer.status().as_u16() {
            206 => return part(answer, &wanted),
            416 => match told_size(&answer) {
                // The end was past the object's end, and the server says where that is.
                Some(size) if size < wanted.end => wanted.end = size.max(wanted.start),
                _ => break,
            },
            _ if answer.status().is_success() => return cut_out(answer, &range),
            _ => return Err(refused(answer, &*session.clock).await),
        }
    }
    cut_out(session.ask(&Request::new(Verb::Get, target)).await?, &range)
}

/// A `206` answer, if it is the part asked for.
fn part<'a>(answer: Answer<'a>, wanted: &Range<u64>) -> Result<Part<'a>, StoreError> {
    let told = answer.header("content-range").and_then(parse_content_range);
    let Some(told) = told.filter(|told| told.start == wanted.start && told.end <= wanted.end) else {
        return Err(answer.error(ErrorKind::Corrupt, "the server sent another part than asked for"));
    };
    Part::new(answer, Holds::ThePart, 0, told.end - told.start)
}

/// The range out of a whole object.
fn cut_out<'a>(answer: Answer<'a>, range: &Range<u64>) -> Result<Part<'a>, StoreError> {
    Part::new(answer, Holds::MoreThanThePart, range.start, range.end - range.start)
}

/// `bytes 5-9/20` as 5..10.
fn parse_content_range(text: &str) -> Option<Range<u64>> {
    let (span, _) = text.trim().strip_prefix("bytes")?.trim().split_once('/')?;
    let (first, last) = span.split_once('-')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (first <= last).then_some(first..last.checked_add(1)?)
}

/// `bytes */20` as 20.
fn told_size(answer: &Answer<'_>) -> Option<u64> {
    answer.header("content-range")?.rsplit_once("*/")?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read() {
        assert_eq!(parse_content_range("bytes 5-9/20"), Some(5..10));
        assert_eq!(parse_content_range("bytes 0-0/*"), Some(0..1));
        for odd in ["", "bytes 9-5/20", "bytes */20", "items 0-1/2", "bytes 0-18446744073709551615/1"] {
            assert_eq!(parse_content_range(odd), None, "{odd}");
        }
    }
}
