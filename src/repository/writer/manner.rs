//! How a writer that begins now makes packs: what was asked for, as far as line and server are known
//! to bear it. While it runs that may change; a plan goes by the beginning.

use super::limit::{ObjectLimit, fitting};
use super::{WriterOptions, remembered};
use crate::repository::{Repository, RepositoryError};

/// How packs are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    /// A pack is closed before it would be larger.
    pub pack_bytes: usize,
    /// A frame is closed when it has so many plain bytes.
    pub frame_bytes: usize,
    /// The most plain bytes of a frame, and of a piece in it.
    pub most: usize,
    /// A stream of more bytes than this goes into packs and not into the record.
    pub inline_bytes: usize,
    /// The zstd level.
    pub level: i32,
    /// Threads that compress.
    pub threads: usize,
}

impl Manner {
    /// That of a writer for `repository` that is started now.
    pub fn of(repository: &Repository, options: &WriterOptions) -> Result<Self, RepositoryError> {
        options.check()?;
        let limit = ObjectLimit::load(repository.state(), options.max_object)?;
        let pace = options.pace(remembered(repository)?);
        let most = fitting(limit.bytes()).max(1);
        let pack_bytes = pace.pack_bytes().min(limit.pack_bytes());
        Ok(Self {
            pack_bytes,
            frame_bytes: options.frame_bytes_in(pack_bytes).min(most),
            most,
            inline_bytes: repository.inline_bytes(options)?,
            level: pace.level(),
            threads: options.threads.max(1),
        })
    }
}
