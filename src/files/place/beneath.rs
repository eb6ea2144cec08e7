//! Opens folders below a root without ever following a link or leaving the root, and keeps those
//! used last open.

use super::error::PlaceError;
use crate::model::path::display_bytes;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How folders are opened.
pub(super) const FOLDER_FLAGS: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);
/// How folders are opened to work below them: on Linux even where they cannot be read.
#[cfg(any(target_os = "linux", target_os = "android"))]
const WAY_FLAGS: OFlags = FOLDER_FLAGS.union(OFlags::PATH).union(OFlags::NOFOLLOW);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const WAY_FLAGS: OFlags = FOLDER_FLAGS.union(OFlags::NOFOLLOW);

/// How many folders are kept open.
const OPEN_FOLDERS: usize = 16;

#[derive(Debug)]
pub(super) struct Beneath {
    root: Arc<OwnedFd>,
    /// The folders used last, the very last at the end.
    open: Mutex<Vec<(Vec<u8>, Arc<OwnedFd>)>>,
    /// Cleared when the system has no `openat2`.
    whole_paths: AtomicBool,
}

/// A name in an open folder.
pub(super) struct Place<'p> {
    pub(super) folder: Arc<OwnedFd>,
    pub(super) name: &'p [u8],
}

impl Beneath {
    pub(super) fn new(root: OwnedFd) -> Self {
        let whole_paths = AtomicBool::new(cfg!(any(target_os = "linux", target_os = "android")));
        Self { root: Arc::new(root), open: Mutex::default(), whole_paths }
    }

    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// The open folder that holds `relative`, and its name there. Folders on the way are made if
    /// `create`; else a missing one is `ENOENT`.
    pub(super) fn locate<'p>(&self, relative: &'p [u8], create: bool) -> Result<Place<'p>, PlaceError> {
        let plain = |name: &[u8]| !matches!(name, b"" | b"." | b"..") && !name.contains(&0);
        if !relative.split(|byte| *byte == b'/').all(plain) {
            return Err(PlaceError::BadPath { path: display_bytes(relative).into_owned() });
        }
        let (folder, name) = split(relative);
        let folder = self
            .folder(folder, create)
            .map_err(|error| PlaceError::new("reach the folder of", relative, error))?;
        Ok(Place { folder, name })
    }

    /// Forgets open folders at and below `relative`, which is being removed.
    pub(super) fn forget(&self, relative: &[u8]) {
        let gone =
            |folder: &[u8]| folder.strip_prefix(relative).is_some_and(|rest| matches!(rest, [] | [b'/', ..]));
        self.opened().retain(|(folder, _)| !gone(folder));
    }

    /// Makes openings go one component at a time, as without `openat2`.
    #[cfg(test)]
    pub(super) fn without_openat2(&self) {
        self.whole_paths.store(false, Ordering::Relaxed);
    }

    fn opened(&self) -> MutexGuard<'_, Vec<(Vec<u8>, Arc<OwnedFd>)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn folder(&self, relative: &[u8], create: bool) -> Result<Arc<OwnedFd>, Errno> {
        if relative.is_empty() {
            return Ok(Arc::clone(&self.root));
        }
        {
            let mut open = self.opened();
            if let Some(at) = open.iter().rposition(|(folder, _)| folder == relative) {
                let found = Arc::clone(&open[at].1);
                open[at..].rotate_left(1);
                return Ok(found);
            }
        }
        let folder = match self.open_beneath(relative) {
            Err(Errno::NOENT) if create => {
                let (parent, name) = split(relative);
                let parent = self.folder(parent, true)?;
                match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o777)) {
                    Ok(()) | Err(Errno::EXIST) => {
                        rustix::fs::openat(&parent, name, WAY_FLAGS, Mode::empty())?
                    }
                    Err(error) => return Err(error),
                }
            }
            opened => opened?,
        };
        let folder = Arc::new(folder);
        let mut open = self.opened();
        if open.len() >= OPEN_FOLDERS {
            open.remove(0);
        }
        open.push((relative.to_vec(), Arc::clone(&folder)));
        Ok(folder)
    }

    fn open_beneath(&self, relative: &[u8]) -> Result<OwnedFd, Errno> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if self.whole_paths.load(Ordering::Relaxed) {
            use rustix::fs::{ResolveFlags, openat2};
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
            match openat2(&self.root, relative, WAY_FLAGS, Mode::empty(), resolve) {
                // Missing in old kernels, forbidden in some containers.
                Err(Errno::NOSYS | Errno::PERM) => self.whole_paths.store(false, Ordering::Relaxed),
                // A rename somewhere at the same time; a path longer than the kernel takes at once.
                Err(Errno::AGAIN | Errno::NAMETOOLONG) => {}
                opened => return opened,
            }
        }
        let mut folder: Option<OwnedFd> = None;
        for name in relative.split(|byte| *byte == b'/') {
            let at = folder.as_ref().map_or(self.root(), AsFd::as_fd);
            folder = Some(rustix::fs::openat(at, name, WAY_FLAGS, Mode::empty())?);
        }
        folder.ok_or(Errno::NOENT)
    }
}

fn split(relative: &[u8]) -> (&[u8], &[u8]) {
    match relative.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&relative[..at], &relative[at + 1..]),
        None => (&[], relative),
    }
}
