//! One file's content as a stream.

use super::BrowseError;
use super::wanted::{WantedPath, relative};
use crate::model::entry::{Content, Node};
use crate::model::path::display_bytes;
use crate::repository::content::groups;
use crate::repository::snapshots::{SnapshotInfo, unless_local};
use crate::repository::{Cancel, Repository, RepositoryError};
use std::io::Write;

/// So many bytes of content are asked for together.
pub(super) const TOGETHER: u64 = 32 << 20;

/// Writes the content of the file `path` (as shown, or whole) of a snapshot to `out`, each part when
/// it is there and verified. Returns how many bytes.
pub async fn dump(
    repository: &Repository,
    snapshot: &SnapshotInfo,
    path: &[u8],
    out: &mut (impl Write + Send),
    cancel: &Cancel,
) -> Result<u64, BrowseError> {
    let content = find_file(repository, snapshot, path).await?;
    let mut written = 0;
    for pieces in groups(&content, TOGETHER) {
        if cancel.is_cancelled() {
            return Err(RepositoryError::Cancelled.into());
        }
        let mut failed = None;
        let read = repository.read_pieces(pieces, |_, bytes| {
            written += bytes.len() as u64;
            out.write_all(bytes).map_err(|error| {
                failed = Some(error);
                RepositoryError::Cancelled
            })
        });
        match (read.await, failed) {
            (_, Some(error)) => return Err(BrowseError::Write(error)),
            (read, None) => read?,
        }
    }
    out.flush().map_err(BrowseError::Write)?;
    if written != content.size {
        let reason =
            crate::format::FormatError::Damaged("its parts have another length in all than the file");
        return Err(RepositoryError::damaged("the list of its parts", reason).into());
    }
    Ok(written)
}

async fn find_file(
    repository: &Repository,
    snapshot: &SnapshotInfo,
    path: &[u8],
) -> Result<Content, BrowseError> {
    let root = snapshot.root();
    let wanted = WantedPath::new(path, root.as_ref());
    let entries = repository.entries(snapshot).await?;
    for entry in entries.iter() {
        let entry = match entry.map_err(unless_local) {
            Ok(entry) => entry,
            Err(Err(local)) => return Err(local.into()),
            // Of another path.
            Err(Ok(_)) => continue,
        };
        if wanted.is(relative(&entry.path, root.as_ref())) {
            return match entry.node {
                Node::File(content) => Ok(content),
                _ => Err(BrowseError::NoFile { path: display_bytes(path).into_owned() }),
            };
        }
    }
    Err(BrowseError::NoSuchPath { snapshot: snapshot.id.short() })
}
