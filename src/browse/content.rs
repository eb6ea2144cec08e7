//! One file's content as a stream.

use super::BrowseError;
use super::wanted::{WantedPath, relative};
use crate::format::FormatError;
use crate::format::entries::EntryError;
use crate::model::entry::{Content, Node};
use crate::model::path::display_bytes;
use crate::repository::content::{PieceBytes, groups};
use crate::repository::snapshots::{SnapshotInfo, unless_local};
use crate::repository::{Repository, RepositoryError};
use std::io::{self, Write};

/// So many bytes of content are asked for together.
pub(super) const TOGETHER: u64 = 16 << 20;

/// Writes the content of the file `path` (as shown, or whole) of a snapshot to `out`, each part when
/// it is there and verified. Returns how many bytes. May be dropped anywhere.
pub async fn dump(
    repository: &Repository,
    snapshot: &SnapshotInfo,
    path: &[u8],
    out: &mut (impl Write + Send),
) -> Result<u64, BrowseError> {
    let content = find_file(repository, snapshot, path).await?;
    let shown = || display_bytes(path).into_owned();
    let mut written = 0_u64;
    for pieces in groups(&content, TOGETHER) {
        let chunks = repository.chunks(pieces).await?;
        for piece in pieces {
            let bytes = chunks
                .bytes_of(piece)
                .map_err(|reason| BrowseError::Spoilt { path: shown(), reason: reason.to_owned() })?;
            written += match bytes {
                PieceBytes::Data(bytes) => out.write_all(bytes).map(|()| bytes.len() as u64),
                PieceBytes::Zeros(len) => io::copy(&mut io::Read::take(io::repeat(0), len), out),
            }
            .map_err(BrowseError::Write)?;
        }
    }
    out.flush().map_err(BrowseError::Write)?;
    if written != content.size {
        let reason = "its parts have another length in all than the file".to_owned();
        return Err(BrowseError::Spoilt { path: shown(), reason });
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
    let mut damage: Option<FormatError> = None;
    for entry in entries.iter() {
        let entry = match entry.map_err(unless_local) {
            Ok(entry) => entry,
            Err(Err(local)) => return Err(local.into()),
            Err(Ok(EntryError::Format(reason))) => {
                damage = Some(reason);
                continue;
            }
            // Of a path that nobody can have meant.
            Err(Ok(_)) => continue,
        };
        if wanted.is(relative(&entry.path, root.as_ref())) {
            return match entry.node {
                Node::File(content) => Ok(content),
                _ => Err(BrowseError::NoFile { path: display_bytes(path).into_owned() }),
            };
        }
    }
    match damage {
        // It may be in what cannot be read.
        Some(reason) => Err(RepositoryError::damaged("the list of files", reason).into()),
        None => Err(BrowseError::NoSuchPath { snapshot: snapshot.id.short() }),
    }
}
