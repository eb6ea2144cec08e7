//! A frame: several small chunks compressed together, then sealed. Alike files in one frame
//! compress a fifth better than each alone.
//!
//! ```text
//! 0  1  codec: 0 stored, 1 zstd
//! 1  -  the chunks' bytes, one after the other, as the codec says
//! ```

use super::FormatError;
use zstd::bulk::{Compressor, Decompressor};

/// The most plain bytes a frame may have.
pub const MAX_FRAME_BYTES: usize = 32 << 20;

const STORED: u8 = 0;
const ZSTD: u8 = 1;
/// Bytes at the start, middle and end that are tried before a large frame is compressed.
const PROBE_BYTES: usize = 8 << 10;

/// Encodes frames; one a thread, since it keeps its working memory.
pub struct FrameEncoder {
    compressor: Compressor<'static>,
    level: i32,
    probe: Compressor<'static>,
}

impl FrameEncoder {
    /// An encoder with a zstd level from -7 to 22.
    pub fn new(level: i32) -> Result<Self, FormatError> {
        let make = |level| Compressor::new(level).map_err(|_| FormatError::Unwritable("no zstd context"));
        Ok(Self { compressor: make(level)?, level, probe: make(1)? })
    }

    /// Another zstd level for the frames that come.
    pub fn set_level(&mut self, level: i32) -> Result<(), FormatError> {
        if level != self.level {
            self.compressor
                .set_compression_level(level)
                .map_err(|_| FormatError::Unwritable("a level that zstd does not have"))?;
            self.level = level;
        }
        Ok(())
    }

    /// Encodes `plain` into `frame`, whose old content is dropped.
    pub fn encode(&mut self, plain: &[u8], frame: &mut Vec<u8>) -> Result<(), FormatError> {
        if plain.len() > MAX_FRAME_BYTES {
            return Err(FormatError::Unwritable("a frame that is too large"));
        }
        frame.clear();
        if !plain.is_empty() && self.seems_compressible(plain) {
            let bound = zstd::zstd_safe::compress_bound(plain.len());
            frame.resize(1 + bound, 0);
            frame[0] = ZSTD;
            let len = self
                .compressor
                .compress_to_buffer(plain, &mut frame[1..])
                .map_err(|_| FormatError::Unwritable("zstd could not compress it"))?;
            frame.truncate(1 + len);
            if len < plain.len() {
                return Ok(());
            }
            frame.clear();
        }
        frame.push(STORED);
        frame.extend_from_slice(plain);
        Ok(())
    }

    fn seems_compressible(&mut self, plain: &[u8]) -> bool {
        if plain.len() < 8 * PROBE_BYTES {
            return true;
        }
        let mut sample = Vec::with_capacity(3 * PROBE_BYTES);
        for start in [0, (plain.len() - PROBE_BYTES) / 2, plain.len() - PROBE_BYTES] {
            sample.extend_from_slice(&plain[start..start + PROBE_BYTES]);
        }
        let compressed = self.probe.compress(&sample);
        compressed.is_ok_and(|compressed| compressed.len() < sample.len() - sample.len() / 64)
    }
}

/// Decodes frames; one a thread.
pub struct FrameDecoder {
    decompressor: Decompressor<'static>,
}

impl FrameDecoder {
    /// A decoder.
    pub fn new() -> Result<Self, FormatError> {
        let decompressor =
            Decompressor::new().map_err(|_| FormatError::Damaged("no zstd context could be made"))?;
        Ok(Self { decompressor })
    }

    /// Decodes `frame`, which must have exactly `plain_len` plain bytes, into `plain`.
    pub fn decode(&mut self, frame: &[u8], plain_len: usize, plain: &mut Vec<u8>) -> Result<(), FormatError> {
        if plain_len > MAX_FRAME_BYTES {
            return Err(FormatError::TooMuch(format!("a frame of {plain_len} bytes")));
        }
        plain.clear();
        match frame.split_first() {
            Some((&STORED, body)) => plain.extend_from_slice(body),
            Some((&ZSTD, body)) => {
                plain.reserve(plain_len);
                self.decompressor
                    .decompress_to_buffer(body, plain)
                    .map_err(|_| FormatError::Damaged("a frame does not decompress"))?;
            }
            _ => return Err(FormatError::Damaged("a frame of unknown codec")),
        }
        if plain.len() != plain_len {
            return Err(FormatError::Damaged("a frame has another length than it should"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(plain: &[u8]) -> usize {
        let (mut frame, mut back) = (Vec::new(), Vec::new());
        FrameEncoder::new(3).unwrap().encode(plain, &mut frame).unwrap();
        FrameDecoder::new().unwrap().decode(&frame, plain.len(), &mut back).unwrap();
        assert_eq!(back, plain);
        frame.len()
    }

    #[test]
    fn incompressible_data_costs_one_byte() {
        let mut noise = vec![0; 300_000];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        assert_eq!(round_trip(&noise), 300_001);
        assert_eq!(round_trip(&noise[..100]), 101);
        assert_eq!(round_trip(b""), 1);
    }

    #[test]
    fn a_frame_that_unpacks_to_more_than_it_should_is_refused() {
        let mut frame = Vec::new();
        FrameEncoder::new(3).unwrap().encode(&vec![0; 1 << 20], &mut frame).unwrap();
        assert!(frame.len() < 1000);
        let mut plain = Vec::new();
        let decoded = FrameDecoder::new().unwrap().decode(&frame, 1000, &mut plain);
        assert!(decoded.is_err());
        assert!(plain.capacity() < 100_000);
    }

    proptest! {
        #[test]
        fn frames_read_back(plain in proptest::collection::vec(0u8..4, 0..3000)) {
            round_trip(&plain);
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(frame: Vec<u8>, len in 0usize..5000) {
            let _ = FrameDecoder::new().unwrap().decode(&frame, len, &mut Vec::new());
        }
    }
}
