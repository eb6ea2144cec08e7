//! How much a first backup has to go through, found out beside it, so that somebody who waits sees
//! a rate and an end. Later ones know it from the snapshot before.

use super::progress::Display;
use super::session::Opened;
use crate::backup::BackupOptions;
use crate::files::filter::Filter;
use crate::files::source;
use crate::files::walk::{Walk, WalkOptions};
use crate::repository::Cancel;
use std::sync::Arc;

/// A walk that counts. It ends when this is dropped.
pub(super) struct Estimate {
    stop: Cancel,
}

impl Drop for Estimate {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Starts to count for `display`, where somebody looks and no snapshot tells.
pub(super) fn start(opened: &Opened, options: &BackupOptions, display: &Arc<Display>) -> Option<Estimate> {
    let newest = opened.repository.newest_of(&options.set.host, &options.set.name);
    if !display.wants_totals() || options.sources.is_empty() || !matches!(newest, Ok(None)) {
        return None;
    }
    let estimate = Estimate { stop: Cancel::default() };
    let (stop, options, display) = (estimate.stop.clone(), options.clone(), display.clone());
    tokio::task::spawn_blocking(move || {
        if let Some((entries, bytes)) = count(&options, &stop) {
            display.expect(entries, bytes);
        }
    });
    Some(estimate)
}

/// Entries and bytes. What cannot be looked at is for the backup itself to tell.
fn count(options: &BackupOptions, stop: &Cancel) -> Option<(u64, u64)> {
    let resolved = source::resolve(&options.sources, &options.current_dir).ok()?;
    let filter = Arc::new(Filter::new(&options.includes, &options.excludes).ok()?);
    let walk_options = WalkOptions {
        exclude_caches: options.exclude_caches,
        databases: false,
        one_file_system: options.one_file_system,
        skip: options.skip.clone(),
    };
    let (mut entries, mut bytes) = (0, 0);
    for walked in Walk::new(&resolved.sources, resolved.shown_root()?, filter, walk_options).flatten() {
        if stop.is_cancelled() {
            return None;
        }
        entries += 1;
        bytes += if walked.metadata.is_file() { walked.metadata.len() } else { 0 };
    }
    Some((entries, bytes))
}
