//! A part of a snapshot's files, chosen at random, for a rehearsal that may not cost what all cost.

use crate::model::entry::Node;
use crate::model::path::EntryPath;
use crate::recovery::{RecoveryError, RestoreOptions, selected_entries};
use crate::repository::snapshots::SnapshotEntries;
use std::collections::BinaryHeap;

/// No sample has more files: what choosing one holds in memory.
const MOST_FILES: u64 = 20_000;

/// How much is restored for trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// Everything.
    All,
    /// At most so many files.
    Files(u64),
    /// At most so many bytes.
    Bytes(u64),
}

impl Sample {
    /// Half of it, of what has `files` and `bytes`; none where nothing would be left.
    pub(super) fn half(self, files: u64, bytes: u64) -> Option<Self> {
        match self {
            Sample::All if files > MOST_FILES || bytes > 1 => Some(Sample::Bytes(bytes / 2)),
            Sample::All => None,
            Sample::Files(files) => (files > 1).then_some(Sample::Files(files / 2)),
            Sample::Bytes(bytes) => (bytes > 1).then_some(Sample::Bytes(bytes / 2)),
        }
    }
}

/// Chooses among the files that `options` select, by `seed`. The paths are sorted.
pub(super) fn choose(
    sample: Sample,
    seed: u64,
    options: &RestoreOptions,
    entries: &SnapshotEntries,
) -> Result<Vec<EntryPath>, RecoveryError> {
    let (most_files, most_bytes) = match sample {
        Sample::All => (u64::MAX, u64::MAX),
        Sample::Files(files) => (files.min(MOST_FILES), u64::MAX),
        Sample::Bytes(bytes) => (MOST_FILES, bytes),
    };
    let mut chosen: BinaryHeap<(u64, u64, Vec<u8>)> = BinaryHeap::new();
    let mut bytes = 0_u64;
    selected_entries(options, entries, |entry| {
        if let Node::File(content) = &entry.node {
            chosen.push((lot(seed, &entry.path), content.size, entry.path.as_bytes().to_vec()));
            bytes = bytes.saturating_add(content.size);
        }
        while chosen.len() as u64 > most_files || bytes > most_bytes {
            let Some((_, size, _)) = chosen.pop() else { break };
            bytes = bytes.saturating_sub(size);
        }
        Ok(())
    })?;
    let paths = chosen.into_iter().filter_map(|(_, _, path)| EntryPath::new(path).ok());
    let mut paths: Vec<_> = paths.collect();
    paths.sort();
    Ok(paths)
}

/// The number that a file draws: the lowest are chosen.
fn lot(seed: u64, path: &EntryPath) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes()).update(path.as_bytes());
    let mut lot = [0; 8];
    hasher.finalize_xof().fill(&mut lot);
    u64::from_le_bytes(lot)
}
