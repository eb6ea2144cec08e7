//! Chunks that need not be fetched, for they lie on this machine: in what a broken-off restore left
//! of the file, or in the older state of it that is to be replaced.

use super::places::{At, Places};
use crate::format::chunker::Chunker;
use crate::model::id::ChunkId;
use crate::repository::{Repository, RepositoryError};
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;

/// Read at once.
const READ_BYTES: usize = 1 << 20;

/// Where a chunk lies on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Local {
    /// In the unfinished file, where it belongs.
    Unfinished,
    /// In the file that is to be replaced, from this byte on.
    Replaced(u64),
}

/// Looks through files of this machine. Keeps its buffer.
pub(super) struct Finder {
    repository: Repository,
    chunker: Chunker,
    buffer: Vec<u8>,
}

/// What was found for one file.
#[derive(Debug, Default)]
pub(super) struct Found {
    unfinished: Option<File>,
    replaced: HashMap<ChunkId, (u64, u32)>,
}

impl Finder {
    pub(super) fn new(repository: &Repository) -> Result<Self, RepositoryError> {
        let chunker = repository.chunker()?;
        Ok(Self { repository: repository.clone(), chunker, buffer: Vec::new() })
    }

    /// What there is for the file at `at`; `is_replaced` if a regular file lies there.
    pub(super) fn look(&mut self, places: &Places, at: At<'_>, is_replaced: bool) -> Found {
        let Some(target) = places.target(at) else { return Found::default() };
        let unfinished = target.unfinished(at.relative);
        let replaced = match is_replaced.then(|| target.open_existing(at.relative)) {
            Some(Ok(file)) => self.cut(file),
            _ => HashMap::new(),
        };
        Found { unfinished, replaced }
    }

    /// Where this chunk lies here, whose place in the file is `offset`.
    pub(super) fn find(&mut self, found: &Found, id: &ChunkId, offset: u64, len: u32) -> Option<Local> {
        if let Some(file) = &found.unfinished
            && self.holds(file, id, offset, len)
        {
            return Some(Local::Unfinished);
        }
        let (from, known) = found.replaced.get(id)?;
        (*known == len).then_some(Local::Replaced(*from))
    }

    /// Reads the chunk that lies at `offset`, if it is this one.
    pub(super) fn read(&mut self, file: &File, id: &ChunkId, offset: u64, len: u32) -> Option<&[u8]> {
        self.holds(file, id, offset, len).then(|| &self.buffer[..])
    }

    fn holds(&mut self, file: &File, id: &ChunkId, offset: u64, len: u32) -> bool {
        // A chunk is never larger, whatever a list says.
        if len as usize > self.chunker.max_bytes() {
            return false;
        }
        self.buffer.resize(len as usize, 0);
        file.read_exact_at(&mut self.buffer, offset).is_ok()
            && self.repository.keyring().chunk_id(&self.buffer) == *id
    }

    /// All chunks of a file, cut as a backup cuts. One that cannot be read has those before that.
    fn cut(&mut self, mut file: File) -> HashMap<ChunkId, (u64, u32)> {
        let (mut chunks, mut at, mut filled) = (HashMap::new(), 0_u64, 0);
        self.buffer.resize(self.chunker.max_bytes() + READ_BYTES, 0);
        loop {
            let read = match file.read(&mut self.buffer[filled..]) {
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => return chunks,
            };
            filled += read;
            let mut start = 0;
            while filled - start >= self.chunker.max_bytes() || read == 0 && start < filled {
                let cut = self.chunker.cut(&self.buffer[start..filled]).max(1);
                let id = self.repository.keyring().chunk_id(&self.buffer[start..start + cut]);
                chunks.insert(id, (at, cut as u32));
                (start, at) = (start + cut, at + cut as u64);
            }
            if read == 0 {
                return chunks;
            }
            self.buffer.copy_within(start..filled, 0);
            filled -= start;
        }
    }
}
