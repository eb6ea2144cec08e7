//! Ids to verified bytes. Ranges of packs are read in steps of 64 KiB, so that they do not show
//! where frames begin.

use super::{Repository, RepositoryError};
use crate::format::FormatError;
use crate::format::names;
use crate::format::pack::{FrameOpener, PackEntry};
use crate::format::record::Stream;
use crate::model::id::ChunkId;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

/// Ranges begin and end at multiples of this, but at the end of the object.
pub const RANGE_STEP: u64 = 64 << 10;
/// Two ranges nearer than this are read as one: a request costs more than these bytes.
pub const JOIN_GAP: u64 = 2 << 20;

/// Frames of a pack that are fetched with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// The bytes to ask for.
    pub range: Range<u64>,
    /// Number and offset in the pack of the frames that are wanted.
    pub frames: Vec<(u32, u64)>,
}

/// Plans the requests for the frames `wanted` of `pack`: near ranges joined, rounded to
/// [`RANGE_STEP`], the whole pack when most of it is wanted.
pub fn plan_fetches(pack: &PackEntry, wanted: &BTreeSet<u32>) -> Vec<Fetch> {
    let mut fetches: Vec<Fetch> = Vec::new();
    let mut wanted_bytes = 0;
    for (number, at, frame) in pack.index.offsets().filter(|(number, ..)| wanted.contains(number)) {
        let end = at + u64::from(frame.sealed_len);
        wanted_bytes += end - at;
        let range = at - at % RANGE_STEP..end.next_multiple_of(RANGE_STEP).min(pack.size);
        match fetches.last_mut() {
            Some(last) if range.start <= last.range.end + JOIN_GAP => {
                last.range.end = last.range.end.max(range.end);
                last.frames.push((number, at));
            }
            _ => fetches.push(Fetch { range, frames: vec![(number, at)] }),
        }
    }
    if fetches.len() > 1 && wanted_bytes * 2 >= pack.size {
        let frames = fetches.into_iter().flat_map(|fetch| fetch.frames).collect();
        return vec![Fetch { range: 0..pack.size, frames }];
    }
    fetches
}

impl Repository {
    /// Fetches a range of a pack; the whole object where the range covers it. An answer that is too
    /// short was most likely cut on its way: it is asked for once more.
    pub async fn fetch(&self, pack: &PackEntry, range: &Range<u64>) -> Result<Bytes, RepositoryError> {
        let path = names::pack(pack.folder, &pack.object);
        for _ in 0..2 {
            let bytes = if *range == (0..pack.size) {
                self.store().get(&path, pack.size).await?
            } else {
                self.store().get_range(&path, range.clone()).await?
            };
            if bytes.len() as u64 == range.end - range.start {
                return Ok(bytes);
            }
        }
        Err(RepositoryError::damaged(path, FormatError::Damaged("it is shorter than it was")))
    }

    /// The bytes of a stream.
    pub async fn read_stream(&self, stream: &Stream) -> Result<Vec<u8>, RepositoryError> {
        let mut bytes = Vec::new();
        let take = |piece: &[u8]| {
            bytes.extend_from_slice(piece);
            Ok(())
        };
        self.read_stream_by_pieces(stream, take).await?;
        Ok(bytes)
    }

    /// Hands on the bytes of a stream piece by piece.
    pub async fn read_stream_by_pieces(
        &self,
        stream: &Stream,
        mut take: impl FnMut(&[u8]) -> Result<(), RepositoryError>,
    ) -> Result<(), RepositoryError> {
        match stream {
            Stream::Inline(bytes) => take(bytes),
            Stream::Chunks(ids) => self.each_chunk_in_order(ids, take).await,
        }
    }

    /// The requests for these chunks.
    pub(super) fn chunk_fetches(
        &self,
        ids: &[ChunkId],
    ) -> Result<Vec<(Arc<PackEntry>, Fetch)>, RepositoryError> {
        let mut wanted: BTreeMap<i64, BTreeSet<u32>> = BTreeMap::new();
        for (place, id) in self.places(ids)?.into_iter().zip(ids) {
            let place = place.ok_or_else(|| RepositoryError::MissingChunk(id.to_string()))?;
            wanted.entry(place.pack).or_default().insert(place.frame);
        }
        let mut fetches = Vec::new();
        for (number, frames) in wanted {
            let pack = self.pack(number)?;
            fetches.extend(plan_fetches(&pack, &frames).into_iter().map(|fetch| (pack.clone(), fetch)));
        }
        Ok(fetches)
    }

    /// The content of these chunks, joined. They are all held in memory.
    pub async fn read_chunks(&self, ids: &[ChunkId]) -> Result<Vec<u8>, RepositoryError> {
        self.read_stream(&Stream::Chunks(ids.to_vec())).await
    }

    /// Hands on the content of these chunks in their order. In memory are a range of a pack and the
    /// chunks whose turn has not come: few, for streams lie in packs about as they are read.
    async fn each_chunk_in_order(
        &self,
        ids: &[ChunkId],
        mut hand_on: impl FnMut(&[u8]) -> Result<(), RepositoryError>,
    ) -> Result<(), RepositoryError> {
        let mut uses: HashMap<ChunkId, usize> = HashMap::new();
        ids.iter().for_each(|id| *uses.entry(*id).or_default() += 1);
        let mut waiting: HashMap<ChunkId, Vec<u8>> = HashMap::new();
        let mut in_turn = ids.iter().peekable();
        for (pack, fetch) in self.chunk_fetches(ids)? {
            let mut take = |id, content: &[u8]| {
                if uses.get(&id).is_some_and(|uses| *uses > 0) {
                    waiting.insert(id, content.to_vec());
                }
            };
            let bytes = self.fetch(&pack, &fetch.range).await?;
            if self.open_frames(&pack, &fetch, &bytes, &mut take).is_err() {
                // They may have been spoilt on the way.
                let bytes = self.fetch(&pack, &fetch.range).await?;
                self.open_frames(&pack, &fetch, &bytes, &mut take)?;
            }
            while let Some((id, content)) = in_turn.peek().and_then(|id| waiting.get_key_value(*id)) {
                hand_on(content)?;
                let (id, left) = (*id, uses.entry(*id).or_default());
                *left = left.saturating_sub(1);
                if *left == 0 {
                    waiting.remove(&id);
                }
                in_turn.next();
            }
        }
        match in_turn.next() {
            Some(id) => Err(RepositoryError::MissingChunk(id.to_string())),
            None => Ok(()),
        }
    }
}

impl Repository {
    /// Opens the frames of `fetch` and hands on all of their chunks.
    fn open_frames(
        &self,
        pack: &PackEntry,
        fetch: &Fetch,
        bytes: &[u8],
        take: &mut impl FnMut(ChunkId, &[u8]),
    ) -> Result<(), RepositoryError> {
        let mut reader = FrameReader::new(self, pack, Vec::new())?;
        fetch
            .frames
            .iter()
            .try_for_each(|(frame, at)| reader.each_chunk(*frame, at - fetch.range.start, bytes, &mut *take))
    }
}

/// Opens frames of one pack out of fetched bytes.
pub struct FrameReader<'a> {
    pack: &'a PackEntry,
    opener: FrameOpener<'a>,
    plain: Vec<u8>,
}

impl<'a> FrameReader<'a> {
    /// A reader for the frames of `pack`, which decodes them into `room`.
    pub fn new(
        repository: &'a Repository,
        pack: &'a PackEntry,
        room: Vec<u8>,
    ) -> Result<Self, RepositoryError> {
        let damaged = |reason| RepositoryError::damaged(names::pack(pack.folder, &pack.object), reason);
        let opener = FrameOpener::new(repository.keyring(), repository.id(), pack).map_err(damaged)?;
        Ok(Self { pack, opener, plain: room })
    }

    /// The memory that frames were decoded into.
    pub fn into_room(self) -> Vec<u8> {
        self.plain
    }

    /// Opens frame `number`, whose sealed bytes begin at `at` in `bytes`, and hands on each of
    /// its chunks, verified.
    pub fn each_chunk(
        &mut self,
        number: u32,
        at: u64,
        bytes: &[u8],
        mut take: impl FnMut(ChunkId, &[u8]),
    ) -> Result<(), RepositoryError> {
        let path = || names::pack(self.pack.folder, &self.pack.object);
        let damaged = |reason| RepositoryError::damaged(path(), reason);
        let frame = self.pack.index.frames.get(number as usize);
        let frame = frame.ok_or_else(|| damaged(FormatError::Damaged("it has no such frame")))?;
        let sealed = bytes
            .get(at as usize..(at as usize).saturating_add(frame.sealed_len as usize))
            .ok_or_else(|| damaged(FormatError::Damaged("it is shorter than its frames")))?;
        self.opener.open(number, frame, sealed, &mut self.plain).map_err(damaged)?;
        let mut rest = self.plain.as_slice();
        for chunk in &frame.chunks {
            let Some((content, after)) = rest.split_at_checked(chunk.len as usize) else { break };
            take(chunk.id, content);
            rest = after;
        }
        Ok(())
    }
}
