//! An object, or a part of one, while it comes: what lies around it is left out, and more than was
//! asked for is refused.

use super::super::room::room;
use super::super::{ErrorKind, Pieces, StoreError};
use super::answer::{Answer, TRUSTED_BYTES};
use async_trait::async_trait;
use bytes::{Buf, Bytes, BytesMut};

/// What the body of an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// The part, no byte less and no byte more.
    ThePart,
    /// The object, which may be shorter and no byte longer.
    TheObject,
    /// The object, of which the part is cut out.
    MoreThanThePart,
}

/// Bytes that are being read.
pub(super) struct Part<'a> {
    /// None when it was read.
    answer: Option<Answer<'a>>,
    holds: Holds,
    /// Bytes of the body that come before it.
    before: u64,
    length: u64,
    /// Bytes of it that are still to come.
    left: u64,
}

impl<'a> Part<'a> {
    /// The bytes of the body from `before` on, `length` of them.
    pub fn new(answer: Answer<'a>, holds: Holds, before: u64, length: u64) -> Result<Self, StoreError> {
        if holds != Holds::MoreThanThePart && answer.told_length().is_some_and(|told| told > length) {
            return Err(answer.too_long(length));
        }
        Ok(Self { answer: Some(answer), holds, before, length, left: length })
    }

    /// No bytes at all.
    pub fn nothing() -> Self {
        Self { answer: None, holds: Holds::ThePart, before: 0, length: 0, left: 0 }
    }

    /// All of it.
    pub async fn collect(mut self) -> Result<Bytes, StoreError> {
        let told = self.answer.as_ref().and_then(Answer::told_length).unwrap_or(0);
        let mut all = BytesMut::with_capacity(room(self.left.min(told).min(TRUSTED_BYTES)));
        while let Some(piece) = self.next().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }
}

#[async_trait]
impl Pieces for Part<'_> {
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        let Some(answer) = &mut self.answer else { return Ok(None) };
        while self.left > 0 || self.holds != Holds::MoreThanThePart {
            let Some(mut piece) = answer.piece().await? else {
                if self.holds == Holds::ThePart && self.left > 0 {
                    return Err(answer.error(ErrorKind::Corrupt, "the server sent less than it told"));
                }
                break;
            };
            let before = self.before.min(piece.len() as u64);
            piece.advance(before as usize);
            self.before -= before;
            if piece.len() as u64 > self.left {
                if self.holds != Holds::MoreThanThePart {
                    return Err(answer.too_long(self.length));
                }
                piece.truncate(self.left as usize);
            }
            self.left -= piece.len() as u64;
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
        self.answer = None;
        Ok(None)
    }
}
