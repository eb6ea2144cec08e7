//! Sizes of packs as people write them.

use bytesize::ByteSize;

/// The smallest and the largest pack that may be asked for.
const BOUNDS: std::ops::RangeInclusive<u64> = 1 << 20..=256 << 20;

/// A pack size that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no pack size: write a size from 1MiB to 256MiB, such as 16MiB")]
pub struct SizeError {
    text: String,
}

/// Bytes of `text`, such as `16MiB`.
pub fn parse_pack_size(text: &str) -> Result<usize, SizeError> {
    let refused = || SizeError { text: text.to_owned() };
    let bytes = text.trim().parse::<ByteSize>().map_err(|_| refused())?.as_u64();
    if !BOUNDS.contains(&bytes) {
        return Err(refused());
    }
    usize::try_from(bytes).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_unit_and_bounds() {
        assert_eq!(parse_pack_size("16MiB"), Ok(16 << 20));
        assert_eq!(parse_pack_size("32 MiB"), Ok(32 << 20));
        assert_eq!(parse_pack_size("8388608"), Ok(8 << 20));
        for bad in ["", "16", "a lot", "1KiB", "1GiB", "-1MiB"] {
            assert!(parse_pack_size(bad).unwrap_err().to_string().contains("16MiB"), "{bad}");
        }
    }
}
