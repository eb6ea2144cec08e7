//! The safety snapshot: what a restore in place is about to replace or remove, backed up before.

use crate::backup::{BackupOptions, BackupService};
use crate::format::record::SnapshotState;
use crate::model::id::ObjectId;
use crate::model::path::{EntryPath, display_bytes};
use crate::model::set::{SAFETY_SET, SAFETY_TAG, SetId};
use crate::recovery::{Keep, SafetyError, SafetyNet};
use crate::repository::Repository;
use crate::repository::writer::WriterOptions;
use crate::state::restores::{Change, ChangeKind};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Keeps what restores change in snapshots of a set of its own.
pub struct SafetyBackup {
    repository: Repository,
    host: String,
    writer: WriterOptions,
}

/// Why a safety snapshot was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SafetyBackupError {
    /// Not everything could be read.
    #[error(
        "{count} of the things to be changed cannot be kept, the first: {first}; mend that, or leave them out with \
         --exclude"
    )]
    NotAll {
        /// How many.
        count: u64,
        /// The first of them and why.
        first: String,
    },
    /// It was made and cannot be found.
    #[error("the safety snapshot is not where it should be: restore once more")]
    NotThere,
}

impl SafetyBackup {
    /// Keeps things of the machine `host` in `repository`.
    pub fn new(repository: Repository, host: String, writer: WriterOptions) -> Self {
        Self { repository, host, writer }
    }

    /// Looks that the snapshot holds all that it must, each under its name: a file system may know a
    /// thing by several, and a walk finds one of them.
    async fn expect_all(&self, id: ObjectId, changes: &[Change]) -> Result<(), SafetyError> {
        let snapshot = self.repository.snapshots()?.into_iter().find(|snapshot| snapshot.id == id);
        let snapshot = snapshot.ok_or(SafetyBackupError::NotThere)?;
        let entries = self.repository.entries(&snapshot).await?;
        let kept: HashSet<Vec<u8>> =
            entries.iter().flatten().map(|entry| entry.path.as_bytes().to_vec()).collect();
        let lacks = |change: &&Change| {
            let path = Path::new(OsStr::from_bytes(&change.path));
            change.kind != ChangeKind::Made && !kept.contains(&change.path) && path.symlink_metadata().is_ok()
        };
        let mut lacking = changes.iter().filter(lacks);
        match lacking.next() {
            None => Ok(()),
            Some(first) => {
                let count = 1 + lacking.count() as u64;
                let first = format!("{}: it is there under another name", display_bytes(&first.path));
                Err(SafetyBackupError::NotAll { count, first }.into())
            }
        }
    }

    async fn back_up(&self, keep: Keep) -> Result<ObjectId, SafetyError> {
        let there = |change: &&Change| change.kind != ChangeKind::Made;
        let paths = keep.changes.iter().filter(there).map(|change| EntryPath::new(change.path.clone()));
        let mut paths = paths.collect::<Result<Vec<_>, _>>()?;
        paths.sort();
        let options = BackupOptions {
            exclude_caches: false,
            // Byte for byte, also what is damaged, and without touching a log.
            databases: false,
            full: true,
            tags: vec![SAFETY_TAG.to_owned()],
            description: Some(format!("what was there before restore {}", keep.session)),
            writer: self.writer,
            cancel: keep.cancel,
            ..BackupOptions::new(SetId::new(&self.host, SAFETY_SET), topmost(&paths), PathBuf::from("/"))
        };
        let options = BackupOptions { exactly: Some(paths), ..options };
        let outcome = BackupService::new(self.repository.clone()).run(options, keep.observer).await?;
        match outcome.snapshot {
            Some(id) if outcome.state == SnapshotState::Whole => {
                self.expect_all(id, &keep.changes).await?;
                Ok(id)
            }
            _ => {
                let told = |problem: &crate::progress::Problem| {
                    format!("{}: {}", display_bytes(problem.subject.as_bytes()), problem.message)
                };
                let first = outcome.problems.first().map(told).unwrap_or_default();
                Err(SafetyBackupError::NotAll { count: outcome.problem_count, first }.into())
            }
        }
    }
}

impl SafetyNet for SafetyBackup {
    fn keep(&self, keep: Keep) -> BoxFuture<'_, Result<ObjectId, SafetyError>> {
        self.back_up(keep).boxed()
    }
}

/// Those of `paths`, which are sorted, that lie below no other.
fn topmost(paths: &[EntryPath]) -> Vec<PathBuf> {
    let mut top: Vec<&EntryPath> = Vec::new();
    for path in paths {
        if top.last().is_none_or(|last| path.below(last).is_none()) {
            top.push(path);
        }
    }
    top.into_iter().map(|path| path.as_path().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_those_that_lie_below_no_other() {
        let path = |text: &str| EntryPath::new(text.as_bytes().to_vec()).unwrap();
        let mut paths = ["/a/b/c", "/a/b", "/a/b-c", "/a/b/d/e", "/x"].map(path);
        paths.sort();
        let top = topmost(&paths);
        assert_eq!(top, ["/a/b", "/a/b-c", "/x"].map(PathBuf::from));
    }
}
