//! A writer that takes up no more than the limits of the run allow.

use super::allowance::Allowance;
use super::sink::ChunkSink;
use crate::model::clock::Clock;
use crate::model::id::ChunkId;
use crate::repository::RepositoryError;
use crate::repository::writer::PackWriter;
use std::sync::Arc;

/// With so much left beside all content, in bytes, files need not be read in the order of their
/// worth: they may grow while they are read.
const ROOM_TO_SPARE: u64 = 16 << 20;
/// Chunks are hardly smaller, but for the last one of a file.
const LEAST_CHUNK_BYTES: u64 = 32 << 10;

pub(super) struct RationedWriter {
    pub(super) writer: PackWriter,
    allowance: Allowance,
    clock: Arc<dyn Clock>,
    only_known: bool,
}

impl RationedWriter {
    pub(super) fn new(writer: PackWriter, allowance: Allowance, clock: Arc<dyn Clock>) -> Self {
        Self { writer, allowance, clock, only_known: false }
    }
}

impl ChunkSink for RationedWriter {
    fn add(&mut self, id: ChunkId, content: &[u8]) -> Result<bool, RepositoryError> {
        if self.writer.knows(&id)? {
            return Ok(true);
        }
        let (load, coming) = self.writer.outlook(content.len());
        if self.only_known || self.time_is_up() || !self.allowance.fits(load, coming) {
            return Ok(false);
        }
        self.writer.add(id, content)?;
        Ok(true)
    }

    fn knows(&self, id: &ChunkId) -> Result<bool, RepositoryError> {
        self.writer.knows(id)
    }

    fn list_grows(&mut self, bytes: u64) {
        self.allowance.list_grows(bytes);
    }

    fn list_shrinks(&mut self, bytes: u64) {
        self.allowance.list_shrinks(bytes);
    }

    fn only_known(&mut self, only: bool) {
        self.only_known = only;
    }

    fn time_is_up(&self) -> bool {
        self.allowance.limits().stop_at.is_some_and(|stop| self.clock.now() >= stop)
    }

    fn names_take(&mut self, bytes: u64) {
        self.allowance.names_take(bytes);
    }

    fn fits(&self) -> bool {
        let (load, coming) = self.writer.outlook(0);
        self.allowance.fits(load, coming)
    }

    fn covers(&self, bytes: u64, files: u64) -> bool {
        if self.allowance.limits().stop_at.is_some() {
            return false;
        }
        let (load, mut coming) = self.writer.outlook(usize::try_from(bytes).unwrap_or(usize::MAX / 4));
        coming.chunks = coming.chunks.saturating_add(files).saturating_add(bytes / LEAST_CHUNK_BYTES);
        self.allowance.left(load, coming) >= ROOM_TO_SPARE
    }

    fn left(&self) -> u64 {
        if self.time_is_up() {
            return 0;
        }
        let (load, coming) = self.writer.outlook(0);
        self.allowance.left(load, coming)
    }
}
