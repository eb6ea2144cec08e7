//! Reads changes from blocks that nobody vouches for.

use super::*;
use crate::format::FormatError;
use crate::format::codec::Reader;
use crate::format::squeeze::unsqueeze;
use crate::model::entry::{Content, Metadata, Node, Piece, Xattr};
use crate::model::id::ChunkId;
use crate::model::path::{PathError, display_bytes};
use crate::model::time::Timestamp;

/// Why a change of a block cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The block is damaged from here on.
    #[error("a manifest cannot be read: {0}")]
    Format(#[from] FormatError),
    /// The path is not one that filbert writes; the entry is left out, the rest can be read.
    #[error("`{shown}` is refused: {reason}")]
    Path {
        /// The path, fit for a terminal.
        shown: String,
        /// What is wrong with it.
        reason: PathError,
    },
    /// What this machine keeps of the manifest cannot be had: no fault of the manifest.
    #[error("{0}")]
    Local(String),
}

/// Reads the changes of a block.
pub struct BlockReader {
    ids: Vec<u8>,
    next_id: usize,
    changes: Vec<u8>,
    at: usize,
    previous: Previous,
}

impl BlockReader {
    /// Opens a block.
    pub fn new(block: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(block);
        let id_count = reader.number_up_to((block.len() / ChunkId::LEN) as u64)?;
        let ids = reader.raw(id_count as usize * ChunkId::LEN)?.to_vec();
        let changes = unsqueeze(reader.rest(), MAX_BLOCK_BYTES)?;
        Ok(Self { ids, next_id: 0, changes, at: 0, previous: Previous::default() })
    }

    fn read(&mut self) -> Result<Change, EntryError> {
        let changes = std::mem::take(&mut self.changes);
        let mut reader = Reader::new(changes.get(self.at..).unwrap_or_default());
        let change = self.read_change(&mut reader);
        self.at = changes.len() - reader.rest().len();
        self.changes = changes;
        change
    }

    fn read_change(&mut self, reader: &mut Reader<'_>) -> Result<Change, EntryError> {
        let flags = reader.byte()?;
        let shared = reader.number_up_to(self.previous.path.len() as u64)?;
        let rest = reader.bytes(MAX_PATH_BYTES)?;
        self.previous.path.truncate(shared as usize);
        self.previous.path.extend_from_slice(rest);
        let path = EntryPath::new(self.previous.path.clone());
        let bad_path =
            |reason, bytes: &[u8]| EntryError::Path { shown: display_bytes(bytes).into_owned(), reason };
        if flags & KIND_MASK == KIND_REMOVED {
            return path.map(Change::Removed).map_err(|reason| bad_path(reason, &self.previous.path));
        }
        let meta = self.read_metadata(flags, reader)?;
        let node = self.read_node(flags, reader)?;
        let path = path.map_err(|reason| bad_path(reason, &self.previous.path))?;
        Ok(Change::Put(Entry { path, node, meta }))
    }

    fn read_metadata(&mut self, flags: u8, reader: &mut Reader<'_>) -> Result<Metadata, FormatError> {
        let previous = &mut self.previous;
        if flags & SAME_OWNER == 0 {
            let mut value = || reader.number_up_to(u64::from(u32::MAX)).map(|value| value as u32);
            (previous.mode, previous.uid, previous.gid) = (value()?, value()?, value()?);
        }
        let mut time = |before: i64| -> Result<Timestamp, FormatError> {
            let seconds = before.wrapping_add(reader.signed()?);
            Ok(Timestamp::new(seconds, reader.number_up_to(999_999_999)? as u32))
        };
        let mtime = time(previous.mtime)?;
        let ctime = if flags & CTIME_IS_MTIME == 0 { time(previous.ctime)? } else { mtime };
        (previous.mtime, previous.ctime) = (mtime.seconds, ctime.seconds);
        previous.inode = previous.inode.wrapping_add(reader.signed()? as u64);
        let linked = flags & LINKED != 0;
        let links = if linked { reader.number()? } else { 1 };
        let device = if linked { reader.number()? } else { 0 };
        let mut xattrs = Vec::new();
        if flags & XATTRS != 0 {
            for _ in 0..reader.number_up_to(MAX_XATTRS)? {
                xattrs.push(Xattr {
                    name: reader.bytes(MAX_XATTR_BYTES)?.to_vec(),
                    value: reader.bytes(MAX_XATTR_BYTES)?.to_vec(),
                });
            }
        }
        Ok(Metadata {
            mode: previous.mode & 0o7777,
            uid: previous.uid,
            gid: previous.gid,
            mtime,
            ctime,
            inode: previous.inode,
            device,
            links,
            racy: flags & RACY != 0,
            xattrs,
        })
    }

    fn read_node(&mut self, flags: u8, reader: &mut Reader<'_>) -> Result<Node, FormatError> {
        Ok(match flags & KIND_MASK {
            KIND_FILE => Node::File(self.read_content(reader)?),
            KIND_FOLDER => Node::Folder,
            KIND_SYMLINK => Node::Symlink(reader.bytes(MAX_PATH_BYTES)?.to_vec()),
            KIND_FIFO => Node::Fifo,
            KIND_SOCKET => Node::Socket,
            KIND_CHAR => Node::CharDevice(reader.number()?),
            _ => Node::BlockDevice(reader.number()?),
        })
    }

    fn read_content(&mut self, reader: &mut Reader<'_>) -> Result<Content, FormatError> {
        let size = reader.number()?;
        let count = reader.number_up_to(reader.rest().len() as u64)?;
        let mut pieces = Vec::new();
        for _ in 0..count {
            pieces.push(match reader.number()? {
                PIECE_HOLE => Piece::Hole(reader.number()?),
                PIECE_NEXT_ID => {
                    self.next_id += 1;
                    Piece::Chunk(self.id(self.next_id - 1)?)
                }
                back => {
                    let place = (self.next_id as u64).checked_sub(back - 1);
                    let place = place.ok_or(FormatError::Damaged("a chunk reference that leads nowhere"))?;
                    Piece::Chunk(self.id(place as usize)?)
                }
            });
        }
        Ok(Content { size, pieces })
    }

    fn id(&self, place: usize) -> Result<ChunkId, FormatError> {
        let start = place.saturating_mul(ChunkId::LEN);
        self.ids
            .get(start..start.saturating_add(ChunkId::LEN))
            .and_then(ChunkId::from_slice)
            .ok_or(FormatError::Damaged("a chunk reference that leads nowhere"))
    }
}

impl Iterator for BlockReader {
    type Item = Result<Change, EntryError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.changes.len() {
            return None;
        }
        let change = self.read();
        if matches!(change, Err(EntryError::Format(_))) {
            self.at = self.changes.len();
        }
        Some(change)
    }
}
