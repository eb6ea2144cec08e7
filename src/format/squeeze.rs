//! Compressed bytes that say how long they will be, so that the reader can refuse before it
//! takes memory.
//!
//! ```text
//! plain length as a varint | zstd
//! ```

use super::FormatError;
use super::codec::{Reader, Writer};

/// Compresses `plain`.
pub fn squeeze(plain: &[u8], level: i32) -> Result<Vec<u8>, FormatError> {
    let packed = zstd::bulk::compress(plain, level)
        .map_err(|_| FormatError::Unwritable("zstd could not compress it"))?;
    let mut writer = Writer::default();
    writer.number(plain.len() as u64);
    writer.raw(&packed);
    Ok(writer.into_bytes())
}

/// Restores what [`squeeze`] made, if it has at most `most` bytes.
pub fn unsqueeze(squeezed: &[u8], most: u64) -> Result<Vec<u8>, FormatError> {
    let mut reader = Reader::new(squeezed);
    let len = reader.number_up_to(most)?;
    let plain = zstd::bulk::decompress(reader.rest(), len as usize)
        .map_err(|_| FormatError::Damaged("it does not decompress"))?;
    if plain.len() as u64 != len {
        return Err(FormatError::Damaged("it has another length than it says"));
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bomb_is_refused_by_what_it_says_and_by_what_it_does() {
        let bomb = squeeze(&vec![0; 1 << 20], 3).unwrap();
        assert!(matches!(unsqueeze(&bomb, 1000), Err(FormatError::TooMuch(_))));
        let mut lying = vec![10];
        lying.extend_from_slice(&bomb[3..]);
        assert!(matches!(unsqueeze(&lying, 1000), Err(FormatError::Damaged(_))));
        assert_eq!(unsqueeze(&bomb, 1 << 20).unwrap().len(), 1 << 20);
    }
}
