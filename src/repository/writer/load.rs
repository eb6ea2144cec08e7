//! What a writer has taken on and what that will come to, for those who may spend only so much.

use super::{PackWriter, fitting};
use crate::format::pack::PackBuilder;
use crate::format::padding::padme;

/// What a frame adds to a pack beside its content and chunks.
const FRAME_BYTES: u64 = 48;
/// A chunk in a pack's footer.
const CHUNK_BYTES: u64 = 24;
/// A pack beside its frames and padding.
const PACK_BYTES: u64 = 256;

/// What a writer has taken on so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Packs that are closed, ready or sent, those refused as too large included.
    pub packs: u64,
    /// Their bytes, at most.
    pub pack_bytes: u64,
    /// Frames in packs, the open one included.
    pub frames: u64,
    /// Chunks in packs, the open one included.
    pub chunks: u64,
    /// Uploads that were repeated.
    pub repeats: u64,
    /// Bytes in the open pack.
    pub open_bytes: u64,
    /// Plain bytes and chunks that are in no pack yet.
    pub waiting: (u64, u64),
}

/// What is still to be sent of what was taken on, from above.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Coming {
    /// Packs.
    pub packs: u64,
    /// Their bytes, padding included.
    pub bytes: u64,
    /// Frames in them that are in no pack yet.
    pub frames: u64,
    /// Chunks in them that are in no pack yet.
    pub chunks: u64,
}

impl Load {
    pub(super) fn added(&mut self, bytes: usize) {
        self.waiting = (self.waiting.0 + bytes as u64, self.waiting.1 + 1);
    }

    /// A frame of so many plain bytes and chunks is in the open pack now.
    pub(super) fn framed(&mut self, plain: usize, chunks: usize, pack: &PackBuilder) {
        let (bytes, waiting) = self.waiting;
        self.waiting = (bytes.saturating_sub(plain as u64), waiting.saturating_sub(chunks as u64));
        (self.frames, self.chunks) = (self.frames + 1, self.chunks + chunks as u64);
        self.open_bytes = pack.size_with(0, 0) as u64;
    }

    /// No frame is added to the open pack any more. It counts from here on, for another one may be
    /// open before it is ready.
    pub(super) fn closed(&mut self, pack: &PackBuilder) {
        self.packed(padme(pack.size_with(0, 0) as u64));
        self.open_bytes = 0;
    }

    /// There is a pack of so many bytes more.
    pub(super) fn packed(&mut self, bytes: u64) {
        (self.packs, self.pack_bytes) = (self.packs + 1, self.pack_bytes + bytes);
    }
}

impl PackWriter {
    /// What was taken on, and what is to come of it with `more` bytes in one more chunk.
    pub fn outlook(&self, more: usize) -> (Load, Coming) {
        let repeats = self.shared.all_repeats(self.repository.store().repeats());
        let mut load = *self.shared.load();
        load.repeats += repeats;
        // Sparse files may claim any size.
        let plain = load.waiting.0.saturating_add(more as u64);
        let chunks = load.waiting.1 + u64::from(more > 0);
        if plain == 0 && load.open_bytes == 0 {
            return (load, Coming::default());
        }
        let limit = fitting(self.shared.limit.bytes());
        let frame = self.frame_bytes.min(limit).max(1) as u64;
        // Where objects must be small frames end early, but never two halves in a row.
        let halves = if limit == usize::MAX { plain } else { plain.saturating_mul(2) };
        let frames = (halves / frame).saturating_add(2);
        let beside = frames.saturating_mul(FRAME_BYTES).saturating_add(chunks.saturating_mul(CHUNK_BYTES));
        let content = load.open_bytes.saturating_add(plain).saturating_add(beside);
        // A pack ends when the next frame does not fit.
        let largest_chunk = u64::from(self.repository.descriptor.chunker.max_bytes);
        let least = (self.shared.pack_bytes() as u64).saturating_sub(frame + largest_chunk + FRAME_BYTES);
        let packs = content.checked_div(least).map_or(u64::MAX, |packs| packs.saturating_add(1));
        let packs = packs.min(frames.saturating_add(u64::from(load.open_bytes > 0)));
        let padded = content.saturating_add(content / 8);
        let bytes = padded.saturating_add(packs.saturating_mul(PACK_BYTES));
        (load, Coming { packs, bytes, frames, chunks })
    }
}
