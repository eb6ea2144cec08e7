//! Looks at what lies in the target already, and clears it away where that is asked for.

use super::Target;
use super::beneath::FOLDER_FLAGS;
use super::error::PlaceError;
use crate::model::time::Timestamp;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::fs::File;

/// What something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
}

/// Something that lies in the target; of a link, the link itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    /// What it is.
    pub kind: Kind,
    /// Bytes.
    pub size: u64,
    /// When its content changed last.
    pub mtime: Timestamp,
    /// When anything of it changed last.
    pub ctime: Timestamp,
    /// Permission bits, `0o7777`.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Device it lies on.
    pub device: u64,
    /// Inode number: with `device` it tells which names are the same file.
    pub inode: u64,
    /// The number of a device.
    pub rdev: u64,
    /// How many names it has.
    pub links: u64,
}

/// By what it shows that something is still as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    device: u64,
    inode: u64,
    ctime: Timestamp,
    mtime: Timestamp,
    size: u64,
    links: u64,
}

impl Seen {
    /// Whether `now` is it, unchanged. That another of its names went since, which a restore that replaces
    /// one after the other does itself, is no change.
    pub fn is_still(&self, now: &Existing) -> bool {
        let is_the_same = self.device == now.device && self.inode == now.inode;
        let lost_a_name = now.links < self.links && now.mtime == self.mtime && now.size == self.size;
        is_the_same && (now.ctime == self.ctime || lost_a_name)
    }
}

impl Target {
    /// What lies at `relative`; none if nothing does.
    ///
    /// # Errors
    /// The path is bad, or something that is no folder (a link, too) lies above it.
    pub fn existing(&self, relative: &[u8]) -> Result<Option<Existing>, PlaceError> {
        let stat = match self.stat(relative) {
            Err(PlaceError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return Ok(None);
            }
            stat => stat?,
        };
        Ok(Some(Existing::new(&stat)))
    }

    /// The names in the folder of `relative`, as they are spelt there; none where it cannot be listed.
    ///
    /// # Errors
    /// The path is bad, or its folder is missing or something else.
    pub fn names_beside(&self, relative: &[u8]) -> Result<Option<Vec<Vec<u8>>>, PlaceError> {
        let place = self.beneath.locate(relative, false)?;
        let flags = FOLDER_FLAGS | OFlags::RDONLY | OFlags::NOFOLLOW;
        let listed = rustix::fs::openat(&place.folder, ".", flags, Mode::empty()).and_then(Dir::new);
        let Ok(listed) = listed else { return Ok(None) };
        let names: Result<_, Errno> =
            listed.map(|entry| Ok(entry?.file_name().to_bytes().to_vec())).collect();
        Ok(names.ok())
    }

    /// Opens the regular file at `relative` for reading.
    ///
    /// # Errors
    /// It is missing, is something else, or cannot be read.
    pub fn open_existing(&self, relative: &[u8]) -> Result<File, PlaceError> {
        let action = "open";
        let place = self.beneath.locate(relative, false)?;
        // A pipe must not be waited on.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&place.folder, place.name, flags, Mode::empty());
        let file = File::from(opened.map_err(|error| PlaceError::new(action, relative, error))?);
        let found = file.metadata().map_err(|error| PlaceError::from_io(action, relative, error))?;
        if !found.is_file() {
            return Err(PlaceError::new(action, relative, Errno::EXIST));
        }
        Ok(file)
    }

    /// The bytes that the symbolic link at `relative` holds.
    ///
    /// # Errors
    /// It is missing or no link.
    pub fn read_link(&self, relative: &[u8]) -> Result<Vec<u8>, PlaceError> {
        let place = self.beneath.locate(relative, false)?;
        let read = rustix::fs::readlinkat(&place.folder, place.name, Vec::new());
        Ok(read.map_err(|error| PlaceError::new("read the link", relative, error))?.into_bytes())
    }

    /// Removes what lies at `relative` to make way; a folder only if it is empty.
    ///
    /// # Errors
    /// [`PlaceError::NotEmpty`], or the system refuses.
    pub fn remove(&self, relative: &[u8]) -> Result<(), PlaceError> {
        let is_folder = Existing::new(&self.stat(relative)?).kind == Kind::Folder;
        let place = self.beneath.locate(relative, false)?;
        let flags = if is_folder { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        self.beneath.forget(relative);
        let mut removed = rustix::fs::unlinkat(&place.folder, place.name, flags);
        if removed == Err(Errno::ACCESS) && self.open_to_owner(relative) {
            removed = rustix::fs::unlinkat(&place.folder, place.name, flags);
        }
        match removed {
            Err(Errno::EXIST) => Err(Errno::NOTEMPTY),
            removed => removed,
        }
        .map_err(|error| PlaceError::new("replace", relative, error))
    }

    /// Lets its owner write into the folder of `relative`, if that is what was missing.
    fn open_to_owner(&self, relative: &[u8]) -> bool {
        let Some(end) = relative.iter().rposition(|byte| *byte == b'/') else { return false };
        let folder = &relative[..end];
        let (Ok(stat), Ok(place)) = (self.stat(folder), self.beneath.locate(folder, false)) else {
            return false;
        };
        let mode = Mode::from_bits_retain((Existing::new(&stat).mode | 0o700) as _);
        rustix::fs::chmodat(&place.folder, place.name, mode, AtFlags::empty()).is_ok()
    }

    pub(super) fn stat(&self, relative: &[u8]) -> Result<Stat, PlaceError> {
        let place = self.beneath.locate(relative, false)?;
        rustix::fs::statat(&place.folder, place.name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|error| PlaceError::new("look at", relative, error))
    }
}

impl Existing {
    /// What it was seen as.
    pub fn seen(&self) -> Seen {
        let Existing { device, inode, ctime, mtime, size, links, .. } = *self;
        Seen { device, inode, ctime, mtime, size, links }
    }

    // The types of these fields differ between systems.
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
    pub(super) fn new(stat: &Stat) -> Self {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Folder,
            FileType::Symlink => Kind::Symlink,
            FileType::Fifo => Kind::Fifo,
            FileType::CharacterDevice => Kind::CharDevice,
            FileType::BlockDevice => Kind::BlockDevice,
            _ => Kind::Socket,
        };
        Existing {
            kind,
            size: stat.st_size as u64,
            mtime: Timestamp::new(stat.st_mtime as i64, stat.st_mtime_nsec as u32),
            ctime: Timestamp::new(stat.st_ctime as i64, stat.st_ctime_nsec as u32),
            mode: u32::from(stat.st_mode) & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            rdev: stat.st_rdev as u64,
            links: stat.st_nlink as u64,
        }
    }
}
