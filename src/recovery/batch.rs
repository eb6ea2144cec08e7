//! Files that need content, and where their chunks lie: looked up for many files at once.

use super::RecoveryError;
use super::compare::Comparer;
use super::report::Report;
use crate::format::FormatError;
use crate::model::entry::{Content, Metadata, Piece};
use crate::model::id::ChunkId;
use crate::model::path::display_bytes;
use crate::repository::index::Place;
use crate::repository::{Repository, RepositoryError};

/// A batch has at most so many files: what a restore holds in memory.
const BATCH_FILES: usize = 32_768;
/// A batch has at most so many chunks, but for those of its last file.
const BATCH_CHUNKS: usize = 262_144;

/// The fetches of the batch before need the state as well: nobody has it for long.
const LOOKED_UP_AT_ONCE: usize = 4096;

/// A file that needs content.
#[derive(Debug)]
pub(super) struct WantedFile {
    /// Path below the target.
    pub(super) relative: Vec<u8>,
    pub(super) meta: Metadata,
    pub(super) size: u64,
    /// Zero bytes that are not stored.
    pub(super) holes: u64,
    pub(super) chunks: u32,
}

/// A chunk that a file needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WantedChunk {
    pub(super) pack: i64,
    pub(super) frame: u32,
    pub(super) id: ChunkId,
    pub(super) file: u32,
    pub(super) offset: u64,
}

/// Files to be fetched together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) files: Vec<WantedFile>,
    /// Sorted.
    pub(super) chunks: Vec<WantedChunk>,
}

/// Files of which is not known yet where their chunks lie.
#[derive(Default)]
pub(super) struct WantedFiles {
    files: Vec<(Vec<u8>, Metadata, Content)>,
    /// Of all files, in order.
    ids: Vec<ChunkId>,
}

impl WantedFiles {
    pub(super) fn add(&mut self, relative: &[u8], meta: Metadata, content: Content) {
        self.ids.extend(content.pieces.iter().filter_map(|piece| match piece {
            Piece::Chunk(id) => Some(*id),
            Piece::Hole(_) => None,
        }));
        self.files.push((relative.to_vec(), meta, content));
    }

    /// Whether it is time to find and fetch them.
    pub(super) fn are_enough(&self) -> bool {
        self.files.len() >= BATCH_FILES || self.ids.len() >= BATCH_CHUNKS
    }

    /// Finds where everything lies. Files of which something is missing are told and left out.
    pub(super) fn find(
        self,
        repository: &Repository,
        comparer: &mut Comparer,
        report: &Report,
    ) -> Result<Batch, RecoveryError> {
        let mut places = Vec::with_capacity(self.ids.len());
        for some in self.ids.chunks(LOOKED_UP_AT_ONCE) {
            places.extend(repository.places(some)?);
        }
        let mut places = places.into_iter();
        let mut batch = Batch { files: Vec::with_capacity(self.files.len()), chunks: Vec::new() };
        batch.chunks.reserve(self.ids.len());
        for (relative, meta, content) in self.files {
            let before = batch.chunks.len();
            match batch.take(&content, &mut places, comparer) {
                Ok(holes) => {
                    let chunks = (batch.chunks.len() - before) as u32;
                    batch.files.push(WantedFile { relative, meta, size: content.size, holes, chunks });
                }
                Err(error @ RepositoryError::State(_)) => return Err(error.into()),
                Err(error) => {
                    batch.chunks.truncate(before);
                    report.unrestored(&relative);
                    let shown = display_bytes(&relative).into_owned();
                    report.problem(shown, format!("not restored: {error}"));
                }
            }
        }
        batch.chunks.sort_unstable();
        Ok(batch)
    }
}

impl Batch {
    /// Takes the chunks of the next file, and returns how many bytes of it are holes. Takes the
    /// places of all its chunks out of `places`, whatever comes of it.
    fn take(
        &mut self,
        content: &Content,
        places: &mut impl Iterator<Item = Option<Place>>,
        comparer: &mut Comparer,
    ) -> Result<u64, RepositoryError> {
        let (file, mut offset, mut holes) = (self.files.len() as u32, 0u64, 0u64);
        let mut failure = None;
        for piece in &content.pieces {
            let len = match piece {
                Piece::Hole(len) => {
                    holes = holes.saturating_add(*len);
                    *len
                }
                Piece::Chunk(id) => {
                    let missing = || RepositoryError::MissingChunk(id.to_string());
                    let place = places.next().flatten().ok_or_else(missing);
                    let found = place.and_then(|place| Ok((place, comparer.chunk_len(&place, id)?)));
                    match found {
                        Ok((Place { pack, frame, .. }, len)) => {
                            self.chunks.push(WantedChunk { pack, frame, id: *id, file, offset });
                            u64::from(len)
                        }
                        Err(error) => {
                            failure.get_or_insert(error);
                            0
                        }
                    }
                }
            };
            offset = offset.saturating_add(len);
        }
        match failure {
            Some(error) => Err(error),
            None if offset != content.size => {
                let reason = FormatError::Damaged("its parts have another length in all than the file");
                Err(RepositoryError::damaged("the list of its parts", reason))
            }
            None => Ok(holes),
        }
    }
}
