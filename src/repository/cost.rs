//! What a commit costs, known beforehand: for runs that may spend only so much.

use super::decide;
use super::writer::WriterOptions;
use super::{Repository, RepositoryError};
use crate::format::names::FOLDER_FILL;
use crate::format::record::stream::INLINE_BYTES;
use crate::state::meta::Meta;

/// A pack in an index beside its frames and chunks; a frame; a chunk.
const PACK_BYTES: u64 = 112;
const FRAME_BYTES: u64 = 10;
const CHUNK_BYTES: u64 = 25;
/// A snapshot that a checkpoint covers, beside its head.
const SNAPSHOT_BYTES: u64 = 192;
/// A head, or the name of a checkpoint, in a record.
const LISTED_BYTES: u64 = 96;
/// A record beside its lists.
const RECORD_BYTES: u64 = 8 << 10;
/// Looking at the log once.
const LOOK_REQUESTS: u64 = 3;

/// Requests and bytes sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Requests of every kind.
    pub requests: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Cost {
    /// What a stream of so many bytes costs at most, in packs of `pack_bytes`, the look at them
    /// included.
    pub fn of_stream(bytes: u64, pack_bytes: u64) -> Self {
        let packs = 2 + bytes.saturating_mul(2) / pack_bytes.max(1);
        // Folders are made and listed.
        let requests = packs.saturating_add(2 + 2 * (packs / FOLDER_FILL));
        let noted = packs.saturating_mul(1024).saturating_add(bytes / 256);
        Self { requests, bytes: bytes.saturating_add(bytes / 8).saturating_add(noted) }
    }
}

impl Repository {
    /// What a checkpoint made with these options costs at most where nothing fails; none if none is
    /// due.
    pub fn checkpoint_cost(&self, options: &WriterOptions) -> Result<Option<Cost>, RepositoryError> {
        if !decide::checkpoint_is_due(self.uncovered_snapshots()?) {
            return Ok(None);
        }
        let (mut index, pack_bytes) = (0, options.pack_bytes as u64);
        for pack in self.uncovered_packs()? {
            let pack = self.pack(pack.number)?;
            let chunks: usize = pack.index.frames.iter().map(|frame| frame.chunks.len()).sum();
            index += PACK_BYTES + pack.index.frames.len() as u64 * FRAME_BYTES + chunks as u64 * CHUNK_BYTES;
        }
        // Older ones that may be merged: each is fetched, and written once more.
        let (mut record, mut fetched) = (RECORD_BYTES, 0_u64);
        for (_, _, weight, merged) in self.standing_checkpoints()? {
            // One of unknown weight is never merged.
            let weight = if weight == u64::MAX { 0 } else { weight };
            index = index.saturating_add(weight).saturating_add(weight / 2);
            fetched = fetched.saturating_add(3 + weight / (32 << 10));
            record += LISTED_BYTES * (1 + merged.len() as u64);
        }
        let covered = self.snapshots()?.iter().fold(0_u64, |bytes, snapshot| {
            let head = postcard::to_stdvec(&snapshot.head).map_or(u64::MAX, |head| head.len() as u64);
            bytes.saturating_add(head).saturating_add(SNAPSHOT_BYTES)
        });
        record += LISTED_BYTES * self.known_heads()?.len() as u64;
        let carried = self.records_to_carry(self.inline_bytes(options)?)?;
        let carried: u64 = carried.iter().map(|record| record.len() as u64 + 8).sum();
        // It is padded with the record.
        record += carried + carried / 8;
        let unread: i64 = self.state().read("count records", |connection| {
            connection.query_row("SELECT count(*) FROM records WHERE known = 0", [], |row| row.get(0))
        })?;
        let (index, covered) = (Cost::of_stream(index, pack_bytes), Cost::of_stream(covered, pack_bytes));
        let looks = 2 * LOOK_REQUESTS;
        let requests =
            [index.requests, covered.requests, fetched, unread as u64, looks, self.commit_requests()?];
        let bytes = [index.bytes, covered.bytes, record];
        let sum = |numbers: &[u64]| numbers.iter().copied().fold(0, u64::saturating_add);
        Ok(Some(Cost { requests: sum(&requests), bytes: sum(&bytes) }))
    }

    /// The most requests that putting a record and looking at the log take, where nothing fails.
    pub fn commit_requests(&self) -> Result<u64, RepositoryError> {
        let folder = self.state().meta_number(Meta::LogFolder)?.unwrap_or(0);
        let fill = self.state().meta_number(Meta::LogFill)?.unwrap_or(0) as u64;
        let fills_up = fill + 1 >= FOLDER_FILL;
        // A folder that is made; the record; the newest folder, the next and the one before it.
        let made = u64::from(fill == 0 || fills_up);
        Ok(made + 1 + 1 + u64::from(fills_up) + u64::from(folder > 0 || fills_up))
    }

    /// A stream of more bytes than this goes into packs and not into the record.
    pub fn inline_bytes(&self, options: &WriterOptions) -> Result<usize, RepositoryError> {
        // A record has two streams, and more.
        let limit = self.object_limit_of(options)?;
        Ok(limit.map_or(INLINE_BYTES, |limit| INLINE_BYTES.min(super::writer::fitting(limit) / 4)))
    }
}
