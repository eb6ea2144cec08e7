//! From a status, an exception name or a broken connection to the kind of error that the rest of
//! filbert acts on, and to words that say what to do.

use super::super::{ErrorKind, StoreError};
use super::answer::Answer;
use super::fault::{FAULT_BYTES, Fault};
use super::request::Verb;
use super::retry_after;
use crate::model::clock::Clock;
use crate::model::time::Timestamp;
use std::error::Error;
use std::time::Duration;

/// How long the body of an error answer is waited for.
const FAULT_TIME: Duration = Duration::from_secs(10);

/// The error for an answer that is no success.
pub(super) async fn refused(mut answer: Answer<'_>, clock: &dyn Clock) -> StoreError {
    // What it says is for people only: nobody waits long for it.
    let body = tokio::time::timeout(FAULT_TIME, answer.start_of_body(FAULT_BYTES)).await.unwrap_or_default();
    let fault = Fault::parse(&body);
    let until = retry_after::until(answer.header("retry-after"), answer.header("date"), clock.now());
    let status = answer.status();
    let (kind, advice) = kind(answer.verb, status.as_u16(), &fault, until);
    let reason = status.canonical_reason().unwrap_or("unknown status");
    let separator = if advice.is_empty() { "" } else { "; " };
    let detail =
        format!("the server answered {} {reason}{}{separator}{advice}", status.as_u16(), fault.in_brackets());
    // Who is refused for the account's sake waits as for a throttle, whatever the status says.
    match answer.tell_refusal(kind, &detail) {
        Some(until) => answer.error(ErrorKind::Throttled(Some(until)), detail),
        None => answer.error(kind, detail),
    }
}

fn kind(verb: Verb, status: u16, fault: &Fault, until: Option<Timestamp>) -> (ErrorKind, &'static str) {
    use ErrorKind as Kind;
    match status {
        _ if fault.is("TrafficRateExhausted") => {
            (Kind::TrafficUsedUp, "the traffic of this month is used up; wait for the next month or upgrade")
        }
        _ if fault.is("StorageSpaceExhausted") => (Kind::Quota, "the drive is full; make room"),
        _ if fault.is("BlockedTemporarily") => {
            (Kind::Throttled(until), "too many requests in a short time; wait")
        }
        _ if fault.is("TooBigEntity") => (Kind::TooLarge, "use smaller packs"),
        401 => (Kind::Unauthorised, "check user and password (Nutstore wants an app password)"),
        403 => (Kind::Permanent, "the server does not allow this; check the rights and the address"),
        409 if fault.is("ResourceExisted") || fault.is("DuplicateName") => (Kind::Conflict, ""),
        404 | 409 | 410 => (Kind::NotFound, ""),
        405 | 501 if matches!(verb, Verb::Propfind | Verb::Mkcol | Verb::Put) => {
            (Kind::NotWebdav, "this address does not take WebDAV requests; check it")
        }
        412 => (Kind::Conflict, ""),
        413 => (Kind::TooLarge, "the server or a proxy takes no body as large; use smaller packs"),
        429 => (Kind::Throttled(until), "too many requests; wait"),
        503 if until.is_some() => (Kind::Throttled(until), "wait"),
        507 => (Kind::Quota, "the drive is full; make room"),
        408 | 423 | 425 | 500 | 502..=504 | 520..=530 => (Kind::Transient, "try again"),
        _ => (Kind::Permanent, ""),
    }
}

/// The error for a request whose answer did not come.
pub(super) fn lost(verb: Verb, action: &str, error: &reqwest::Error) -> StoreError {
    let why = chain(error);
    if error.is_builder() {
        return StoreError::new(ErrorKind::Permanent, action, format!("the request cannot be made: {why}"));
    }
    if error.is_connect() {
        let lower = why.to_ascii_lowercase();
        if lower.contains("certificate") {
            let detail = format!(
                "the server's certificate is not trusted: {why}; check the address and the machine's \
                 date, or give the certificate of its authority"
            );
            return StoreError::new(ErrorKind::Permanent, action, detail);
        }
        let detail = format!("cannot connect: {why}; check address and network");
        return StoreError::new(ErrorKind::Transient, action, detail);
    }
    let kind = if verb.changes_things() { ErrorKind::Unknown } else { ErrorKind::Transient };
    StoreError::new(kind, action, format!("the connection was lost before the answer: {why}"))
}

/// An error with its causes, each said once. reqwest's own text holds the URL, which the action
/// has already.
pub(super) fn chain(error: &reqwest::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut cause = error.source();
    while let Some(part) = cause {
        let text = part.to_string();
        if !parts.iter().any(|told| told.contains(&text)) {
            parts.push(text);
        }
        cause = part.source();
    }
    if parts.is_empty() { "no cause is known".to_owned() } else { parts.join(": ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(exception: &str) -> Fault {
        Fault { exception: Some(exception.to_owned()), message: None }
    }

    #[test]
    fn exceptions_decide_before_the_status() {
        let of = |status, name| kind(Verb::Put, status, &named(name), None).0;
        assert_eq!(of(403, "TrafficRateExhausted"), ErrorKind::TrafficUsedUp);
        assert_eq!(of(403, "StorageSpaceExhausted"), ErrorKind::Quota);
        assert_eq!(of(503, "BlockedTemporarily"), ErrorKind::Throttled(None));
        assert_eq!(of(400, "TooBigEntity"), ErrorKind::TooLarge);
        assert_eq!(of(409, "AncestorsNotFound"), ErrorKind::NotFound);
        assert_eq!(of(409, "DuplicateName"), ErrorKind::Conflict);
        assert_eq!(of(403, "SomethingElse"), ErrorKind::Permanent);
    }

    #[test]
    fn bare_statuses_map_to_kinds() {
        let table = [
            (401, ErrorKind::Unauthorised),
            (403, ErrorKind::Permanent),
            (404, ErrorKind::NotFound),
            (405, ErrorKind::NotWebdav),
            (408, ErrorKind::Transient),
            (409, ErrorKind::NotFound),
            (410, ErrorKind::NotFound),
            (412, ErrorKind::Conflict),
            (413, ErrorKind::TooLarge),
            (423, ErrorKind::Transient),
            (425, ErrorKind::Transient),
            (429, ErrorKind::Throttled(None)),
            (500, ErrorKind::Transient),
            (501, ErrorKind::NotWebdav),
            (502, ErrorKind::Transient),
            (503, ErrorKind::Transient),
            (504, ErrorKind::Transient),
            (507, ErrorKind::Quota),
            (524, ErrorKind::Transient),
            (400, ErrorKind::Permanent),
        ];
        for (status, expected) in table {
            assert_eq!(kind(Verb::Propfind, status, &Fault::default(), None).0, expected, "{status}");
        }
        let until = Some(Timestamp::from_millis(5));
        assert_eq!(kind(Verb::Get, 503, &Fault::default(), until).0, ErrorKind::Throttled(until));
    }
}
