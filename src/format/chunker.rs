//! Cuts content where the content itself says so, under a key, so that an insertion moves no
//! later cut and the cuts tell nothing to who lacks the key.
//!
//! FastCDC (Xia et al., USENIX ATC 2016 and 2020) with a gear table derived from the
//! repository's chunker key. Recorded in the descriptor, for changing it ends deduplication
//! with what is stored.

use super::FormatError;
use crate::model::secret::SecretKey;
use fastcdc::v2020::{Normalization, cut_gear, select_masks};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

const TABLE_CONTEXT: &str = "filbert 2026-11 chunker gear table v1";

/// The algorithm that cuts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChunkerKind {
    /// FastCDC 2020, normalisation level 1, keyed gear table.
    KeyedFastcdc,
}

/// How a repository cuts content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChunkerParams {
    /// The algorithm.
    pub kind: ChunkerKind,
    /// No chunk is shorter, but the last of a file.
    pub min_bytes: u32,
    /// What the algorithm aims at; a power of two.
    pub average_bytes: u32,
    /// No chunk is longer.
    pub max_bytes: u32,
}

impl ChunkerParams {
    /// What new repositories get. `docs/performance.md` has what other sizes would cost.
    pub const DEFAULT: ChunkerParams = ChunkerParams {
        kind: ChunkerKind::KeyedFastcdc,
        min_bytes: 32 << 10,
        average_bytes: 128 << 10,
        max_bytes: 512 << 10,
    };

    /// The longest chunk that any repository may have.
    pub const MAX_CHUNK_BYTES: u32 = 8 << 20;

    /// Whether the chunker can work so. Its own checks are compiled out of release builds.
    pub fn check(&self) -> Result<(), FormatError> {
        let even = |value: u32| value.is_multiple_of(2);
        let ordered = 64 <= self.min_bytes
            && self.min_bytes <= self.average_bytes
            && self.average_bytes <= self.max_bytes
            && self.max_bytes <= Self::MAX_CHUNK_BYTES;
        let average_works = self.average_bytes.is_power_of_two()
            && (256..=4 << 20).contains(&self.average_bytes)
            && self.max_bytes >= 1024;
        if ordered && average_works && even(self.min_bytes) && even(self.max_bytes) {
            return Ok(());
        }
        Err(FormatError::TooMuch(format!(
            "chunks of {} to {} bytes, {} on average",
            self.min_bytes, self.max_bytes, self.average_bytes
        )))
    }
}

/// Cuts content for one repository.
pub struct Chunker {
    params: ChunkerParams,
    masks: [u64; 4],
    gear: Zeroizing<Vec<u64>>,
    gear_shifted: Zeroizing<Vec<u64>>,
}

impl Chunker {
    /// The chunker with these parameters under this key.
    pub fn new(params: ChunkerParams, key: &SecretKey) -> Result<Self, FormatError> {
        params.check()?;
        let mut table = blake3::Hasher::new_derive_key(TABLE_CONTEXT).update(key.expose()).finalize_xof();
        let mut gear = Zeroizing::new(Vec::with_capacity(256));
        for _ in 0..256 {
            let mut word = [0; 8];
            table.fill(&mut word);
            gear.push(u64::from_le_bytes(word));
        }
        let gear_shifted = Zeroizing::new(gear.iter().map(|word| word << 1).collect());
        let (small, large) = select_masks(params.average_bytes as usize, Normalization::Level1);
        Ok(Self { params, masks: [small, large, small << 1, large << 1], gear, gear_shifted })
    }

    /// The length of the first chunk of `content`. Unless `content` reaches the end of the file
    /// it must have at least [`Self::max_bytes`], or the cut would depend on how it was read.
    pub fn cut(&self, content: &[u8]) -> usize {
        let ChunkerParams { min_bytes, average_bytes, max_bytes, .. } = self.params;
        if content.len() <= min_bytes as usize {
            return content.len();
        }
        let [small, large, small_shifted, large_shifted] = self.masks;
        let (_, cut) = cut_gear(
            content,
            min_bytes as usize,
            average_bytes as usize,
            max_bytes as usize,
            small,
            large,
            small_shifted,
            large_shifted,
            &self.gear,
            &self.gear_shifted,
        );
        cut.clamp(1, content.len())
    }

    /// What chunks have on average in bytes, about.
    pub fn average_bytes(&self) -> usize {
        self.params.average_bytes as usize
    }

    /// The longest chunk in bytes.
    pub fn max_bytes(&self) -> usize {
        self.params.max_bytes as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SMALL: ChunkerParams = ChunkerParams {
        kind: ChunkerKind::KeyedFastcdc,
        min_bytes: 256,
        average_bytes: 1024,
        max_bytes: 4096,
    };

    fn noise(len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        blake3::Hasher::new().update(b"noise").finalize_xof().fill(&mut bytes);
        bytes
    }

    fn cuts(chunker: &Chunker, content: &[u8]) -> Vec<usize> {
        let mut lengths = Vec::new();
        let mut rest = content;
        while !rest.is_empty() {
            let cut = chunker.cut(rest);
            lengths.push(cut);
            rest = &rest[cut..];
        }
        lengths
    }

    /// Golden: these must never change, or nothing deduplicates any more with what is stored.
    #[test]
    fn cut_points_of_version_1_stand() {
        let kib = |min: u32, average: u32, max: u32| ChunkerParams {
            kind: ChunkerKind::KeyedFastcdc,
            min_bytes: min << 10,
            average_bytes: average << 10,
            max_bytes: max << 10,
        };
        for (params, golden) in [
            (ChunkerParams::DEFAULT, "0869d0c3053ec9c7"),
            (kib(16, 64, 256), "be576c8499060364"),
            (kib(32, 128, 512), "0869d0c3053ec9c7"),
            (kib(64, 256, 1024), "f507a21dde693625"),
            (kib(128, 512, 2048), "e6bf36cf98d4a6c7"),
            (SMALL, "b70e254a8663fa60"),
        ] {
            let chunker = Chunker::new(params, &SecretKey::new([1; 32])).unwrap();
            let lengths = cuts(&chunker, &noise(3 << 20));
            let digest = blake3::hash(format!("{lengths:?}").as_bytes()).to_hex();
            assert_eq!(&digest[..16], golden, "{params:?} {lengths:?}");
        }
    }

    /// Few symbols, one line like the next: cuts must meet again after an insertion there too.
    #[test]
    fn an_insertion_into_monotonous_content_moves_only_the_cuts_near_it() {
        let chunker = Chunker::new(SMALL, &SecretKey::new([1; 32])).unwrap();
        let before: Vec<u8> = noise(200_000).iter().map(|byte| b"ACGT"[usize::from(byte & 3)]).collect();
        let mut after = before.clone();
        after.splice(50_000..50_000, *b"AC");
        let (before, after) = (cuts(&chunker, &before), cuts(&chunker, &after));
        let same_at_end = before.iter().rev().zip(after.iter().rev()).take_while(|(a, b)| a == b).count();
        assert!(same_at_end > before.len() / 2, "{same_at_end} of {}", before.len());
    }

    #[test]
    fn an_insertion_moves_only_the_cuts_near_it() {
        let chunker = Chunker::new(SMALL, &SecretKey::new([1; 32])).unwrap();
        let before = noise(200_000);
        let mut after = before.clone();
        after.splice(50_000..50_000, *b"inserted");
        let (before, after) = (cuts(&chunker, &before), cuts(&chunker, &after));
        let same_at_end = before.iter().rev().zip(after.iter().rev()).take_while(|(a, b)| a == b).count();
        assert!(same_at_end > before.len() / 2, "{same_at_end} of {}", before.len());
    }

    #[test]
    fn another_key_cuts_elsewhere() {
        let content = noise(100_000);
        let one = Chunker::new(SMALL, &SecretKey::new([1; 32])).unwrap();
        let other = Chunker::new(SMALL, &SecretKey::new([2; 32])).unwrap();
        assert_ne!(cuts(&one, &content), cuts(&other, &content));
    }

    #[test]
    fn absurd_parameters_are_refused() {
        for (min_bytes, average_bytes, max_bytes) in
            [(0, 1024, 4096), (256, 1000, 4096), (256, 1024, 512), (255, 1024, 4096), (256, 1024, u32::MAX)]
        {
            let params = ChunkerParams { min_bytes, average_bytes, max_bytes, ..SMALL };
            assert!(params.check().is_err(), "{params:?}");
        }
    }

    proptest! {
        #[test]
        fn chunks_cover_the_content_within_bounds(len in 0usize..40_000, key: [u8; 32]) {
            let chunker = Chunker::new(SMALL, &SecretKey::new(key)).unwrap();
            let lengths = cuts(&chunker, &noise(len));
            prop_assert_eq!(lengths.iter().sum::<usize>(), len);
            if let Some((_, all_but_last)) = lengths.split_last() {
                prop_assert!(all_but_last.iter().all(|len| (256..=4096).contains(len)));
            }
        }
    }
}
