//! What the services tell while they work, as data. The library never prints; an [`Observer`]
//! decides what to show.

use crate::model::time::Timestamp;

/// Listens to a service. Called from several threads, often: it must return quickly.
pub trait Observer: Send + Sync {
    /// Takes one event.
    fn event(&self, event: Event<'_>);
}

/// An observer that shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _event: Event<'_>) {}
}

/// Something that happened in a service.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A part of the work begins; totals where they are known.
    Stage {
        /// Which part.
        stage: Stage,
        /// Files to go through.
        files: Option<u64>,
        /// Bytes to go through.
        bytes: Option<u64>,
    },
    /// Work done since the last such event.
    Advanced {
        /// Files finished.
        files: u64,
        /// Bytes of content gone through.
        bytes: u64,
    },
    /// One file is finished: for a verbose display.
    File {
        /// Its path, fit for a terminal.
        path: &'a str,
        /// What was done with it.
        action: FileAction,
    },
    /// A database that is in use was copied, and the copy read.
    DatabaseCopied {
        /// Its path, fit for a terminal.
        path: &'a str,
    },
    /// Object bytes sent to or received from the store since the last such event.
    Transferred {
        /// Bytes sent.
        up: u64,
        /// Bytes received.
        down: u64,
    },
    /// Something went wrong with one item; the run goes on.
    Problem(&'a Problem),
    /// Something worth knowing that is no problem.
    Notice(&'a str),
    /// Nothing is sent until then.
    Waiting {
        /// When work goes on.
        until: Timestamp,
        /// Why.
        reason: &'a str,
    },
}

/// A part of a service's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Opening the repository and reading what is new in its log.
    Opening,
    /// Walking the sources, reading, sealing and sending what changed.
    BackingUp,
    /// Publishing the snapshot and looking that it stands.
    Committing,
    /// Comparing with what lies in the target, and planning; all of a plan's work.
    Planning,
    /// Fetching and writing files.
    Restoring,
    /// Reading what was restored once more and comparing it.
    Verifying,
    /// Going through the listings.
    CheckingStructure,
    /// Reading packs.
    CheckingData,
}

/// What was done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileAction {
    /// Not in the snapshot before.
    New,
    /// Differs from the snapshot before.
    Changed,
    /// As in the snapshot before.
    Unmodified,
    /// Written to the target.
    Restored,
    /// Written in the place of something else.
    Replaced,
    /// Its content was right; it got its owner, mode, time and attributes.
    MetadataSet,
    /// Was right in the target already.
    AlreadyRight,
    /// Removed, for it should not be there.
    Removed,
    /// In the way and different, so left alone.
    LeftAlone,
}

/// One item that could not be handled as wished.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Problem {
    /// What it concerns: a path or the name of a remote object, fit for a terminal.
    pub subject: String,
    /// What went wrong and, where something helps, what to do.
    pub message: String,
}

impl Problem {
    /// A problem with `subject`.
    pub fn new(subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self { subject: subject.into(), message: message.into() }
    }
}
