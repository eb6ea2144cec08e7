//! Files with several names: which name of a file came first, and what tells that two are one.

use crate::model::entry::{Entry, Node, Piece};
use std::collections::HashMap;

/// The first name of each file with several, by what tells them.
#[derive(Debug, Default)]
pub struct FirstNames {
    names: HashMap<(u64, u64), (Vec<u8>, blake3::Hash)>,
}

impl FirstNames {
    /// The first name of the file that `entry` is another name of.
    pub fn other_name(&self, entry: &Entry, relative: &[u8]) -> Option<&[u8]> {
        let (key, content) = link_key(entry)?;
        // Device and inode may have been given anew since: the content must be the same as well.
        let (first, _) = self.names.get(&key).filter(|(_, known)| *known == content)?;
        (first.as_slice() != relative).then_some(first)
    }

    /// Notes a name, if it is the first one of its file.
    pub fn note(&mut self, entry: &Entry, relative: &[u8]) {
        if let Some((key, content)) = link_key(entry) {
            self.names.entry(key).or_insert_with(|| (relative.to_vec(), content));
        }
    }
}

/// What tells the names of one file: device, inode, and its content.
fn link_key(entry: &Entry) -> Option<((u64, u64), blake3::Hash)> {
    let is_one_of_several = matches!(entry.node, Node::File(_)) && entry.meta.links > 1;
    is_one_of_several.then(|| ((entry.meta.device, entry.meta.inode), content_key(&entry.node)))
}

/// Tells one content from another: equal for files of the same pieces, for links that lead to the
/// same, and for other things of one kind.
pub fn content_key(node: &Node) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    match node {
        Node::File(content) => {
            hasher.update(b"f").update(&content.size.to_le_bytes());
            for piece in &content.pieces {
                match piece {
                    Piece::Chunk(id) => hasher.update(b"c").update(id.as_bytes()),
                    Piece::Hole(len) => hasher.update(b"h").update(&len.to_le_bytes()),
                };
            }
        }
        Node::Symlink(target) => {
            hasher.update(b"l").update(target);
        }
        Node::CharDevice(number) => {
            hasher.update(b"C").update(&number.to_le_bytes());
        }
        Node::BlockDevice(number) => {
            hasher.update(b"B").update(&number.to_le_bytes());
        }
        Node::Folder => {
            hasher.update(b"d");
        }
        Node::Fifo => {
            hasher.update(b"p");
        }
        Node::Socket => {
            hasher.update(b"s");
        }
    }
    hasher.finalize()
}
