//! Reads what was restored once more, from the disk, and compares it with the snapshot.

use super::compare::Comparer;
use super::places::Places;
use super::report::Report;
use super::selection::each_entry;
use super::{RecoveryError, RestoreOptions};
use crate::model::entry::Node;
use crate::progress::{Event, Stage};
use crate::repository::Repository;
use crate::repository::snapshots::SnapshotEntries;

/// What a verification found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verified {
    /// Regular files that are as in the snapshot.
    pub passed: u64,
    /// Files, links and others that are not; each is a problem by name.
    pub failed: u64,
}

/// Compares the contents of everything that `options` select with what lies in the places, but for
/// what was not restored, which was told. Modes, owners and times that a file system does not keep
/// were told when they were set.
pub(super) fn verify(
    repository: &Repository,
    options: &RestoreOptions,
    entries: &SnapshotEntries,
    places: &Places,
    report: &Report,
) -> Result<Verified, RecoveryError> {
    let mut comparer = Comparer::new(repository.clone());
    let so_far = report.outcome();
    let (files, bytes) = (Some(so_far.files), Some(so_far.bytes));
    report.tell(Event::Stage { stage: Stage::Verifying, files, bytes });
    let mut verified = Verified::default();
    let told_before = |_| {};
    each_entry(options, entries, told_before, |entry| {
        let Some(at) = places.find(&entry.path).filter(|at| !at.relative.is_empty()) else { return Ok(()) };
        let Some(target) = places.target(at).filter(|_| !report.is_unrestored(at)) else { return Ok(()) };
        match comparer.difference(target, at.relative, &entry)? {
            None => verified.passed += u64::from(matches!(entry.node, Node::File(_))),
            Some(difference) => {
                verified.failed += 1;
                let message = format!("not as it should be: {difference}; restore it again");
                report.problem(places.shown(at), message);
            }
        }
        let is_file = matches!(entry.node, Node::File(_));
        report.tell(Event::Advanced { files: u64::from(is_file), bytes: entry.node.size() });
        Ok(())
    })?;
    Ok(verified)
}
