//! Fixed-size identifiers. All print as lower-case hex and are bytes in binary formats.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// Text that is not the hex form of an identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {wanted} hex digits")]
pub struct ParseIdError {
    text: String,
    wanted: usize,
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $len:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// The bytes.
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// The identifier held by `bytes`, if they are exactly as many as it has.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// The first eight hex digits, as shown to people.
            pub fn short(&self) -> String {
                hex::encode(self.0.get(..4).unwrap_or(&self.0))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.short())
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let mut bytes = [0; $len];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| ParseIdError {
                    text: text.chars().take(80).collect(),
                    wanted: 2 * $len,
                })?;
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serde_bytes::Bytes::new(&self.0).serialize(serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use serde::de::Error;
                if deserializer.is_human_readable() {
                    let text = String::deserialize(deserializer)?;
                    text.parse().map_err(D::Error::custom)
                } else {
                    let bytes = serde_bytes::ByteArray::<$len>::deserialize(deserializer)?;
                    Ok(Self(*bytes))
                }
            }
        }
    };
}

identifier!(
    /// Names a piece of content: BLAKE3 of the plain bytes under the repository's id key, cut to
    /// 160 bits. Keyed, so nobody without the key can test a guess or look for a collision.
    ChunkId,
    20
);
identifier!(
    /// Names a remote object: BLAKE3 of the bytes as stored. Anyone can verify it.
    ObjectId,
    32
);
identifier!(
    /// Names a repository for ever. Random.
    RepositoryId,
    16
);
identifier!(
    /// Names one machine's local state as an author of records. Random.
    WriterId,
    16
);
identifier!(
    /// Makes the key of one remote object unique. Random, used for one object once.
    Salt,
    32
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trips_and_wrong_lengths_are_refused() {
        let id = ChunkId([0xab; 20]);
        assert_eq!(id.to_string().parse::<ChunkId>(), Ok(id));
        assert!("ab".parse::<ChunkId>().is_err());
        assert!("zz".repeat(20).parse::<ChunkId>().is_err());
    }

    #[test]
    fn binary_form_is_the_bytes_and_a_length() {
        let id = WriterId([7; 16]);
        let bytes = postcard::to_stdvec(&id).expect("serialises");
        assert_eq!(bytes.len(), 17);
        let back: WriterId = postcard::from_bytes(&bytes).expect("parses");
        assert_eq!(back, id);
    }
}
