//! A key slot: the master key under a password or a recovery key.
//!
//! Argon2id gives 64 bytes: a wrapping key, and a key for a commitment. The commitment is
//! compared before anything is opened, because AES-GCM alone does not bind one key: without it
//! a slot could be made that two passwords open.

use super::FormatError;
use crate::model::entropy::{Entropy, EntropyError, random_bytes};
use crate::model::id::RepositoryId;
use crate::model::secret::SecretKey;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use rayon::iter::{ParallelExtend, repeat_n};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The most memory that a descriptor may ask for, in KiB (1 GiB).
pub const MAX_MEMORY_KIB: u32 = 1 << 20;
/// The most passes that a descriptor may ask for.
pub const MAX_PASSES: u32 = 16;
/// The most lanes that a descriptor may ask for.
pub const MAX_LANES: u32 = 16;

/// The cost of Argon2id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KdfCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes that may run in parallel.
    pub lanes: u32,
}

impl KdfCost {
    /// What new slots get: 64 MiB, 3 passes, 4 lanes (RFC 9106, second recommended option).
    pub const DEFAULT: KdfCost = KdfCost { memory_kib: 64 * 1024, passes: 3, lanes: 4 };
    /// For tests only: hardly any cost, hardly any protection.
    pub const FOR_TESTS: KdfCost = KdfCost { memory_kib: 64, passes: 1, lanes: 1 };

    fn check(&self) -> Result<(), FormatError> {
        let within = |value: u32, most: u32, what: &str| {
            if value > most {
                return Err(FormatError::TooMuch(format!(
                    "key derivation with {value} {what}, where at most {most} is accepted"
                )));
            }
            Ok(())
        };
        within(self.memory_kib, MAX_MEMORY_KIB, "KiB of memory")?;
        within(self.passes, MAX_PASSES, "passes")?;
        within(self.lanes, MAX_LANES, "lanes")
    }
}

/// What opens a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotKind {
    /// A password that a person knows.
    Password,
    /// A recovery key that lies in a drawer.
    Recovery,
}

/// One way to unlock the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// What opens it.
    pub kind: SlotKind,
    /// When it was made, RFC 3339.
    pub created: String,
    /// The cost of the derivation.
    pub argon2id: KdfCost,
    /// Random, 32 bytes.
    #[serde(with = "hex::serde")]
    pub salt: [u8; 32],
    /// Binds the secret to this slot.
    #[serde(with = "hex::serde")]
    pub commitment: [u8; 32],
    /// The sealed master key, 48 bytes.
    #[serde(with = "hex::serde")]
    pub wrapped: Vec<u8>,
}

impl Slot {
    /// Wraps `master` under `secret`.
    pub fn wrap(
        master: &SecretKey,
        secret: &[u8],
        kind: SlotKind,
        created: String,
        cost: KdfCost,
        repository: &RepositoryId,
        entropy: &dyn Entropy,
    ) -> Result<Slot, WrapError> {
        let mut slot = Slot {
            kind,
            created,
            argon2id: cost,
            salt: random_bytes(entropy)?,
            commitment: [0; 32],
            wrapped: Vec::new(),
        };
        let derived = slot.derive(secret)?;
        let bound = slot.bound_bytes(repository);
        slot.commitment = *blake3::keyed_hash(derived.commitment.expose(), &bound).as_bytes();
        let payload = Payload { msg: master.expose(), aad: &bound };
        // The wrapping key is new with every salt, so one fixed nonce is used once.
        slot.wrapped = Aes256Gcm::new(derived.wrapping.expose().into())
            .encrypt(&Nonce::from([0; 12]), payload)
            .map_err(|_| FormatError::Unwritable("the master key could not be sealed"))?;
        Ok(slot)
    }

    /// The master key, if `secret` is the one; none if it is not.
    pub fn unwrap(&self, secret: &[u8], repository: &RepositoryId) -> Result<Option<SecretKey>, FormatError> {
        let derived = self.derive(secret)?;
        let bound = self.bound_bytes(repository);
        let commitment = blake3::keyed_hash(derived.commitment.expose(), &bound);
        if !bool::from(commitment.as_bytes().ct_eq(&self.commitment)) {
            return Ok(None);
        }
        let payload = Payload { msg: &self.wrapped, aad: &bound };
        let plain = Aes256Gcm::new(derived.wrapping.expose().into())
            .decrypt(&Nonce::from([0; 12]), payload)
            .map(Zeroizing::new)
            .map_err(|_| FormatError::Unsealed)?;
        let key: [u8; 32] =
            plain.as_slice().try_into().map_err(|_| FormatError::Damaged("a key of wrong length"))?;
        Ok(Some(SecretKey::new(key)))
    }

    fn derive(&self, secret: &[u8]) -> Result<Derived, FormatError> {
        self.argon2id.check()?;
        let KdfCost { memory_kib, passes, lanes } = self.argon2id;
        let params = Params::new(memory_kib, passes, lanes, Some(64))
            .map_err(|error| FormatError::TooMuch(format!("key derivation: {error}")))?;
        let mut out = Zeroizing::new([0u8; 64]);
        let mut memory = memory(params.block_count())?;
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(secret, &self.salt, out.as_mut_slice(), &mut memory)
            .map_err(|error| FormatError::TooMuch(format!("key derivation: {error}")))?;
        let (mut wrapping, mut commitment) = ([0; 32], [0; 32]);
        wrapping.copy_from_slice(&out[..32]);
        commitment.copy_from_slice(&out[32..]);
        Ok(Derived { wrapping: SecretKey::new(wrapping), commitment: SecretKey::new(commitment) })
    }

    fn bound_bytes(&self, repository: &RepositoryId) -> Vec<u8> {
        let KdfCost { memory_kib, passes, lanes } = self.argon2id;
        let mut bytes = b"filbert slot v1".to_vec();
        bytes.extend_from_slice(repository.as_bytes());
        bytes.push(match self.kind {
            SlotKind::Password => 1,
            SlotKind::Recovery => 2,
        });
        for number in [memory_kib, passes, lanes] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.salt);
        bytes
    }
}

/// The memory of a derivation, touched by all threads: the system takes as long to hand out 64 MiB
/// as one pass over them takes.
fn memory(blocks: usize) -> Result<Vec<Block>, FormatError> {
    let mut memory = Vec::new();
    memory
        .try_reserve_exact(blocks)
        .map_err(|error| FormatError::TooMuch(format!("memory for the key derivation: {error}")))?;
    memory.par_extend(repeat_n(Block::default(), blocks));
    Ok(memory)
}

struct Derived {
    wrapping: SecretKey,
    commitment: SecretKey,
}

/// Why a slot could not be made.
#[derive(Debug, thiserror::Error)]
pub enum WrapError {
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The derivation or the seal failed.
    #[error(transparent)]
    Format(#[from] FormatError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entropy::SystemEntropy;

    fn slot(secret: &[u8]) -> (Slot, SecretKey, RepositoryId) {
        let (master, repository) = (SecretKey::new([5; 32]), RepositoryId([6; 16]));
        let made = Slot::wrap(
            &master,
            secret,
            SlotKind::Password,
            String::new(),
            KdfCost::FOR_TESTS,
            &repository,
            &SystemEntropy,
        );
        (made.unwrap(), master, repository)
    }

    #[test]
    fn only_the_right_secret_opens_a_slot() {
        let (slot, master, repository) = slot(b"right");
        assert_eq!(slot.unwrap(b"right", &repository), Ok(Some(master)));
        assert_eq!(slot.unwrap(b"wrong", &repository), Ok(None));
        assert_eq!(slot.unwrap(b"right", &RepositoryId([7; 16])), Ok(None));
    }

    #[test]
    fn a_slot_that_asks_for_100_gb_is_refused_before_the_memory_is_taken() {
        let (mut slot, _, repository) = slot(b"right");
        slot.argon2id.memory_kib = 100 * 1024 * 1024;
        assert!(matches!(slot.unwrap(b"right", &repository), Err(FormatError::TooMuch(_))));
        slot.argon2id = KdfCost { passes: 1_000_000, ..KdfCost::FOR_TESTS };
        assert!(matches!(slot.unwrap(b"right", &repository), Err(FormatError::TooMuch(_))));
    }

    #[test]
    fn an_altered_slot_does_not_open() {
        let (mut slot, _, repository) = slot(b"right");
        slot.wrapped[0] ^= 1;
        assert_eq!(slot.unwrap(b"right", &repository), Err(FormatError::Unsealed));
    }
}
