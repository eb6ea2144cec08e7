//! What a backup is asked to do, and what came of it.

use super::RunLimits;
use crate::format::record::snapshot::Missing;
use crate::format::record::{SnapshotKind, SnapshotState, Tally};
use crate::model::id::ObjectId;
use crate::model::path::EntryPath;
use crate::model::set::SetId;
use crate::progress::Problem;
use crate::repository::Cancel;
use crate::repository::writer::WriterOptions;
use crate::store::TrafficCount;
use std::path::PathBuf;

/// A wish for a backup.
#[derive(Debug, Clone)]
pub struct BackupOptions {
    /// Whose files these are.
    pub set: SetId,
    /// Folders and files; none to take those of the set's last snapshot, with its patterns.
    pub sources: Vec<PathBuf>,
    /// What relative sources are relative to; absolute.
    pub current_dir: PathBuf,
    /// Take only what matches one of these; none to take all.
    pub includes: Vec<String>,
    /// Leave out what matches one of these.
    pub excludes: Vec<String>,
    /// Nothing but these paths, and the folders on the way to them, in place of patterns; sorted.
    pub exactly: Option<Vec<EntryPath>>,
    /// Read every byte again and write a whole manifest.
    pub full: bool,
    /// Send nothing.
    pub dry_run: bool,
    /// Do not leave the file systems of the sources.
    pub one_file_system: bool,
    /// A changed inode number alone does not count as a change: for network file systems.
    pub ignore_inode: bool,
    /// Of folders marked by `CACHEDIR.TAG` keep only folder and tag.
    pub exclude_caches: bool,
    /// Store a consistent copy of each SQLite database that is in use, in place of its files.
    pub databases: bool,
    /// Folders to leave out whole: the tool's own state, a local repository.
    pub skip: Vec<PathBuf>,
    /// Labels of the snapshot.
    pub tags: Vec<String>,
    /// Words for people.
    pub description: Option<String>,
    /// What this run may spend. A dry run pays no heed to it.
    pub limits: RunLimits,
    /// How packs are made.
    pub writer: WriterOptions,
    /// A wish to stop.
    pub cancel: Cancel,
}

impl BackupOptions {
    /// A backup of `set` with nothing special.
    pub fn new(set: SetId, sources: Vec<PathBuf>, current_dir: PathBuf) -> Self {
        Self {
            set,
            sources,
            current_dir,
            includes: Vec::new(),
            excludes: Vec::new(),
            exactly: None,
            full: false,
            dry_run: false,
            one_file_system: false,
            ignore_inode: false,
            exclude_caches: true,
            databases: true,
            skip: Vec::new(),
            tags: Vec::new(),
            description: None,
            limits: RunLimits::default(),
            writer: WriterOptions::default(),
            cancel: Cancel::default(),
        }
    }
}

/// What a backup came to.
#[derive(Debug, Clone)]
pub struct BackupOutcome {
    /// The snapshot; none after a dry run.
    pub snapshot: Option<ObjectId>,
    /// Whether it carries a whole manifest.
    pub kind: SnapshotKind,
    /// Whether everything is in it.
    pub state: SnapshotState,
    /// Numbers of the snapshot. After a dry run `bytes_added` is what would be new, before
    /// compression.
    pub tally: Tally,
    /// Bytes read from files.
    pub bytes_read: u64,
    /// Databases in use that were copied.
    pub databases: u64,
    /// Databases in use that could not be copied and are stored as their files lie there; each is
    /// among the problems.
    pub databases_as_they_lie: u64,
    /// Requests and bytes of this run.
    pub traffic: TrafficCount,
    /// What could not be backed up; at most [`crate::format::record::snapshot::MAX_PROBLEMS`].
    pub problems: Vec<Problem>,
    /// How many there were.
    pub problem_count: u64,
    /// What was not sent, for the run might not spend more.
    pub missing: Missing,
}
