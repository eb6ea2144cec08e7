//! Whether owner, mode, time and attributes of what lies there are what they should be, and setting
//! those of a file whose content is right.

use super::apply::{self, is_the_users};
use super::error::PlaceError;
use super::existing::{Existing, Kind};
use super::{Target, TargetUser};
use crate::files::metadata::xattrs_of;
use crate::model::entry::{Metadata, Xattr};
use crate::model::path::display_bytes;
use rustix::fs::Mode;
use std::fs::File;
use xattr::FileExt;

impl Target {
    /// Whether owner and attributes of the regular file `existing`, opened as `file`, are those of
    /// `metadata`. What this user or the file system could not set is not asked for.
    pub fn is_alike(&self, existing: &Existing, file: &File, metadata: &Metadata) -> bool {
        self.is_owned_alike(existing, metadata) && self.has_xattrs(file, metadata)
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
    /// It cannot be opened, changed since it was seen as `existing`, or the disk is full.
    pub fn set_metadata(
        &self,
        relative: &[u8],
        existing: &Existing,
        metadata: &Metadata,
    ) -> Result<(), PlaceError> {
        let file = self.open_existing(relative)?;
        let found = rustix::fs::fstat(&file);
        let found = Existing::new(&found.map_err(|error| PlaceError::new("look at", relative, error))?);
        if !existing.seen().is_still(&found) || found.kind != Kind::File {
            let path = display_bytes(relative).into_owned();
            return Err(PlaceError::Changed { path });
        }
        if !self.user.is_root && found.mode & 0o200 == 0 {
            // Attributes need it, and the mode that is wanted comes last. What is refused shows there.
            let _ = rustix::fs::fchmod(&file, Mode::from_bits_retain((found.mode | 0o200) as _));
        }
        apply::to_open(&file, relative, metadata, &self.shortfalls)
            .map_err(|error| PlaceError::new("set the metadata of", relative, error))
    }
}
