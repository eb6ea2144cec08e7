//! AES-256-GCM with a key of its own for every object.
//!
//! The key of an object is BLAKE3 derive_key over the epoch's data key and the object's random
//! salt; inside an object the nonce is role and counter. Hazard: a salt is used for one object
//! once. Sealing other bytes under the same salt, role and counter would lay both open.

use super::FormatError;
use super::cipher::{AwsLc, Cipher, NONCE_LEN};
use super::header::Header;
use super::keys::Keyring;
use zeroize::Zeroizing;

/// Bytes that a seal adds.
pub use super::cipher::TAG_LEN;

const OBJECT_KEY_CONTEXT: &str = "filbert 2026-11 object key v1";

/// The part of an object that is sealed. Each has nonces of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A frame of a pack, by its number.
    Frame(u32),
    /// The list of frames at the end of a pack.
    Footer,
    /// Where the footer lies.
    Trailer,
    /// The body of a record.
    Record,
}

impl Role {
    fn nonce(self) -> [u8; NONCE_LEN] {
        let (code, counter) = match self {
            Role::Frame(number) => (1, number),
            Role::Footer => (2, 0),
            Role::Trailer => (3, 0),
            Role::Record => (4, 0),
        };
        let mut nonce = [0; NONCE_LEN];
        nonce[0] = code;
        nonce[8..].copy_from_slice(&counter.to_be_bytes());
        nonce
    }
}

/// Seals and opens the parts of one object.
pub struct Sealer {
    cipher: AwsLc,
    header: [u8; Header::LEN],
}

impl Sealer {
    /// The sealer for the object with this header.
    pub fn new(keyring: &Keyring, header: &Header) -> Result<Self, FormatError> {
        let data_key = keyring.data_key(header.epoch)?;
        let mut hasher = blake3::Hasher::new_derive_key(OBJECT_KEY_CONTEXT);
        hasher.update(data_key.expose());
        hasher.update(header.salt.as_bytes());
        hasher.update(header.repository.as_bytes());
        let key = Zeroizing::new(*hasher.finalize().as_bytes());
        Ok(Self { cipher: AwsLc::new(&key)?, header: header.to_bytes() })
    }

    /// Seals `object[start..]` in place and appends the tag.
    pub fn seal_tail(&self, role: Role, object: &mut Vec<u8>, start: usize) -> Result<(), FormatError> {
        let plain = object.get_mut(start..).ok_or(FormatError::Unwritable("an empty part"))?;
        let tag = self.cipher.seal(role.nonce(), &self.header, plain)?;
        object.extend_from_slice(&tag);
        Ok(())
    }

    /// Opens `sealed` into `plain`, whose old content is dropped.
    pub fn open_into(&self, role: Role, sealed: &[u8], plain: &mut Vec<u8>) -> Result<(), FormatError> {
        let (body, tag) = sealed.split_last_chunk::<TAG_LEN>().ok_or(FormatError::Unsealed)?;
        self.cipher.open(role.nonce(), &self.header, body, tag, plain)
    }

    /// Opens `sealed`.
    pub fn open(&self, role: Role, sealed: &[u8]) -> Result<Vec<u8>, FormatError> {
        let mut plain = Vec::new();
        self.open_into(role, sealed, &mut plain)?;
        Ok(plain)
    }
}
