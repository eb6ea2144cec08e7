//! The descriptor: the one readable file of a repository. It says what this is and holds the
//! key slots and the sealed key ring. It is never replaced: a change writes the next generation.

use super::chunker::ChunkerParams;
use super::keys::Keyring;
use super::slot::{KdfCost, Slot, SlotKind, WrapError};
use super::unlock::Secret;
use super::{FORMAT_VERSION, FormatError};
use crate::model::entropy::{Entropy, random_bytes};
use crate::model::id::{ObjectId, RepositoryId};
use crate::model::secret::{SecretKey, SecretText};
use crate::model::time::Timestamp;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The most bytes a descriptor may have.
pub const MAX_DESCRIPTOR_BYTES: u64 = 256 * 1024;
/// The most key slots that a descriptor may have.
pub const MAX_SLOTS: usize = 16;
const KEYRING_CONTEXT: &str = "filbert 2026-11 key ring v1";
const MAC_CONTEXT: &str = "filbert 2026-11 descriptor mac v1";

/// What lies at the root of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Descriptor {
    /// Version of the whole repository's format.
    pub format: u16,
    /// For the person who finds the file.
    pub about: String,
    /// The repository's name for ever.
    pub repository: RepositoryId,
    /// Counts the changes of keys; the highest one counts.
    pub generation: u32,
    /// When this generation was written, RFC 3339.
    pub created: String,
    /// How content is cut.
    pub chunker: ChunkerParams,
    /// Ways to unlock.
    pub slots: Vec<Slot>,
    /// Salt of the key ring's seal.
    #[serde(with = "hex::serde")]
    pub keyring_salt: [u8; 32],
    /// The key ring, sealed under the master key.
    #[serde(with = "hex::serde")]
    pub keyring: Vec<u8>,
    /// Under the master key, over all fields above.
    #[serde(with = "hex::serde")]
    pub mac: [u8; 32],
}

/// What can be chosen when a repository is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InitOptions {
    /// The cost of the password's key derivation.
    pub cost: KdfCost,
    /// How content is cut.
    pub chunker: ChunkerParams,
}

impl Default for InitOptions {
    fn default() -> Self {
        Self { cost: KdfCost::DEFAULT, chunker: ChunkerParams::DEFAULT }
    }
}

const ABOUT: &str = "An encrypted backup repository of filbert. Keep all files here as they are.";

impl Descriptor {
    /// Makes a repository: random keys, one password slot.
    pub fn create(
        password: &SecretText,
        options: InitOptions,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<(Descriptor, Keyring), WrapError> {
        options.chunker.check()?;
        let repository = RepositoryId(random_bytes(entropy)?);
        let master = SecretKey::new(random_bytes(entropy)?);
        let keyring = Keyring::generate(entropy)?;
        let (created, secret) = (now.rfc3339(), password.expose().as_bytes());
        let slot = Slot::wrap(
            &master,
            secret,
            SlotKind::Password,
            created.clone(),
            options.cost,
            &repository,
            entropy,
        )?;
        let mut descriptor = Descriptor {
            format: FORMAT_VERSION,
            about: ABOUT.to_owned(),
            repository,
            generation: 0,
            created,
            chunker: options.chunker,
            slots: vec![slot],
            keyring_salt: random_bytes(entropy)?,
            keyring: Vec::new(),
            mac: [0; 32],
        };
        descriptor.seal(&master, &keyring)?;
        Ok((descriptor, keyring))
    }

    /// Opens the key ring with a password; none if no slot takes it.
    pub fn unlock(&self, password: &SecretText) -> Result<Option<Keyring>, FormatError> {
        let unlocked = self.unlock_with(&Secret::Password(password.clone()))?;
        Ok(unlocked.map(|unlocked| unlocked.keyring))
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, FormatError> {
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|_| FormatError::Unwritable("the descriptor is no JSON"))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads the file's bytes. Nothing in them is proven before [`Self::unlock`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Descriptor, FormatError> {
        #[derive(Deserialize)]
        struct Version {
            format: u16,
        }
        let version: Version = serde_json::from_slice(bytes)
            .map_err(|_| FormatError::Damaged("the descriptor is no JSON with a format version"))?;
        if version.format > FORMAT_VERSION {
            return Err(FormatError::Newer(version.format));
        }
        let descriptor: Descriptor = serde_json::from_slice(bytes)
            .map_err(|_| FormatError::Damaged("the descriptor lacks fields or has foreign ones"))?;
        if descriptor.slots.len() > MAX_SLOTS {
            return Err(FormatError::TooMuch(format!("{} key slots", descriptor.slots.len())));
        }
        descriptor.chunker.check()?;
        Ok(descriptor)
    }

    /// The name of a descriptor file with these bytes.
    pub fn file_name(&self, bytes: &[u8]) -> String {
        let id = ObjectId(*blake3::hash(bytes).as_bytes());
        format!("filbert-{}-{id}.json", self.generation)
    }

    /// Seals the key ring and signs the whole.
    pub(super) fn seal(&mut self, master: &SecretKey, keyring: &Keyring) -> Result<(), FormatError> {
        let payload = Payload { msg: &keyring.to_bytes(), aad: self.repository.as_bytes() };
        self.keyring = self
            .keyring_cipher(master)
            .encrypt(&Nonce::from([0; 12]), payload)
            .map_err(|_| FormatError::Unwritable("the key ring could not be sealed"))?;
        self.mac = self.compute_mac(master)?;
        Ok(())
    }

    pub(super) fn open_keyring(&self, master: &SecretKey) -> Result<Keyring, FormatError> {
        let mac = self.compute_mac(master)?;
        if !bool::from(mac.ct_eq(&self.mac)) {
            return Err(FormatError::Unsealed);
        }
        let payload = Payload { msg: &self.keyring, aad: self.repository.as_bytes() };
        let plain = self
            .keyring_cipher(master)
            .decrypt(&Nonce::from([0; 12]), payload)
            .map(Zeroizing::new)
            .map_err(|_| FormatError::Unsealed)?;
        Keyring::from_bytes(&plain)
    }

    /// A key for this salt alone, so that the fixed nonce is used once.
    fn keyring_cipher(&self, master: &SecretKey) -> Aes256Gcm {
        let mut hasher = blake3::Hasher::new_derive_key(KEYRING_CONTEXT);
        hasher.update(master.expose()).update(&self.keyring_salt);
        let key = Zeroizing::new(*hasher.finalize().as_bytes());
        Aes256Gcm::new((&*key).into())
    }

    fn compute_mac(&self, master: &SecretKey) -> Result<[u8; 32], FormatError> {
        let mut unsigned = self.clone();
        unsigned.mac = [0; 32];
        let bytes = postcard::to_stdvec(&unsigned)
            .map_err(|_| FormatError::Unwritable("the descriptor cannot be signed"))?;
        let key = Zeroizing::new(blake3::derive_key(MAC_CONTEXT, master.expose()));
        Ok(*blake3::keyed_hash(&key, &bytes).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entropy::SystemEntropy;

    fn made() -> (Descriptor, Keyring) {
        let now = Timestamp::new(1_790_000_000, 0);
        let options = InitOptions { cost: KdfCost::FOR_TESTS, ..InitOptions::default() };
        Descriptor::create(&"right".into(), options, now, &SystemEntropy).unwrap()
    }

    #[test]
    fn a_descriptor_reads_back_and_opens() {
        let (descriptor, keyring) = made();
        let read = Descriptor::from_bytes(&descriptor.to_bytes().unwrap()).unwrap();
        assert_eq!(read, descriptor);
        assert_eq!(read.unlock(&"right".into()), Ok(Some(keyring)));
        assert_eq!(read.unlock(&"wrong".into()), Ok(None));
    }

    #[test]
    fn a_changed_field_is_noticed_by_who_has_the_password() {
        let (mut descriptor, _) = made();
        descriptor.chunker.average_bytes *= 2;
        assert_eq!(descriptor.unlock(&"right".into()), Err(FormatError::Unsealed));
    }

    #[test]
    fn newer_and_foreign_files_are_told_apart() {
        let (descriptor, _) = made();
        let text = String::from_utf8(descriptor.to_bytes().unwrap()).unwrap();
        let newer = text.replace("\"format\": 1", "\"format\": 7");
        assert_eq!(Descriptor::from_bytes(newer.as_bytes()), Err(FormatError::Newer(7)));
        assert!(matches!(Descriptor::from_bytes(b"<html>"), Err(FormatError::Damaged(_))));
        let cut = &text.as_bytes()[..text.len() / 2];
        assert!(matches!(Descriptor::from_bytes(cut), Err(FormatError::Damaged(_))));
    }
}
