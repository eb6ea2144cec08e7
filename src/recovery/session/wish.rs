//! What a restore is asked to do, as it is remembered.

use crate::format::FormatError;
use crate::model::id::ObjectId;
use crate::model::path::EntryPath;
use crate::recovery::{Destination, RestoreOptions};
use crate::repository::snapshots::SnapshotInfo;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A wish for a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreWish {
    /// The snapshot.
    pub snapshot: ObjectId,
    /// Where to.
    pub destination: Destination,
    /// Take only what matches one of these; none to take all.
    pub includes: Vec<String>,
    /// Leave out what matches one of these.
    pub excludes: Vec<String>,
    /// Replace what is in the way and differs.
    pub overwrite: bool,
    /// Remove what the snapshot does not have.
    pub delete: bool,
    /// Compare all once more at the end.
    pub verify: bool,
    /// Begin though the file system tells of too little room.
    pub ignore_free_space: bool,
    /// Keep what is there, as a snapshot, before anything of it is replaced or removed.
    pub safety: bool,
}

impl RestoreWish {
    /// All of `snapshot` to `destination`, nothing special.
    pub fn new(snapshot: ObjectId, destination: Destination) -> Self {
        Self {
            snapshot,
            destination,
            includes: Vec::new(),
            excludes: Vec::new(),
            overwrite: false,
            delete: false,
            verify: false,
            ignore_free_space: false,
            safety: false,
        }
    }

    /// The options of a run.
    pub fn options(&self, snapshot: SnapshotInfo) -> RestoreOptions {
        RestoreOptions {
            destination: self.destination.clone(),
            includes: self.includes.clone(),
            excludes: self.excludes.clone(),
            overwrite: self.overwrite,
            delete: self.delete,
            verify: self.verify,
            ignore_free_space: self.ignore_free_space,
            ..RestoreOptions::new(snapshot, PathBuf::new())
        }
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, FormatError> {
        let bytes = |path: &Path| path.as_os_str().as_bytes().to_vec();
        let (folder, maps) = match &self.destination {
            Destination::Folder(folder) => (Some(bytes(folder)), Vec::new()),
            Destination::Original { maps } => {
                (None, maps.iter().map(|(from, to)| (from.as_bytes().to_vec(), bytes(to))).collect())
            }
        };
        let stored = Stored {
            folder,
            maps,
            includes: self.includes.clone(),
            excludes: self.excludes.clone(),
            flags: [self.overwrite, self.delete, self.verify, self.ignore_free_space, self.safety],
        };
        postcard::to_stdvec(&stored).map_err(|_| FormatError::Unwritable("the wish of a restore"))
    }

    pub(super) fn from_bytes(snapshot: ObjectId, bytes: &[u8]) -> Result<Self, FormatError> {
        const DAMAGED: FormatError = FormatError::Damaged("the wish of the restore cannot be read");
        let stored: Stored = postcard::from_bytes(bytes).map_err(|_| DAMAGED)?;
        let path = |bytes: Vec<u8>| PathBuf::from(OsString::from_vec(bytes));
        let destination = match stored.folder {
            Some(folder) => Destination::Folder(path(folder)),
            None => {
                let map = |(from, to)| Ok((EntryPath::new(from).map_err(|_| DAMAGED)?, path(to)));
                Destination::Original { maps: stored.maps.into_iter().map(map).collect::<Result<_, _>>()? }
            }
        };
        let [overwrite, delete, verify, ignore_free_space, safety] = stored.flags;
        Ok(Self {
            snapshot,
            destination,
            includes: stored.includes,
            excludes: stored.excludes,
            overwrite,
            delete,
            verify,
            ignore_free_space,
            safety,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    folder: Option<Vec<u8>>,
    maps: Vec<(Vec<u8>, Vec<u8>)>,
    includes: Vec<String>,
    excludes: Vec<String>,
    flags: [bool; 5],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_reads_back() {
        let snapshot = ObjectId([3; 32]);
        let maps = vec![(EntryPath::new(b"/a/\xff".to_vec()).unwrap(), PathBuf::from("/b"))];
        for destination in [Destination::Folder("/t".into()), Destination::Original { maps }] {
            let wish = RestoreWish {
                includes: vec!["*.pdf".to_owned()],
                overwrite: true,
                safety: true,
                ..RestoreWish::new(snapshot, destination)
            };
            assert_eq!(RestoreWish::from_bytes(snapshot, &wish.to_bytes().unwrap()), Ok(wish));
        }
        assert!(RestoreWish::from_bytes(snapshot, b"\x01\xff").is_err());
    }
}
