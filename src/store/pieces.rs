//! An object that is read piece by piece, so that what came is of use while the rest is coming.

use super::StoreError;
use async_trait::async_trait;
use bytes::Bytes;

/// Bytes of an object as they come.
#[async_trait]
pub trait Pieces: Send {
    /// The bytes that follow, never none; `None` at the end. Nothing is asked of it after an error.
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError>;
}

/// All bytes in one piece.
pub(super) struct OnePiece(Option<Bytes>);

impl OnePiece {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}

#[async_trait]
impl Pieces for OnePiece {
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        Ok(self.0.take())
    }
}
