//! Long parts of records: into the record while they are short, into packs when they are long.

use super::writer::{PackWriter, WriterOptions};
use super::{Cancel, Repository, RepositoryError};
use crate::format::pack::PackEntry;
use crate::format::record::stream::{INLINE_BYTES, PIECE_BYTES};
use crate::format::record::{IndexRef, Stream};
use crate::model::id::ObjectId;
use crate::progress::Observer;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Repository {
    /// Puts a long stream into packs; a short one stays as it is.
    pub async fn place_stream(
        &self,
        bytes: Vec<u8>,
        options: WriterOptions,
        observer: Arc<dyn Observer>,
        cancel: Cancel,
    ) -> Result<Stream, RepositoryError> {
        if bytes.len() <= INLINE_BYTES {
            return Ok(Stream::Inline(bytes));
        }
        let mut writer = PackWriter::start(self, options, observer, cancel)?;
        let (ids, writer) = tokio::task::spawn_blocking({
            let keyring = self.keyring().clone();
            move || {
                let mut ids = Vec::new();
                for piece in bytes.chunks(PIECE_BYTES) {
                    let id = keyring.chunk_id(piece);
                    writer.add(id, piece)?;
                    ids.push(id);
                }
                Ok::<_, RepositoryError>((ids, writer))
            }
        })
        .await
        .map_err(|error| RepositoryError::Internal(error.to_string()))??;
        writer.finish().await?;
        Ok(Stream::Chunks(ids))
    }

    /// Writes down packs for a record: in it while they are few, else in packs of their own,
    /// which are returned.
    pub async fn place_index(
        &self,
        packs: &[PackEntry],
        options: WriterOptions,
        observer: Arc<dyn Observer>,
        cancel: Cancel,
    ) -> Result<(IndexRef, Vec<ObjectId>), RepositoryError> {
        let bytes = PackEntry::write_all(packs);
        match self.place_stream(bytes, options, observer, cancel).await? {
            Stream::Inline(inline) => Ok((IndexRef { inline, chunks: Vec::new() }, Vec::new())),
            Stream::Chunks(chunks) => {
                let mut numbers = BTreeSet::new();
                for (place, id) in self.places(&chunks)?.into_iter().zip(&chunks) {
                    let place = place.ok_or_else(|| RepositoryError::MissingChunk(id.to_string()))?;
                    numbers.insert(place.pack);
                }
                let tail: Vec<PackEntry> = numbers
                    .into_iter()
                    .map(|number| self.pack(number).map(|pack| (*pack).clone()))
                    .collect::<Result<_, _>>()?;
                let objects = tail.iter().map(|pack| pack.object).collect();
                Ok((IndexRef { inline: PackEntry::write_all(&tail), chunks }, objects))
            }
        }
    }
}
