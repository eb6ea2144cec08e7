//! The key ring: what an unlocked repository holds. Derivation contexts are listed here and
//! nowhere else.

use super::FormatError;
use super::codec::{Reader, Writer};
use crate::model::entropy::{Entropy, EntropyError, random_bytes};
use crate::model::id::ChunkId;
use crate::model::secret::SecretKey;
use zeroize::Zeroizing;

const MAX_EPOCHS: u64 = 4096;

/// The secrets of a repository.
#[derive(Debug, Clone, PartialEq)]
pub struct Keyring {
    /// Keys the chunk ids. Never rotates, or deduplication would end.
    chunk_id: SecretKey,
    /// Keys the chunker's table. Never rotates, for the same reason.
    chunker: SecretKey,
    /// Data keys by epoch; the last one seals what is new.
    epochs: Vec<SecretKey>,
}

impl Keyring {
    /// A fresh key ring with one data key.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let key = || random_bytes(entropy).map(SecretKey::new);
        Ok(Self { chunk_id: key()?, chunker: key()?, epochs: vec![key()?] })
    }

    /// The id of a chunk with this content.
    pub fn chunk_id(&self, content: &[u8]) -> ChunkId {
        let hash = blake3::keyed_hash(self.chunk_id.expose(), content);
        let mut id = [0; ChunkId::LEN];
        id.copy_from_slice(&hash.as_bytes()[..ChunkId::LEN]);
        ChunkId(id)
    }

    /// The key of the chunker's table.
    pub fn chunker_key(&self) -> &SecretKey {
        &self.chunker
    }

    /// The epoch whose data key seals what is new.
    pub fn newest_epoch(&self) -> u32 {
        self.epochs.len().saturating_sub(1) as u32
    }

    /// The data key of `epoch`.
    pub fn data_key(&self, epoch: u32) -> Result<&SecretKey, FormatError> {
        self.epochs.get(epoch as usize).ok_or(FormatError::UnknownEpoch(epoch))
    }

    /// All keys in order, to be wrapped. Hazard: wipe them after use, hence the wrapper.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        // Without growing: what a buffer grows out of is not wiped.
        let mut writer = Writer::with_capacity(64 + 10 + 32 * self.epochs.len());
        writer.raw(self.chunk_id.expose());
        writer.raw(self.chunker.expose());
        writer.number(self.epochs.len() as u64);
        for key in &self.epochs {
            writer.raw(key.expose());
        }
        Zeroizing::new(writer.into_bytes())
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        let chunk_id = SecretKey::new(reader.array()?);
        let chunker = SecretKey::new(reader.array()?);
        let count = reader.number_up_to(MAX_EPOCHS)?;
        let epochs: Vec<_> =
            (0..count).map(|_| reader.array().map(SecretKey::new)).collect::<Result<_, _>>()?;
        if epochs.is_empty() {
            return Err(FormatError::Damaged("a key ring without a data key"));
        }
        Ok(Self { chunk_id, chunker, epochs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entropy::SystemEntropy;

    #[test]
    fn a_key_ring_reads_back_and_names_content_by_its_own_key() {
        let ring = Keyring::generate(&SystemEntropy).unwrap();
        assert_eq!(Keyring::from_bytes(&ring.to_bytes()).unwrap(), ring);
        let other = Keyring::generate(&SystemEntropy).unwrap();
        assert_ne!(ring.chunk_id(b"x"), other.chunk_id(b"x"));
        assert!(ring.data_key(1).is_err());
    }
}
