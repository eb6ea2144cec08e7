//! Whether owner, mode, time and attributes of what lies there are what they should be, and setting
//! those of a file whose content is right.

use super::apply;
use super::error::PlaceError;
use super::existing::{Existing, Kind};
use super::{Target, TargetUser};
use crate::files::metadata::xattrs_of;
use crate::model::entry::{Metadata, Xattr};
use crate::model::path::display_bytes;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use xattr::FileExt;

/// Attributes that are the user's own, and not the system's: one that a file should not have goes.
pub(super) fn is_the_users(name: &[u8]) -> bool {
    name.starts_with(b"user.") || name.starts_with(b"system.posix_acl_")
}

impl Target {
    /// Whether the metadata of the regular file `existing`, opened as `file`, are those of `metadata`. What
    /// this user or the file system could not set is not asked for.
    pub fn is_alike(&self, existing: &Existing, file: &File, metadata: &Metadata) -> bool {
        existing.mode == metadata.mode
            && existing.mtime == metadata.mtime
            && self.is_owned_alike(existing, metadata)
            && self.has_xattrs(file, metadata)
    }

    /// Whether `existing` belongs to whom it should, as far as this user may give it.
    pub fn is_owned_alike(&self, existing: &Existing, metadata: &Metadata) -> bool {
        let TargetUser { is_root, groups } = &self.user;
        let user = existing.uid == metadata.uid || metadata.uid == u32::MAX || !is_root;
        let may_give = *is_root || existing.uid == metadata.uid && groups.contains(&metadata.gid);
        user && (existing.gid == metadata.gid || metadata.gid == u32::MAX || !may_give)
    }

    fn has_xattrs(&self, file: &File, metadata: &Metadata) -> bool {
        // What a file system does not have, or this user cannot read, cannot be set either.
        let (Ok(_), Ok(found)) = (file.list_xattr(), xattrs_of(file)) else { return true };
        let is_asked_for = |xattr: &&Xattr| self.user.is_root || is_the_users(&xattr.name);
        let has_all = metadata.xattrs.iter().filter(is_asked_for).all(|xattr| found.contains(xattr));
        let is_known = |found: &Xattr| metadata.xattrs.iter().any(|xattr| xattr.name == found.name);
        has_all && found.iter().filter(|found| is_the_users(&found.name)).all(is_known)
    }

    /// Gives the regular file at `relative` this owner, mode, time and these attributes. What is refused
    /// for want of rights is a shortfall.
    ///
    /// # Errors
    /// It cannot be opened, or is not `existing` any more; the disk is full.
    pub fn set_metadata(
        &self,
        relative: &[u8],
        existing: &Existing,
        metadata: &Metadata,
    ) -> Result<(), PlaceError> {
        let file = self.open_existing(relative)?;
        let found = rustix::fs::fstat(&file);
        let found = Existing::new(&found.map_err(|error| PlaceError::new("look at", relative, error))?);
        if (found.device, found.inode, found.kind) != (existing.device, existing.inode, Kind::File) {
            let path = display_bytes(relative).into_owned();
            return Err(PlaceError::Changed { path });
        }
        apply::to_open(&file, relative, metadata, &self.shortfalls)
            .map_err(|error| PlaceError::new("set the metadata of", relative, error))
    }
}

/// The attributes of an open file that it should not have.
pub(super) fn foreign(file: &File, metadata: &Metadata) -> Vec<Vec<u8>> {
    let Ok(names) = file.list_xattr() else { return Vec::new() };
    let is_foreign = |name: &OsString| {
        let name = name.as_bytes();
        is_the_users(name) && !metadata.xattrs.iter().any(|xattr| xattr.name == name)
    };
    names.filter(is_foreign).map(OsString::into_vec).collect()
}
