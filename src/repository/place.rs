//! Long parts of records: into the record while they are short, into packs when they are long.

use super::writer::{PackWriter, Sending, fitting};
use super::{KnownPack, Repository, RepositoryError};
use crate::format::keys::Keyring;
use crate::format::record::stream::PIECE_BYTES;
use crate::format::record::{IndexRef, Stream};
use crate::model::id::ChunkId;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Cuts a stream that comes in parts into pieces and adds them as chunks.
struct Pieces {
    writer: PackWriter,
    keyring: Arc<Keyring>,
    piece_bytes: usize,
    open: Vec<u8>,
    ids: Vec<ChunkId>,
}

impl Pieces {
    fn take(&mut self, part: &[u8]) -> Result<(), RepositoryError> {
        self.open.extend_from_slice(part);
        let mut cut = 0;
        while self.open.len() - cut >= self.piece_bytes {
            self.add(cut..cut + self.piece_bytes)?;
            cut += self.piece_bytes;
        }
        self.open.drain(..cut);
        Ok(())
    }

    fn add(&mut self, range: std::ops::Range<usize>) -> Result<(), RepositoryError> {
        let piece = &self.open[range];
        let id = self.keyring.chunk_id(piece);
        self.ids.push(id);
        self.writer.add(id, piece).map(drop)
    }

    fn take_all(
        &mut self,
        parts: impl Iterator<Item = Result<Vec<u8>, RepositoryError>>,
    ) -> Result<(), RepositoryError> {
        for part in parts {
            self.take(&part?)?;
        }
        if self.open.is_empty() { Ok(()) } else { self.add(0..self.open.len()) }
    }
}

impl Repository {
    /// Puts a long stream, which comes in parts, into packs; a short one stays as it is.
    pub async fn place_stream(
        &self,
        sending: &Sending,
        mut parts: impl Iterator<Item = Result<Vec<u8>, RepositoryError>> + Send + 'static,
    ) -> Result<Stream, RepositoryError> {
        let inline = self.inline_bytes(&sending.options)?;
        let mut begun = Vec::new();
        while begun.len() <= inline {
            match parts.next().transpose()? {
                Some(part) => begun.extend_from_slice(&part),
                None => return Ok(Stream::Inline(begun)),
            }
        }
        let limit = self.object_limit_of(&sending.options)?;
        let piece_bytes = limit.map_or(PIECE_BYTES, |limit| PIECE_BYTES.min(fitting(limit))).max(1);
        let (writer, keyring) = (PackWriter::start(self, sending)?, self.keyring().clone());
        let mut pieces = Pieces { writer, keyring, piece_bytes, open: Vec::new(), ids: Vec::new() };
        let adding = tokio::task::spawn_blocking(move || {
            let added = pieces.take_all(std::iter::once(Ok(begun)).chain(parts));
            (added.map(|()| pieces.ids), pieces.writer)
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
        packs: &[KnownPack],
    ) -> Result<(IndexRef, Vec<KnownPack>), RepositoryError> {
        let (repository, packs) = (self.clone(), packs.to_vec());
        let entries = packs.into_iter().map(move |pack| repository.encoded_entry(&pack));
        self.place_entries(sending, entries).await
    }

    /// As [`Self::place_index`], of packs in the form that an index has.
    pub(super) async fn place_entries(
        &self,
        sending: &Sending,
        entries: impl Iterator<Item = Result<Vec<u8>, RepositoryError>> + Send + 'static,
    ) -> Result<(IndexRef, Vec<KnownPack>), RepositoryError> {
        match self.place_stream(sending, entries).await? {
            Stream::Inline(inline) => Ok((IndexRef { inline, chunks: Vec::new() }, Vec::new())),
            Stream::Chunks(chunks) => {
                let (tail, mut inline) = (self.packs_with(&chunks)?, Vec::new());
                for pack in &tail {
                    inline.extend(self.encoded_entry(pack)?);
                }
                Ok((IndexRef { inline, chunks }, tail))
            }
        }
    }

    /// The packs that have these chunks.
    pub(super) fn packs_with(&self, chunks: &[ChunkId]) -> Result<Vec<KnownPack>, RepositoryError> {
        let mut numbers = BTreeSet::new();
        for (place, id) in self.places(chunks)?.into_iter().zip(chunks) {
            let place = place.ok_or_else(|| RepositoryError::MissingChunk(id.to_string()))?;
            numbers.insert(place.pack);
        }
        numbers.into_iter().map(|number| Ok(self.known_pack(number)?)).collect()
    }
}
