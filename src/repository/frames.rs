//! The frames of a fetch as they come: each is handed out as soon as its last byte is there, so that
//! a restore that is broken off has lost little of what it received.

use super::landing::{Landed, Landing};
use super::reader::Fetch;
use super::{Repository, RepositoryError};
use crate::format::FormatError;
use crate::format::names;
use crate::format::pack::PackEntry;
use crate::store::{Pieces, SharedStore};
use bytes::{Bytes, BytesMut};
use std::ops::Range;

/// Frames of a pack that are being fetched. In memory is one, and what the connection holds.
pub struct Frames<'a> {
    store: &'a SharedStore,
    pack: &'a PackEntry,
    path: String,
    /// Those that did not come yet.
    wanted: &'a [(u32, u64)],
    /// What is not handed out yet of the range.
    rest: Range<u64>,
    /// None before it is asked for.
    pieces: Option<Box<dyn Pieces + 'a>>,
    landing: Option<&'a Landing>,
    landed: Option<Landed>,
    piece: Bytes,
    asked_again: bool,
}

impl Repository {
    /// The frames of `fetch`, which come down into `landing` if there is one. Nothing is asked for yet.
    pub fn frames<'a>(
        &'a self,
        pack: &'a PackEntry,
        fetch: &'a Fetch,
        landing: Option<&'a Landing>,
    ) -> Frames<'a> {
        Frames {
            store: self.store(),
            pack,
            path: names::pack(pack.folder, &pack.object),
            wanted: &fetch.frames,
            rest: fetch.range.clone(),
            pieces: None,
            landing,
            landed: None,
            piece: Bytes::new(),
            asked_again: false,
        }
    }
}

impl<'a> Frames<'a> {
    /// Number, offset in the pack and sealed bytes of the next frame; `None` when all came and the
    /// answer is read to its end.
    pub async fn next(&mut self) -> Result<Option<(u32, u64, Bytes)>, RepositoryError> {
        let Some((&(number, at), wanted)) = self.wanted.split_first() else {
            self.finish().await;
            return Ok(None);
        };
        let frame = self.pack.index.frames.get(number as usize);
        let length = u64::from(frame.ok_or_else(|| self.damaged("it has no such frame"))?.sealed_len);
        if at < self.rest.start || at.saturating_add(length) > self.rest.end {
            return Err(self.damaged("its frames do not lie where they should"));
        }
        while self.rest.start < at {
            self.take(at - self.rest.start).await?;
        }
        let mut sealed = self.take(length).await?;
        if (sealed.len() as u64) < length {
            // Both fit: a frame's length is a u32.
            let mut whole = BytesMut::with_capacity(length as usize);
            whole.extend_from_slice(&sealed);
            while (whole.len() as u64) < length {
                whole.extend_from_slice(&self.take(length - whole.len() as u64).await?);
            }
            sealed = whole.freeze();
        }
        self.wanted = wanted;
        Ok(Some((number, at, sealed)))
    }

    /// The frames that did not come.
    pub fn missing(&self) -> &[(u32, u64)] {
        self.wanted
    }

    /// What came is of no more use: it is opened and written, or cannot be.
    pub fn forget(self) {
        if let Some(landed) = self.landed {
            landed.remove();
        }
    }

    /// How many bytes of the range are still to come.
    pub fn bytes_left(&self) -> u64 {
        self.rest.end - self.rest.start
    }

    /// Bytes that come next: at least one, at most `most`.
    async fn take(&mut self, most: u64) -> Result<Bytes, RepositoryError> {
        while self.piece.is_empty() {
            let pieces = match &mut self.pieces {
                Some(pieces) => pieces,
                None => {
                    let read = self.ask().await?;
                    self.pieces.insert(read)
                }
            };
            match pieces.next().await? {
                Some(piece) => self.piece = piece,
                // It was most likely cut on its way, or could not be put down.
                None if !self.asked_again => (self.asked_again, self.pieces) = (true, None),
                None => return Err(self.damaged("it is shorter than it was")),
            }
        }
        let taken = self.piece.split_to((self.piece.len() as u64).min(most) as usize);
        self.rest.start += taken.len() as u64;
        Ok(taken)
    }

    async fn ask(&mut self) -> Result<Box<dyn Pieces + 'a>, RepositoryError> {
        let rest = self.rest.clone();
        if let Some(landing) = self.landing.take()
            && let Some((coming, landed)) = landing.bring(self.store, self.pack, &self.path, rest.clone())
        {
            self.landed = Some(landed);
            return Ok(Box::new(coming));
        }
        Ok(self.store.read(&self.path, rest, self.pack.size).await?)
    }

    /// Reads what nobody needs, so that the connection serves the next request. How that ends does not matter.
    async fn finish(&mut self) {
        self.rest.start += std::mem::take(&mut self.piece).len() as u64;
        let Some(pieces) = &mut self.pieces else { return };
        while let Ok(Some(piece)) = pieces.next().await {
            self.rest.start += piece.len() as u64;
        }
    }

    fn damaged(&self, how: &'static str) -> RepositoryError {
        RepositoryError::damaged(&self.path, FormatError::Damaged(how))
    }
}
