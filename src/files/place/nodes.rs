//! Makes what is no regular file: folders, further names of files, symbolic links, pipes, sockets
//! and devices.

use super::existing::{Existing, Kind, Seen};
use super::{PlaceError, Target, apply};
use crate::model::entry::{Metadata, Node};
use crate::model::path::display_bytes;
use rustix::fs::{AtFlags, FileType, Mode};
use rustix::io::Errno;
use std::sync::atomic::Ordering;

impl Target {
    /// Makes the folder at `relative`, open to its owner only until
    /// [`finish_folders`](Self::finish_folders), or opens one that is there to its owner. Tells
    /// whether it was made. The target itself (an empty path) is there.
    ///
    /// # Errors
    /// The path is bad, something else is in the way (a link to a folder, too), the disk is full,
    /// the system refuses.
    pub fn make_folder(&self, relative: &[u8]) -> Result<bool, PlaceError> {
        if relative.is_empty() {
            return Ok(false);
        }
        let failed = |error| PlaceError::new("make the folder", relative, error);
        let place = self.beneath.locate(relative, true)?;
        match rustix::fs::mkdirat(&place.folder, place.name, Mode::RWXU) {
            Ok(()) => return Ok(true),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(failed(error)),
        }
        let existing = Existing::new(&self.stat(relative)?);
        match existing.kind {
            Kind::Folder => {}
            Kind::Symlink => return Err(failed(Errno::LOOP)),
            _ => return Err(failed(Errno::NOTDIR)),
        }
        if existing.mode & 0o700 != 0o700 {
            let mode = Mode::from_bits_retain((existing.mode | 0o700) as _);
            // Refused to all but its owner; what is restored into it then tells.
            let _ = rustix::fs::chmodat(&place.folder, place.name, mode, AtFlags::empty());
        }
        Ok(false)
    }

    /// Gives the file at `existing` a further name, `relative`.
    ///
    /// # Errors
    /// Something is in the way, the file is missing, the file system has no such links.
    pub fn link(&self, existing: &[u8], relative: &[u8]) -> Result<(), PlaceError> {
        let from = self.beneath.locate(existing, false)?;
        let to = self.beneath.locate(relative, true)?;
        rustix::fs::linkat(&from.folder, from.name, &to.folder, to.name, AtFlags::empty())
            .map_err(|error| PlaceError::new("make the hard link", relative, error))
    }

    /// As [`Self::link`], in one step in place of what is still as it was `seen`.
    ///
    /// # Errors
    /// Those of `link`; it changed.
    pub fn link_over(&self, existing: &[u8], relative: &[u8], seen: Seen) -> Result<(), PlaceError> {
        let failed = |error| PlaceError::new("make the hard link", relative, error);
        let place = self.beneath.locate(relative, true)?;
        let from = self.beneath.locate(existing, false)?;
        let temporary = loop {
            let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
            let temporary = format!(".filbert-{:08x}{number:08x}", self.run);
            let (folder, to) = (&from.folder, temporary.as_str());
            match rustix::fs::linkat(folder, from.name, &place.folder, to, AtFlags::empty()) {
                Ok(()) => break temporary,
                // Of a run of the same mark that was killed.
                Err(Errno::EXIST) => {}
                Err(error) => return Err(failed(error)),
            }
        };
        let replaced = match self.existing(relative)?.map(|now| seen.is_still(&now)) {
            Some(true) => rustix::fs::renameat(&place.folder, temporary.as_str(), &place.folder, place.name)
                .map_err(failed),
            _ => Err(PlaceError::Changed { path: display_bytes(relative).into_owned() }),
        };
        // Where both names were the same file already, a rename does nothing.
        let _ = rustix::fs::unlinkat(&place.folder, temporary.as_str(), AtFlags::empty());
        replaced
    }

    /// Makes the symbolic link at `relative` that holds the bytes `leads_to`, whatever they are:
    /// nothing restored later goes through it.
    ///
    /// # Errors
    /// Something is in the way, the disk is full, the system refuses.
    pub fn symlink(&self, relative: &[u8], leads_to: &[u8], metadata: &Metadata) -> Result<(), PlaceError> {
        let place = self.beneath.locate(relative, true)?;
        rustix::fs::symlinkat(leads_to, &place.folder, place.name)
            .map_err(|error| PlaceError::new("make the symbolic link", relative, error))?;
        apply::to_link(&place.folder, place.name, relative, metadata, &self.shortfalls);
        Ok(())
    }

    /// Makes the pipe, socket or device `node` at `relative`. Devices need root.
    ///
    /// # Errors
    /// Something is in the way, `node` is another thing, the system refuses.
    pub fn special(&self, relative: &[u8], node: &Node, metadata: &Metadata) -> Result<(), PlaceError> {
        let failed = |error| PlaceError::new("make the pipe, socket or device", relative, error);
        let (kind, device) = match node {
            Node::Fifo => (FileType::Fifo, 0),
            Node::Socket => (FileType::Socket, 0),
            Node::CharDevice(device) => (FileType::CharacterDevice, *device),
            Node::BlockDevice(device) => (FileType::BlockDevice, *device),
            Node::File(_) | Node::Folder | Node::Symlink(_) => return Err(failed(Errno::INVAL)),
        };
        let place = self.beneath.locate(relative, true)?;
        let mode = Mode::from_bits_retain((metadata.mode & 0o777) as _);
        #[cfg(not(target_vendor = "apple"))]
        rustix::fs::mknodat(&place.folder, place.name, kind, mode, device as _).map_err(failed)?;
        #[cfg(target_vendor = "apple")]
        return Err(failed(Errno::NOSYS));
        let owned = apply::to_link(&place.folder, place.name, relative, metadata, &self.shortfalls);
        // What lies at the name was made just now and is no link. The umask cut its mode.
        let mode = owned.permitted(metadata.mode);
        rustix::fs::chmodat(&place.folder, place.name, mode, AtFlags::empty()).map_err(failed)
    }
}
