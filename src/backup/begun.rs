//! The walk of a run that begins before the repository is open: a key derivation takes longer than
//! most walks and keeps one core busy.

use super::before::Before;
use super::sources::{self, Chosen};
use super::{BackupOptions, BackupService};
use crate::files::ahead::WalkAhead;
use crate::files::walk::{Walk, WalkOptions};
use crate::model::time::Timestamp;
use crate::progress::Silent;
use crate::repository::Means;
use crate::repository::snapshots::newest_of;
use std::sync::PoisonError;

/// What was found longer ago than this is looked at again: somebody waited for a line or a budget.
const MOST_AGE_MS: i64 = 10_000;

/// A walk that has begun.
#[derive(Debug)]
pub struct Begun {
    at: Timestamp,
    chosen: Chosen,
    options: WalkOptions,
    walk: WalkAhead,
}

impl Begun {
    /// Begins to walk what a backup with these options goes over, as far as the local state tells.
    /// None where something is wrong: the backup finds it too, and tells.
    pub fn start(options: &BackupOptions, means: &Means) -> Option<Self> {
        let at = means.clock.now();
        let last = match options.sources.is_empty() {
            true => newest_of(&means.state, &options.set.host, &options.set.name).ok()?,
            false => None,
        };
        let chosen = sources::choose(options, last.as_ref(), &Silent).ok()?;
        let options = walk_options(options, &chosen);
        let walk = WalkAhead::start(walk(&chosen, &options)).ok()?;
        Some(Self { at, chosen, options, walk })
    }

    fn is_walk_of(&self, chosen: &Chosen, options: &WalkOptions) -> bool {
        let key = |chosen: &Chosen| {
            (chosen.sources.clone(), chosen.root.clone(), chosen.includes.clone(), chosen.excludes.clone())
        };
        key(&self.chosen) == key(chosen) && self.options == *options
    }
}

impl BackupService {
    /// Goes on with a walk that has begun, in the next run, if it is what that run goes over.
    #[must_use]
    pub fn going_on(mut self, begun: Option<Begun>) -> Self {
        self.begun = begun.into();
        self
    }

    /// When the run began: a file that was changed after that may not be in it.
    pub(super) fn began(&self) -> Timestamp {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.as_ref().map_or_else(|| self.repository.clock().now(), |begun| begun.at)
    }

    /// The walk that has begun, if it is this one. It serves once: another pass looks anew.
    pub(super) fn take_begun(
        &self,
        chosen: &Chosen,
        options: &WalkOptions,
        before: &Before,
    ) -> Option<WalkAhead> {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let age_ms = self.repository.clock().now().millis() - begun.at.millis();
        let fresh = (0..=MOST_AGE_MS).contains(&age_ms);
        // What another run of this set saw meanwhile must not be taken for removed.
        let overtaken = before.snapshot.as_ref().is_some_and(|last| last.head.finished >= begun.at);
        (fresh && !overtaken && begun.is_walk_of(chosen, options)).then_some(begun.walk)
    }
}

pub(super) fn walk_options(options: &BackupOptions, chosen: &Chosen) -> WalkOptions {
    WalkOptions {
        exclude_caches: options.exclude_caches,
        one_file_system: chosen.one_file_system,
        databases: options.databases,
        skip: options.skip.clone(),
    }
}

pub(super) fn walk(chosen: &Chosen, options: &WalkOptions) -> Walk {
    Walk::new(&chosen.sources, chosen.root.clone(), chosen.filter.clone(), options.clone())
}
