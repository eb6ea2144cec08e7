//! Puts encoded frames together into a pack.

use super::index::{ChunkEntry, FrameEntry, PackEntry, PackIndex};
use super::{FIRST_FRAME, PackSize, TRAILER_LEN};
use crate::format::FormatError;
use crate::format::codec::Writer;
use crate::format::header::{Header, ObjectKind};
use crate::format::keys::Keyring;
use crate::format::padding::padme;
use crate::format::seal::{Role, Sealer, TAG_LEN};
use crate::model::id::{ObjectId, RepositoryId, Salt};

/// A pack being filled.
pub struct PackBuilder {
    sealer: Sealer,
    header: Header,
    bytes: Vec<u8>,
    index: PackIndex,
    size: PackSize,
}

/// A pack ready to be stored.
#[derive(Debug)]
pub struct FinishedPack {
    /// The object's bytes.
    pub bytes: Vec<u8>,
    /// How a record introduces it; its folder is not known yet and 0.
    pub entry: PackEntry,
}

impl PackBuilder {
    /// An empty pack under a salt that was never used, in the memory of `bytes`.
    pub fn new(
        keyring: &Keyring,
        repository: RepositoryId,
        salt: Salt,
        mut bytes: Vec<u8>,
    ) -> Result<Self, FormatError> {
        let header = Header { kind: ObjectKind::Pack, epoch: keyring.newest_epoch(), repository, salt };
        bytes.clear();
        bytes.extend_from_slice(&header.to_bytes());
        let sealer = Sealer::new(keyring, &header)?;
        Ok(Self { sealer, header, bytes, index: PackIndex::default(), size: PackSize::default() })
    }

    /// Whether no frame is in it.
    pub fn is_empty(&self) -> bool {
        self.size.is_empty()
    }

    /// The size it would have with one more frame of so many encoded bytes and chunks, padding
    /// left out.
    pub fn size_with(&self, frame_len: usize, chunks: usize) -> usize {
        self.size.with(frame_len, chunks)
    }

    /// Seals an encoded frame and appends it.
    pub fn push(&mut self, frame: &[u8], chunks: Vec<ChunkEntry>) -> Result<(), FormatError> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(frame);
        let number = self.index.frames.len() as u32;
        self.sealer.seal_tail(Role::Frame(number), &mut self.bytes, start)?;
        self.size.push(frame.len(), chunks.iter().map(|chunk| chunk.len));
        let sealed_len = (self.bytes.len() - start) as u32;
        self.index.frames.push(FrameEntry { sealed_len, chunks });
        Ok(())
    }

    /// Seals footer and trailer.
    pub fn finish(mut self) -> Result<FinishedPack, FormatError> {
        debug_assert!(self.bytes.len() as u64 >= FIRST_FRAME);
        let mut footer = Writer::default();
        self.index.write(&mut footer);
        let footer_offset = self.bytes.len();
        self.bytes.extend_from_slice(&footer.into_bytes());
        let unpadded = self.bytes.len() + TAG_LEN + TRAILER_LEN;
        let padding = padme(unpadded as u64) as usize - unpadded;
        self.bytes.resize(self.bytes.len() + padding, 0);
        self.sealer.seal_tail(Role::Footer, &mut self.bytes, footer_offset)?;

        let footer_len = self.bytes.len() - footer_offset;
        debug_assert_eq!((unpadded + padding) as u64, self.size.finished());
        let trailer_offset = self.bytes.len();
        self.bytes.extend_from_slice(&(footer_offset as u64).to_le_bytes());
        self.bytes.extend_from_slice(&(footer_len as u64).to_le_bytes());
        self.sealer.seal_tail(Role::Trailer, &mut self.bytes, trailer_offset)?;

        let entry = PackEntry {
            object: ObjectId(*blake3::hash(&self.bytes).as_bytes()),
            folder: 0,
            size: self.bytes.len() as u64,
            epoch: self.header.epoch,
            salt: self.header.salt,
            index: self.index,
        };
        Ok(FinishedPack { bytes: self.bytes, entry })
    }
}
