//! What a restore is asked to do, and what came of it.

use super::verify::Verified;
use crate::model::path::EntryPath;
use crate::progress::Problem;
use crate::repository::snapshots::SnapshotInfo;
use crate::repository::{Cancel, Landing};
use crate::store::TrafficCount;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a restore puts things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// All below this folder, which is made if missing.
    Folder(PathBuf),
    /// Each where it came from.
    Original {
        /// But what lay below the first of a pair goes below the second.
        maps: Vec<(EntryPath, PathBuf)>,
    },
}

/// A wish for a restore.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// The snapshot, as [`crate::repository::Repository::select`] found it.
    pub snapshot: SnapshotInfo,
    /// Where to.
    pub destination: Destination,
    /// Take only what matches one of these; none to take all.
    pub includes: Vec<String>,
    /// Leave out what matches one of these.
    pub excludes: Vec<String>,
    /// Nothing but these paths of the snapshot, in place of patterns; sorted.
    pub exactly: Option<Arc<Vec<EntryPath>>>,
    /// Replace files that are in the way and differ.
    pub overwrite: bool,
    /// What is there and not in the snapshot goes, where the backup would have taken it and this
    /// restore selects it.
    pub delete: bool,
    /// These go as well, in path order, each alone: what another restore made.
    pub remove: Vec<EntryPath>,
    /// Only what was noted under this name in the state, and is as it was then, may be replaced or
    /// removed.
    pub noted: Option<String>,
    /// Folders in which nothing is removed: the tool's own state, a local repository.
    pub skip: Vec<PathBuf>,
    /// Begin though the target's file system tells of too little room.
    pub ignore_free_space: bool,
    /// Read what was restored once more, from the disk, and compare it.
    pub verify: bool,
    /// Write nothing and fetch no content.
    pub dry_run: bool,
    /// Marks unfinished files in the target, so that a restore of the same mark goes on with them.
    pub mark: Option<u32>,
    /// Unfinished files that a restore of this mark left, where it worked on what is restored, go.
    pub clear: Option<u32>,
    /// An earlier run of the same restore may have made some of what is noted as its own.
    pub goes_on: bool,
    /// Where packs come down, so that what came outlives this process.
    pub landing: Option<Arc<Landing>>,
    /// Threads that decode.
    pub threads: usize,
    /// A wish to stop.
    pub cancel: Cancel,
}

impl RestoreOptions {
    /// A restore of all of `snapshot` into the folder `target` with nothing special.
    pub fn new(snapshot: SnapshotInfo, target: impl Into<PathBuf>) -> Self {
        Self {
            snapshot,
            destination: Destination::Folder(target.into()),
            includes: Vec::new(),
            excludes: Vec::new(),
            exactly: None,
            overwrite: false,
            delete: false,
            remove: Vec::new(),
            noted: None,
            skip: Vec::new(),
            ignore_free_space: false,
            verify: false,
            dry_run: false,
            mark: None,
            clear: None,
            goes_on: false,
            landing: None,
            threads: 2,
            cancel: Cancel::default(),
        }
    }
}

/// What a restore came to.
#[derive(Debug, Clone, Default)]
pub struct RestoreOutcome {
    /// Regular files selected.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files written (or that a dry run would write).
    pub files_written: u64,
    /// Of the files written (or that would be), those that took the place of something else.
    pub files_replaced: u64,
    /// Files whose content was right, and that got (or would get) their owner, mode, time and attributes.
    pub metadata_set: u64,
    /// Files that were right already.
    pub files_already_right: u64,
    /// Files and links that were right but for their owner or attributes, and were left as they are.
    pub other_owner: u64,
    /// Things removed (or that a dry run would remove) that the snapshot does not have.
    pub removed: u64,
    /// Bytes that were found on this machine, in older states of the files, and not fetched.
    pub bytes_found_here: u64,
    /// Things in the way that differ and were left alone.
    pub left_alone: u64,
    /// Requests and bytes of this run; after a dry run those that the restore would take.
    pub traffic: TrafficCount,
    /// After a dry run: the packs that the restore would read, by path on the remote, and how many
    /// bytes of each.
    pub packs: BTreeMap<String, u64>,
    /// Files whose content could not be had: the server lacks parts of it, or has them damaged.
    pub files_lost: u64,
    /// What could not be restored, or not wholly.
    pub problems: Vec<Problem>,
    /// How many there were.
    pub problem_count: u64,
    /// What reading it all once more found, where that was asked for.
    pub verified: Option<Verified>,
    /// Nothing more could be written: the disk is full.
    pub disk_full: bool,
}

/// What came of a restore in numbers, as programs read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RestoreCounts {
    /// Regular files selected.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files written.
    pub files_written: u64,
    /// Of these, in the place of something else.
    pub files_replaced: u64,
    /// Files that only got owner, mode, time and attributes.
    pub metadata_set: u64,
    /// Files that were right already.
    pub files_already_right: u64,
    /// Things removed.
    pub removed: u64,
    /// Things in the way and left alone.
    pub left_alone: u64,
    /// What could not be restored, or not wholly.
    pub problems: u64,
    /// Bytes that lay on this machine already.
    pub bytes_found_here: u64,
    /// What the server sent for it, in bytes.
    pub bytes_received: u64,
}

impl RestoreOutcome {
    /// It in numbers.
    pub fn counts(&self) -> RestoreCounts {
        RestoreCounts {
            files: self.files,
            bytes: self.bytes,
            files_written: self.files_written,
            files_replaced: self.files_replaced,
            metadata_set: self.metadata_set,
            files_already_right: self.files_already_right,
            removed: self.removed,
            left_alone: self.left_alone,
            problems: self.problem_count,
            bytes_found_here: self.bytes_found_here,
            bytes_received: self.traffic.bytes_down,
        }
    }

    /// Whether all that was asked for is there.
    pub fn is_whole(&self) -> bool {
        self.problem_count == 0 && self.left_alone == 0 && !self.disk_full
    }
}
