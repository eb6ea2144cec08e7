//! Gathers from all threads what a restore did.

use super::RestoreOutcome;
use super::places::{At, Spot};
use crate::progress::{Event, FileAction, Observer, Problem};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most problems that an outcome carries; the rest is only counted.
const MAX_PROBLEMS: usize = 10_000;

pub(super) struct Report {
    observer: Arc<dyn Observer>,
    outcome: Mutex<RestoreOutcome>,
    /// Names of files with several names that are right in the target.
    linkable: Mutex<HashSet<Spot>>,
    /// What was not restored.
    unrestored: Mutex<HashSet<Spot>>,
}

impl Report {
    pub(super) fn new(observer: Arc<dyn Observer>) -> Self {
        Self { observer, outcome: Mutex::default(), linkable: Mutex::default(), unrestored: Mutex::default() }
    }

    pub(super) fn tell(&self, event: Event<'_>) {
        self.observer.event(event);
    }

    pub(super) fn selected(&self, size: u64) {
        let mut outcome = self.lock();
        outcome.files += 1;
        outcome.bytes += size;
    }

    /// A file was right already.
    pub(super) fn already_right(&self, shown: &str, size: u64) {
        self.lock().files_already_right += 1;
        self.file(shown, FileAction::AlreadyRight, size);
    }

    /// Something is right but for its owner or attributes, which stay.
    pub(super) fn other_owner(&self) {
        self.lock().other_owner += 1;
    }

    /// A file of the right content got (or would get) its owner, mode, time and attributes.
    pub(super) fn metadata_set(&self, shown: &str, size: u64) {
        self.lock().metadata_set += 1;
        self.file(shown, FileAction::MetadataSet, size);
    }

    /// A file is whole under its name, or would be; `takes_place` where something else lay there.
    pub(super) fn written(&self, shown: &str, takes_place: bool) {
        {
            let mut outcome = self.lock();
            outcome.files_written += 1;
            outcome.files_replaced += u64::from(takes_place);
        }
        self.file(shown, if takes_place { FileAction::Replaced } else { FileAction::Restored }, 0);
    }

    /// Something is gone, or would be.
    pub(super) fn removed(&self, shown: &str) {
        self.lock().removed += 1;
        self.tell(Event::File { path: shown, action: FileAction::Removed });
    }

    /// A file is done; `bytes` of it were not counted yet.
    fn file(&self, path: &str, action: FileAction, bytes: u64) {
        self.tell(Event::File { path, action });
        self.tell(Event::Advanced { files: 1, bytes });
    }

    /// So many bytes lay on this machine already.
    pub(super) fn found_here(&self, bytes: u64) {
        self.lock().bytes_found_here += bytes;
    }

    /// The content of a file cannot be had.
    pub(super) fn lost(&self) {
        self.lock().files_lost += 1;
    }

    pub(super) fn left_alone(&self, subject: String, message: String) {
        self.lock().left_alone += 1;
        self.problem(subject, message);
    }

    pub(super) fn problem(&self, subject: String, message: String) {
        let problem = Problem::new(subject, message);
        self.observer.event(Event::Problem(&problem));
        let mut outcome = self.lock();
        outcome.problem_count += 1;
        if outcome.problems.len() < MAX_PROBLEMS {
            outcome.problems.push(problem);
        }
    }

    /// This is not restored, for a reason that is told.
    pub(super) fn unrestored(&self, at: At<'_>) {
        self.unrestored.lock().unwrap_or_else(PoisonError::into_inner).insert(at.to_spot());
    }

    /// Whether this was not restored.
    pub(super) fn is_unrestored(&self, at: At<'_>) -> bool {
        let unrestored = self.unrestored.lock().unwrap_or_else(PoisonError::into_inner);
        !unrestored.is_empty() && unrestored.contains(&at.to_spot())
    }

    /// A file with several names is right in the target under this one.
    pub(super) fn can_be_linked_to(&self, at: At<'_>) {
        self.linkable.lock().unwrap_or_else(PoisonError::into_inner).insert(at.to_spot());
    }

    /// Whether the file of this name is right in the target.
    pub(super) fn is_linkable(&self, spot: &Spot) -> bool {
        self.linkable.lock().unwrap_or_else(PoisonError::into_inner).contains(spot)
    }

    pub(super) fn outcome(&self) -> RestoreOutcome {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, RestoreOutcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
