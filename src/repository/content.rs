//! Chunks of files to their bytes, as far as they can be had.

use super::reader::{Fetch, FrameReader, plan_fetches};
use super::{Repository, RepositoryError};
use crate::format::pack::PackEntry;
use crate::model::entry::{Content, Piece};
use crate::model::id::ChunkId;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Chunks that were asked for together. They are all held in memory.
#[derive(Debug, Default)]
pub struct Chunks {
    there: HashMap<ChunkId, Vec<u8>>,
    lost: HashMap<ChunkId, String>,
}

/// A piece of a file, in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceBytes<'c> {
    /// These.
    Data(&'c [u8]),
    /// So many zeros.
    Zeros(u64),
}

impl Chunks {
    /// The bytes of a piece; the reason where they are lost.
    pub fn bytes_of(&self, piece: &Piece) -> Result<PieceBytes<'_>, &str> {
        match piece {
            Piece::Hole(len) => Ok(PieceBytes::Zeros(*len)),
            Piece::Chunk(id) => match self.there.get(id) {
                Some(bytes) => Ok(PieceBytes::Data(bytes)),
                None => Err(self.lost.get(id).map_or("a part of it was not asked for", String::as_str)),
            },
        }
    }
}

impl Repository {
    /// Fetches the chunks of these pieces, each once and verified. One that is spoilt in a pack is
    /// looked for in others; what cannot be had anywhere is noted as lost.
    ///
    /// # Errors
    /// What concerns more than single objects: the network, the account, the local state.
    pub async fn chunks(&self, pieces: impl IntoIterator<Item = &Piece>) -> Result<Chunks, RepositoryError> {
        let mut chunks = Chunks::default();
        let mut wanted: HashSet<ChunkId> = pieces.into_iter().filter_map(chunk_of).collect();
        // The pack in which each was looked for in vain, and why.
        let mut tried: HashMap<ChunkId, (i64, String)> = HashMap::new();
        while !wanted.is_empty() {
            let ids: Vec<ChunkId> = wanted.drain().collect();
            let mut by_pack: BTreeMap<i64, BTreeSet<u32>> = BTreeMap::new();
            let mut asked: HashSet<ChunkId> = HashSet::new();
            for (id, place) in ids.iter().zip(self.places(&ids)?) {
                match (place, tried.remove(id)) {
                    (Some(place), Some((pack, reason))) if place.bad || place.pack == pack => {
                        chunks.lost.insert(*id, reason);
                    }
                    (Some(place), _) => {
                        by_pack.entry(place.pack).or_default().insert(place.frame);
                        asked.insert(*id);
                    }
                    (None, _) => {
                        let missing = RepositoryError::MissingChunk(id.to_string());
                        chunks.lost.insert(*id, missing.to_string());
                    }
                }
            }
            for (number, frames) in by_pack {
                let pack = self.pack(number)?;
                let reason = self.take_frames(&pack, &frames, &asked, &mut chunks).await?;
                let Some(reason) = reason else { continue };
                self.note_bad_packs(&[], &[pack.object])?;
                let of_pack = pack.index.frames.iter().flat_map(|frame| &frame.chunks);
                for chunk in of_pack.filter(|chunk| asked.contains(&chunk.id)) {
                    if !chunks.there.contains_key(&chunk.id) {
                        tried.insert(chunk.id, (number, reason.clone()));
                        wanted.insert(chunk.id);
                    }
                }
            }
        }
        Ok(chunks)
    }

    /// Takes the chunks `asked` for out of these frames. Answers why some of them cannot be had, if
    /// so; then they were fetched twice.
    async fn take_frames(
        &self,
        pack: &PackEntry,
        frames: &BTreeSet<u32>,
        asked: &HashSet<ChunkId>,
        chunks: &mut Chunks,
    ) -> Result<Option<String>, RepositoryError> {
        let mut failed = None;
        for mut fetch in plan_fetches(pack, frames) {
            for _ in 0..2 {
                match self.fetch(pack, &fetch.range).await {
                    Ok(bytes) => {
                        fetch.frames = self.open_each(pack, &fetch, &bytes, asked, chunks, &mut failed)?
                    }
                    Err(error) if error.spoils_only_itself() => failed = Some(error.to_string()),
                    Err(error) => return Err(error),
                }
                if fetch.frames.is_empty() {
                    break;
                }
            }
            if fetch.frames.is_empty() {
                continue;
            }
            return Ok(failed);
        }
        Ok(None)
    }

    /// Opens frames and answers those that do not open.
    fn open_each(
        &self,
        pack: &PackEntry,
        fetch: &Fetch,
        bytes: &[u8],
        asked: &HashSet<ChunkId>,
        chunks: &mut Chunks,
        failed: &mut Option<String>,
    ) -> Result<Vec<(u32, u64)>, RepositoryError> {
        let mut reader = FrameReader::new(self, pack, Vec::new())?;
        let mut unopened = Vec::new();
        for (frame, at) in &fetch.frames {
            let opened = reader.each_chunk(*frame, at - fetch.range.start, bytes, |id, content| {
                if asked.contains(&id) {
                    chunks.there.insert(id, content.to_vec());
                }
            });
            match opened {
                Ok(()) => {}
                Err(error) if error.spoils_only_itself() => {
                    *failed = Some(error.to_string());
                    unopened.push((*frame, *at));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(unopened)
    }
}

/// The pieces of a file in groups of about so many stored bytes, as far as single pieces allow.
pub fn groups(content: &Content, bytes: u64) -> impl Iterator<Item = &[Piece]> {
    let chunks = content.pieces.iter().filter(|piece| matches!(piece, Piece::Chunk(_))).count() as u64;
    let each = stored_bytes(content).checked_div(chunks).unwrap_or(0).max(1);
    let most = (bytes / each).max(1);
    let mut taken = 0;
    content.pieces.chunk_by(move |_, next| {
        taken += u64::from(matches!(next, Piece::Chunk(_)));
        let goes_on = taken < most;
        taken = if goes_on { taken } else { 0 };
        goes_on
    })
}

/// The bytes of a file that are no holes.
pub fn stored_bytes(content: &Content) -> u64 {
    let hole = |piece: &Piece| match piece {
        Piece::Hole(len) => *len,
        Piece::Chunk(_) => 0,
    };
    content.size.saturating_sub(content.pieces.iter().map(hole).fold(0, u64::saturating_add))
}

fn chunk_of(piece: &Piece) -> Option<ChunkId> {
    match piece {
        Piece::Chunk(id) => Some(*id),
        Piece::Hole(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_hold_every_piece_once_and_holes_take_no_room() {
        let chunk = |number: u8| Piece::Chunk(ChunkId([number; ChunkId::LEN]));
        let mut pieces: Vec<Piece> = (0..10).map(chunk).collect();
        pieces.insert(3, Piece::Hole(1 << 40));
        let content = Content { size: 10_000 + (1 << 40), pieces };
        let found: Vec<_> = groups(&content, 3000).map(<[Piece]>::to_vec).collect();
        assert_eq!(found.concat(), content.pieces);
        let chunks = |group: &Vec<Piece>| group.iter().filter(|piece| chunk_of(piece).is_some()).count();
        assert!(found.iter().map(chunks).all(|chunks| (1..=3).contains(&chunks)), "{found:?}");
        assert_eq!(groups(&content, 1).count(), 10, "the hole goes with the chunk before it");
        assert_eq!(groups(&Content::default(), 1).count(), 0);
    }
}
