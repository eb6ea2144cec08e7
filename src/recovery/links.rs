//! Files with several names: the first one is restored as a file, the others become links to it
//! when all files are there.

use crate::model::entry::{Entry, Node, Piece};
use std::collections::HashMap;

/// A name that becomes a link.
pub(super) struct LateLink {
    /// The name to link to: only if it was restored or found right.
    pub(super) first: Vec<u8>,
    pub(super) relative: Vec<u8>,
}

/// The first name of each file with several, by what tells them.
#[derive(Default)]
pub(super) struct FirstNames {
    names: HashMap<(u64, u64), (Vec<u8>, blake3::Hash)>,
}

impl FirstNames {
    /// The first name of the file that `entry` is another name of.
    pub(super) fn other_name(&self, entry: &Entry, relative: &[u8]) -> Option<&[u8]> {
        let (key, content) = link_key(entry)?;
        // Device and inode may have been given anew since: the content must be the same as well.
        let (first, _) = self.names.get(&key).filter(|(_, known)| *known == content)?;
        (first.as_slice() != relative).then_some(first)
    }

    /// Notes a name, if it is the first one of its file.
    pub(super) fn note(&mut self, entry: &Entry, relative: &[u8]) {
        if let Some((key, content)) = link_key(entry) {
            self.names.entry(key).or_insert_with(|| (relative.to_vec(), content));
        }
    }
}

/// What tells the names of one file: device, inode, and its content.
fn link_key(entry: &Entry) -> Option<((u64, u64), blake3::Hash)> {
    let Node::File(content) = &entry.node else { return None };
    if entry.meta.links <= 1 {
        return None;
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&content.size.to_le_bytes());
    for piece in &content.pieces {
        match piece {
            Piece::Chunk(id) => hasher.update(b"c").update(id.as_bytes()),
            Piece::Hole(len) => hasher.update(b"h").update(&len.to_le_bytes()),
        };
    }
    Some(((entry.meta.device, entry.meta.inode), hasher.finalize()))
}
