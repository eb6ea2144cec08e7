//! What a target cannot take of metadata, gathered so that it is told once and not for each file.

use crate::model::amount::counted;
use crate::model::path::display_bytes;
use crate::progress::Problem;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// A part of metadata that could not be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ShortfallKind {
    /// Owner or group: only root may give files away.
    Owner,
    /// Permission bits.
    Mode,
    /// Extended attributes, ACLs among them.
    Xattrs,
    /// The time of the last change.
    Mtime,
}

/// A part of metadata that some entries lack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    /// Which part.
    pub kind: ShortfallKind,
    /// How many entries lack it.
    pub entries: u64,
    /// The first of them, fit for a terminal.
    pub first: String,
    /// Why the first does.
    pub reason: String,
}

impl Shortfall {
    /// The same as a problem.
    pub fn problem(&self) -> Problem {
        Problem::new(self.first.clone(), self.to_string())
    }
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, help) = match self.kind {
            ShortfallKind::Owner => ("the owner", "; restore as root to have owners set"),
            ShortfallKind::Mode => ("the permissions", ""),
            ShortfallKind::Xattrs => ("extended attributes", ""),
            ShortfallKind::Mtime => ("the time of the last change", ""),
        };
        let entries = counted(self.entries, "entry");
        write!(f, "{what} of {entries} could not be set ({}){help}", self.reason)
    }
}

/// The shortfalls of a restore.
#[derive(Debug, Default)]
pub struct Shortfalls {
    found: Mutex<Vec<Shortfall>>,
}

impl Shortfalls {
    /// One of each kind that occurred.
    pub fn list(&self) -> Vec<Shortfall> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn add(&self, kind: ShortfallKind, relative: &[u8], reason: impl fmt::Display) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        match found.iter_mut().find(|one| one.kind == kind) {
            Some(one) => one.entries += 1,
            None => {
                let first = display_bytes(relative).into_owned();
                found.push(Shortfall { kind, entries: 1, first, reason: reason.to_string() });
            }
        }
    }
}
