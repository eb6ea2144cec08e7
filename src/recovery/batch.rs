//! Files that need content, and where their chunks lie: looked up for many files at once.

use super::RecoveryError;
use super::compare::Comparer;
use super::logs::StrayLogs;
use super::places::{At, Places, Spot};
use super::report::Report;
use super::reuse::{Finder, Found, Local};
use crate::files::place::Seen;
use crate::format::FormatError;
use crate::model::entry::{Content, Metadata, Piece};
use crate::model::id::ChunkId;
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
    pub(super) spot: Spot,
    pub(super) meta: Metadata,
    pub(super) size: u64,
    /// What lies there that it takes the place of.
    pub(super) replaces: Option<Seen>,
    /// Zero bytes that are not stored.
    pub(super) holes: u64,
    pub(super) chunks: u32,
    /// Something lies in its place.
    pub(super) takes_place: bool,
    /// Logs of another state of the database that it is, which go right before it gets its name.
    pub(super) logs: Vec<(Spot, Seen)>,
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
    /// Those to be fetched, sorted.
    pub(super) chunks: Vec<WantedChunk>,
    /// Those that lie on this machine, file by file.
    pub(super) local: Vec<LocalChunk>,
}

/// A chunk that need not be fetched.
#[derive(Debug, Clone, Copy)]
pub(super) struct LocalChunk {
    /// If it turns out not to be there after all.
    pub(super) wanted: WantedChunk,
    pub(super) len: u32,
    pub(super) local: Local,
}

/// A file that is wanted, and what may be there of it.
struct Waiting {
    spot: Spot,
    meta: Metadata,
    content: Content,
    there: There,
    takes_place: bool,
    logs: Vec<(Spot, Seen)>,
}

/// What may be there of a file already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum There {
    /// Nothing.
    Nothing,
    /// What a broken-off restore left of it.
    Unfinished,
    /// That too, and an older state of it that is to be replaced.
    Older(Seen),
}

/// Files of which is not known yet where their chunks lie.
#[derive(Default)]
pub(super) struct WantedFiles {
    files: Vec<Waiting>,
    /// Of all files, in order.
    ids: Vec<ChunkId>,
}

impl WantedFiles {
    pub(super) fn add(
        &mut self,
        at: At<'_>,
        meta: Metadata,
        content: Content,
        there: There,
        takes_place: bool,
    ) {
        self.ids.extend(content.pieces.iter().filter_map(|piece| match piece {
            Piece::Chunk(id) => Some(*id),
            Piece::Hole(_) => None,
        }));
        let (spot, logs) = (at.to_spot(), Vec::new());
        self.files.push(Waiting { spot, meta, content, there, takes_place, logs });
    }

    /// Those of the files that are wanted take the logs that lie beside them.
    pub(super) fn take_logs(&mut self, logs: &mut StrayLogs, upto: Option<At<'_>>) {
        if !logs.is_empty() {
            self.files.iter_mut().for_each(|file| file.logs = logs.take_of(file.spot.at(), upto));
        }
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
        places_of_files: &Places,
        report: &Report,
    ) -> Result<Batch, RecoveryError> {
        let mut finder = Finder::new(repository)?;
        let mut places = Vec::with_capacity(self.ids.len());
        for some in self.ids.chunks(LOOKED_UP_AT_ONCE) {
            places.extend(repository.places(some)?);
        }
        let mut places = places.into_iter();
        let mut batch = Batch { files: Vec::with_capacity(self.files.len()), ..Batch::default() };
        batch.chunks.reserve(self.ids.len());
        for Waiting { spot, meta, content, there, takes_place, logs } in self.files {
            let before = (batch.chunks.len(), batch.local.len());
            let found = (there != There::Nothing)
                .then(|| finder.look(places_of_files, spot.at(), matches!(there, There::Older(_))));
            let found = found.as_ref().map(|found| (&mut finder, found));
            match batch.take(&content, &mut places, comparer, found) {
                Ok(holes) => {
                    let chunks = (batch.chunks.len() - before.0 + batch.local.len() - before.1) as u32;
                    let size = content.size;
                    let replaces = match there {
                        There::Older(seen) => Some(seen),
                        There::Nothing | There::Unfinished => None,
                    };
                    let file = WantedFile { spot, meta, size, replaces, holes, chunks, takes_place, logs };
                    batch.files.push(file);
                }
                Err(error @ RepositoryError::State(_)) => return Err(error.into()),
                Err(error) => {
                    batch.chunks.truncate(before.0);
                    batch.local.truncate(before.1);
                    let shown = places_of_files.shown(spot.at());
                    report.unrestored(spot.at());
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
        mut here: Option<(&mut Finder, &Found)>,
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
                            let wanted = WantedChunk { pack, frame, id: *id, file, offset };
                            let local =
                                here.as_mut().and_then(|(finder, found)| finder.find(found, id, offset, len));
                            match local {
                                Some(local) => self.local.push(LocalChunk { wanted, len, local }),
                                None => self.chunks.push(wanted),
                            }
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
