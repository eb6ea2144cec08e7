//! Gives what was restored its owner, attributes, mode and time, as far as user and file system
//! allow.

use super::shortfall::{ShortfallKind, Shortfalls};
use crate::model::entry::Metadata;
use rustix::fs::{AtFlags, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use xattr::FileExt;

/// Which of owner and group were set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owned {
    user: bool,
    group: bool,
}

impl Owned {
    #[cfg(test)]
    pub(super) const NONE: Owned = Owned { user: false, group: false };

    /// `mode` without the bits that would lend the rights of somebody else than intended.
    pub(super) fn permitted(self, mode: u32) -> Mode {
        let lent = if self.user { 0 } else { 0o4000 } | if self.group { 0 } else { 0o2000 };
        Mode::from_bits_retain((mode & 0o7777 & !lent) as _)
    }
}

/// Applies to an open file or folder. What is refused for want of rights is a shortfall.
pub(super) fn to_open(
    file: &File,
    relative: &[u8],
    metadata: &Metadata,
    shortfalls: &Shortfalls,
) -> Result<(), Errno> {
    let owned = own(relative, metadata, shortfalls, |user, group| rustix::fs::fchown(file, user, group));
    // After the owner, whose change drops capabilities; before the mode, which may forbid writing.
    for name in foreign(file, metadata) {
        if let Err(error) = file.remove_xattr(OsStr::from_bytes(&name)) {
            shortfalls.add(ShortfallKind::Xattrs, relative, error);
        }
    }
    for xattr in &metadata.xattrs {
        if let Err(error) = file.set_xattr(OsStr::from_bytes(&xattr.name), &xattr.value) {
            match Errno::from_io_error(&error) {
                Some(full @ (Errno::NOSPC | Errno::DQUOT)) => return Err(full),
                _ => shortfalls.add(ShortfallKind::Xattrs, relative, error),
            }
        }
    }
    if let Err(error) = rustix::fs::fchmod(file, owned.permitted(metadata.mode)) {
        shortfalls.add(ShortfallKind::Mode, relative, error);
    }
    if let Err(error) = rustix::fs::futimens(file, &times(metadata)) {
        shortfalls.add(ShortfallKind::Mtime, relative, error);
    }
    Ok(())
}

/// Applies owner and time to `name` in `folder` without following it, should it be a link.
pub(super) fn to_link(
    folder: &OwnedFd,
    name: &[u8],
    relative: &[u8],
    metadata: &Metadata,
    shortfalls: &Shortfalls,
) -> Owned {
    let owned = own(relative, metadata, shortfalls, |user, group| {
        rustix::fs::chownat(folder, name, user, group, AtFlags::SYMLINK_NOFOLLOW)
    });
    if let Err(error) = rustix::fs::utimensat(folder, name, &times(metadata), AtFlags::SYMLINK_NOFOLLOW) {
        shortfalls.add(ShortfallKind::Mtime, relative, error);
    }
    owned
}

fn own(
    relative: &[u8],
    metadata: &Metadata,
    shortfalls: &Shortfalls,
    chown: impl Fn(Option<Uid>, Option<Gid>) -> Result<(), Errno>,
) -> Owned {
    // All bits set means "leave it" to the system: no real owner, and rustix forbids it.
    let user = (metadata.uid != u32::MAX).then(|| Uid::from_raw(metadata.uid));
    let group = (metadata.gid != u32::MAX).then(|| Gid::from_raw(metadata.gid));
    let Err(error) = chown(user, group) else {
        return Owned { user: user.is_some(), group: group.is_some() };
    };
    shortfalls.add(ShortfallKind::Owner, relative, error);
    // The owner of a file may still give it to a group of theirs.
    Owned { user: false, group: group.is_some() && chown(None, group).is_ok() }
}

fn times(metadata: &Metadata) -> Timestamps {
    let mtime = metadata.mtime;
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        // A record may hold any number; beyond the range it would mean "now" or "leave it".
        last_modification: Timespec { tv_sec: mtime.seconds, tv_nsec: mtime.nanos.min(999_999_999) as _ },
    }
}

/// Attributes that are the user's own, and not the system's: one that a file should not have goes.
pub(super) fn is_the_users(name: &[u8]) -> bool {
    name.starts_with(b"user.") || name.starts_with(b"system.posix_acl_")
}

/// The attributes of an open file that it should not have.
fn foreign(file: &File, metadata: &Metadata) -> Vec<Vec<u8>> {
    let Ok(names) = file.list_xattr() else { return Vec::new() };
    let is_foreign = |name: &OsString| {
        let name = name.as_bytes();
        is_the_users(name) && !metadata.xattrs.iter().any(|xattr| xattr.name == name)
    };
    names.filter(is_foreign).map(OsString::into_vec).collect()
}
