//! AES-256-GCM for the parts of objects, from two libraries that give the same bytes.
//!
//! Every byte that is stored is sealed, and opened again before it is sent. `docs/performance.md`
//! says what the choice of the library is worth, and why the slower one is kept.

use super::FormatError;
use aes_gcm::Aes256Gcm;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadInOut, KeyInit};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// Bytes of the tag.
pub const TAG_LEN: usize = 16;
/// Bytes of the nonce.
pub const NONCE_LEN: usize = 12;

/// AES-256-GCM under one key. Hazard: the caller sees to it that no nonce seals twice.
pub trait Cipher: Sized {
    /// The cipher under `key`. What it keeps of it is wiped when it is dropped.
    fn new(key: &[u8; 32]) -> Result<Self, FormatError>;

    /// Seals `part` in place, binds `bound` to it, and gives the tag.
    fn seal(
        &self,
        nonce: [u8; NONCE_LEN],
        bound: &[u8],
        part: &mut [u8],
    ) -> Result<[u8; TAG_LEN], FormatError>;

    /// Opens `sealed` into `plain`, whose old content is dropped; nothing is in it after a failure.
    fn open(
        &self,
        nonce: [u8; NONCE_LEN],
        bound: &[u8],
        sealed: &[u8],
        tag: &[u8; TAG_LEN],
        plain: &mut Vec<u8>,
    ) -> Result<(), FormatError>;
}

const TOO_LONG: FormatError = FormatError::Unwritable("more than AES-GCM can seal at once");

/// AWS-LC, which rustls brings along: what is used.
pub struct AwsLc(LessSafeKey);

impl Cipher for AwsLc {
    fn new(key: &[u8; 32]) -> Result<Self, FormatError> {
        let key = UnboundKey::new(&AES_256_GCM, key)
            .map_err(|_| FormatError::Unwritable("no memory for the cipher"))?;
        Ok(Self(LessSafeKey::new(key)))
    }

    fn seal(
        &self,
        nonce: [u8; NONCE_LEN],
        bound: &[u8],
        part: &mut [u8],
    ) -> Result<[u8; TAG_LEN], FormatError> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(bound), part).map_err(|_| TOO_LONG)?;
        tag.as_ref().try_into().map_err(|_| FormatError::Unwritable("a tag of another length"))
    }

    fn open(
        &self,
        nonce: [u8; NONCE_LEN],
        bound: &[u8],
        sealed: &[u8],
        tag: &[u8; TAG_LEN],
        plain: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        // All of it is written over: no need to clear what is there.
        plain.resize(sealed.len(), 0);
        self.0.open_separate_gather(nonce, Aad::from(bound), sealed, tag, plain).map_err(|_| {
            plain.clear();
            FormatError::Unsealed
        })
    }
}

/// The crate `aes-gcm`, in Rust: what the other is compared with.
pub struct RustCrypto(Aes256Gcm);

impl Cipher for RustCrypto {
    fn new(key: &[u8; 32]) -> Result<Self, FormatError> {
        Ok(Self(Aes256Gcm::new(key.into())))
    }

    fn seal(
        &self,
        nonce: [u8; NONCE_LEN],
        bound: &[u8],
        part: &mut [u8],
    ) -> Result<[u8; TAG_LEN], FormatError> {
        let tag = self.0.encrypt_inout_detached(&nonce.into(), bound, InOutBuf::from(part));
        tag.map(Into::into).map_err(|_| TOO_LONG)
    }

    fn open(
        &self,
        nonce: [u8; NONCE_LEN],
        bound: &[u8],
        sealed: &[u8],
        tag: &[u8; TAG_LEN],
        plain: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        plain.clear();
        plain.extend_from_slice(sealed);
        let opened =
            self.0.decrypt_inout_detached(&nonce.into(), bound, plain.as_mut_slice().into(), tag.into());
        opened.map_err(|_| {
            plain.clear();
            FormatError::Unsealed
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sealed<C: Cipher>(key: &[u8; 32], nonce: [u8; NONCE_LEN], bound: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut part = plain.to_vec();
        let tag = C::new(key).unwrap().seal(nonce, bound, &mut part).unwrap();
        part.extend_from_slice(&tag);
        part
    }

    fn opened<C: Cipher>(
        key: &[u8; 32],
        nonce: [u8; NONCE_LEN],
        bound: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, FormatError> {
        let (body, tag) = sealed.split_last_chunk::<TAG_LEN>().unwrap();
        let mut plain = b"what was there".to_vec();
        let opened = C::new(key).unwrap().open(nonce, bound, body, tag, &mut plain);
        assert!(opened.is_ok() || plain.is_empty());
        opened.map(|()| plain)
    }

    /// From the specification of GCM (McGrew and Viega), test case 16.
    #[test]
    fn a_published_vector_comes_out() {
        let key = hex::decode("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308").unwrap();
        let nonce = hex::decode("cafebabefacedbaddecaf888").unwrap();
        let bound = hex::decode("feedfacedeadbeeffeedfacedeadbeefabaddad2").unwrap();
        let plain = hex::decode(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
             1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        )
        .unwrap();
        let expected = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
                        8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662\
                        76fc6ece0f4e1768cddf8853bb2d551b";
        let (key, nonce) = (key.try_into().unwrap(), nonce.try_into().unwrap());
        assert_eq!(hex::encode(sealed::<AwsLc>(&key, nonce, &bound, &plain)), expected);
        assert_eq!(hex::encode(sealed::<RustCrypto>(&key, nonce, &bound, &plain)), expected);
    }

    #[test]
    fn both_give_the_same_bytes_at_every_length_up_to_some_vectors_wide() {
        let plain: Vec<u8> = (0..2100).map(|at| (at * 7) as u8).collect();
        let (key, nonce, bound) = ([5; 32], [6; NONCE_LEN], [7; 64]);
        for len in (0..1100).chain([2047, 2048, 2049, 2100]) {
            let part = sealed::<AwsLc>(&key, nonce, &bound, &plain[..len]);
            assert_eq!(part, sealed::<RustCrypto>(&key, nonce, &bound, &plain[..len]), "{len} bytes");
        }
    }

    proptest! {
        #[test]
        fn each_opens_what_the_other_sealed_and_nothing_else(
            key: [u8; 32],
            nonce: [u8; NONCE_LEN],
            bound in proptest::collection::vec(any::<u8>(), 0..100),
            plain in proptest::collection::vec(any::<u8>(), 0..5000),
            flipped: proptest::sample::Index,
        ) {
            let part = sealed::<AwsLc>(&key, nonce, &bound, &plain);
            prop_assert_eq!(&part, &sealed::<RustCrypto>(&key, nonce, &bound, &plain));
            prop_assert_eq!(opened::<AwsLc>(&key, nonce, &bound, &part).unwrap(), &plain[..]);
            prop_assert_eq!(opened::<RustCrypto>(&key, nonce, &bound, &part).unwrap(), &plain[..]);
            let mut harmed = part;
            let at = flipped.index(harmed.len());
            harmed[at] ^= 1;
            prop_assert!(opened::<AwsLc>(&key, nonce, &bound, &harmed).is_err());
            prop_assert!(opened::<RustCrypto>(&key, nonce, &bound, &harmed).is_err());
        }
    }
}
