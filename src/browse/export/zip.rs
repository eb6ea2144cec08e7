//! Zip, as every desktop opens it. Times are kept to two seconds, in UTC.

use super::feed::Archive;
use crate::model::entry::{Entry, Node};
use std::io::{self, Read, Write};
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, ZipWriter};

pub(super) struct ZipArchive<W: Write> {
    writer: ZipWriter<StreamWriter<W>>,
}

impl<W: Write> ZipArchive<W> {
    pub(super) fn new(out: W) -> Self {
        Self { writer: ZipWriter::new_stream(out) }
    }
}

impl<W: Write> Archive for ZipArchive<W> {
    fn other(&mut self, path: &[u8], entry: &Entry, _: Option<&[u8]>) -> io::Result<()> {
        let (name, options) = (text(path)?, options(entry));
        match &entry.node {
            Node::Folder => self.writer.add_directory(name, options)?,
            Node::Symlink(target) => self.writer.add_symlink(name, text(target)?, options)?,
            _ => return Err(io::Error::other("a zip holds no pipes and devices")),
        }
        Ok(())
    }

    fn file(&mut self, path: &[u8], entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
        self.writer.start_file(text(path)?, options(entry))?;
        io::copy(content, &mut self.writer).map(drop)
    }

    fn end(self: Box<Self>) -> io::Result<()> {
        self.writer.finish()?.into_inner().flush()
    }

    fn give_up(self: Box<Self>) {
        // It would write a directory that makes the archive look complete.
        std::mem::forget(self.writer);
    }
}

fn text(bytes: &[u8]) -> io::Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| io::Error::other("a name that is not UTF-8"))
}

fn options(entry: &Entry) -> SimpleFileOptions {
    // A size near 4 GiB may grow above it when it does not compress.
    let is_large = entry.node.size() >= 4_000_000_000;
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .large_file(is_large)
        .unix_permissions(entry.meta.mode & 0o7777);
    let time = chrono::DateTime::from_timestamp(entry.meta.mtime.seconds, 0);
    match time.and_then(|time| DateTime::try_from(time.naive_utc()).ok()) {
        Some(time) => options.last_modified_time(time),
        None => options,
    }
}
