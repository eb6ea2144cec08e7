//! What a commit costs, known beforehand: for runs that may spend only so much.

use super::{Repository, RepositoryError};
use crate::format::names::FOLDER_FILL;
use crate::format::record::stream::INLINE_BYTES;
use crate::state::meta::Meta;

impl Repository {
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
    pub fn inline_bytes(&self) -> Result<usize, RepositoryError> {
        // A record has two streams, and more.
        let limit = self.object_limit()?;
        Ok(limit.map_or(INLINE_BYTES, |limit| INLINE_BYTES.min(super::writer::fitting(limit) / 4)))
    }
}
