//! An object that is read piece by piece through faults: after one it goes on where it broke off.

use super::{Patience, Retrying};
use crate::store::{Pieces, StoreError};
use async_trait::async_trait;
use bytes::Bytes;
use std::ops::Range;

/// What is still to be read of an object.
pub(super) struct Reading<'a> {
    retrying: &'a Retrying,
    path: String,
    size: u64,
    rest: Range<u64>,
    /// None before the first request and after a fault.
    pieces: Option<Box<dyn Pieces + 'a>>,
    patience: Patience,
}

impl<'a> Reading<'a> {
    pub(super) fn new(retrying: &'a Retrying, path: &str, range: Range<u64>, size: u64) -> Self {
        let (path, patience) = (path.to_owned(), Patience::new());
        Self { retrying, path, size, rest: range, pieces: None, patience }
    }

    async fn attempt(&mut self) -> Result<Option<Bytes>, StoreError> {
        let pieces = match &mut self.pieces {
            Some(pieces) => pieces,
            None => {
                let rest = self.rest.clone();
                self.pieces.insert(self.retrying.store.read(&self.path, rest, self.size).await?)
            }
        };
        pieces.next().await
    }
}

#[async_trait]
impl Pieces for Reading<'_> {
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        loop {
            match self.attempt().await {
                Ok(piece) => {
                    self.retrying.note_success();
                    if let Some(piece) = &piece {
                        self.rest.start += piece.len() as u64;
                        self.patience.has_progress();
                    }
                    return Ok(piece);
                }
                Err(error) => {
                    self.pieces = None;
                    self.retrying.pause(&mut self.patience, error, true).await?;
                }
            }
        }
    }
}
