//! The record of one backup.

use super::stream::{IndexRef, Stream};
use crate::model::id::ObjectId;
use crate::model::path::{EntryPath, PathError};
use crate::model::set::SetId;
use crate::model::time::Timestamp;
use crate::progress::Problem;
use serde::{Deserialize, Serialize};

/// The most problems that a record carries; the rest is only counted.
pub const MAX_PROBLEMS: usize = 1000;

/// The most missing files that a record names; the rest is only counted.
pub const MAX_MISSING_NAMES: usize = 1000;
/// The most bytes of these names.
pub const MAX_MISSING_NAME_BYTES: usize = 64 << 10;

/// One backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// What lists show.
    pub head: SnapshotHead,
    /// Where the entries are.
    pub manifest: ManifestRef,
    /// The packs that came with it.
    pub index: IndexRef,
}

/// What is known of a snapshot without its entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotHead {
    /// Whose it is.
    pub set: SetId,
    /// What was backed up.
    pub sources: Vec<SourceRecord>,
    /// Include patterns in force.
    pub includes: Vec<String>,
    /// Exclude patterns in force.
    pub excludes: Vec<String>,
    /// Whether the walk stayed on the file systems of the sources.
    pub one_file_system: bool,
    /// When the backup began.
    pub started: Timestamp,
    /// When its record was made.
    pub finished: Timestamp,
    /// Labels.
    pub tags: Vec<String>,
    /// Words for people.
    pub description: Option<String>,
    /// Whether it carries a whole manifest.
    pub kind: SnapshotKind,
    /// Whether everything is in it.
    pub state: SnapshotState,
    /// What was found.
    pub tally: Tally,
    /// Files and folders that could not be backed up; at most [`MAX_PROBLEMS`].
    pub problems: Vec<Problem>,
    /// How many there were.
    pub problem_count: u64,
    /// What a partial snapshot lacks.
    pub missing: Missing,
}

/// Files that are new or changed and were not sent, for the run might not spend more. A changed one
/// is in the snapshot as it was in the one before, a new one is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Missing {
    /// How many.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The first of them in path order, fit for a terminal; at most [`MAX_MISSING_NAMES`].
    pub names: Vec<String>,
}

impl Missing {
    /// Counts a file, and names it while there is room.
    pub fn add(&mut self, name: String, bytes: u64) {
        self.files += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        let named: usize = self.names.iter().map(|name| name.len() + 8).sum();
        if self.names.len() < MAX_MISSING_NAMES && named + name.len() < MAX_MISSING_NAME_BYTES {
            self.names.push(name);
        }
    }
}

/// A folder or file that was backed up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// Absolute path.
    #[serde(with = "serde_bytes")]
    pub path: Vec<u8>,
    /// A folder, with all below it.
    pub is_folder: bool,
}

impl SourceRecord {
    /// The path, checked.
    pub fn entry_path(&self) -> Result<EntryPath, PathError> {
        EntryPath::new(self.path.clone())
    }
}

/// Whether a snapshot carries a whole manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotKind {
    /// A whole manifest.
    Full,
    /// The difference to a whole one.
    Incremental,
}

/// Whether everything that should be in a snapshot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotState {
    /// Everything.
    Whole,
    /// Some files could not be read.
    Incomplete,
    /// The run might not spend more: see [`SnapshotHead::missing`].
    Partial,
}

/// Numbers of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Regular files in it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Entries of all kinds in it.
    pub entries: u64,
    /// Bytes of the packs that came with it.
    pub bytes_added: u64,
    /// Files that the snapshot before did not have.
    pub files_new: u64,
    /// Files that differ from the snapshot before.
    pub files_changed: u64,
    /// Files as in the snapshot before.
    pub files_unmodified: u64,
    /// Files that only the snapshot before has.
    pub files_removed: u64,
}

/// Where the entries of a snapshot are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ManifestRef {
    /// Here, whole.
    Base(Stream),
    /// Here, as changes to the base in record `base`.
    Delta {
        /// The record that holds the base.
        base: ObjectId,
        /// The changes.
        stream: Stream,
    },
    /// Nothing changed: as in record `record`, which holds a base or a delta.
    Same {
        /// That record.
        record: ObjectId,
        /// The record of the base under it; the same record where that holds the base.
        base: ObjectId,
    },
}
