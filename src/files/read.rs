//! Reads a regular file for a backup: only the file that was walked, with its holes, and with a
//! verdict at the end on whether it changed meanwhile.

use super::metadata::xattrs_of;
use crate::model::entry::Xattr;
use rustix::fs::{Mode, OFlags, SeekFrom};
use rustix::io::Errno;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Smaller files are read as they are: looking for holes would cost more than it saves.
const SPARSE_FROM_BYTES: u64 = 64 * 1024;
/// From this size on the kernel is told that the file is read in order.
const SEQUENTIAL_FROM_BYTES: u64 = 1024 * 1024;

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It is gone.
    #[error("{} vanished before it was read", .path.display())]
    Vanished {
        /// Where it lay.
        path: PathBuf,
    },
    /// Something else lies in its place since it was walked.
    #[error("{} was replaced by something else before it was read", .path.display())]
    Replaced {
        /// Where it lies.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("cannot read {}: {source}", .path.display())]
    Io {
        /// Where it lies.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The next part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment {
    /// So many bytes, at the start of the buffer.
    Data(usize),
    /// So many zero bytes that take no room on the disk.
    Hole(u64),
    /// There is no more.
    End,
}

/// What came of reading a file.
#[derive(Debug)]
pub struct Outcome {
    /// As of opening, before the first byte was read: what to take down. A change while reading
    /// then shows again at the next backup.
    pub metadata: Metadata,
    /// Those of this very file, whatever lies at its path by now.
    pub xattrs: io::Result<Vec<Xattr>>,
    /// Bytes read, holes among them.
    pub bytes: u64,
    /// Size or mtime moved while it was read, or it ended early: what was read may be of two
    /// states.
    pub changed: bool,
}

/// A regular file being read from start to end. Holds no buffer.
#[derive(Debug)]
pub struct FileReader {
    path: PathBuf,
    file: File,
    metadata: Metadata,
    position: u64,
    /// Where the present run of data ends.
    data_end: u64,
}

impl FileReader {
    /// Opens the file at `path`, which was walked as `expected`, without following a link, without
    /// waiting for a pipe, and where allowed without touching its access time.
    ///
    /// # Errors
    /// It vanished, was replaced, or cannot be opened.
    pub fn open(path: &Path, expected: &Metadata) -> Result<FileReader, ReadError> {
        let failed = |error: Errno| match error {
            Errno::NOENT | Errno::NOTDIR => ReadError::Vanished { path: path.to_owned() },
            // A link or a socket now.
            Errno::LOOP | Errno::NXIO => ReadError::Replaced { path: path.to_owned() },
            _ => ReadError::Io { path: path.to_owned(), source: error.into() },
        };
        let file = open_quietly(path).map_err(failed)?;
        let metadata = file.metadata().map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
        if !metadata.is_file() || (metadata.dev(), metadata.ino()) != (expected.dev(), expected.ino()) {
            return Err(ReadError::Replaced { path: path.to_owned() });
        }
        let size = metadata.len();
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
        if size >= SEQUENTIAL_FROM_BYTES {
            // Advice only: a refusal changes nothing.
            let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Sequential);
        }
        let sparse = size >= SPARSE_FROM_BYTES && metadata.blocks().saturating_mul(512) < size;
        let data_end = if sparse { 0 } else { size };
        Ok(FileReader { path: path.to_owned(), file, metadata, position: 0, data_end })
    }

    /// As of opening.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Its extended attributes.
    ///
    /// # Errors
    /// The system cannot read them.
    pub fn xattrs(&self) -> io::Result<Vec<Xattr>> {
        xattrs_of(&self.file)
    }

    /// Reads on, up to the size the file had when opened. `buffer` must not be empty.
    ///
    /// # Errors
    /// The system cannot read.
    pub fn next(&mut self, buffer: &mut [u8]) -> Result<Segment, ReadError> {
        if let Some(segment) = self.hole_or_end()? {
            return Ok(segment);
        }
        let wanted = usize::try_from(self.data_end - self.position).unwrap_or(usize::MAX).min(buffer.len());
        let read = loop {
            match self.file.read_at(&mut buffer[..wanted], self.position) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read.map_err(|source| self.failed(source))?,
            }
        };
        self.position += read as u64;
        Ok(if read == 0 { Segment::End } else { Segment::Data(read) })
    }

    /// Passes over up to `most` bytes that are not read; tells a hole as [`Self::next`] does.
    ///
    /// # Errors
    /// The system cannot tell holes.
    pub fn pass_over(&mut self, most: usize) -> Result<Segment, ReadError> {
        if let Some(segment) = self.hole_or_end()? {
            return Ok(segment);
        }
        let passed = (self.data_end - self.position).min(most as u64);
        self.position += passed;
        Ok(Segment::Data(passed as usize))
    }

    /// The hole or the end that is next, if data is not.
    fn hole_or_end(&mut self) -> Result<Option<Segment>, ReadError> {
        if self.position >= self.metadata.len() {
            return Ok(Some(Segment::End));
        }
        if self.position >= self.data_end {
            let hole = self.find_data().map_err(|source| self.failed(source))?;
            if hole > 0 {
                self.position += hole;
                return Ok(Some(Segment::Hole(hole)));
            }
        }
        Ok(None)
    }

    /// Looks whether the file is still what it was when opened.
    ///
    /// # Errors
    /// The system cannot tell.
    pub fn finish(self) -> Result<Outcome, ReadError> {
        let xattrs = self.xattrs();
        let now = self.file.metadata().map_err(|source| self.failed(source))?;
        let key = |found: &Metadata| (found.len(), found.mtime(), found.mtime_nsec());
        let changed = key(&now) != key(&self.metadata) || self.position != self.metadata.len();
        Ok(Outcome { metadata: self.metadata, xattrs, bytes: self.position, changed })
    }

    /// Finds the next run of data; gives the length of the hole before it.
    fn find_data(&mut self) -> io::Result<u64> {
        let size = self.metadata.len();
        let start = match rustix::fs::seek(&self.file, SeekFrom::Data(self.position)) {
            Ok(start) => start.clamp(self.position, size),
            // Nothing but a hole up to the end.
            Err(Errno::NXIO) => size,
            // A file system that knows no holes.
            Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => {
                self.data_end = size;
                return Ok(0);
            }
            Err(error) => return Err(error.into()),
        };
        self.data_end = start;
        if start < size {
            self.data_end = match rustix::fs::seek(&self.file, SeekFrom::Hole(start)) {
                Ok(end) if end > start => end.min(size),
                // It was cut meanwhile, or holes are not known: the end tells.
                _ => size,
            };
        }
        Ok(start - self.position)
    }

    fn failed(&self, source: io::Error) -> ReadError {
        ReadError::Io { path: self.path.clone(), source }
    }
}

pub(super) fn open_quietly(path: &Path) -> Result<File, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    match rustix::fs::open(path, flags | OFlags::NOATIME, Mode::empty()) {
        // Only the owner may leave the access time alone.
        Err(Errno::PERM) => {}
        opened => return opened.map(File::from),
    }
    rustix::fs::open(path, flags, Mode::empty()).map(File::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    fn open(path: &Path) -> FileReader {
        FileReader::open(path, &path.symlink_metadata().expect("there")).expect("opens")
    }

    fn read_all(reader: &mut FileReader) -> (Vec<u8>, u64) {
        let (mut content, mut holes, mut buffer) = (Vec::new(), 0, vec![0; 10_000]);
        loop {
            match reader.next(&mut buffer).expect("reads") {
                Segment::Data(n) => content.extend_from_slice(&buffer[..n]),
                Segment::Hole(n) => {
                    holes += n;
                    content.resize(content.len() + usize::try_from(n).expect("small"), 0);
                }
                Segment::End => return (content, holes),
            }
        }
    }

    #[test]
    fn files_are_read_byte_for_byte_with_their_holes() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("f");
        for layout in [vec![], vec![(0, 5)], vec![(0, 30_000)], vec![(1 << 20, 9_000), (3 << 20, 1)]] {
            let file = File::create(&path).expect("file");
            for (offset, length) in &layout {
                file.write_all_at(&vec![7; *length], *offset).expect("writes");
            }
            if layout.len() > 1 {
                file.set_len(5 << 20).expect("grows");
                file.sync_all().expect("syncs");
            }
            let mut reader = open(&path);
            let (content, holes) = read_all(&mut reader);
            assert!(content == fs::read(&path).expect("reads"), "{layout:?}");
            let outcome = reader.finish().expect("finishes");
            assert!(!outcome.changed && outcome.bytes == content.len() as u64);
            let sparse = file.metadata().expect("there").blocks() * 512 < (1 << 20);
            assert_eq!(holes > 4 << 20, layout.len() > 1 && sparse, "{layout:?}");
        }
    }

    #[test]
    fn a_file_that_grows_or_shrinks_while_read_is_told() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("f");
        fs::write(&path, vec![1; 20_000]).expect("file");
        let mut reader = open(&path);
        File::options().append(true).open(&path).expect("opens").write_all(b"more").expect("writes");
        assert_eq!(read_all(&mut reader).0.len(), 20_000);
        assert!(reader.finish().expect("finishes").changed);
        let mut reader = open(&path);
        File::options().write(true).open(&path).expect("opens").set_len(5).expect("cut");
        assert_eq!(read_all(&mut reader).0.len(), 5);
        assert!(reader.finish().expect("finishes").changed);
    }

    #[test]
    fn what_took_the_files_place_is_not_read() {
        let dir = tempfile::tempdir().expect("folder");
        let [path, other] = ["f", "g"].map(|name| dir.path().join(name));
        fs::write(&path, "x").expect("file");
        fs::write(&other, "y").expect("file");
        let walked = path.symlink_metadata().expect("there");
        fs::remove_file(&path).expect("removed");
        assert!(matches!(FileReader::open(&path, &walked), Err(ReadError::Vanished { .. })));
        std::os::unix::fs::symlink(&other, &path).expect("link");
        assert!(matches!(FileReader::open(&path, &walked), Err(ReadError::Replaced { .. })));
        fs::remove_file(&path).expect("removed");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .expect("pipe");
        assert!(matches!(FileReader::open(&path, &walked), Err(ReadError::Replaced { .. })));
        fs::remove_file(&path).expect("removed");
        fs::rename(&other, &path).expect("moved");
        assert!(matches!(FileReader::open(&path, &walked), Err(ReadError::Replaced { .. })));
    }
}
