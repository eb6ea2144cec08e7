//! Entries in blocks: the content of manifests.
//!
//! A manifest is a list of changes in path order; a base holds only `Put`s and starts from
//! nothing. A block is readable alone. Paths share the front of the one before, times and
//! inodes are differences, and an id is written once a block.
//!
//! ```text
//! number of ids, ids, squeezed changes
//! change: flags, shared bytes, rest of path, then what the flags say
//! ```

mod merge;
mod reader;
mod writer;

pub use merge::{Merge, Merged, Now};
pub use reader::{BlockReader, EntryError};
pub use writer::{Block, BlockWriter};

use crate::model::entry::Entry;
use crate::model::path::{EntryPath, MAX_PATH_BYTES};

/// One line of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The entry is there like this, whatever was there before. What is below it stays.
    Put(Entry),
    /// What was there is gone, with all below it.
    Removed(EntryPath),
}

impl Change {
    /// The path it speaks of.
    pub fn path(&self) -> &EntryPath {
        match self {
            Change::Put(entry) => &entry.path,
            Change::Removed(path) => path,
        }
    }
}

/// Plain bytes after which a block is closed.
const BLOCK_BYTES: usize = 512 << 10;
/// The most plain bytes that a block may unpack to: a file of 1 TB fits.
const MAX_BLOCK_BYTES: u64 = 256 << 20;
/// The most chunk ids in a block: a file of 1 TB in chunks of 128 KiB fits.
const MAX_BLOCK_IDS: usize = 8 << 20;
const MAX_XATTRS: u64 = 4096;
const MAX_XATTR_BYTES: usize = 1 << 20;
const LEVEL: i32 = 5;

const KIND_MASK: u8 = 0x07;
const KIND_FILE: u8 = 0;
const KIND_FOLDER: u8 = 1;
const KIND_SYMLINK: u8 = 2;
const KIND_FIFO: u8 = 3;
const KIND_SOCKET: u8 = 4;
const KIND_CHAR: u8 = 5;
const KIND_BLOCK: u8 = 6;
const KIND_REMOVED: u8 = 7;
const SAME_OWNER: u8 = 0x08;
const CTIME_IS_MTIME: u8 = 0x10;
const RACY: u8 = 0x20;
const LINKED: u8 = 0x40;
const XATTRS: u8 = 0x80;

const PIECE_NEXT_ID: u64 = 0;
const PIECE_HOLE: u64 = 1;

/// What the entry before says, as far as the next one refers to it.
#[derive(Default)]
struct Previous {
    path: Vec<u8>,
    mode: u32,
    uid: u32,
    gid: u32,
    mtime: i64,
    ctime: i64,
    inode: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::squeeze::{squeeze, unsqueeze};
    use crate::model::entry::{Content, Metadata, Node, Piece, Xattr};
    use crate::model::id::ChunkId;
    use crate::model::time::Timestamp;
    use proptest::prelude::*;

    fn read(block: &[u8]) -> Vec<Change> {
        BlockReader::new(block).unwrap().map(|change| change.unwrap()).collect()
    }

    fn arbitrary_node() -> impl Strategy<Value = Node> {
        let piece = prop_oneof![
            any::<u8>().prop_map(|byte| Piece::Chunk(ChunkId([byte; ChunkId::LEN]))),
            any::<u64>().prop_map(Piece::Hole),
        ];
        let content = (any::<u64>(), proptest::collection::vec(piece, 0..6))
            .prop_map(|(size, pieces)| Node::File(Content { size, pieces }));
        prop_oneof![
            content,
            Just(Node::Folder),
            any::<Vec<u8>>().prop_map(Node::Symlink),
            Just(Node::Fifo),
            Just(Node::Socket),
            any::<u64>().prop_map(Node::CharDevice),
            any::<u64>().prop_map(Node::BlockDevice),
        ]
    }

    prop_compose! {
        fn arbitrary_entry()(
            name in proptest::collection::vec(1u8..47, 1..9), folder in 0u8..3, node in arbitrary_node(),
            mode in 0u32..0o10000, uid: u32, times: (i64, i64), nanos in 0u32..1_000_000_000, inode: u64,
            links in 1u64..4, racy: bool, value: Vec<u8>, same_time: bool,
        ) -> Entry {
            let mut path = format!("/f{folder}/").into_bytes();
            path.extend(name.iter().map(|byte| if *byte == b'.' { b'x' } else { *byte }));
            let mtime = Timestamp::new(times.0, nanos);
            let xattrs = if value.len() % 2 == 0 { vec![] } else { vec![Xattr { name: b"user.a".to_vec(), value }] };
            let device = if links > 1 { inode } else { 0 };
            let ctime = if same_time { mtime } else { Timestamp::new(times.1, nanos) };
            let meta = Metadata { mode, uid, gid: uid, mtime, ctime, inode, device, links, racy, xattrs };
            Entry { path: EntryPath::new(path).unwrap(), node, meta }
        }
    }

    proptest! {
        #[test]
        fn changes_read_back(
            entries in proptest::collection::vec((arbitrary_entry(), any::<bool>()), 0..20)
        ) {
            let changes: Vec<_> = entries
                .into_iter()
                .map(|(entry, removed)| if removed { Change::Removed(entry.path) } else { Change::Put(entry) })
                .collect();
            let mut writer = BlockWriter::default();
            for change in &changes {
                prop_assert!(writer.push(change).unwrap().is_none());
            }
            match writer.finish().unwrap() {
                None => prop_assert!(changes.is_empty()),
                Some(block) => {
                    prop_assert_eq!(&block.first, changes[0].path());
                    prop_assert_eq!(read(&block.bytes), changes);
                }
            }
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            if let Ok(reader) = BlockReader::new(&bytes) {
                reader.for_each(drop);
            }
        }
    }

    #[test]
    fn a_path_that_would_leave_the_target_is_refused_and_the_rest_is_read() {
        let entry = |path: &str| Entry {
            path: EntryPath::new(path.as_bytes().to_vec()).unwrap(),
            node: Node::Folder,
            meta: Metadata { links: 1, ..Metadata::default() },
        };
        let mut writer = BlockWriter::default();
        for path in ["/s/a", "/s/xx", "/s/z"] {
            writer.push(&Change::Put(entry(path))).unwrap();
        }
        let block = writer.finish().unwrap().unwrap().bytes;
        let mut plain = unsqueeze(&block[1..], 1 << 20).unwrap();
        let at = plain.windows(2).position(|two| two == b"xx").unwrap();
        plain[at..at + 2].copy_from_slice(b"..");
        let mut forged = vec![0];
        forged.extend(squeeze(&plain, 3).unwrap());
        let read: Vec<_> = BlockReader::new(&forged).unwrap().collect();
        assert!(matches!(&read[0], Ok(Change::Put(_))));
        assert!(matches!(&read[1], Err(EntryError::Path { shown, .. }) if shown == "/s/.."));
        assert!(matches!(&read[2], Ok(Change::Put(entry)) if entry.path.display() == "/s/z"));
        assert_eq!(read.len(), 3);
    }
}
