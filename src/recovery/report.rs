//! Gathers from all threads what a restore did.

use super::RestoreOutcome;
use crate::progress::{Event, Observer, Problem};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most problems that an outcome carries; the rest is only counted.
const MAX_PROBLEMS: usize = 10_000;

pub(super) struct Report {
    observer: Arc<dyn Observer>,
    outcome: Mutex<RestoreOutcome>,
    /// Names of files with several names that are right in the target.
    linkable: Mutex<HashSet<Vec<u8>>>,
    /// What was not restored, below the target.
    unrestored: Mutex<HashSet<Vec<u8>>>,
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

    pub(super) fn right(&self) {
        self.lock().files_already_right += 1;
    }

    pub(super) fn wrote(&self) {
        self.lock().files_written += 1;
    }

    pub(super) fn replaced(&self) {
        self.lock().files_replaced += 1;
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
    pub(super) fn unrestored(&self, relative: &[u8]) {
        self.unrestored.lock().unwrap_or_else(PoisonError::into_inner).insert(relative.to_vec());
    }

    /// Whether this was not restored.
    pub(super) fn is_unrestored(&self, relative: &[u8]) -> bool {
        self.unrestored.lock().unwrap_or_else(PoisonError::into_inner).contains(relative)
    }

    /// A file with several names is right in the target under this one.
    pub(super) fn can_be_linked_to(&self, relative: &[u8]) {
        self.linkable.lock().unwrap_or_else(PoisonError::into_inner).insert(relative.to_vec());
    }

    /// Whether the file of this name is right in the target.
    pub(super) fn is_linkable(&self, relative: &[u8]) -> bool {
        self.linkable.lock().unwrap_or_else(PoisonError::into_inner).contains(relative)
    }

    pub(super) fn outcome(&self) -> RestoreOutcome {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, RestoreOutcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
