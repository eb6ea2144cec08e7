//! A frame: many chunks compressed together, then sealed. Alike files in one frame compress a
//! fifth better than each alone.
//!
//! ```text
//! 0  1  codec: 0 stored, 1 zstd, 2 calls of x86 turned, then zstd
//! 1  -  the chunks' bytes, one after the other, as the codec says
//! ```

use super::{FormatError, calls};
use std::io::Cursor;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{CParameter, compress_bound};

/// The most plain bytes a frame may have.
pub const MAX_FRAME_BYTES: usize = 32 << 20;

const STORED: u8 = 0;
const ZSTD: u8 = 1;
const CALLS_ZSTD: u8 = 2;

/// Every level sees the whole of a frame of up to 8 MiB.
const WINDOW_LOG: u32 = 23;
/// Level 3 has the tables of a smaller window. Larger ones find more in a frame; still larger ones
/// leave the cache of a core and take their time.
const LEVEL_WITH_TABLES: i32 = 3;
const HASH_LOG: u32 = 18;
const CHAIN_LOG: u32 = 17;
/// From this level on zstd would take 40 to 80 MiB a thread for a frame of 4 MiB; so it is 12.
const FIRST_LEVEL_OF_LARGE_TABLES: i32 = 10;
const LARGEST_HASH_LOG: u32 = 20;
const LARGEST_CHAIN_LOG: u32 = 21;

/// zstd takes what fits the level and the size.
const LIKE_THE_LEVEL: u32 = 0;

/// Bytes at the start, middle and end that tell whether a large frame is worth the level.
const PROBE_BYTES: usize = 8 << 10;
const PROBE_LEVEL: i32 = 1;
/// What is not goes through this level, which runs over noise nearly as fast as it is copied and
/// still finds what stands in a frame twice: the same font or picture in two documents.
const NOISE_LEVEL: i32 = -3;

/// Encodes frames; one a thread, since it keeps its working memory.
pub struct FrameEncoder {
    /// One for all levels in turn: tables of three would take three times the memory.
    compressor: Compressor<'static>,
    level: i32,
}

impl FrameEncoder {
    /// An encoder with a zstd level from -7 to 22.
    pub fn new(level: i32) -> Result<Self, FormatError> {
        let compressor =
            Compressor::new(level).map_err(|_| FormatError::Unwritable("no zstd context could be made"))?;
        Ok(Self { compressor, level })
    }

    /// Another zstd level for the frames that come.
    pub fn set_level(&mut self, level: i32) {
        self.level = level;
    }

    /// Encodes `plain` into `frame`, whose old content is dropped. `plain` is used up: what it
    /// holds afterwards is of no use. Answers whether it was worth the level.
    pub fn encode(&mut self, plain: &mut [u8], frame: &mut Vec<u8>) -> Result<bool, FormatError> {
        if plain.len() > MAX_FRAME_BYTES {
            return Err(FormatError::Unwritable("a frame that is too large"));
        }
        let worth_it = self.seems_compressible(plain);
        let level = if worth_it { self.level } else { NOISE_LEVEL };
        let unwritable = |_| FormatError::Unwritable("zstd could not compress it");
        tune(&mut self.compressor, level).map_err(unwritable)?;
        let codec = if calls::seem_frequent(plain) { CALLS_ZSTD } else { ZSTD };
        if codec == CALLS_ZSTD {
            calls::to_absolute(plain);
        }
        frame.clear();
        frame.reserve(1 + compress_bound(plain.len()));
        frame.push(codec);
        let mut after_codec = Cursor::new(&mut *frame);
        after_codec.set_position(1);
        let len = self.compressor.compress_to_buffer(plain, &mut after_codec).map_err(unwritable)?;
        if len >= plain.len() {
            if codec == CALLS_ZSTD {
                calls::to_relative(plain);
            }
            frame.clear();
            frame.push(STORED);
            frame.extend_from_slice(plain);
        }
        Ok(worth_it)
    }

    fn seems_compressible(&mut self, plain: &[u8]) -> bool {
        if plain.len() < 8 * PROBE_BYTES {
            return true;
        }
        let mut sample = Vec::with_capacity(3 * PROBE_BYTES);
        for start in [0, (plain.len() - PROBE_BYTES) / 2, plain.len() - PROBE_BYTES] {
            sample.extend_from_slice(&plain[start..start + PROBE_BYTES]);
        }
        let compressed =
            tune(&mut self.compressor, PROBE_LEVEL).and_then(|()| self.compressor.compress(&sample));
        compressed.is_ok_and(|compressed| compressed.len() < sample.len() - sample.len() / 64)
    }
}

/// Sets the level and all that goes with it.
fn tune(compressor: &mut Compressor<'_>, level: i32) -> std::io::Result<()> {
    let (hash_log, chain_log) = match level {
        LEVEL_WITH_TABLES | NOISE_LEVEL => (HASH_LOG, CHAIN_LOG),
        FIRST_LEVEL_OF_LARGE_TABLES.. => (LARGEST_HASH_LOG, LARGEST_CHAIN_LOG),
        _ => (LIKE_THE_LEVEL, LIKE_THE_LEVEL),
    };
    compressor.set_parameter(CParameter::CompressionLevel(level))?;
    compressor.set_parameter(CParameter::WindowLog(WINDOW_LOG))?;
    compressor.set_parameter(CParameter::HashLog(hash_log))?;
    compressor.set_parameter(CParameter::ChainLog(chain_log))
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
            Some((&codec @ (ZSTD | CALLS_ZSTD), body)) => {
                plain.reserve(plain_len);
                self.decompressor
                    .decompress_to_buffer(body, plain)
                    .map_err(|_| FormatError::Damaged("a frame does not decompress"))?;
                if codec == CALLS_ZSTD {
                    calls::to_relative(plain);
                }
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
        FrameEncoder::new(3).unwrap().encode(&mut plain.to_vec(), &mut frame).unwrap();
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
    fn of_what_stands_twice_among_noise_most_is_kept_once() {
        let mut noise = vec![0; 2 << 20];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        noise.copy_within(..1 << 20, 1 << 20);
        let len = round_trip(&noise);
        assert!(len < 3 << 19, "{len}");
    }

    /// Calls of eight functions, each some bytes after the one before.
    fn code(calls: usize) -> Vec<u8> {
        let mut noise = blake3::Hasher::new().update(b"code").finalize_xof();
        let (mut code, mut body) = (Vec::new(), [0; 30]);
        for number in 0..calls {
            noise.fill(&mut body);
            code.extend(body.iter().map(|byte| byte % 16));
            let distance = (number as u32 % 8 * 99_991).wrapping_sub(code.len() as u32 + 5);
            code.push(0xE8);
            code.extend((distance.cast_signed() << 5 >> 5).to_le_bytes());
        }
        code
    }

    #[test]
    fn code_is_turned_and_gets_smaller_so() {
        let (plain, mut frame) = (code(20_000), Vec::new());
        FrameEncoder::new(3).unwrap().encode(&mut plain.clone(), &mut frame).unwrap();
        assert_eq!(frame[0], CALLS_ZSTD);
        let unturned = zstd::bulk::compress(&plain, 3).unwrap().len();
        assert!(round_trip(&plain) * 100 < unturned * 95, "{} of {unturned}", frame.len());
    }

    #[test]
    fn a_frame_that_unpacks_to_more_than_it_should_is_refused() {
        let mut frame = Vec::new();
        FrameEncoder::new(3).unwrap().encode(&mut vec![0; 1 << 20], &mut frame).unwrap();
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
