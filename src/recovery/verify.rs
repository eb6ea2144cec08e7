//! Reads what was restored once more, from the disk, and compares it with the snapshot.

use super::compare::Comparer;
use super::report::Report;
use super::root::root_of;
use super::selection::each_entry;
use super::{RecoveryError, RestoreOptions};
use crate::files::place::{Kind, Target};
use crate::model::entry::Node;
use crate::model::path::display_bytes;
use crate::progress::{Event, Stage};
use crate::repository::Repository;
use crate::repository::snapshots::SnapshotEntries;

/// What a verification found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verified {
    /// Files, links and others that are as in the snapshot.
    pub passed: u64,
    /// Those that are not; each is a problem by name.
    pub failed: u64,
}

/// Compares everything that `options` select with what lies in `target`, but for what was told
/// already.
pub(super) fn verify(
    repository: &Repository,
    options: &RestoreOptions,
    entries: &SnapshotEntries,
    target: &Target,
    report: &Report,
) -> Result<Verified, RecoveryError> {
    let (root, mut comparer) = (root_of(&options.snapshot)?, Comparer::from_disk(repository.clone()));
    let so_far = report.outcome();
    let (files, bytes) = (Some(so_far.files), Some(so_far.bytes));
    report.tell(Event::Stage { stage: Stage::Verifying, files, bytes });
    let mut verified = Verified::default();
    let told_before = |_| {};
    each_entry(options, entries, told_before, |entry| {
        let Some(relative) = entry.path.below(&root).filter(|relative| !relative.is_empty()) else {
            return Ok(());
        };
        let shown = display_bytes(relative);
        if report.is_told(&shown) {
            return Ok(());
        }
        let found = target.existing(relative);
        let is_right = match (&found, &entry.node) {
            (Ok(Some(existing)), Node::Folder) => existing.kind == Kind::Folder,
            (Ok(Some(existing)), _) => comparer.is_right(target, relative, &entry, existing).unwrap_or(false),
            _ => false,
        };
        if is_right {
            verified.passed += u64::from(!matches!(entry.node, Node::Folder));
        } else {
            verified.failed += 1;
            let why = match found {
                Ok(Some(_)) => "it reads back as something else than the snapshot has".to_owned(),
                Ok(None) => "it is not there any more".to_owned(),
                Err(error) => error.to_string(),
            };
            report.problem(shown.into_owned(), format!("not as it should be: {why}; restore it again"));
        }
        let is_file = matches!(entry.node, Node::File(_));
        report.tell(Event::Advanced { files: u64::from(is_file), bytes: entry.node.size() });
        Ok(())
    })?;
    Ok(verified)
}
