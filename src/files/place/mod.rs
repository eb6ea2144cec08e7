//! Puts files back below a target folder, and nowhere else: whatever a record says, and whatever
//! links lie or are restored in the target, no path leaves it.
//!
//! Paths are relative to the target, as bytes without a slash in front. Files appear under their
//! name only when whole. What a file system or user cannot take (owners, attributes) is no error:
//! it is counted in the [`Shortfalls`].

mod apply;
mod aside;
mod beneath;
mod error;
mod existing;
mod flush;
mod likeness;
mod new_file;
mod nodes;
mod shortfall;

pub use aside::Aside;
pub use error::PlaceError;
pub use existing::{Existing, Kind, Seen};
pub use flush::Flusher;
pub use new_file::{NewFile, is_unfinished};
pub use shortfall::{Shortfall, ShortfallKind, Shortfalls};

use crate::model::entry::Metadata;
use beneath::{Beneath, FOLDER_FLAGS};
use rustix::fs::{Access, AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

/// A folder to restore into. Shared freely between threads; fastest when paths come in tree order.
#[derive(Debug)]
pub struct Target {
    beneath: Beneath,
    shortfalls: Arc<Shortfalls>,
    /// What folders get when all below them is done.
    folders: Mutex<Vec<(Vec<u8>, Metadata)>>,
    /// Makes names of temporary files unlike those of other runs, and of each other.
    run: u32,
    /// Files that a broken-off run of the same mark left unfinished are gone on with.
    goes_on: bool,
    next_temporary: AtomicU64,
    user: TargetUser,
    /// Held while a file moves to its name on a file system that cannot refuse to replace another.
    moving: Arc<Mutex<()>>,
}

/// Who restores, and so what may be given to whom.
#[derive(Debug)]
struct TargetUser {
    is_root: bool,
    groups: Vec<u32>,
}

impl TargetUser {
    fn this() -> Self {
        let more = rustix::process::getgroups().unwrap_or_default();
        let groups = more.into_iter().chain([rustix::process::getegid()]).map(|group| group.as_raw());
        Self { is_root: rustix::process::geteuid().is_root(), groups: groups.collect() }
    }
}

impl Target {
    /// Opens the folder at `path`, which may lead through links, and makes it where it is missing.
    /// No other process, nor this one, opens it so until this is dropped, where the file system
    /// knows locks. Unfinished files carry `mark` in their names, and one that a run of the same mark
    /// left is gone on with.
    ///
    /// # Errors
    /// It is no folder, cannot be made, cannot be written, or is opened so already.
    pub fn open_or_create(path: &Path, mark: Option<u32>) -> Result<Target, PlaceError> {
        let failed = |source| PlaceError::Target { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(failed)?;
        let mut target = Self::open_folder(path).map_err(|error| failed(error.into()))?;
        if let Some(mark) = mark {
            (target.run, target.goes_on) = (mark, true);
        }
        target.hold(path)?;
        let writable = Access::WRITE_OK | Access::EXEC_OK;
        match rustix::fs::accessat(target.beneath.root(), ".", writable, AtFlags::EACCESS) {
            Err(error @ (Errno::ACCESS | Errno::ROFS | Errno::PERM)) => Err(failed(error.into())),
            _ => Ok(target),
        }
    }

    /// Opens the folder at `path` to compare with it; none if nothing is there.
    ///
    /// # Errors
    /// It is no folder or cannot be opened.
    pub fn open(path: &Path) -> Result<Option<Target>, PlaceError> {
        match Self::open_folder(path) {
            Ok(target) => Ok(Some(target)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(PlaceError::Target { path: path.to_owned(), source: error.into() }),
        }
    }

    /// Keeps others from opening the folder, which lies at `path`, to restore into it, until this is dropped.
    ///
    /// # Errors
    /// Somebody has.
    pub fn hold(&self, path: &Path) -> Result<(), PlaceError> {
        match rustix::fs::flock(self.beneath.root(), FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => Err(PlaceError::Busy { path: path.to_owned() }),
            // Some file systems know no locks.
            _ => Ok(()),
        }
    }

    fn open_folder(path: &Path) -> Result<Target, Errno> {
        let root = rustix::fs::open(path, FOLDER_FLAGS | OFlags::RDONLY, Mode::empty())?;
        let mut run = [0; 4];
        getrandom::fill(&mut run).map_err(|_| Errno::IO)?;
        Ok(Target {
            beneath: Beneath::new(root),
            shortfalls: Arc::default(),
            folders: Mutex::default(),
            run: u32::from_le_bytes(run),
            goes_on: false,
            next_temporary: AtomicU64::new(0),
            user: TargetUser::this(),
            moving: Arc::default(),
        })
    }

    /// What could not be restored of metadata so far.
    pub fn shortfalls(&self) -> &Shortfalls {
        &self.shortfalls
    }

    /// Keeps the metadata of a folder (empty path: the target itself) for
    /// [`finish_folders`](Self::finish_folders): writing into it would spoil its mtime, and its
    /// mode may forbid writing.
    pub fn defer_folder(&self, relative: &[u8], metadata: Metadata) {
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        folders.push((relative.to_vec(), metadata));
    }

    /// Gives all deferred folders their metadata, the deepest first. One error for each that fails.
    pub fn finish_folders(&self) -> Vec<PlaceError> {
        let mut folders = std::mem::take(&mut *self.folders.lock().unwrap_or_else(PoisonError::into_inner));
        // A path sorts before all that it begins, so what is below a folder comes before it here.
        folders.sort_by(|(a, _), (b, _)| b.cmp(a));
        let finish =
            |(relative, metadata): &(Vec<u8>, Metadata)| self.finish_folder(relative, metadata).err();
        folders.iter().filter_map(finish).collect()
    }

    fn finish_folder(&self, relative: &[u8], metadata: &Metadata) -> Result<(), PlaceError> {
        let failed = |error| PlaceError::new("set the metadata of the folder", relative, error);
        let flags = FOLDER_FLAGS | OFlags::RDONLY | OFlags::NOFOLLOW;
        let folder = if relative.is_empty() {
            rustix::fs::openat(self.beneath.root(), ".", flags, Mode::empty())
        } else {
            let place = self.beneath.locate(relative, false)?;
            rustix::fs::openat(&place.folder, place.name, flags, Mode::empty())
        };
        let folder = File::from(folder.map_err(failed)?);
        apply::to_open(&folder, relative, metadata, &self.shortfalls).map_err(failed)
    }

    /// Makes all that was restored safe on the disk.
    ///
    /// # Errors
    /// The disk failed to take it.
    pub fn sync(&self) -> Result<(), PlaceError> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let synced = rustix::fs::syncfs(self.beneath.root());
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let synced = rustix::fs::fsync(self.beneath.root());
        synced.map_err(|error| PlaceError::new("write to the disk", b"", error))
    }
}

#[cfg(test)]
mod tests;
