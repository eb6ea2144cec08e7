//! Frames and packs that are only thought of: sizes are what a writer would make, names are made up.

use super::RepositoryError;
use super::writer::Manner;
use crate::format::frame::FrameEncoder;
use crate::format::pack::{ChunkEntry, FrameEntry, PackEntry, PackIndex, PackSize};
use crate::format::record::stream::PIECE_BYTES;
use crate::model::id::{ChunkId, ObjectId, Salt};

/// A frame: its encoded bytes, and the plain bytes of each of its chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameShape {
    /// Bytes after encoding, before sealing.
    pub encoded: usize,
    /// Plain bytes of the chunks.
    pub chunks: Vec<u32>,
}

/// Names that nothing has: as long and as little compressible as real ones.
#[derive(Debug, Clone, Default)]
pub struct MadeUp(u64);

impl MadeUp {
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        self.0 += 1;
        let mut bytes = [0; N];
        blake3::Hasher::new().update(&self.0.to_le_bytes()).finalize_xof().fill(&mut bytes);
        bytes
    }

    /// Something sealed of this length.
    pub fn stretch(&mut self, len_bytes: u64) -> Vec<u8> {
        self.0 += 1;
        let mut bytes = vec![0; len_bytes as usize];
        blake3::Hasher::new().update(&self.0.to_le_bytes()).finalize_xof().fill(&mut bytes);
        bytes
    }

    /// A chunk's.
    pub fn chunk(&mut self) -> ChunkId {
        ChunkId(self.bytes())
    }

    /// An object's.
    pub fn object(&mut self) -> ObjectId {
        ObjectId(self.bytes())
    }
}

/// The frames that a long part of a record becomes.
pub fn frames_of_stream(bytes: &[u8], manner: &Manner) -> Result<Vec<FrameShape>, RepositoryError> {
    let damaged = |reason| RepositoryError::damaged("a frame", reason);
    let mut encoder = FrameEncoder::new(manner.level).map_err(damaged)?;
    let piece = PIECE_BYTES.min(manner.most);
    let pieces = manner.frame_bytes.div_ceil(piece).min(manner.most / piece).max(1);
    let (mut plain, mut encoded) = (Vec::new(), Vec::new());
    bytes
        .chunks(pieces * piece)
        .map(|frame| {
            plain.clear();
            plain.extend_from_slice(frame);
            encoder.encode(&mut plain, &mut encoded).map_err(damaged)?;
            let chunks = frame.chunks(piece).map(|piece| piece.len() as u32).collect();
            Ok(FrameShape { encoded: encoded.len(), chunks })
        })
        .collect()
}

/// The packs that frames fill one after another; their folders are not known yet and 0.
pub fn pack_up<'a>(
    frames: impl IntoIterator<Item = &'a FrameShape>,
    pack_bytes: usize,
    made_up: &mut MadeUp,
) -> Vec<PackEntry> {
    let (mut packs, mut size, mut index) = (Vec::new(), PackSize::default(), PackIndex::default());
    let mut close = |size: PackSize, index: PackIndex, made_up: &mut MadeUp| {
        let (object, salt) = (made_up.object(), Salt(made_up.bytes()));
        packs.push(PackEntry { object, folder: 0, size: size.finished(), epoch: 0, salt, index });
    };
    for frame in frames {
        if !size.is_empty() && size.with(frame.encoded, frame.chunks.len()) > pack_bytes {
            close(std::mem::take(&mut size), std::mem::take(&mut index), made_up);
        }
        let sealed_len = size.push(frame.encoded, frame.chunks.iter().copied());
        let chunks = frame.chunks.iter().map(|len| ChunkEntry { id: made_up.chunk(), len: *len }).collect();
        index.frames.push(FrameEntry { sealed_len, chunks });
    }
    if !size.is_empty() {
        close(size, index, made_up);
    }
    packs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::chunker::ChunkerParams;
    use crate::format::descriptor::{Descriptor, InitOptions};
    use crate::format::pack::PackBuilder;
    use crate::format::slot::KdfCost;
    use crate::model::entropy::SystemEntropy;
    use crate::model::time::Timestamp;

    #[test]
    fn a_pack_in_thought_has_the_size_of_a_real_one() {
        let options = InitOptions { cost: KdfCost::FOR_TESTS, chunker: ChunkerParams::DEFAULT };
        let (descriptor, keyring) =
            Descriptor::create(&"x".into(), options, Timestamp::from_millis(0), &SystemEntropy).unwrap();
        let frames: Vec<_> = (1..40_usize)
            .map(|n| FrameShape { encoded: n * 700, chunks: (0..n as u32 * 3).map(|at| at * 97).collect() })
            .collect();
        let mut builder =
            PackBuilder::new(&keyring, descriptor.repository, Salt([7; Salt::LEN]), Vec::new()).unwrap();
        let mut made_up = MadeUp::default();
        for frame in &frames {
            let entry = |len: &u32| ChunkEntry { id: made_up.chunk(), len: *len };
            builder.push(&vec![1; frame.encoded], frame.chunks.iter().map(entry).collect()).unwrap();
        }
        let real = builder.finish().unwrap();
        let thought = pack_up(&frames, 1 << 30, &mut made_up);
        assert_eq!(thought.len(), 1);
        assert_eq!(thought[0].size, real.bytes.len() as u64);
        assert_eq!(
            PackEntry::write_all(&thought).len(),
            PackEntry::write_all(std::slice::from_ref(&real.entry)).len()
        );
        let small = pack_up(&frames, 64 << 10, &mut made_up);
        assert!(small.len() > 8 && small.iter().all(|pack| pack.size <= 80 << 10));
    }

    fn manner(most: usize) -> Manner {
        Manner {
            pack_bytes: 16 << 20,
            frame_bytes: most.min(1 << 20),
            most,
            inline_bytes: 1 << 20,
            level: 3,
            threads: 1,
        }
    }

    #[test]
    fn a_stream_becomes_frames_of_pieces() {
        let mut noise = vec![0; (2 << 20) + 5];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        let frames = frames_of_stream(&noise, &manner(usize::MAX)).unwrap();
        let chunks: Vec<_> = frames.iter().map(|frame| frame.chunks.clone()).collect();
        assert_eq!(chunks, [vec![1 << 20], vec![1 << 20], vec![5]]);
        assert!(frames.iter().all(|frame| frame.encoded == 1 + frame.chunks[0] as usize));
        let small = frames_of_stream(&noise, &manner(600_000)).unwrap();
        assert!(small.len() == 4 && small.iter().all(|frame| frame.encoded <= 600_001));
    }
}
