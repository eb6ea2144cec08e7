//! Where chunks go: to packs, or in a dry run to nowhere.

use super::plan::Sample;
use crate::model::id::ChunkId;
use crate::repository::writer::PackWriter;
use crate::repository::{Repository, RepositoryError};
use std::collections::HashSet;

/// Takes chunks.
pub(super) trait ChunkSink: Send {
    /// Takes a chunk, unless it is there already.
    fn add(&mut self, id: ChunkId, content: &[u8]) -> Result<(), RepositoryError>;

    /// Whether a chunk is there already.
    fn knows(&self, id: &ChunkId) -> Result<bool, RepositoryError>;

    /// What part of the content is read; none for all.
    fn sample(&self) -> Option<Sample> {
        None
    }

    /// So many bytes of content were not read.
    fn passed_over(&mut self, _bytes: u64) {}
}

impl ChunkSink for PackWriter {
    fn add(&mut self, id: ChunkId, content: &[u8]) -> Result<(), RepositoryError> {
        PackWriter::add(self, id, content).map(drop)
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
    fn add(&mut self, id: ChunkId, content: &[u8]) -> Result<(), RepositoryError> {
        if !self.knows(&id)? && self.seen.insert(id) {
            self.new_bytes += content.len() as u64;
        }
        Ok(())
    }

    fn knows(&self, id: &ChunkId) -> Result<bool, RepositoryError> {
        Ok(self.repository.knows_chunk(id, None)?)
    }
}
