//! How large a pack is with the frames that are in it: for the pack that is filled, and for one that
//! is only thought of.

use super::{FIRST_FRAME, TRAILER_LEN};
use crate::format::padding::padme;
use crate::format::seal::TAG_LEN;
use crate::model::id::ChunkId;

/// The size of a pack with some frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackSize {
    frames: usize,
    /// Header and sealed frames.
    bytes: usize,
    /// The most that the footer can take.
    footer_bound: usize,
    /// What the footer's frames take.
    footer: usize,
}

impl Default for PackSize {
    fn default() -> Self {
        Self { frames: 0, bytes: FIRST_FRAME as usize, footer_bound: 10, footer: 0 }
    }
}

impl PackSize {
    /// Whether no frame is in it.
    pub fn is_empty(&self) -> bool {
        self.frames == 0
    }

    /// The size it would have with one more frame of so many encoded bytes and chunks, padding
    /// left out.
    pub fn with(&self, frame_len: usize, chunks: usize) -> usize {
        let footer = self.footer_bound + footer_cost(chunks);
        self.bytes + frame_len + TAG_LEN + footer + TAG_LEN + TRAILER_LEN
    }

    /// Counts a frame of so many encoded bytes with chunks of these plain lengths. Answers its sealed
    /// length.
    pub fn push(&mut self, frame_len: usize, chunks: impl ExactSizeIterator<Item = u32>) -> u32 {
        let sealed_len = frame_len + TAG_LEN;
        self.frames += 1;
        self.bytes += sealed_len;
        self.footer_bound += footer_cost(chunks.len());
        self.footer += number_len(sealed_len as u64) + number_len(chunks.len() as u64);
        self.footer += chunks.map(|len| number_len(u64::from(len)) + ChunkId::LEN).sum::<usize>();
        sealed_len as u32
    }

    /// The size of the object.
    pub fn finished(&self) -> u64 {
        let footer = number_len(self.frames as u64) + self.footer;
        padme((self.bytes + footer + TAG_LEN + TRAILER_LEN) as u64)
    }
}

/// The most that a frame with so many chunks adds to the footer.
fn footer_cost(chunks: usize) -> usize {
    10 + chunks * (ChunkId::LEN + 4)
}

/// Bytes of a number, 7 bits a byte.
fn number_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::codec::Writer;

    #[test]
    fn numbers_are_as_long_as_they_are_written() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX] {
            let mut writer = Writer::default();
            writer.number(value);
            assert_eq!(number_len(value), writer.len(), "{value}");
        }
    }
}
