//! A pattern through time: which snapshots hold what matches, and when it changed.

use super::BrowseError;
use super::wanted::relative;
use crate::files::filter::Filter;
use crate::model::entry::{Entry, Node};
use crate::model::id::ObjectId;
use crate::model::set::SetId;
use crate::model::time::Timestamp;
use crate::repository::snapshots::{SnapshotEntries, SnapshotInfo, unless_local};
use crate::repository::{Cancel, Repository, RepositoryError};
use std::collections::BTreeMap;

/// A path that matched in some snapshot of a set.
#[derive(Debug, Clone)]
pub struct Found {
    /// The set.
    pub set: SetId,
    /// As it is shown.
    pub path: Vec<u8>,
    /// In order of time. One ends when the file changes or is not there.
    pub versions: Vec<FoundVersion>,
    /// The first snapshot that does not hold it any more, and its time.
    pub gone_since: Option<(ObjectId, i64)>,
}

/// A state of a path that one or more snapshots in a row hold.
#[derive(Debug, Clone)]
pub struct FoundVersion {
    /// Bytes of content.
    pub size: u64,
    /// When the content changed last, as the file system knew it.
    pub mtime: Timestamp,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// The snapshots, in order of time, with their times in milliseconds since 1970.
    pub snapshots: Vec<(ObjectId, i64)>,
}

/// A path while snapshots are gone through.
struct Track {
    found: Found,
    /// The newest state, and the number of the snapshot that held it.
    last: Entry,
    seen_in: usize,
}

/// Goes through `snapshots`, which are in order of time, for what `pattern` names. Snapshots whose
/// list cannot be read are answered beside it.
///
/// # Errors
/// A pattern that is no glob; a repository that cannot be asked.
pub async fn find(
    repository: &Repository,
    snapshots: &[SnapshotInfo],
    pattern: &str,
    cancel: &Cancel,
) -> Result<(Vec<Found>, Vec<(ObjectId, RepositoryError)>), BrowseError> {
    let filter = Filter::new(&[pattern.to_owned()], &[])?;
    let mut by_set: BTreeMap<(&str, &str), Vec<&SnapshotInfo>> = BTreeMap::new();
    for snapshot in snapshots {
        let set = &snapshot.head.set;
        by_set.entry((&set.host, &set.name)).or_default().push(snapshot);
    }
    let (mut found, mut unreadable) = (Vec::new(), Vec::new());
    for of_set in by_set.values() {
        let mut tracks = BTreeMap::new();
        let mut known: Option<SnapshotEntries> = None;
        let mut read = Vec::new();
        for snapshot in of_set {
            if cancel.is_cancelled() {
                return Err(RepositoryError::Cancelled.into());
            }
            match repository.entries_beside(snapshot, known.as_ref()).await {
                Ok(entries) => {
                    take(&mut tracks, &filter, snapshot, &entries, read.len())?;
                    read.push(*snapshot);
                    known = Some(entries);
                }
                Err(error @ (RepositoryError::State(_) | RepositoryError::Cancelled)) => {
                    return Err(error.into());
                }
                Err(error) => unreadable.push((snapshot.id, error)),
            }
        }
        found.extend(tracks.into_values().map(|track| {
            let after = read.get(track.seen_in + 1).map(|snapshot| (snapshot.id, snapshot.time_ms));
            Found { gone_since: after, ..track.found }
        }));
    }
    Ok((found, unreadable))
}

fn take(
    tracks: &mut BTreeMap<Vec<u8>, Track>,
    filter: &Filter,
    snapshot: &SnapshotInfo,
    entries: &SnapshotEntries,
    number: usize,
) -> Result<(), RepositoryError> {
    let root = snapshot.root();
    for entry in entries.iter() {
        let entry = match entry.map_err(unless_local) {
            Ok(entry) => entry,
            Err(Err(local)) => return Err(local),
            Err(Ok(_)) => continue,
        };
        let path = relative(&entry.path, root.as_ref());
        if path.is_empty() || !filter.names(path, matches!(entry.node, Node::Folder)) {
            continue;
        }
        let held = (snapshot.id, snapshot.time_ms);
        match tracks.get_mut(path) {
            Some(track) => track.goes_on(entry, held, number),
            None => {
                let path = path.to_vec();
                let found = Found {
                    set: snapshot.head.set.clone(),
                    path: path.clone(),
                    versions: vec![version(&entry, held)],
                    gone_since: None,
                };
                tracks.insert(path, Track { found, last: entry, seen_in: number });
            }
        }
    }
    Ok(())
}

impl Track {
    fn goes_on(&mut self, entry: Entry, held: (ObjectId, i64), number: usize) {
        let same = entry.node == self.last.node && entry.meta.mtime == self.last.meta.mtime;
        match self.found.versions.last_mut() {
            Some(version) if same && self.seen_in + 1 == number => version.snapshots.push(held),
            _ => self.found.versions.push(version(&entry, held)),
        }
        (self.last, self.seen_in) = (entry, number);
    }
}

fn version(entry: &Entry, held: (ObjectId, i64)) -> FoundVersion {
    FoundVersion {
        size: entry.node.size(),
        mtime: entry.meta.mtime,
        is_folder: matches!(entry.node, Node::Folder),
        snapshots: vec![held],
    }
}
