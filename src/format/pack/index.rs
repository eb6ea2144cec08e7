//! Which chunks lie where in a pack: in the pack's own footer, and in the record that
//! introduces the pack.

use super::FIRST_FRAME;
use crate::format::FormatError;
use crate::format::chunker::ChunkerParams;
use crate::format::codec::{Reader, Writer};
use crate::format::frame::MAX_FRAME_BYTES;
use crate::model::id::{ChunkId, ObjectId, Salt};

const MAX_FRAMES: u64 = 1 << 20;
const MAX_CHUNKS_IN_FRAME: u64 = 1 << 20;

/// A chunk in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkEntry {
    /// Its name.
    pub id: ChunkId,
    /// Its plain bytes.
    pub len: u32,
}

/// A frame in a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameEntry {
    /// Bytes in the pack, the tag included.
    pub sealed_len: u32,
    /// The chunks in their order; their lengths add up to the frame's plain bytes.
    pub chunks: Vec<ChunkEntry>,
}

impl FrameEntry {
    /// Bytes after decoding.
    pub fn plain_len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.len as usize).sum()
    }
}

/// The frames of a pack in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PackIndex {
    /// Frames, without gaps from [`FIRST_FRAME`] on.
    pub frames: Vec<FrameEntry>,
}

impl PackIndex {
    /// Each frame's number and where it begins in the pack.
    pub fn offsets(&self) -> impl Iterator<Item = (u32, u64, &FrameEntry)> {
        let mut next = FIRST_FRAME;
        self.frames.iter().enumerate().map(move |(number, frame)| {
            let at = next;
            next += u64::from(frame.sealed_len);
            (number as u32, at, frame)
        })
    }

    /// Where the last frame ends.
    pub fn frames_end(&self) -> u64 {
        FIRST_FRAME + self.frames.iter().map(|frame| u64::from(frame.sealed_len)).sum::<u64>()
    }

    /// Appends the index to `writer`.
    pub fn write(&self, writer: &mut Writer) {
        writer.number(self.frames.len() as u64);
        for frame in &self.frames {
            writer.number(u64::from(frame.sealed_len));
            writer.number(frame.chunks.len() as u64);
            for chunk in &frame.chunks {
                writer.number(u64::from(chunk.len));
            }
        }
        for chunk in self.frames.iter().flat_map(|frame| &frame.chunks) {
            writer.raw(chunk.id.as_bytes());
        }
    }

    /// Reads what [`Self::write`] wrote.
    pub fn read(reader: &mut Reader<'_>) -> Result<PackIndex, FormatError> {
        let frame_count = reader.number_up_to(MAX_FRAMES)?;
        let mut frames = Vec::new();
        for _ in 0..frame_count {
            let sealed_len = reader.number_up_to(2 * MAX_FRAME_BYTES as u64)? as u32;
            let chunk_count = reader.number_up_to(MAX_CHUNKS_IN_FRAME)?;
            // Each takes an id further on: no more room than what follows can fill.
            let most = reader.rest().len() / ChunkId::LEN;
            let mut chunks = Vec::with_capacity(most.min(chunk_count as usize));
            let mut plain_len = 0;
            for _ in 0..chunk_count {
                let len = reader.number_up_to(u64::from(ChunkerParams::MAX_CHUNK_BYTES))? as u32;
                plain_len += len as usize;
                chunks.push(ChunkEntry { id: ChunkId([0; ChunkId::LEN]), len });
            }
            if plain_len > MAX_FRAME_BYTES {
                return Err(FormatError::TooMuch(format!("a frame of {plain_len} bytes")));
            }
            frames.push(FrameEntry { sealed_len, chunks });
        }
        for chunk in frames.iter_mut().flat_map(|frame: &mut FrameEntry| &mut frame.chunks) {
            chunk.id = ChunkId(reader.array()?);
        }
        Ok(PackIndex { frames })
    }
}

/// A pack as a record introduces it: all that is needed to read any part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackEntry {
    /// Its name.
    pub object: ObjectId,
    /// The numbered folder it lies in.
    pub folder: u32,
    /// Its bytes.
    pub size: u64,
    /// Epoch of its data key.
    pub epoch: u32,
    /// Its salt: kept here so that a range read need not ask the server for it.
    pub salt: Salt,
    /// What lies in it.
    pub index: PackIndex,
}

impl PackEntry {
    /// Appends the entry to `writer`.
    pub fn write(&self, writer: &mut Writer) {
        writer.raw(self.object.as_bytes());
        writer.number(u64::from(self.folder));
        writer.number(self.size);
        writer.number(u64::from(self.epoch));
        writer.raw(self.salt.as_bytes());
        self.index.write(writer);
    }

    /// Reads what [`Self::write`] wrote.
    pub fn read(reader: &mut Reader<'_>) -> Result<PackEntry, FormatError> {
        let entry = PackEntry {
            object: ObjectId(reader.array()?),
            folder: reader.number_up_to(u64::from(u32::MAX))? as u32,
            size: reader.number_up_to(super::MAX_PACK_BYTES)?,
            epoch: reader.number_up_to(u64::from(u32::MAX))? as u32,
            salt: Salt(reader.array()?),
            index: PackIndex::read(reader)?,
        };
        if entry.index.frames_end() > entry.size {
            return Err(FormatError::Damaged("a pack whose frames reach beyond its end"));
        }
        Ok(entry)
    }

    /// Entries written one after the other.
    pub fn read_all(bytes: &[u8]) -> Result<Vec<PackEntry>, FormatError> {
        Self::each(bytes).collect()
    }

    /// Entries written one after the other, each read when its turn comes. An error is the last.
    pub fn each(bytes: &[u8]) -> impl Iterator<Item = Result<PackEntry, FormatError>> {
        let mut reader = Reader::new(bytes);
        std::iter::from_fn(move || {
            let read = (!reader.is_empty()).then(|| PackEntry::read(&mut reader))?;
            if read.is_err() {
                reader = Reader::new(&[]);
            }
            Some(read)
        })
    }

    /// The bytes that [`Self::read_all`] reads.
    pub fn write_all(entries: &[PackEntry]) -> Vec<u8> {
        let mut writer = Writer::default();
        entries.iter().for_each(|entry| entry.write(&mut writer));
        writer.into_bytes()
    }
}
