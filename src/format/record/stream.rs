//! The long parts of records: in the record while they are short, in packs when they are long.

use crate::format::FormatError;
use crate::format::codec::{Reader, Writer};
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

/// Splits the bytes of a stream into its blocks.
pub fn split_blocks(stream: &[u8]) -> Result<Vec<&[u8]>, FormatError> {
    let mut reader = Reader::new(stream);
    let mut blocks = Vec::new();
    while !reader.is_empty() {
        blocks.push(reader.bytes(MAX_BLOCK_LEN)?);
    }
    Ok(blocks)
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
