//! The 64 clear bytes in front of every sealed object. They are the associated data of every
//! seal in it, so none of them can be changed.
//!
//! ```text
//!  0  8  magic "filbert\0"
//!  8  2  format version, little endian
//! 10  1  kind: 1 pack, 2 record
//! 11  1  cipher suite: 1 AES-256-GCM
//! 12  4  epoch of the data key, little endian
//! 16 16  repository id
//! 32 32  salt
//! ```

use super::{FORMAT_VERSION, FormatError};
use crate::model::id::{RepositoryId, Salt};

const MAGIC: &[u8; 8] = b"filbert\0";
const SUITE_AES_256_GCM: u8 = 1;

/// What a sealed object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// Frames of chunks.
    Pack,
    /// An entry of the log.
    Record,
}

impl ObjectKind {
    fn code(self) -> u8 {
        match self {
            ObjectKind::Pack => 1,
            ObjectKind::Record => 2,
        }
    }
}

/// The clear header of a sealed object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the object is.
    pub kind: ObjectKind,
    /// Which data key its key is derived from.
    pub epoch: u32,
    /// Which repository it belongs to.
    pub repository: RepositoryId,
    /// What makes its key its own.
    pub salt: Salt,
}

impl Header {
    /// Bytes in a header.
    pub const LEN: usize = 64;

    /// The header as stored.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[0..8].copy_from_slice(MAGIC);
        bytes[8..10].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[10] = self.kind.code();
        bytes[11] = SUITE_AES_256_GCM;
        bytes[12..16].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[16..32].copy_from_slice(self.repository.as_bytes());
        bytes[32..64].copy_from_slice(self.salt.as_bytes());
        bytes
    }

    /// Reads the header of `object`, which must be of `kind` and of `repository`.
    pub fn read(object: &[u8], kind: ObjectKind, repository: &RepositoryId) -> Result<Header, FormatError> {
        let bytes: &[u8; Self::LEN] =
            object.first_chunk().ok_or(FormatError::Damaged("it is shorter than a header"))?;
        if &bytes[0..8] != MAGIC {
            return Err(FormatError::Damaged("it does not start as a filbert object does"));
        }
        let version = u16::from_le_bytes([bytes[8], bytes[9]]);
        if version > FORMAT_VERSION {
            return Err(FormatError::Newer(version));
        }
        if version == 0 || bytes[10] != kind.code() || bytes[11] != SUITE_AES_256_GCM {
            return Err(FormatError::Damaged("its header is of another kind"));
        }
        let mut id = [0; 16];
        id.copy_from_slice(&bytes[16..32]);
        if id != *repository.as_bytes() {
            return Err(FormatError::OtherRepository);
        }
        let mut salt = [0; 32];
        salt.copy_from_slice(&bytes[32..64]);
        let epoch = u32::from_le_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]);
        Ok(Header { kind, epoch, repository: RepositoryId(id), salt: Salt(salt) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header { kind: ObjectKind::Pack, epoch: 3, repository: RepositoryId([1; 16]), salt: Salt([2; 32]) }
    }

    #[test]
    fn a_header_reads_back() {
        let bytes = header().to_bytes();
        assert_eq!(Header::read(&bytes, ObjectKind::Pack, &RepositoryId([1; 16])), Ok(header()));
    }

    #[test]
    fn wrong_headers_are_told_apart() {
        let bytes = header().to_bytes();
        let read = |bytes: &[u8]| Header::read(bytes, ObjectKind::Pack, &RepositoryId([1; 16]));
        let mut newer = bytes;
        newer[8] = 9;
        assert_eq!(read(&newer), Err(FormatError::Newer(9)));
        let mut other = bytes;
        other[16] = 9;
        assert_eq!(read(&other), Err(FormatError::OtherRepository));
        assert!(matches!(read(&bytes[..63]), Err(FormatError::Damaged(_))));
        assert!(matches!(read(b"<html>"), Err(FormatError::Damaged(_))));
        assert!(Header::read(&bytes, ObjectKind::Record, &RepositoryId([1; 16])).is_err());
    }
}
