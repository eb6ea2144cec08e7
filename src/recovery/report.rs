//! Gathers from all threads what a restore did.

use super::RestoreOutcome;
use crate::progress::{Event, Observer, Problem};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most problems that an outcome carries; the rest is only counted.
const MAX_PROBLEMS: usize = 10_000;

pub(super) struct Report {
    observer: Arc<dyn Observer>,
    outcome: Mutex<RestoreOutcome>,
}

impl Report {
    pub(super) fn new(observer: Arc<dyn Observer>) -> Self {
        Self { observer, outcome: Mutex::default() }
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

    pub(super) fn outcome(&self) -> RestoreOutcome {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, RestoreOutcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
