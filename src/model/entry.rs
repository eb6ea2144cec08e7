//! One file, folder or other thing of a snapshot, as it was found.

use super::id::ChunkId;
use super::path::EntryPath;
use super::time::Timestamp;

/// A thing in a file tree with all that is kept of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it was, absolute.
    pub path: EntryPath,
    /// What it is.
    pub node: Node,
    /// What the file system knew of it.
    pub meta: Metadata,
}

/// What an entry is, with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A regular file.
    File(Content),
    /// A folder.
    Folder,
    /// A symbolic link and the bytes it holds.
    Symlink(Vec<u8>),
    /// A named pipe: recorded, not read.
    Fifo,
    /// A socket: recorded, not read.
    Socket,
    /// A character device and its number: recorded, not read.
    CharDevice(u64),
    /// A block device and its number: recorded, not read.
    BlockDevice(u64),
}

impl Node {
    /// The size of the content in bytes; 0 for all but regular files.
    pub fn size(&self) -> u64 {
        match self {
            Node::File(content) => content.size,
            _ => 0,
        }
    }
}

/// The content of a regular file: pieces that, joined, have `size` bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content {
    /// Bytes in all.
    pub size: u64,
    /// In order, without gaps.
    pub pieces: Vec<Piece>,
}

/// A part of a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// Stored bytes.
    Chunk(ChunkId),
    /// So many zero bytes that take no room on the disk.
    Hole(u64),
}

/// What the file system knows of an entry beside its content.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// Permission bits, `0o7777`.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// When the content changed last.
    pub mtime: Timestamp,
    /// When the inode changed last. Part of the change key; cannot be restored.
    pub ctime: Timestamp,
    /// Inode number. Part of the change key.
    pub inode: u64,
    /// Device number; with `inode` it tells which names are the same file. 0 unless `links` > 1.
    pub device: u64,
    /// How many names a file has; 1 for folders.
    pub links: u64,
    /// The entry was read so soon after its last change (2 s) that another change may not show:
    /// it is read again next time.
    pub racy: bool,
    /// Extended attributes, ACLs among them, sorted by name.
    pub xattrs: Vec<Xattr>,
}

/// An extended attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Xattr {
    /// Full name with its namespace, such as `user.origin`.
    pub name: Vec<u8>,
    /// The value's bytes.
    pub value: Vec<u8>,
}
