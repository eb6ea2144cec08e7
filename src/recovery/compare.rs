//! Whether what lies in the target is what should be there already.

use crate::files::place::{Existing, Kind, PlaceError, Target};
use crate::format::pack::PackEntry;
use crate::model::entry::{Content, Entry, Node, Piece};
use crate::model::id::ChunkId;
use crate::repository::index::Place;
use crate::repository::{Repository, RepositoryError};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

/// How what lies there compares with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likeness {
    /// It is what it should be.
    Right,
    /// A file or link that is what it should be but for its owner or attributes.
    OtherOwner,
    /// A file whose content is right and which has another mode or time.
    RightContent,
    /// Something else.
    Other,
}

/// So many packs' entries are kept at hand.
const MOST_PACKS: usize = 64;

/// Compares what lies there with entries. Keeps its buffer and what it knows of packs.
pub(super) struct Comparer {
    repository: Repository,
    packs: HashMap<i64, Arc<PackEntry>>,
    buffer: Vec<u8>,
}

impl Comparer {
    pub(super) fn new(repository: Repository) -> Self {
        Self { repository, packs: HashMap::new(), buffer: Vec::new() }
    }

    /// What is wrong with the content of what lies at `relative`, if anything is: read from the
    /// disk, where the system grants that, and not from what it has in memory.
    ///
    /// # Errors
    /// Those of the repository: that its parts are not known is none of the file's.
    pub(super) fn difference(
        &mut self,
        target: &Target,
        relative: &[u8],
        entry: &Entry,
    ) -> Result<Option<String>, RepositoryError> {
        const OTHER: &str = "it reads back as something else than the snapshot has";
        let existing = match target.existing(relative) {
            Ok(Some(existing)) => existing,
            Ok(None) => return Ok(Some("it is not there any more".to_owned())),
            Err(error) => return Ok(Some(error.to_string())),
        };
        let is_right = match &entry.node {
            Node::Folder => existing.kind == Kind::Folder,
            Node::Symlink(leads_to) => {
                existing.kind == Kind::Symlink
                    && target.read_link(relative).is_ok_and(|found| found == *leads_to)
            }
            Node::File(content) if existing.kind == Kind::File && existing.size == content.size => {
                let lengths = self.lengths(content)?;
                let file = match target.open_existing(relative) {
                    Ok(file) => file,
                    Err(error) => return Ok(Some(error.to_string())),
                };
                // A wish: where it is not granted the file is still compared.
                let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
                match self.has_content(&file, content, &lengths) {
                    Ok(is_right) => is_right,
                    Err(error) => return Ok(Some(format!("it cannot be read: {error}"))),
                }
            }
            Node::File(_) => false,
            special => is_special(&existing, special),
        };
        Ok((!is_right).then(|| OTHER.to_owned()))
    }

    /// Whether `existing` is what `entry` says: by content and metadata.
    pub(super) fn likeness(
        &mut self,
        target: &Target,
        relative: &[u8],
        entry: &Entry,
        existing: &Existing,
    ) -> Result<Likeness, PlaceError> {
        let is_right = match &entry.node {
            Node::File(content) => return Ok(self.file_likeness(target, relative, entry, content, existing)),
            Node::Symlink(leads_to) => {
                existing.kind == Kind::Symlink && target.read_link(relative)? == *leads_to
            }
            // Somebody may listen to it, and a device may not be made again: it stays as it is.
            node if is_special(existing, node) => return Ok(Likeness::Right),
            _ => false,
        };
        Ok(match is_right {
            true if target.is_owned_alike(existing, &entry.meta) => Likeness::Right,
            true => Likeness::OtherOwner,
            false => Likeness::Other,
        })
    }

    fn file_likeness(
        &mut self,
        target: &Target,
        relative: &[u8],
        entry: &Entry,
        content: &Content,
        existing: &Existing,
    ) -> Likeness {
        if existing.kind != Kind::File || existing.size != content.size {
            return Likeness::Other;
        }
        // One that cannot be read, or whose parts are not known, is not known to be right.
        let (Ok(lengths), Ok(file)) = (self.lengths(content), target.open_existing(relative)) else {
            return Likeness::Other;
        };
        match self.has_content(&file, content, &lengths) {
            Ok(true) if existing.mode != entry.meta.mode || existing.mtime != entry.meta.mtime => {
                Likeness::RightContent
            }
            Ok(true) if target.is_alike(existing, &file, &entry.meta) => Likeness::Right,
            Ok(true) => Likeness::OtherOwner,
            Ok(false) | Err(_) => Likeness::Other,
        }
    }

    /// The plain bytes of a chunk.
    pub(super) fn chunk_len(&mut self, place: &Place, id: &ChunkId) -> Result<u32, RepositoryError> {
        if !self.packs.contains_key(&place.pack) {
            if self.packs.len() >= MOST_PACKS {
                self.packs.clear();
            }
            self.packs.insert(place.pack, self.repository.pack(place.pack)?);
        }
        let pack = self.packs.get(&place.pack);
        let frame = pack.and_then(|pack| pack.index.frames.get(place.frame as usize));
        let chunk = frame.and_then(|frame| frame.chunks.iter().find(|chunk| chunk.id == *id));
        chunk.map(|chunk| chunk.len).ok_or_else(|| RepositoryError::MissingChunk(id.to_string()))
    }

    fn lengths(&mut self, content: &Content) -> Result<Vec<u64>, RepositoryError> {
        let mut length = |piece: &Piece| match piece {
            Piece::Hole(len) => Ok(*len),
            Piece::Chunk(id) => {
                let place = self.repository.places(&[*id])?.into_iter().flatten().next();
                let place = place.ok_or_else(|| RepositoryError::MissingChunk(id.to_string()))?;
                self.chunk_len(&place, id).map(u64::from)
            }
        };
        content.pieces.iter().map(&mut length).collect()
    }

    fn has_content(&mut self, file: &File, content: &Content, lengths: &[u64]) -> io::Result<bool> {
        for (piece, len) in content.pieces.iter().zip(lengths) {
            let is_right = match piece {
                Piece::Chunk(id) => {
                    self.buffer.resize(*len as usize, 0);
                    self.fill(file)? && self.repository.keyring().chunk_id(&self.buffer) == *id
                }
                Piece::Hole(len) => self.is_zero(file, *len)?,
            };
            if !is_right {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_zero(&mut self, file: &File, mut len: u64) -> io::Result<bool> {
        while len > 0 {
            self.buffer.resize(len.min(1 << 20) as usize, 0);
            if !self.fill(file)? || self.buffer.iter().any(|&byte| byte != 0) {
                return Ok(false);
            }
            len -= self.buffer.len() as u64;
        }
        Ok(true)
    }

    /// Reads on as much as the buffer holds; false where the file ends before.
    fn fill(&mut self, mut file: &File) -> io::Result<bool> {
        match file.read_exact(&mut self.buffer) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            read => read.map(|()| true),
        }
    }
}

/// Whether what lies there is the pipe, socket or device `node`.
fn is_special(existing: &Existing, node: &Node) -> bool {
    match node {
        Node::Fifo => existing.kind == Kind::Fifo,
        Node::Socket => existing.kind == Kind::Socket,
        Node::CharDevice(number) => existing.kind == Kind::CharDevice && existing.rdev == *number,
        Node::BlockDevice(number) => existing.kind == Kind::BlockDevice && existing.rdev == *number,
        Node::File(_) | Node::Folder | Node::Symlink(_) => false,
    }
}
