//! Long parts of records: into the record while they are short, into packs when they are long.

use super::writer::{PackWriter, Sending, fitting};
use super::{Repository, RepositoryError};
use crate::format::pack::PackEntry;
use crate::format::record::stream::PIECE_BYTES;
use crate::format::record::{IndexRef, Stream};
use crate::model::id::ChunkId;
use std::collections::BTreeSet;

impl Repository {
    /// Puts a long stream into packs; a short one stays as it is.
    pub async fn place_stream(&self, sending: &Sending, bytes: Vec<u8>) -> Result<Stream, RepositoryError> {
        let inline = self.inline_bytes(&sending.options)?;
        let limit = self.object_limit_of(&sending.options)?;
        let piece = limit.map_or(PIECE_BYTES, |limit| PIECE_BYTES.min(fitting(limit)));
        if bytes.len() <= inline {
            return Ok(Stream::Inline(bytes));
        }
        let mut writer = PackWriter::start(self, sending)?;
        let keyring = self.keyring().clone();
        let adding = tokio::task::spawn_blocking(move || {
            let mut ids = Vec::new();
            let added = bytes.chunks(piece.max(1)).try_for_each(|piece| {
                let id = keyring.chunk_id(piece);
                ids.push(id);
                writer.add(id, piece).map(drop)
            });
            (added.map(|()| ids), writer)
        });
        let (added, writer) = adding.await.map_err(|error| RepositoryError::Internal(error.to_string()))?;
        match added {
            Ok(ids) => {
                writer.finish().await?;
                Ok(Stream::Chunks(ids))
            }
            Err(error) => {
                writer.abandon().await;
                Err(error)
            }
        }
    }

    /// Writes down packs for a record: in it while they are few, else in further packs, which are
    /// returned.
    pub async fn place_index(
        &self,
        sending: &Sending,
        packs: &[PackEntry],
    ) -> Result<(IndexRef, Vec<PackEntry>), RepositoryError> {
        match self.place_stream(sending, PackEntry::write_all(packs)).await? {
            Stream::Inline(inline) => Ok((IndexRef { inline, chunks: Vec::new() }, Vec::new())),
            Stream::Chunks(chunks) => {
                let tail = self.packs_with(&chunks)?;
                Ok((IndexRef { inline: PackEntry::write_all(&tail), chunks }, tail))
            }
        }
    }

    /// The packs that have these chunks.
    pub(super) fn packs_with(&self, chunks: &[ChunkId]) -> Result<Vec<PackEntry>, RepositoryError> {
        let mut numbers = BTreeSet::new();
        for (place, id) in self.places(chunks)?.into_iter().zip(chunks) {
            let place = place.ok_or_else(|| RepositoryError::MissingChunk(id.to_string()))?;
            numbers.insert(place.pack);
        }
        numbers.into_iter().map(|number| self.pack(number).map(|pack| (*pack).clone())).collect()
    }
}
