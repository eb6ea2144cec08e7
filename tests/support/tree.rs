//! Trees of files: taken down as they lie on the disk, and compared to the last bit.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thing {
    pub what: What,
    pub mode: u32,
    pub mtime: (i64, i64),
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The first path in the tree that is the same file.
    pub same_as: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    File { size: u64, hash: String, sparse: bool },
    Folder,
    Link(Vec<u8>),
    Pipe,
    Socket,
}

/// Everything below a folder by path, the folder itself as the empty path.
pub type Tree = BTreeMap<String, Thing>;

/// Takes down the tree below `root`.
pub fn read(root: &Path) -> Tree {
    let (mut tree, mut inodes) = (Tree::new(), BTreeMap::new());
    walk(root, root, &mut tree, &mut inodes);
    tree
}

fn walk(root: &Path, path: &Path, tree: &mut Tree, inodes: &mut BTreeMap<u64, String>) {
    let found = path.symlink_metadata().unwrap();
    let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes().escape_ascii().to_string();
    let what = what(path, &found);
    let several = found.nlink() > 1 && found.is_file();
    let same_as = several.then(|| inodes.entry(found.ino()).or_insert_with(|| name.clone()).clone());
    let mode = if found.is_symlink() { 0 } else { found.mode() & 0o7777 };
    let xattrs = if found.is_file() || found.is_dir() { xattrs(path) } else { BTreeMap::new() };
    tree.insert(name, Thing { what, mode, mtime: (found.mtime(), found.mtime_nsec()), xattrs, same_as });
    if found.is_dir() {
        let mut below: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        below.sort();
        below.iter().for_each(|path| walk(root, path, tree, inodes));
    }
}

fn what(path: &Path, found: &fs::Metadata) -> What {
    let kind = found.file_type();
    if kind.is_file() {
        let hash = blake3::hash(&fs::read(path).unwrap()).to_hex().to_string();
        // Roughly: whether half of a large file takes no room.
        let sparse = found.len() >= 256 << 10 && found.blocks() * 512 < found.len() / 2;
        return What::File { size: found.len(), hash, sparse };
    }
    if kind.is_dir() {
        What::Folder
    } else if kind.is_symlink() {
        What::Link(fs::read_link(path).unwrap().into_os_string().into_vec())
    } else if kind.is_fifo() {
        What::Pipe
    } else {
        What::Socket
    }
}

fn xattrs(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let names = xattr::list(path).map(Iterator::collect::<Vec<_>>).unwrap_or_default();
    let value = |name: &std::ffi::OsString| xattr::get(path, name).unwrap().unwrap_or_default();
    names.iter().map(|name| (name.as_bytes().to_vec(), value(name))).collect()
}

/// Where two trees differ, a line each.
pub fn differences(wanted: &Tree, found: &Tree) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, thing) in wanted {
        match found.get(path) {
            None => lines.push(format!("{path:?} is missing")),
            Some(other) if other != thing => lines.push(format!("{path:?}: {thing:?}\n   is {other:?}")),
            Some(_) => {}
        }
    }
    let extra = found.keys().filter(|path| !wanted.contains_key(*path));
    lines.extend(extra.map(|path| format!("{path:?} should not be there")));
    lines
}

/// Fails unless the tree below `root` is `wanted`.
#[track_caller]
pub fn assert_same(wanted: &Tree, root: &Path, context: &str) {
    let lines = differences(wanted, &read(root));
    assert!(lines.is_empty(), "{context}:\n{}", lines.join("\n"));
}

/// Bytes that do not compress, others for each seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Writes a file and the folders above it.
pub fn write(root: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}
