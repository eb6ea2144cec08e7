//! The long parts of records: in the record while they are short, in packs when they are long.

use crate::format::FormatError;
use crate::format::codec::{CUT, Reader, Writer};
use crate::format::pack::PackEntry;
use crate::model::id::ChunkId;
use serde::{Deserialize, Serialize};

/// Streams up to so many bytes travel in the record itself.
pub const INLINE_BYTES: usize = 1 << 20;
/// Pieces of a longer stream are chunks of so many bytes.
pub const PIECE_BYTES: usize = 1 << 20;
const MAX_BLOCK_LEN: usize = 512 << 20;

/// Blocks of bytes, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    /// Here.
    Inline(#[serde(with = "serde_bytes")] Vec<u8>),
    /// In these chunks, joined; the index says where they lie.
    Chunks(Vec<ChunkId>),
}

/// Joins blocks to the bytes of a stream.
pub fn join_blocks<'a>(blocks: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut writer = Writer::default();
    blocks.into_iter().for_each(|block| writer.bytes(block));
    writer.into_bytes()
}

/// Splits a stream that comes in pieces into its blocks.
#[derive(Debug, Default)]
pub struct BlockSplitter {
    rest: Vec<u8>,
}

impl BlockSplitter {
    /// Takes the next piece of the stream; returns the blocks that are whole with it.
    pub fn push(&mut self, piece: &[u8]) -> Result<Vec<Vec<u8>>, FormatError> {
        self.rest.extend_from_slice(piece);
        let mut reader = Reader::new(&self.rest);
        let (mut blocks, mut taken) = (Vec::new(), 0);
        while !reader.is_empty() {
            match reader.bytes(MAX_BLOCK_LEN) {
                Ok(block) => blocks.push(block.to_vec()),
                // The rest of it is still to come.
                Err(error) if error == CUT => break,
                Err(error) => return Err(error),
            }
            taken = self.rest.len() - reader.rest().len();
        }
        self.rest.drain(..taken);
        Ok(blocks)
    }

    /// The stream ends here.
    pub fn finish(self) -> Result<(), FormatError> {
        if self.rest.is_empty() { Ok(()) } else { Err(FormatError::Damaged("a list that is cut")) }
    }
}

/// The packs that a record introduces.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct IndexRef {
    /// Pack entries, as [`PackEntry::write_all`] writes them.
    #[serde(with = "serde_bytes")]
    pub inline: Vec<u8>,
    /// More pack entries, written so, in chunks that lie in the packs listed inline.
    pub chunks: Vec<ChunkId>,
}

impl IndexRef {
    /// The packs listed in the record itself.
    pub fn inline_packs(&self) -> Result<Vec<PackEntry>, FormatError> {
        PackEntry::read_all(&self.inline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn blocks_come_back_however_the_stream_is_cut(
            blocks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..8),
            piece in 1usize..400,
        ) {
            let stream = join_blocks(blocks.iter().map(Vec::as_slice));
            let (mut splitter, mut back) = (BlockSplitter::default(), Vec::new());
            for piece in stream.chunks(piece) {
                back.extend(splitter.push(piece).unwrap());
            }
            prop_assert_eq!(splitter.finish(), Ok(()));
            prop_assert_eq!(back, blocks);
        }
    }

    #[test]
    fn what_is_no_length_is_refused_at_once() {
        assert!(BlockSplitter::default().push(&[0xFF; 11]).is_err());
        assert!(BlockSplitter::default().push(&[0xFF, 0xFF, 0xFF, 0xFF, 0x7F]).is_err());
        assert_eq!(BlockSplitter::default().push(&[0xFF; 3]), Ok(vec![]));
    }

    #[test]
    fn a_cut_stream_is_refused() {
        let stream = join_blocks([&b"one"[..], b"two"]);
        let mut splitter = BlockSplitter::default();
        assert_eq!(splitter.push(&stream[..7]), Ok(vec![b"one".to_vec()]));
        assert!(splitter.finish().is_err());
    }
}
