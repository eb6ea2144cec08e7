//! Records: the log of a repository. A record names its writer, counts that writer's records,
//! names the one before it by hash, and the heads its writer had seen of all others: a missing,
//! replayed or forked history shows.

pub mod checkpoint;
pub mod snapshot;
pub mod stream;

pub use checkpoint::{Checkpoint, Covered};
pub use snapshot::{ManifestRef, Snapshot, SnapshotHead, SnapshotKind, SnapshotState, SourceRecord, Tally};
pub use stream::{IndexRef, Stream};

use super::FormatError;
use super::header::{Header, ObjectKind};
use super::keys::Keyring;
use super::names::{RecordKind, RecordName};
use super::padding::padme;
use super::seal::{Role, Sealer, TAG_LEN};
use super::squeeze::{squeeze, unsqueeze};
use crate::model::id::{ObjectId, RepositoryId, Salt, WriterId};
use serde::{Deserialize, Serialize};

/// The most bytes a record object may have. What is larger travels in packs.
pub const MAX_RECORD_BYTES: u64 = 64 << 20;
/// The most bytes that a record's body may unpack to.
const MAX_BODY_BYTES: u64 = 256 << 20;
const LEVEL: i32 = 3;

/// The newest record of a writer that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Whose record.
    pub writer: WriterId,
    /// Its number.
    pub sequence: u64,
    /// Its hash.
    pub record: ObjectId,
}

/// A record with what orders it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Who wrote it.
    pub writer: WriterId,
    /// Counts the writer's records from 1.
    pub sequence: u64,
    /// The writer's record before; none for the first.
    pub previous: Option<ObjectId>,
    /// The newest record known of each writer when it was made.
    pub heads: Vec<Head>,
    /// When it was made, as its name says: milliseconds since 1970 by the writer's clock.
    pub time_ms: u64,
    /// The program that wrote it.
    pub program: String,
    /// What it says.
    pub body: Body,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// One backup.
    Snapshot(Box<Snapshot>),
    /// Many records folded into one.
    Checkpoint(Box<Checkpoint>),
}

impl Record {
    /// Seals the record under a salt that was never used, padded by Padmé.
    pub fn seal(
        &self,
        keyring: &Keyring,
        repository: RepositoryId,
        salt: Salt,
    ) -> Result<Vec<u8>, FormatError> {
        let body = postcard::to_stdvec(self).map_err(|_| FormatError::Unwritable("a record"))?;
        let packed = squeeze(&body, LEVEL)?;
        let header = Header { kind: ObjectKind::Record, epoch: keyring.newest_epoch(), repository, salt };
        let mut bytes = header.to_bytes().to_vec();
        bytes.extend_from_slice(&(packed.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&packed);
        let unpadded = bytes.len() + TAG_LEN;
        let padding = padme(unpadded as u64) as usize - unpadded;
        bytes.resize(bytes.len() + padding, 0);
        if bytes.len() as u64 > MAX_RECORD_BYTES {
            return Err(FormatError::Unwritable("a record that is too large"));
        }
        Sealer::new(keyring, &header)?.seal_tail(Role::Record, &mut bytes, Header::LEN)?;
        Ok(bytes)
    }

    /// What the record is.
    pub fn kind(&self) -> RecordKind {
        match self.body {
            Body::Snapshot(_) => RecordKind::Snapshot,
            Body::Checkpoint(_) => RecordKind::Checkpoint,
        }
    }

    /// Opens a record's bytes, which must be what `name` says: the server chose the name.
    pub fn open(
        bytes: &[u8],
        name: &RecordName,
        keyring: &Keyring,
        repository: RepositoryId,
    ) -> Result<Record, FormatError> {
        // The header comes first, so that a newer format or a web page is told as such.
        let header = Header::read(bytes, ObjectKind::Record, &repository)?;
        if blake3::hash(bytes) != blake3::Hash::from_bytes(*name.object.as_bytes()) {
            return Err(FormatError::Damaged("its bytes do not have the hash that its name says"));
        }
        let sealed = bytes.get(Header::LEN..).unwrap_or_default();
        let plain = Sealer::new(keyring, &header)?.open(Role::Record, sealed)?;
        let mut reader = super::codec::Reader::new(&plain);
        let packed_len = u64::from_le_bytes(reader.array()?).min(plain.len() as u64);
        let body = unsqueeze(reader.raw(packed_len as usize)?, MAX_BODY_BYTES)?;
        let record: Record = postcard::from_bytes(&body)
            .map_err(|_| FormatError::Damaged("a record's fields cannot be read"))?;
        if record.time_ms != name.time_ms || record.kind() != name.kind {
            return Err(FormatError::Damaged("its name tells another time or kind than its bytes"));
        }
        Ok(record)
    }
}

/// The hash of a record's bytes: its name, and a snapshot's id.
pub fn object_id(bytes: &[u8]) -> ObjectId {
    ObjectId(*blake3::hash(bytes).as_bytes())
}
