//! Where packs come down: what a server sends is taken at once and put into a file beside the state,
//! and is opened from there. So the buffers of a connection, which hold many megabytes on a fast one,
//! are empty but for moments, and a restore that is killed has nearly all that it received.
//!
//! What lies there is as it was sent, sealed; a file that a crash of the machine spoilt is found when
//! its frames do not open, and fetched again.

use crate::format::pack::PackEntry;
use crate::model::id::ObjectId;
use crate::store::{Pieces, SharedStore, StoreError};
use async_trait::async_trait;
use bytes::Bytes;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// So many bytes are told of, and read back, at once: less would be many wakings of who waits.
const PIECE: u64 = 256 << 10;

/// A folder that packs come down into.
#[derive(Debug)]
pub struct Landing {
    folder: PathBuf,
    /// What an earlier run left, but for parts that somebody took to put more behind them.
    left: Mutex<Vec<Landed>>,
    /// A file could not be written or read: nothing more is put here.
    is_broken: Arc<AtomicBool>,
}

/// A part of a pack in a file of its own. The file stays when this is dropped.
#[derive(Debug, Clone)]
pub(super) struct Landed {
    path: PathBuf,
    pack: ObjectId,
    bytes: Range<u64>,
    /// Several fetches read it: it goes with its folder.
    is_shared: bool,
}

/// A part of a pack that is coming down.
pub(super) struct ComingDown {
    file: Arc<File>,
    /// Where the file begins, in bytes of the pack.
    begins: u64,
    /// What is read next, and where it ends, in bytes of the pack.
    next: Range<u64>,
    /// How far the file reaches, in bytes of the pack.
    reaches: watch::Receiver<u64>,
    coming: Option<JoinHandle<Result<(), StoreError>>>,
    is_broken: Arc<AtomicBool>,
}

impl Landing {
    /// Packs come down into `folder`, which exists. What an earlier run left in it is used.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let mut left = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let length = entry.metadata()?.len();
            let name = entry.file_name();
            match name.to_str().and_then(|name| Landed::from_name(entry.path(), name, length)) {
                Some(landed) => left.push(landed),
                None => std::fs::remove_file(entry.path())?,
            }
        }
        Ok(Self { folder: folder.to_owned(), left: Mutex::new(left), is_broken: Arc::default() })
    }

    /// The bytes `range` of a pack, as they come; none if no file can be had for them.
    pub(super) fn bring(
        &self,
        store: &SharedStore,
        pack: &PackEntry,
        path: &str,
        range: Range<u64>,
    ) -> Option<(ComingDown, Landed)> {
        if self.is_broken.load(Ordering::Relaxed) {
            return None;
        }
        let landed = self.left_of(pack, &range);
        let landed = landed.unwrap_or_else(|| Landed::new(&self.folder, pack.object, range.start));
        let mut open = OpenOptions::new();
        open.read(true).write(true).create(true).truncate(landed.bytes.is_empty());
        let Ok(file) = open.open(&landed.path).map(Arc::new) else {
            self.is_broken.store(true, Ordering::Relaxed);
            return None;
        };
        let from = landed.bytes.end;
        let (reached, reaches) = watch::channel(from);
        let mut writing = Writing { file: file.clone(), begins: landed.bytes.start, at: from, reached };
        let coming = (from < range.end).then(|| {
            let (store, path, rest, size) = (store.clone(), path.to_owned(), from..range.end, pack.size);
            let is_broken = self.is_broken.clone();
            tokio::spawn(async move {
                let mut pieces = store.read(&path, rest, size).await?;
                while let Some(piece) = pieces.next().await? {
                    if writing.put(&piece).is_err() {
                        is_broken.store(true, Ordering::Relaxed);
                        break;
                    }
                }
                Ok(())
            })
        });
        let (begins, is_broken) = (landed.bytes.start, self.is_broken.clone());
        Some((ComingDown { file, begins, next: range, reaches, coming, is_broken }, landed))
    }

    /// What is left of this pack that has the first byte of `range`.
    fn left_of(&self, pack: &PackEntry, range: &Range<u64>) -> Option<Landed> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let found = left.iter().position(|landed| landed.has(pack, range.start))?;
        match left.get(found) {
            // Another fetch may need what lies between.
            Some(landed) if landed.bytes.end >= range.end => {
                Some(Landed { is_shared: true, ..landed.clone() })
            }
            _ => Some(left.swap_remove(found)),
        }
    }
}

/// The file of what is coming, and how far it is.
struct Writing {
    file: Arc<File>,
    /// Where the file begins and how far it reaches, in bytes of the pack.
    begins: u64,
    at: u64,
    reached: watch::Sender<u64>,
}

impl Writing {
    /// Into the system's memory, so it takes microseconds: what comes next is not kept waiting for a thread.
    fn put(&mut self, piece: &[u8]) -> io::Result<()> {
        self.file.write_all_at(piece, self.at - self.begins)?;
        self.at += piece.len() as u64;
        let is_news = self.at - *self.reached.borrow() >= PIECE;
        if is_news {
            self.reached.send_replace(self.at);
        }
        Ok(())
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.reached.send_replace(self.at);
    }
}

impl Landed {
    fn new(folder: &Path, pack: ObjectId, from: u64) -> Self {
        Self { path: folder.join(format!("{pack}-{from:x}")), pack, bytes: from..from, is_shared: false }
    }

    fn from_name(path: PathBuf, name: &str, length: u64) -> Option<Self> {
        let (pack, from) = name.split_once('-')?;
        let (pack, from) = (pack.parse().ok()?, u64::from_str_radix(from, 16).ok()?);
        Some(Self { path, pack, bytes: from..from.checked_add(length)?, is_shared: false })
    }

    fn has(&self, pack: &PackEntry, byte: u64) -> bool {
        self.pack == pack.object && self.bytes.contains(&byte) && self.bytes.end <= pack.size
    }

    /// It is of no more use to this fetch.
    pub(super) fn remove(self) {
        if !self.is_shared {
            // One that stays goes with its folder.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl ComingDown {
    /// Bytes that are in the file, and in the system's memory, for they were written a moment ago.
    fn read(&mut self, reaches: u64) -> io::Result<Bytes> {
        let length = (reaches.min(self.next.end) - self.next.start).min(PIECE);
        // A piece at most.
        let mut piece = vec![0; length as usize];
        self.file.read_exact_at(&mut piece, self.next.start - self.begins)?;
        self.next.start += length;
        Ok(piece.into())
    }
}

#[async_trait]
impl Pieces for ComingDown {
    /// As the server sends them. They end early too where the file could not be written or read.
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        while !self.next.is_empty() {
            let reaches = *self.reaches.borrow_and_update();
            if reaches > self.next.start {
                let read = self.read(reaches);
                if read.is_err() {
                    self.is_broken.store(true, Ordering::Relaxed);
                }
                return Ok(read.ok());
            }
            if self.reaches.changed().await.is_ok() {
                continue;
            }
            // It ended; what it wrote last may not have been seen yet.
            match self.coming.take() {
                Some(coming) => coming.await.unwrap_or(Ok(()))?,
                None if *self.reaches.borrow() > self.next.start => {}
                None => return Ok(None),
            }
        }
        match self.coming.take() {
            Some(coming) => coming.await.unwrap_or(Ok(())).map(|()| None),
            None => Ok(None),
        }
    }
}

impl Drop for ComingDown {
    fn drop(&mut self) {
        if let Some(coming) = &self.coming {
            coming.abort();
        }
    }
}
