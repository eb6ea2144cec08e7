//! The content of a file to chunks.

use super::plan::Sample;
use super::sink::ChunkSink;
use crate::files::read::{FileReader, Outcome, ReadError, Segment};
use crate::format::chunker::Chunker;
use crate::format::keys::Keyring;
use crate::model::entry::{Content, Piece};
use crate::model::id::ChunkId;
use crate::repository::RepositoryError;
use std::sync::Arc;

/// Read at once, at least; memory does not grow with the file.
const READ_BYTES: usize = 1 << 20;

/// Reads and cuts files. Keeps its buffer from file to file.
pub(super) struct ContentReader {
    chunker: Chunker,
    keyring: Arc<Keyring>,
    buffer: Vec<u8>,
    /// What is read of the content; none for all.
    sample: Option<Sample>,
    /// How many chunks were made up for what was not read.
    made_up: u64,
    /// A server that takes no large objects gets no larger chunks than this.
    most: usize,
}

/// What reading a file came to.
pub(super) struct ReadContent {
    pub(super) content: Content,
    pub(super) outcome: Outcome,
}

/// Why a file was not read.
pub(super) enum ContentError {
    /// The file: the run goes on.
    File(ReadError),
    /// The repository: the run ends.
    Repository(RepositoryError),
    /// The run may not spend more. The chunks up to there were taken.
    NotAllowed,
}

impl From<ReadError> for ContentError {
    fn from(error: ReadError) -> Self {
        ContentError::File(error)
    }
}

impl From<RepositoryError> for ContentError {
    fn from(error: RepositoryError) -> Self {
        ContentError::Repository(error)
    }
}

impl ContentReader {
    /// Cuts with `chunker`, and chunks of more than `most` bytes once more.
    pub(super) fn new(chunker: Chunker, keyring: Arc<Keyring>, most: usize) -> Self {
        let buffer = vec![0; chunker.max_bytes() + READ_BYTES];
        Self { chunker, keyring, buffer, most: most.max(1), sample: None, made_up: 0 }
    }

    /// Reads only this part of the content. For the rest it makes up chunks that nothing else has.
    pub(super) fn of_sample(mut self, sample: Option<Sample>) -> Self {
        self.sample = sample;
        self
    }

    /// Reads a file to its end and hands its chunks to `sink`.
    pub(super) fn read(
        &mut self,
        mut reader: FileReader,
        sink: &mut dyn ChunkSink,
        mut advance: impl FnMut(u64),
    ) -> Result<ReadContent, ContentError> {
        let mut content = Content::default();
        let mut filled = 0;
        if let Some(sample) = &mut self.sample {
            sample.begin_file();
        }
        loop {
            let passes_over = self.sample.is_some_and(|sample| !sample.takes());
            let left = self.sample.map_or(usize::MAX, |sample| sample.left());
            let segment = if passes_over {
                self.cut_rest(&mut filled, sink, &mut content)?;
                reader.pass_over(left)?
            } else {
                let end = filled.saturating_add(left).min(self.buffer.len());
                reader.next(&mut self.buffer[filled..end])?
            };
            if let (Some(sample), Segment::Data(bytes)) = (&mut self.sample, segment) {
                sample.advance(bytes);
            }
            match segment {
                Segment::Data(passed) if passes_over => {
                    advance(passed as u64);
                    sink.passed_over(passed as u64);
                    self.make_up(passed, &mut content);
                }
                Segment::Data(read) => {
                    filled += read;
                    advance(read as u64);
                    // Cuts must not depend on how much a read happened to give.
                    let mut start = 0;
                    while filled - start >= self.chunker.max_bytes() {
                        start += self.cut(start, filled, sink, &mut content)?;
                    }
                    self.buffer.copy_within(start..filled, 0);
                    filled -= start;
                }
                Segment::Hole(len) => {
                    self.cut_rest(&mut filled, sink, &mut content)?;
                    content.pieces.push(Piece::Hole(len));
                    content.size += len;
                }
                Segment::End => {
                    self.cut_rest(&mut filled, sink, &mut content)?;
                    let outcome = reader.finish()?;
                    return Ok(ReadContent { content, outcome });
                }
            }
        }
    }

    fn make_up(&mut self, bytes: usize, content: &mut Content) {
        content.size += bytes as u64;
        for _ in 0..bytes.div_ceil(self.chunker.average_bytes()) {
            self.made_up += 1;
            content.pieces.push(Piece::Chunk(self.keyring.chunk_id(&self.made_up.to_le_bytes())));
        }
    }

    fn cut_rest(
        &mut self,
        filled: &mut usize,
        sink: &mut dyn ChunkSink,
        content: &mut Content,
    ) -> Result<(), ContentError> {
        let mut start = 0;
        while start < *filled {
            start += self.cut(start, *filled, sink, content)?;
        }
        *filled = 0;
        Ok(())
    }

    fn cut(
        &self,
        start: usize,
        end: usize,
        sink: &mut dyn ChunkSink,
        content: &mut Content,
    ) -> Result<usize, ContentError> {
        let bytes = &self.buffer[start..end];
        let chunk = &bytes[..self.chunker.cut(bytes)];
        let id = self.keyring.chunk_id(chunk);
        content.size += chunk.len() as u64;
        if chunk.len() <= self.most || sink.knows(&id)? {
            take(sink, id, chunk)?;
            content.pieces.push(Piece::Chunk(id));
            return Ok(chunk.len());
        }
        for part in chunk.chunks(self.most) {
            let id = self.keyring.chunk_id(part);
            take(sink, id, part)?;
            content.pieces.push(Piece::Chunk(id));
        }
        Ok(chunk.len())
    }
}

fn take(sink: &mut dyn ChunkSink, id: ChunkId, chunk: &[u8]) -> Result<(), ContentError> {
    if sink.add(id, chunk)? { Ok(()) } else { Err(ContentError::NotAllowed) }
}
