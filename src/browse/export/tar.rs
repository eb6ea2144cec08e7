//! POSIX tar: what headers have no room for stands in pax records before them.

use super::feed::Archive;
use crate::model::entry::{Entry, Metadata, Node};
use crate::model::time::Timestamp;
use std::io::{self, Read, Write};
use tar::{Builder, EntryType, Header};

/// Attributes as GNU tar and bsdtar read them.
const XATTR_PREFIX: &str = "SCHILY.xattr.";

pub(super) struct TarArchive<W: Write> {
    builder: Builder<W>,
    /// Of the device that is written.
    device: u64,
}

impl<W: Write> TarArchive<W> {
    pub(super) fn new(out: W) -> Self {
        Self { builder: Builder::new(out), device: 0 }
    }

    /// Writes an entry. What does not fit into a header, or only changed, stands in pax records.
    fn put(
        &mut self,
        path: &[u8],
        meta: &Metadata,
        kind: EntryType,
        link: &[u8],
        size: u64,
        content: &mut dyn Read,
    ) -> io::Result<()> {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(meta.mode & 0o7777);
        header.set_uid(u64::from(meta.uid));
        header.set_gid(u64::from(meta.gid));
        header.set_mtime(u64::try_from(meta.mtime.seconds).unwrap_or(0));
        header.set_size(size);
        if let EntryType::Char | EntryType::Block = kind {
            let device = self.device;
            header.set_device_major(rustix::fs::major(device))?;
            header.set_device_minor(rustix::fs::minor(device))?;
        }
        let names = header.as_old_mut();
        let (path_fits, link_fits) = (fit(&mut names.name, path), fit(&mut names.linkname, link));
        header.set_cksum();
        let exact = decimal(meta.mtime);
        let mut records: Vec<(String, &[u8])> = Vec::new();
        if [path, link].iter().any(|name| std::str::from_utf8(name).is_err()) {
            records.push(("hdrcharset".to_owned(), b"BINARY"));
        }
        if !path_fits {
            records.push(("path".to_owned(), path));
        }
        if !link_fits {
            records.push(("linkpath".to_owned(), link));
        }
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
        self.builder.append(&header, content)
    }
}

/// Puts a name into its field, as much as there is room for; answers whether that was all.
fn fit(field: &mut [u8; 100], name: &[u8]) -> bool {
    field.iter_mut().zip(name).for_each(|(to, from)| *to = *from);
    name.len() <= field.len()
}

/// Seconds since 1970 with their fraction.
fn decimal(time: Timestamp) -> String {
    match (time.seconds, time.nanos) {
        (seconds, nanos) if seconds >= 0 || nanos == 0 => format!("{seconds}.{nanos:09}"),
        (seconds, nanos) => {
            let whole = (seconds + 1).unsigned_abs();
            format!("-{whole}.{:09}", 1_000_000_000 - nanos)
        }
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
        if let Node::CharDevice(device) | Node::BlockDevice(device) = entry.node {
            self.device = device;
        }
        self.put(path, &entry.meta, kind, target.unwrap_or_default(), 0, &mut io::empty())
    }

    fn file(&mut self, path: &[u8], entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
        self.put(path, &entry.meta, EntryType::Regular, b"", entry.node.size(), content)
    }

    fn end(self: Box<Self>) -> io::Result<()> {
        self.builder.into_inner()?.flush()
    }

    fn give_up(self: Box<Self>) {
        // It would write an end that makes the archive look complete.
        std::mem::forget(self.builder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_decimal_before_1970_too() {
        let told = |seconds, nanos| decimal(Timestamp { seconds, nanos });
        assert_eq!(told(5, 20), "5.000000020");
        assert_eq!(told(-2, 500_000_000), "-1.500000000");
        assert_eq!(told(-1, 250_000_000), "-0.750000000");
        assert_eq!(told(-3, 0), "-3.000000000");
    }
}
