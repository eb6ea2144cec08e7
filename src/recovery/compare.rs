//! Whether a file that lies in the target has the content it should have already.

use crate::format::keys::Keyring;
use crate::model::entry::{Content, Piece};
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

/// Compares files with chunk ids. Keeps its buffer.
pub(super) struct Comparer {
    keyring: Arc<Keyring>,
    buffer: Vec<u8>,
}

impl Comparer {
    pub(super) fn new(keyring: Arc<Keyring>) -> Self {
        Self { keyring, buffer: Vec::new() }
    }

    /// Whether `file` has this content; `lengths` are those of the pieces. A file that cannot be
    /// read does not.
    pub(super) fn has_content(&mut self, mut file: File, content: &Content, lengths: &[u64]) -> bool {
        content.pieces.iter().zip(lengths).all(|(piece, len)| match piece {
            Piece::Chunk(id) => {
                self.buffer.resize(*len as usize, 0);
                file.read_exact(&mut self.buffer).is_ok() && self.keyring.chunk_id(&self.buffer) == *id
            }
            Piece::Hole(len) => self.is_zero(&mut file, *len),
        })
    }

    fn is_zero(&mut self, file: &mut File, mut len: u64) -> bool {
        while len > 0 {
            self.buffer.resize(len.min(1 << 20) as usize, 0);
            if file.read_exact(&mut self.buffer).is_err() || self.buffer.iter().any(|&byte| byte != 0) {
                return false;
            }
            len -= self.buffer.len() as u64;
        }
        true
    }
}
