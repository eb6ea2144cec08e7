//! Writes changes into blocks.

use super::*;
use crate::format::FormatError;
use crate::format::codec::Writer;
use crate::format::squeeze::squeeze;
use crate::model::entry::{Content, Metadata, Node, Piece};
use crate::model::id::ChunkId;
use std::collections::HashMap;

/// A closed block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The path of its first change.
    pub first: EntryPath,
    /// As stored.
    pub bytes: Vec<u8>,
}

/// Collects changes, which must come in path order, into blocks.
#[derive(Default)]
pub struct BlockWriter {
    open: Option<OpenBlock>,
}

struct OpenBlock {
    first: EntryPath,
    writer: Writer,
    previous: Previous,
    ids: Vec<ChunkId>,
    places: HashMap<ChunkId, usize>,
}

impl BlockWriter {
    /// Appends a change; returns a block when one is full.
    pub fn push(&mut self, change: &Change) -> Result<Option<Block>, FormatError> {
        let open = self.open.get_or_insert_with(|| OpenBlock {
            first: change.path().clone(),
            writer: Writer::default(),
            previous: Previous::default(),
            ids: Vec::new(),
            places: HashMap::new(),
        });
        open.push(change);
        let size = open.writer.len() + open.ids.len() * ChunkId::LEN;
        if size >= BLOCK_BYTES { self.finish() } else { Ok(None) }
    }

    /// Closes the last block, if there is one.
    pub fn finish(&mut self) -> Result<Option<Block>, FormatError> {
        self.open.take().map(OpenBlock::close).transpose()
    }
}

impl OpenBlock {
    fn push(&mut self, change: &Change) {
        let path = change.path().as_bytes();
        let shared = path.iter().zip(&self.previous.path).take_while(|(a, b)| a == b).count();
        let flags = match change {
            Change::Removed(_) => KIND_REMOVED,
            Change::Put(entry) => self.flags(entry),
        };
        self.writer.byte(flags);
        self.writer.number(shared as u64);
        self.writer.bytes(&path[shared..]);
        self.previous.path.truncate(shared);
        self.previous.path.extend_from_slice(&path[shared..]);
        if let Change::Put(entry) = change {
            self.metadata(flags, &entry.meta);
            self.node(&entry.node);
        }
    }

    fn flags(&self, entry: &Entry) -> u8 {
        let (meta, previous) = (&entry.meta, &self.previous);
        let kind = match entry.node {
            Node::File(_) => KIND_FILE,
            Node::Folder => KIND_FOLDER,
            Node::Symlink(_) => KIND_SYMLINK,
            Node::Fifo => KIND_FIFO,
            Node::Socket => KIND_SOCKET,
            Node::CharDevice(_) => KIND_CHAR,
            Node::BlockDevice(_) => KIND_BLOCK,
        };
        let same_owner = (meta.mode, meta.uid, meta.gid) == (previous.mode, previous.uid, previous.gid);
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        kind | flag(same_owner, SAME_OWNER)
            | flag(meta.ctime == meta.mtime, CTIME_IS_MTIME)
            | flag(meta.racy, RACY)
            | flag(meta.links > 1, LINKED)
            | flag(!meta.xattrs.is_empty(), XATTRS)
    }

    fn metadata(&mut self, flags: u8, meta: &Metadata) {
        let (writer, previous) = (&mut self.writer, &mut self.previous);
        if flags & SAME_OWNER == 0 {
            for value in [meta.mode, meta.uid, meta.gid] {
                writer.number(u64::from(value));
            }
            (previous.mode, previous.uid, previous.gid) = (meta.mode, meta.uid, meta.gid);
        }
        writer.signed(meta.mtime.seconds.wrapping_sub(previous.mtime));
        writer.number(u64::from(meta.mtime.nanos));
        previous.mtime = meta.mtime.seconds;
        if flags & CTIME_IS_MTIME == 0 {
            writer.signed(meta.ctime.seconds.wrapping_sub(previous.ctime));
            writer.number(u64::from(meta.ctime.nanos));
        }
        previous.ctime = meta.ctime.seconds;
        writer.signed(meta.inode.wrapping_sub(previous.inode) as i64);
        previous.inode = meta.inode;
        if flags & LINKED != 0 {
            writer.number(meta.links);
            writer.number(meta.device);
        }
        if flags & XATTRS != 0 {
            writer.number(meta.xattrs.len() as u64);
            for xattr in &meta.xattrs {
                writer.bytes(&xattr.name);
                writer.bytes(&xattr.value);
            }
        }
    }

    fn node(&mut self, node: &Node) {
        match node {
            Node::File(content) => self.content(content),
            Node::Symlink(target) => self.writer.bytes(target),
            Node::CharDevice(number) | Node::BlockDevice(number) => self.writer.number(*number),
            Node::Folder | Node::Fifo | Node::Socket => {}
        }
    }

    fn content(&mut self, content: &Content) {
        self.writer.number(content.size);
        self.writer.number(content.pieces.len() as u64);
        for piece in &content.pieces {
            match piece {
                Piece::Hole(len) => {
                    self.writer.number(PIECE_HOLE);
                    self.writer.number(*len);
                }
                Piece::Chunk(id) => match self.places.get(id) {
                    Some(place) => self.writer.number((self.ids.len() - place) as u64 + 1),
                    None => {
                        self.places.insert(*id, self.ids.len());
                        self.ids.push(*id);
                        self.writer.number(PIECE_NEXT_ID);
                    }
                },
            }
        }
    }

    fn close(self) -> Result<Block, FormatError> {
        let changes = self.writer.into_bytes();
        // What the reader would refuse must not be written.
        if changes.len() as u64 > MAX_BLOCK_BYTES || self.ids.len() > MAX_BLOCK_IDS {
            return Err(FormatError::Unwritable("an entry that is too large for a list of files"));
        }
        let packed = squeeze(&changes, LEVEL)?;
        let mut block = Writer::default();
        block.number(self.ids.len() as u64);
        self.ids.iter().for_each(|id| block.raw(id.as_bytes()));
        block.raw(&packed);
        Ok(Block { first: self.first, bytes: block.into_bytes() })
    }
}
