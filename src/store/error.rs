//! What can go wrong with a store, by kind: who handles an error decides by the kind alone.

use crate::model::time::Timestamp;
use std::fmt;

/// A failed operation on a store.
#[derive(Debug, Clone)]
pub struct StoreError {
    /// What sort of failure, for the program.
    pub kind: ErrorKind,
    /// What was tried on what, such as `PUT https://host/dav/packs/000/ab12`. Never a secret.
    pub action: String,
    /// Why it failed and what to do, for people: status, the server's own error name, its message.
    pub detail: String,
}

/// The sorts of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The object, or the folder it should be in, is not there.
    NotFound,
    /// The server does not accept the user name and password.
    Unauthorised,
    /// Too many requests; wait, until that time if the server told it.
    Throttled(Option<Timestamp>),
    /// The object is larger than the server or a proxy takes.
    TooLarge,
    /// No room left.
    Quota,
    /// The traffic of this month is used up.
    TrafficUsedUp,
    /// The server refuses because of something that is there already.
    Conflict,
    /// A passing fault: the same may work in a moment.
    Transient,
    /// The request was sent and its answer lost: it may have been carried out.
    Unknown,
    /// An answer that is not what was asked for: cut, too long, or a web page instead of data.
    Corrupt,
    /// The server at this address does not speak WebDAV.
    NotWebdav,
    /// Everything else: trying again does not help.
    Permanent,
}

impl ErrorKind {
    /// Whether the same request may succeed later without anyone changing anything.
    pub fn is_worth_retrying(self) -> bool {
        matches!(
            self,
            ErrorKind::Throttled(_) | ErrorKind::Transient | ErrorKind::Unknown | ErrorKind::Corrupt
        )
    }

    /// Whether the server, or the budget, lets go on at a later time by itself.
    pub fn comes_to_an_end(self) -> bool {
        matches!(self, ErrorKind::Throttled(_) | ErrorKind::TrafficUsedUp)
    }
}

impl StoreError {
    /// An error of `kind` while doing `action`.
    pub fn new(kind: ErrorKind, action: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { kind, action: action.into(), detail: detail.into() }
    }

    /// Whether the object or its folder is not there.
    pub fn is_not_found(&self) -> bool {
        self.kind == ErrorKind::NotFound
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.action, self.detail)
    }
}

impl std::error::Error for StoreError {}
