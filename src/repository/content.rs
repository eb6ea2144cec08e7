//! Pieces of files to their bytes, in order.

use super::{Repository, RepositoryError};
use crate::model::entry::{Content, Piece};
use crate::model::id::ChunkId;

/// Zero bytes that are handed on at a time.
const ZEROS: [u8; 64 << 10] = [0; 64 << 10];

impl Repository {
    /// Hands on the bytes of these pieces in their order, each with the number of its piece. In
    /// memory are a range of a pack and chunks whose turn has not come: give pieces of no more bytes
    /// than may be held.
    pub async fn read_pieces(
        &self,
        pieces: &[Piece],
        mut hand_on: impl FnMut(usize, &[u8]) -> Result<(), RepositoryError>,
    ) -> Result<(), RepositoryError> {
        let ids: Vec<ChunkId> = pieces.iter().filter_map(chunk_of).collect();
        let mut at = 0;
        if !ids.is_empty() {
            self.each_chunk_in_order(&ids, |content| {
                at = holes(pieces, at, &mut hand_on)?;
                hand_on(at, content)?;
                at += 1;
                Ok(())
            })
            .await?;
        }
        holes(pieces, at, &mut hand_on).map(drop)
    }
}

/// The pieces of a file in groups of about so many bytes, as far as single pieces allow.
pub fn groups(content: &Content, bytes: u64) -> impl Iterator<Item = &[Piece]> {
    let chunks = content.pieces.iter().filter_map(chunk_of).count() as u64;
    let each = content.size.checked_div(chunks).unwrap_or(0).max(1);
    let pieces = usize::try_from((bytes / each).max(1)).unwrap_or(usize::MAX);
    content.pieces.chunks(pieces)
}

fn chunk_of(piece: &Piece) -> Option<ChunkId> {
    match piece {
        Piece::Chunk(id) => Some(*id),
        Piece::Hole(_) => None,
    }
}

/// Hands on the holes from piece `at` on, and returns which piece is no hole.
fn holes(
    pieces: &[Piece],
    mut at: usize,
    hand_on: &mut impl FnMut(usize, &[u8]) -> Result<(), RepositoryError>,
) -> Result<usize, RepositoryError> {
    while let Some(Piece::Hole(len)) = pieces.get(at) {
        let mut left = *len;
        while left > 0 {
            let some = left.min(ZEROS.len() as u64);
            hand_on(at, ZEROS.get(..some as usize).unwrap_or(&ZEROS))?;
            left -= some;
        }
        at += 1;
    }
    Ok(at)
}
