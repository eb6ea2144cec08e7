//! Where chunks go: to packs, or in a dry run to nowhere.

use super::plan::Sample;
use crate::model::id::ChunkId;
use crate::repository::writer::PackWriter;
use crate::repository::{Repository, RepositoryError};
use std::collections::HashSet;

/// Takes chunks.
pub(super) trait ChunkSink: Send {
    /// Takes a chunk, unless it is there already. False where the run may not spend more.
    fn add(&mut self, id: ChunkId, content: &[u8]) -> Result<bool, RepositoryError>;

    /// Whether a chunk is there already.
    fn knows(&self, id: &ChunkId) -> Result<bool, RepositoryError>;

    /// What part of the content is read; none for all.
    fn sample(&self) -> Option<Sample> {
        None
    }

    /// So many bytes of content were not read.
    fn passed_over(&mut self, _bytes: u64) {}

    /// The list of files grows by so many bytes.
    fn list_grows(&mut self, _bytes: u64) {}

    /// So many bytes less in the list, of those that it was to grow by.
    fn list_shrinks(&mut self, _bytes: u64) {}

    /// From now on only what is there already is taken, or again whatever fits.
    fn only_known(&mut self, _only: bool) {}

    /// Whether the time has come from which on nothing is taken.
    fn time_is_up(&self) -> bool {
        false
    }

    /// The names of what is missing take so many bytes.
    fn names_take(&mut self, _bytes: u64) {}

    /// Whether what was taken can be committed within the limits of the run.
    fn fits(&self) -> bool {
        true
    }

    /// Whether so many bytes of content in so many files may be taken with room to spare, so that
    /// nothing has to be left out or put off.
    fn covers(&self, _bytes: u64, _files: u64) -> bool {
        true
    }

    /// About how many bytes may still be taken.
    fn left(&self) -> u64 {
        u64::MAX
    }
}

impl ChunkSink for PackWriter {
    fn add(&mut self, id: ChunkId, content: &[u8]) -> Result<bool, RepositoryError> {
        PackWriter::add(self, id, content).map(|_| true)
    }

    fn knows(&self, id: &ChunkId) -> Result<bool, RepositoryError> {
        PackWriter::knows(self, id)
    }
}

/// Counts what would be new and stores nothing.
pub(super) struct DrySink {
    repository: Repository,
    seen: HashSet<ChunkId>,
    /// Plain bytes of chunks that the repository does not have.
    pub(super) new_bytes: u64,
}

impl DrySink {
    pub(super) fn new(repository: Repository) -> Self {
        Self { repository, seen: HashSet::new(), new_bytes: 0 }
    }
}

impl ChunkSink for DrySink {
    fn add(&mut self, id: ChunkId, content: &[u8]) -> Result<bool, RepositoryError> {
        if !self.knows(&id)? && self.seen.insert(id) {
            self.new_bytes += content.len() as u64;
        }
        Ok(true)
    }

    fn knows(&self, id: &ChunkId) -> Result<bool, RepositoryError> {
        Ok(self.repository.knows_chunk(id, None)?)
    }
}
