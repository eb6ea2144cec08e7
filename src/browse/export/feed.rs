//! Between the task that fetches and the thread that writes the archive: a short queue.

use super::Format;
use super::tar::TarArchive;
use super::zip::ZipArchive;
use crate::model::entry::{Entry, Node};
use std::io::{self, Read, Write};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Items that wait to be written; one of content is a chunk.
const WAITING: usize = 8;

/// What goes into the archive, in order.
pub(super) enum Item {
    /// An entry; the content of a file follows, unless it is a further name of `link_to`.
    Entry { path: Vec<u8>, entry: Box<Entry>, link_to: Option<Vec<u8>> },
    /// Some of the content of the file before.
    Content(Vec<u8>),
    /// So many zeros of it.
    Zeros(u64),
    /// The archive is complete.
    End,
}

/// An archive that is being written.
pub(super) trait Archive {
    /// Anything but a file with content.
    fn other(&mut self, path: &[u8], entry: &Entry, link_to: Option<&[u8]>) -> io::Result<()>;
    /// A file and its content.
    fn file(&mut self, path: &[u8], entry: &Entry, content: &mut dyn Read) -> io::Result<()>;
    /// Nothing more comes.
    fn end(self: Box<Self>) -> io::Result<()>;
    /// It is given up in the middle.
    fn give_up(self: Box<Self>);
}

/// The end of the queue that things are put in.
pub(super) struct Feed {
    items: mpsc::Sender<Item>,
    format: Format,
}

/// Starts the writing of an archive to `out`.
pub(super) fn start(format: Format, out: impl Write + Send + 'static) -> (Feed, JoinHandle<io::Result<()>>) {
    let (items, queue) = mpsc::channel(WAITING);
    let written = tokio::task::spawn_blocking(move || {
        let out = io::BufWriter::with_capacity(1 << 18, out);
        let archive: Box<dyn Archive> = match format {
            Format::Tar => Box::new(TarArchive::new(out)),
            Format::Zip => Box::new(ZipArchive::new(out)),
        };
        write(archive, queue)
    });
    (Feed { items, format }, written)
}

impl Feed {
    /// Whether further names of a file are links.
    pub(super) fn keeps_links(&self) -> bool {
        self.format == Format::Tar
    }

    /// Why an entry cannot be in such an archive.
    pub(super) fn refuses(&self, path: &[u8], entry: &Entry) -> Option<&'static str> {
        let is_text = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok();
        match (&entry.node, self.format) {
            (Node::Socket, _) => Some("an archive holds no sockets"),
            (Node::Fifo | Node::CharDevice(_) | Node::BlockDevice(_), Format::Zip) => {
                Some("a zip holds no pipes and devices: use --format tar")
            }
            (Node::Symlink(target), Format::Zip) if !is_text(target) => {
                Some("a zip holds no link to a name that is not UTF-8: use --format tar")
            }
            (_, Format::Zip) if !is_text(path) => {
                Some("a zip holds no names that are not UTF-8: use --format tar")
            }
            _ => None,
        }
    }

    /// Puts the next item into the queue; an error where nobody takes it any more.
    pub(super) async fn put(&self, item: Item) -> Result<(), ()> {
        self.items.send(item).await.map_err(drop)
    }
}

fn write(mut archive: Box<dyn Archive>, mut queue: mpsc::Receiver<Item>) -> io::Result<()> {
    loop {
        let written = match queue.blocking_recv() {
            Some(Item::Entry { path, entry, link_to }) => match &entry.node {
                Node::File(content) if link_to.is_none() => {
                    let mut reader = ContentReader {
                        queue: &mut queue,
                        left: content.size,
                        piece: Vec::new(),
                        at: 0,
                        zeros: 0,
                    };
                    archive.file(&path, &entry, &mut reader)
                }
                _ => archive.other(&path, &entry, link_to.as_deref()),
            },
            Some(Item::Content(_) | Item::Zeros(_)) => Err(io::Error::other("content without a file")),
            Some(Item::End) => return archive.end(),
            // Who fetches gave up, and tells why.
            None => {
                archive.give_up();
                return Ok(());
            }
        };
        if let Err(error) = written {
            archive.give_up();
            return Err(error);
        }
    }
}

/// Reads the content of one file from the queue.
struct ContentReader<'q> {
    queue: &'q mut mpsc::Receiver<Item>,
    left: u64,
    piece: Vec<u8>,
    at: usize,
    zeros: u64,
}

impl Read for ContentReader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Ok(0);
        }
        while self.at == self.piece.len() && self.zeros == 0 {
            match self.queue.blocking_recv() {
                Some(Item::Content(piece)) => (self.piece, self.at) = (piece, 0),
                Some(Item::Zeros(zeros)) => self.zeros = zeros,
                _ => return Err(io::Error::other("the content of a file ends too early")),
            }
        }
        let most = into.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if self.zeros > 0 {
            let len = most.min(usize::try_from(self.zeros).unwrap_or(usize::MAX));
            into.iter_mut().take(len).for_each(|byte| *byte = 0);
            (self.zeros, self.left) = (self.zeros - len as u64, self.left - len as u64);
            return Ok(len);
        }
        let there = self.piece.get(self.at..).unwrap_or_default();
        let len = there.len().min(most);
        let (Some(from), Some(to)) = (there.get(..len), into.get_mut(..len)) else { return Ok(0) };
        to.copy_from_slice(from);
        self.at += len;
        self.left -= len as u64;
        Ok(len)
    }
}
