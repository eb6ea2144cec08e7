//! How far a restore is, for whoever asks.

use crate::progress::{Event, Observer, Stage};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How far a restore is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RestoreProgress {
    /// What it is at; none before it begins.
    pub stage: Option<Stage>,
    /// Files gone through in this stage.
    pub files: u64,
    /// Bytes of content gone through in this stage.
    pub bytes: u64,
    /// Files in all, where known.
    pub all_files: Option<u64>,
    /// Bytes in all, where known.
    pub all_bytes: Option<u64>,
    /// Bytes received from the server since the beginning.
    pub received: u64,
    /// Things that could not be restored as wished.
    pub problems: u64,
}

/// Keeps count, and hands everything on.
pub(super) struct Watched {
    inner: Arc<dyn Observer>,
    now: Mutex<RestoreProgress>,
}

impl Watched {
    pub(super) fn new(inner: Arc<dyn Observer>) -> Self {
        Self { inner, now: Mutex::default() }
    }

    pub(super) fn now(&self) -> RestoreProgress {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, RestoreProgress> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Watched {
    fn event(&self, event: Event<'_>) {
        match &event {
            Event::Stage { stage, files, bytes } => {
                let mut now = self.lock();
                (now.stage, now.files, now.bytes) = (Some(*stage), 0, 0);
                (now.all_files, now.all_bytes) = (*files, *bytes);
            }
            Event::Advanced { files, bytes } => {
                let mut now = self.lock();
                now.files += files;
                now.bytes += bytes;
            }
            Event::Transferred { down, .. } => self.lock().received += down,
            Event::Problem(_) => self.lock().problems += 1,
            _ => {}
        }
        self.inner.event(event);
    }
}
