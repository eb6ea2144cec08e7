//! POSIX tar: what headers have no room for stands in pax records before them.

use super::feed::Archive;
use crate::model::entry::{Entry, Metadata, Node};
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use tar::{Builder, EntryType, Header};

/// Attributes as GNU tar and bsdtar read them.
const XATTR_PREFIX: &str = "SCHILY.xattr.";

pub(super) struct TarArchive<W: Write> {
    builder: Builder<W>,
}

impl<W: Write> TarArchive<W> {
    pub(super) fn new(out: W) -> Self {
        Self { builder: Builder::new(out) }
    }

    fn header(&mut self, meta: &Metadata, kind: EntryType, size: u64) -> io::Result<Header> {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(meta.mode & 0o7777);
        header.set_uid(u64::from(meta.uid));
        header.set_gid(u64::from(meta.gid));
        header.set_mtime(u64::try_from(meta.mtime.seconds).unwrap_or(0));
        header.set_size(size);
        let exact = format!("{}.{:09}", meta.mtime.seconds, meta.mtime.nanos);
        let mut records: Vec<(String, &[u8])> = Vec::new();
        if meta.mtime.nanos != 0 || meta.mtime.seconds < 0 {
            records.push(("mtime".to_owned(), exact.as_bytes()));
        }
        for xattr in &meta.xattrs {
            // Names are keys of records, which are text.
            if let Ok(name) = std::str::from_utf8(&xattr.name) {
                records.push((format!("{XATTR_PREFIX}{name}"), &xattr.value));
            }
        }
        if !records.is_empty() {
            self.builder.append_pax_extensions(records.iter().map(|(key, value)| (key.as_str(), *value)))?;
        }
        Ok(header)
    }
}

impl<W: Write> Archive for TarArchive<W> {
    fn other(&mut self, path: &[u8], entry: &Entry, link_to: Option<&[u8]>) -> io::Result<()> {
        let (kind, target) = match (&entry.node, link_to) {
            (Node::File(_), Some(first)) => (EntryType::Link, Some(first)),
            (Node::File(_), None) => (EntryType::Regular, None),
            (Node::Folder, _) => (EntryType::Directory, None),
            (Node::Symlink(target), _) => (EntryType::Symlink, Some(target.as_slice())),
            (Node::Fifo | Node::Socket, _) => (EntryType::Fifo, None),
            (Node::CharDevice(_), _) => (EntryType::Char, None),
            (Node::BlockDevice(_), _) => (EntryType::Block, None),
        };
        let mut header = self.header(&entry.meta, kind, 0)?;
        if let Node::CharDevice(device) | Node::BlockDevice(device) = entry.node {
            header.set_device_major(rustix::fs::major(device))?;
            header.set_device_minor(rustix::fs::minor(device))?;
        }
        match target {
            Some(target) => self.builder.append_link(&mut header, as_path(path), as_path(target)),
            None => self.builder.append_data(&mut header, as_path(path), io::empty()),
        }
    }

    fn file(&mut self, path: &[u8], entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
        let mut header = self.header(&entry.meta, EntryType::Regular, entry.node.size())?;
        self.builder.append_data(&mut header, as_path(path), content)
    }

    fn end(self: Box<Self>) -> io::Result<()> {
        self.builder.into_inner()?.flush()
    }

    fn give_up(self: Box<Self>) {
        // It would write an end that makes the archive look complete.
        std::mem::forget(self.builder);
    }
}

fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}
