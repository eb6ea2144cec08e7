//! A file being restored: written under a temporary name, moved to its own when whole.

use super::error::PlaceError;
use super::existing::{Existing, Seen};
use super::shortfall::Shortfalls;
use super::{Target, apply};
use crate::model::entry::Metadata;
use crate::model::path::display_bytes;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

/// From this size on, room for a file without holes is set aside at once.
const PREALLOCATE_FROM_BYTES: u64 = 4 * 1024 * 1024;

/// A file that is not whole yet. Dropped unfinished, it leaves nothing behind.
#[derive(Debug)]
pub struct NewFile {
    relative: Vec<u8>,
    folder: Arc<OwnedFd>,
    temporary: String,
    file: File,
    size: u64,
    /// Where [`write`](Self::write) and [`skip`](Self::skip) go on.
    position: u64,
    /// Bytes given so far, holes among them.
    covered: u64,
    /// Length of the file on the disk.
    length: u64,
    shortfalls: Arc<Shortfalls>,
    moving: Arc<Mutex<()>>,
    /// A run of the same mark finds it again.
    can_be_found: bool,
    in_place: bool,
}

impl Target {
    /// Begins the file at `relative`, which is to have `size` bytes; `sparse` if there will be
    /// holes. Folders on the way are made where missing.
    ///
    /// # Errors
    /// The path is bad, something is in the way, the disk is full, the system refuses.
    pub fn begin_file(&self, relative: &[u8], size: u64, sparse: bool) -> Result<NewFile, PlaceError> {
        let failed = |error| PlaceError::new("create", relative, error);
        let folder = self.beneath.locate(relative, true)?.folder;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut name = self.goes_on.then(|| self.unfinished_name(relative));
        let (temporary, file, length, can_be_found) = loop {
            let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
            let (temporary, is_for_this_file) = match name.take() {
                Some(name) => (name, true),
                None => (format!(".filbert-{:08x}{number:08x}", self.run), false),
            };
            match rustix::fs::openat(&folder, temporary.as_str(), flags, Mode::from_raw_mode(0o600)) {
                Ok(file) => break (temporary, File::from(file), 0, is_for_this_file),
                Err(Errno::EXIST) if is_for_this_file => {
                    if let Some((file, length)) = open_unfinished(&folder, &temporary) {
                        break (temporary, file, length, true);
                    }
                }
                Err(Errno::EXIST) => {}
                Err(error) => return Err(failed(error)),
            }
        };
        let mut new = NewFile {
            relative: relative.to_vec(),
            folder,
            temporary,
            file,
            size,
            position: 0,
            covered: 0,
            length,
            shortfalls: Arc::clone(&self.shortfalls),
            moving: Arc::clone(&self.moving),
            can_be_found,
            in_place: false,
        };
        if size >= PREALLOCATE_FROM_BYTES && !sparse {
            new.preallocate().map_err(failed)?;
        }
        if new.length > size {
            new.file.set_len(size).map_err(|error| PlaceError::from_io("write", relative, error))?;
            new.length = size;
        }
        Ok(new)
    }

    /// What a run of the same mark left of the file at `relative`, to read what is in it.
    pub fn unfinished(&self, relative: &[u8]) -> Option<File> {
        if !self.goes_on {
            return None;
        }
        let folder = self.beneath.locate(relative, false).ok()?.folder;
        Some(open_unfinished(&folder, &self.unfinished_name(relative))?.0)
    }

    /// Removes what a run of this mark left of the file at `relative`, if it did.
    pub fn clear_unfinished(&self, mark: u32, relative: &[u8]) {
        let Ok(place) = self.beneath.locate(relative, false) else { return };
        let name = unfinished_name(mark, relative);
        if open_unfinished(&place.folder, &name).is_some() {
            // One that stays does no harm.
            let _ = rustix::fs::unlinkat(&place.folder, name, AtFlags::empty());
        }
    }

    /// The same in each run of the same mark.
    fn unfinished_name(&self, relative: &[u8]) -> String {
        unfinished_name(self.run, relative)
    }
}

fn unfinished_name(mark: u32, relative: &[u8]) -> String {
    let hash = blake3::hash(relative).to_hex();
    format!(".filbert-{mark:08x}-{}", &hash[..16])
}

/// Whether a file of this name is one that a restore has not finished.
pub fn is_unfinished(name: &[u8]) -> bool {
    let Some(rest) = name.strip_prefix(b".filbert-") else { return false };
    let Some((mark, rest)) = rest.split_at_checked(8) else { return false };
    let number = rest.strip_prefix(b"-").filter(|hash| hash.len() == 16);
    let number = number.or(Some(rest).filter(|number| number.len() == 8));
    let is_hex = |bytes: &[u8]| bytes.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_hex(mark) && number.is_some_and(is_hex)
}

/// Opens an unfinished file of this user, if it is nothing else, and tells its length.
fn open_unfinished(folder: &OwnedFd, name: &str) -> Option<(File, u64)> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(folder, name, flags, Mode::empty()).ok()?);
    let stat = rustix::fs::fstat(&file).ok()?;
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    let is_ours = stat.st_nlink == 1 && stat.st_uid == rustix::process::geteuid().as_raw();
    (is_file && is_ours).then_some((file, u64::try_from(stat.st_size).ok()?))
}

impl NewFile {
    /// Leaves the file, unfinished as it is, to a run of the same mark; removes it if there is no mark.
    pub fn leave(mut self) {
        self.in_place = self.can_be_found;
    }

    /// Writes `data` where the last write or hole ended.
    ///
    /// # Errors
    /// The disk is full or fails.
    pub fn write(&mut self, data: &[u8]) -> Result<(), PlaceError> {
        self.write_at(self.position, data)?;
        self.position += data.len() as u64;
        Ok(())
    }

    /// Writes `data` at `offset`, in any order. No byte may be given twice.
    ///
    /// # Errors
    /// The disk is full or fails.
    pub fn write_at(&mut self, offset: u64, data: &[u8]) -> Result<(), PlaceError> {
        self.file
            .write_all_at(data, offset)
            .map_err(|error| PlaceError::from_io("write", &self.relative, error))?;
        self.covered += data.len() as u64;
        self.length = self.length.max(offset + data.len() as u64);
        Ok(())
    }

    /// Whether what was written so far begins with `bytes`.
    pub fn begins_with(&self, bytes: &[u8]) -> bool {
        let mut start = vec![0; bytes.len()];
        self.file.read_exact_at(&mut start, 0).is_ok() && start == bytes
    }

    /// Leaves `bytes` zero bytes where the last write or hole ended.
    pub fn skip(&mut self, bytes: u64) {
        self.position += bytes;
        self.hole(bytes);
    }

    /// Counts a hole of `bytes` zero bytes somewhere, or bytes that an unfinished file has already, for
    /// use with [`write_at`](Self::write_at).
    pub fn hole(&mut self, bytes: u64) {
        self.covered += bytes;
    }

    /// As [`Self::finish`], in place of a file that is still as it was `seen`, and of nothing else. It
    /// is looked at right before, and the new content is on the disk by then.
    ///
    /// # Errors
    /// Those of `finish`; it changed.
    pub fn finish_over(self, metadata: &Metadata, seen: Seen) -> Result<(), PlaceError> {
        self.may_replace(seen)?;
        self.finish(metadata, true)
    }

    /// Whether what lies in its place is still as it was `seen`; what was written is on the disk then.
    ///
    /// # Errors
    /// It changed, or the disk fails.
    pub fn may_replace(&self, seen: Seen) -> Result<(), PlaceError> {
        let failed = |error| PlaceError::new("put in place", &self.relative, error);
        self.file.sync_data().map_err(|error| PlaceError::from_io("write", &self.relative, error))?;
        let now = rustix::fs::statat(&self.folder, self.name(), AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        if !seen.is_still(&Existing::new(&now)) {
            return Err(PlaceError::Changed { path: display_bytes(&self.relative).into_owned() });
        }
        Ok(())
    }

    /// Gives the whole file its metadata and its name. With `replace`, what lies there is replaced
    /// in one step (an empty folder, too); else it stays and is an error.
    ///
    /// # Errors
    /// Not all was written, something is in the way, the disk is full, the system refuses. The
    /// temporary file is gone then.
    pub fn finish(mut self, metadata: &Metadata, replace: bool) -> Result<(), PlaceError> {
        if self.covered != self.size || self.length > self.size {
            let path = display_bytes(&self.relative).into_owned();
            return Err(PlaceError::Incomplete { path, written: self.covered, size: self.size });
        }
        if self.length != self.size {
            self.file
                .set_len(self.size)
                .map_err(|error| PlaceError::from_io("write", &self.relative, error))?;
        }
        apply::to_open(&self.file, &self.relative, metadata, &self.shortfalls)
            .and_then(|()| self.move_into_place(replace))
            .map_err(|error| PlaceError::new("put in place", &self.relative, error))?;
        self.in_place = true;
        Ok(())
    }

    fn preallocate(&mut self) -> Result<(), Errno> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        match rustix::fs::fallocate(&self.file, rustix::fs::FallocateFlags::empty(), 0, self.size) {
            Ok(()) => self.length = self.size,
            Err(error @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => return Err(error),
            // Not every file system can; writing still works.
            Err(_) => {}
        }
        Ok(())
    }

    fn name(&self) -> &[u8] {
        let start = self.relative.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
        &self.relative[start..]
    }

    fn move_into_place(&self, replace: bool) -> Result<(), Errno> {
        let (from, name) = (self.temporary.as_str(), self.name());
        if replace {
            return match rustix::fs::renameat(&self.folder, from, &self.folder, name) {
                Err(Errno::ISDIR | Errno::EXIST | Errno::NOTEMPTY) => {
                    rustix::fs::unlinkat(&self.folder, name, AtFlags::REMOVEDIR)?;
                    rustix::fs::renameat(&self.folder, from, &self.folder, name)
                }
                moved => moved,
            };
        }
        #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
        match rustix::fs::renameat_with(&self.folder, from, &self.folder, name, RenameFlags::NOREPLACE) {
            // Some network file systems cannot.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            moved => return moved,
        }
        // A second name never replaces anything; then the first goes.
        match rustix::fs::linkat(&self.folder, from, &self.folder, name, AtFlags::empty()) {
            Ok(()) => rustix::fs::unlinkat(&self.folder, from, AtFlags::empty()),
            Err(Errno::EXIST) => Err(Errno::EXIST),
            // Nor are there hard links: look, then move. One file at a time, or two whose names are
            // one to the file system could both see that nothing is there.
            Err(_) => {
                let _moving = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
                match rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(_) => Err(Errno::EXIST),
                    Err(_) => rustix::fs::renameat(&self.folder, from, &self.folder, name),
                }
            }
        }
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.in_place {
            // Nothing more can be done about a file that cannot be removed.
            let _ = rustix::fs::unlinkat(&self.folder, self.temporary.as_str(), AtFlags::empty());
        }
    }
}
