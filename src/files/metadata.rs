//! What the file system knows of an entry: taken down for the snapshot, and compared with what was
//! taken down before.

use crate::model::entry::{Content, Entry, Metadata, Node, Xattr};
use crate::model::time::Timestamp;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use xattr::{FileExt as _, XAttrs};

/// Changes within this many nanoseconds around a reading may not show in the times.
const RACY_NANOS: i128 = 2_000_000_000;

/// Something of an entry that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// Where a symbolic link leads.
    #[error("cannot read where the link {} leads: {source}", .path.display())]
    Link {
        /// The link.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The extended attributes; the entry is kept without them.
    #[error("cannot read the extended attributes of {}: {source}", .path.display())]
    Xattrs {
        /// What has them.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl MetadataError {
    /// Whether nothing lies there any more.
    pub fn is_vanished(&self) -> bool {
        let (Self::Link { source, .. } | Self::Xattrs { source, .. }) = self;
        matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
    }
}

/// An entry as it was found.
#[derive(Debug)]
pub struct Captured {
    /// What it is. A file's content has its size and no pieces yet.
    pub node: Node,
    /// All else; `racy` is not set.
    pub meta: Metadata,
    /// Extended attributes that could not be read: the entry is incomplete.
    pub problem: Option<MetadataError>,
}

/// Takes down what lies at `path`, of which `lstat` or `fstat` said `found`. Extended attributes
/// are taken of files and folders.
///
/// # Errors
/// A symbolic link that cannot be read.
pub fn capture(path: &Path, found: &fs::Metadata) -> Result<Captured, MetadataError> {
    let node = node(path, found)?;
    let xattrs = match node {
        Node::File(_) | Node::Folder => xattrs_at(path),
        _ => Ok(Vec::new()),
    };
    let (meta, problem) = meta(path, found, xattrs);
    Ok(Captured { node, meta, problem })
}

/// All but the content of what lies at `path`, and what is missing of it.
pub fn meta(
    path: &Path,
    found: &fs::Metadata,
    xattrs: io::Result<Vec<Xattr>>,
) -> (Metadata, Option<MetadataError>) {
    let (xattrs, problem) = match xattrs {
        Ok(xattrs) => (xattrs, None),
        Err(source) => (Vec::new(), Some(MetadataError::Xattrs { path: path.to_owned(), source })),
    };
    let links = if found.is_dir() { 1 } else { found.nlink() };
    let meta = Metadata {
        mode: found.mode() & 0o7777,
        uid: found.uid(),
        gid: found.gid(),
        mtime: mtime(found),
        ctime: ctime(found),
        inode: found.ino(),
        device: if links > 1 && found.is_file() { found.dev() } else { 0 },
        links,
        racy: false,
        xattrs,
    };
    (meta, problem)
}

/// When the content changed last.
pub fn mtime(found: &fs::Metadata) -> Timestamp {
    Timestamp::new(found.mtime(), nanos(found.mtime_nsec()))
}

/// When the inode changed last.
pub fn ctime(found: &fs::Metadata) -> Timestamp {
    Timestamp::new(found.ctime(), nanos(found.ctime_nsec()))
}

/// Whether what is there `now` is what was taken down as `previous`, by kind, size, mtime, ctime
/// and inode. `ignore_inode` leaves out the inode only, for network file systems that number files
/// anew at each mount; ctime still counts. False for an entry that was read right after a change.
pub fn same(previous: &Entry, now: &fs::Metadata, ignore_inode: bool) -> bool {
    !previous.meta.racy
        && same_kind(&previous.node, now)
        && previous.meta.mtime == mtime(now)
        && previous.meta.ctime == ctime(now)
        && (ignore_inode || previous.meta.inode == now.ino())
        // Names of one file are told by device and inode: both must be of this time.
        && (ignore_inode || previous.meta.device == 0 || previous.meta.device == now.dev())
}

/// Whether another change of an entry read at `read_at` could leave its times as they are: its
/// mtime lies within 2 s of the reading, or its ctime does or is even later.
pub fn is_racy(meta: &Metadata, read_at: Timestamp) -> bool {
    let since = |time| nanos_of(read_at) - nanos_of(time);
    since(meta.mtime).abs() <= RACY_NANOS || since(meta.ctime) <= RACY_NANOS
}

fn same_kind(node: &Node, now: &fs::Metadata) -> bool {
    let kind = now.file_type();
    match node {
        Node::File(content) => kind.is_file() && content.size == now.len(),
        Node::Folder => kind.is_dir(),
        Node::Symlink(_) => kind.is_symlink(),
        Node::Fifo => kind.is_fifo(),
        Node::Socket => kind.is_socket(),
        Node::CharDevice(device) => kind.is_char_device() && *device == now.rdev(),
        Node::BlockDevice(device) => kind.is_block_device() && *device == now.rdev(),
    }
}

fn node(path: &Path, found: &fs::Metadata) -> Result<Node, MetadataError> {
    let kind = found.file_type();
    Ok(if kind.is_file() {
        Node::File(Content { size: found.len(), pieces: Vec::new() })
    } else if kind.is_dir() {
        Node::Folder
    } else if kind.is_symlink() {
        let failed = |source| MetadataError::Link { path: path.to_owned(), source };
        Node::Symlink(fs::read_link(path).map_err(failed)?.into_os_string().into_vec())
    } else if kind.is_fifo() {
        Node::Fifo
    } else if kind.is_char_device() {
        Node::CharDevice(found.rdev())
    } else if kind.is_block_device() {
        Node::BlockDevice(found.rdev())
    } else {
        Node::Socket
    })
}

fn xattrs_at(path: &Path) -> io::Result<Vec<Xattr>> {
    xattrs(xattr::list(path), |name| xattr::get(path, name))
}

/// The extended attributes of an open file, sorted.
pub(super) fn xattrs_of(file: &fs::File) -> io::Result<Vec<Xattr>> {
    xattrs(file.list_xattr(), |name| file.get_xattr(name))
}

/// Those of `names`, sorted; none where the file system has no such thing.
fn xattrs(
    names: io::Result<XAttrs>,
    value: impl Fn(&OsStr) -> io::Result<Option<Vec<u8>>>,
) -> io::Result<Vec<Xattr>> {
    let names = match names {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for name in names {
        // None: it went away since it was listed.
        if let Some(value) = value(&name)? {
            found.push(Xattr { name: name.into_vec(), value });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn nanos(nanos: i64) -> u32 {
    u32::try_from(nanos).unwrap_or(0)
}

fn nanos_of(time: Timestamp) -> i128 {
    i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::path::EntryPath;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::time::{Duration, UNIX_EPOCH};

    fn captured(path: &Path) -> Captured {
        capture(path, &path.symlink_metadata().expect("there")).expect("captured")
    }

    fn entry(path: &Path) -> Entry {
        let Captured { node, meta, .. } = captured(path);
        Entry { path: EntryPath::from_path(path).expect("path"), node, meta }
    }

    #[test]
    fn times_before_1970_are_kept_to_the_nanosecond() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("old");
        let file = fs::File::create(&path).expect("file");
        file.set_modified(UNIX_EPOCH - Duration::new(1, 1)).expect("set");
        assert_eq!(captured(&path).meta.mtime, Timestamp::new(-2, 999_999_999));
    }

    #[test]
    fn names_of_one_file_share_device_and_inode_and_others_have_no_device() {
        let dir = tempfile::tempdir().expect("folder");
        let [one, two, lone] = ["1", "2", "3"].map(|name| dir.path().join(name));
        fs::write(&one, "x").expect("file");
        fs::write(&lone, "x").expect("file");
        fs::hard_link(&one, &two).expect("link");
        let (one, two, lone) = (captured(&one).meta, captured(&two).meta, captured(&lone).meta);
        assert_eq!((one.device, one.inode, one.links), (two.device, two.inode, 2));
        assert_ne!(one.device, 0);
        assert_eq!((lone.device, lone.links), (0, 1));
        let folder = captured(dir.path()).meta;
        assert_eq!((folder.device, folder.links), (0, 1));
    }

    #[test]
    fn links_and_pipes_are_what_they_are() {
        let dir = tempfile::tempdir().expect("folder");
        let (link, pipe) = (dir.path().join("l"), dir.path().join("p"));
        symlink(OsStr::from_bytes(b"to/\xff"), &link).expect("link");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .expect("pipe");
        assert_eq!(captured(&link).node, Node::Symlink(b"to/\xff".to_vec()));
        assert_eq!(captured(&pipe).node, Node::Fifo);
        assert!(matches!(captured(Path::new("/dev/null")).node, Node::CharDevice(device) if device != 0));
    }

    #[test]
    fn extended_attributes_are_sorted() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("f");
        fs::write(&path, "x").expect("file");
        if xattr::set(&path, "user.b", b"2").is_err() {
            return io::Write::write_all(&mut io::stderr(), b"skipped: no xattrs here\n").expect("stderr");
        }
        xattr::set(&path, "user.a", b"\0\xff").expect("set");
        let found = captured(&path).meta.xattrs;
        assert_eq!(xattrs_of(&fs::File::open(&path).expect("opens")).expect("read"), found);
        let own: Vec<_> = found.iter().filter(|one| one.name.starts_with(b"user.")).collect();
        assert_eq!(own.len(), 2);
        assert_eq!((own[0].name.as_slice(), own[0].value.as_slice()), (&b"user.a"[..], &b"\0\xff"[..]));
    }

    #[test]
    fn any_part_of_the_change_key_tells_a_change() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("f");
        fs::write(&path, "x").expect("file");
        let now = path.symlink_metadata().expect("there");
        let previous = entry(&path);
        assert!(same(&previous, &now, false));
        let changed = |change: &dyn Fn(&mut Entry)| {
            let mut other = previous.clone();
            change(&mut other);
            !same(&other, &now, false)
        };
        assert!(changed(&|entry| entry.node = Node::File(Content { size: 2, pieces: vec![] })));
        assert!(changed(&|entry| entry.node = Node::Folder));
        assert!(changed(&|entry| entry.meta.mtime.nanos ^= 1));
        assert!(changed(&|entry| entry.meta.ctime.nanos ^= 1));
        assert!(changed(&|entry| entry.meta.inode += 1));
        assert!(changed(&|entry| entry.meta.racy = true));
        let mut renumbered = previous.clone();
        renumbered.meta.inode += 1;
        assert!(same(&renumbered, &now, true));
    }

    #[test]
    fn an_entry_changed_around_its_reading_is_racy() {
        let at = |mtime, ctime| Metadata { mtime, ctime, ..Metadata::default() };
        let (now, old) = (Timestamp::new(1000, 0), Timestamp::new(10, 0));
        assert!(!is_racy(&at(old, old), now));
        assert!(is_racy(&at(Timestamp::new(998, 0), old), now));
        assert!(!is_racy(&at(Timestamp::new(997, 999_999_999), old), now));
        assert!(is_racy(&at(Timestamp::new(1001, 0), old), now));
        assert!(!is_racy(&at(Timestamp::new(2000, 0), old), now));
        assert!(is_racy(&at(old, Timestamp::new(998, 5)), now));
        assert!(is_racy(&at(old, Timestamp::new(2000, 0)), now));
    }
}
