//! A pack that the server finds too large, as several smaller ones. Each is sealed under a salt of
//! its own: one salt for two packs would use a key and nonce twice.

use super::limit::fitting;
use crate::format::FormatError;
use crate::format::frame::FrameEncoder;
use crate::format::pack::{ChunkEntry, FinishedPack, FrameOpener, PackBuilder, PackEntry, verify_pack};
use crate::repository::{Repository, RepositoryError};

/// The content of the pack `entry` with these bytes in packs of at most `most` bytes each, as far
/// as single chunks allow, encoded with zstd level `level`. All are read back before they are
/// returned.
pub(super) fn split(
    repository: &Repository,
    bytes: &[u8],
    entry: &PackEntry,
    most: u64,
    level: i32,
) -> Result<Vec<FinishedPack>, RepositoryError> {
    let damaged = |reason| RepositoryError::damaged("a pack to be split", reason);
    let mut parts = Parts {
        repository,
        most: usize::try_from(most).unwrap_or(usize::MAX),
        encoder: FrameEncoder::new(level).map_err(damaged)?,
        encoded: Vec::new(),
        open: None,
        done: Vec::new(),
    };
    let mut opener = FrameOpener::new(repository.keyring(), repository.id(), entry).map_err(damaged)?;
    let mut plain = Vec::new();
    for (number, at, frame) in entry.index.offsets() {
        let sealed = usize::try_from(at)
            .ok()
            .and_then(|at| bytes.get(at..at.checked_add(frame.sealed_len as usize)?))
            .ok_or(damaged(FormatError::Damaged("it is shorter than its frames")))?;
        opener.open(number, frame, sealed, &mut plain).map_err(damaged)?;
        parts.add(&mut plain, &frame.chunks)?;
    }
    parts.close()?;
    Ok(parts.done)
}

/// What a refused pack is made into.
struct Parts<'r> {
    repository: &'r Repository,
    most: usize,
    encoder: FrameEncoder,
    encoded: Vec<u8>,
    open: Option<PackBuilder>,
    done: Vec<FinishedPack>,
}

impl Parts<'_> {
    /// Adds the chunks of a frame, in several frames where one would be too large.
    fn add(&mut self, plain: &mut [u8], chunks: &[ChunkEntry]) -> Result<(), RepositoryError> {
        let most_plain = fitting(self.most as u64);
        let (mut rest, mut from, mut len) = (plain, 0, 0);
        for (number, chunk) in chunks.iter().enumerate() {
            if len > 0 && len + chunk.len as usize > most_plain {
                let (frame, after) = rest.split_at_mut(len.min(rest.len()));
                self.push(frame, chunks.get(from..number).unwrap_or_default())?;
                (rest, from, len) = (after, number, 0);
            }
            len += chunk.len as usize;
        }
        self.push(rest, chunks.get(from..).unwrap_or_default())
    }

    fn push(&mut self, plain: &mut [u8], chunks: &[ChunkEntry]) -> Result<(), RepositoryError> {
        let damaged = |reason| RepositoryError::damaged("a part of a pack", reason);
        self.encoder.encode(plain, &mut self.encoded).map_err(damaged)?;
        // Padding comes on top.
        let most = self.most - self.most / 16;
        let full = |pack: &PackBuilder| pack.size_with(self.encoded.len(), chunks.len()) > most;
        if self.open.as_ref().is_some_and(full) {
            self.close()?;
        }
        let pack = match &mut self.open {
            Some(pack) => pack,
            none => {
                let salt = self.repository.salt()?;
                let (keyring, id) = (self.repository.keyring(), self.repository.id());
                none.insert(PackBuilder::new(keyring, id, salt, Vec::new()).map_err(damaged)?)
            }
        };
        pack.push(&self.encoded, chunks.to_vec()).map_err(damaged)
    }

    fn close(&mut self) -> Result<(), RepositoryError> {
        let Some(pack) = self.open.take() else { return Ok(()) };
        self.done.push(finish(self.repository, pack, &mut [Vec::new()])?);
        Ok(())
    }
}

/// Ends a pack and reads it back as a restore would: what bad memory spoilt is found here and not
/// on the day of the restore. Each of `rooms` is for a thread that decodes into it.
pub(super) fn finish(
    repository: &Repository,
    pack: PackBuilder,
    rooms: &mut [Vec<u8>],
) -> Result<FinishedPack, RepositoryError> {
    let damaged = |reason| RepositoryError::damaged("a new pack, read back before sending,", reason);
    let finished = pack.finish().map_err(damaged)?;
    let read_back =
        verify_pack(&finished.bytes, repository.keyring(), repository.id(), rooms).map_err(damaged)?;
    if read_back != finished.entry {
        return Err(damaged(FormatError::Damaged("it reads back as another one")));
    }
    Ok(finished)
}
