//! A pattern through time: which snapshots hold what matches, and when it changed.

use super::BrowseError;
use super::wanted::relative;
use crate::files::filter::Filter;
use crate::files::links::content_key;
use crate::format::entries::EntryError;
use crate::model::entry::{Entry, Node};
use crate::model::id::ObjectId;
use crate::model::set::SetId;
use crate::model::time::Timestamp;
use crate::repository::snapshots::{SnapshotEntries, SnapshotInfo, unless_local};
use crate::repository::{Repository, RepositoryError};
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
    state: (blake3::Hash, Timestamp),
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
            let searched = match repository.entries_beside(snapshot, known.as_ref()).await {
                Ok(entries) if known.as_ref().is_some_and(|known| entries.is_list_of(known)) => {
                    tracks.values_mut().for_each(|track: &mut Track| track.stays(snapshot, read.len()));
                    Ok(())
                }
                Ok(entries) => matches_of(&filter, snapshot, &entries).map(|matches| {
                    matches.into_iter().for_each(|entry| take(&mut tracks, snapshot, entry, read.len()));
                    known = Some(entries);
                }),
                Err(error) => Err(error),
            };
            match searched {
                Ok(()) => read.push(*snapshot),
                // Nothing is known of what it holds.
                Err(error)
                    if error.spoils_only_itself() || matches!(error, RepositoryError::Selection(_)) =>
                {
                    unreadable.push((snapshot.id, error));
                }
                Err(error) => return Err(error.into()),
            }
        }
        found.extend(tracks.into_values().map(|track| {
            let after = read.get(track.seen_in + 1).map(|snapshot| (snapshot.id, snapshot.time_ms));
            Found { gone_since: after, ..track.found }
        }));
    }
    Ok((found, unreadable))
}

/// What the filter names, with the paths as shown.
fn matches_of(
    filter: &Filter,
    snapshot: &SnapshotInfo,
    entries: &SnapshotEntries,
) -> Result<Vec<(Vec<u8>, Entry)>, RepositoryError> {
    let (root, mut matches) = (snapshot.root(), Vec::new());
    for entry in entries.iter() {
        let entry = match entry.map_err(unless_local) {
            Ok(entry) => entry,
            Err(Err(local)) => return Err(local),
            Err(Ok(EntryError::Format(reason))) => {
                return Err(RepositoryError::damaged("its list of files", reason));
            }
            // Of a path that no pattern can name.
            Err(Ok(_)) => continue,
        };
        let path = relative(&entry.path, root.as_ref());
        if !path.is_empty() && filter.names(path, matches!(entry.node, Node::Folder)) {
            matches.push((path.to_vec(), entry));
        }
    }
    Ok(matches)
}

fn take(
    tracks: &mut BTreeMap<Vec<u8>, Track>,
    snapshot: &SnapshotInfo,
    (path, entry): (Vec<u8>, Entry),
    number: usize,
) {
    let held = (snapshot.id, snapshot.time_ms);
    let state = (content_key(&entry.node), entry.meta.mtime);
    match tracks.get_mut(&path) {
        Some(track) => track.goes_on(&entry, state, held, number),
        None => {
            let (set, versions) = (snapshot.head.set.clone(), vec![version(&entry, held)]);
            let found = Found { set, path: path.clone(), versions, gone_since: None };
            tracks.insert(path, Track { found, state, seen_in: number });
        }
    }
}

impl Track {
    fn goes_on(
        &mut self,
        entry: &Entry,
        state: (blake3::Hash, Timestamp),
        held: (ObjectId, i64),
        number: usize,
    ) {
        match self.found.versions.last_mut() {
            Some(version) if state == self.state && self.seen_in + 1 == number => {
                version.snapshots.push(held)
            }
            _ => self.found.versions.push(version(entry, held)),
        }
        (self.state, self.seen_in) = (state, number);
    }

    /// The list of the snapshot with this number is that of the one before.
    fn stays(&mut self, snapshot: &SnapshotInfo, number: usize) {
        if self.seen_in + 1 == number
            && let Some(version) = self.found.versions.last_mut()
        {
            version.snapshots.push((snapshot.id, snapshot.time_ms));
            self.seen_in = number;
        }
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
