//! Absolute paths as bytes: names need not be UTF-8, and what a record says is never trusted.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The longest path that is accepted from a record, in bytes (Linux: `PATH_MAX` is 4096).
pub const MAX_PATH_BYTES: usize = 16 * 1024;

/// Why bytes are not an entry path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not start at the root.
    #[error("the path is not absolute")]
    NotAbsolute,
    /// It has an empty, `.` or `..` component or a NUL byte: it could lead elsewhere.
    #[error("the path has a component that is empty, `.`, `..` or holds a NUL byte")]
    BadComponent,
    /// It is longer than [`MAX_PATH_BYTES`].
    #[error("the path is too long")]
    TooLong,
}

/// A normalised absolute path: `/`, or components without `.`, `..`, empty ones and NUL, and no
/// slash at the end. Ordered as a sorted depth-first walk visits files: a folder, then all below
/// it, then its next sibling.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EntryPath(Vec<u8>);

impl EntryPath {
    /// Checks `bytes` and takes them as a path.
    pub fn new(bytes: Vec<u8>) -> Result<Self, PathError> {
        if bytes.len() > MAX_PATH_BYTES {
            return Err(PathError::TooLong);
        }
        let Some((b'/', rest)) = bytes.split_first() else {
            return Err(PathError::NotAbsolute);
        };
        if !rest.is_empty() && rest.split(|&byte| byte == b'/').any(|name| !is_plain_name(name)) {
            return Err(PathError::BadComponent);
        }
        Ok(Self(bytes))
    }

    /// The path of an absolute, already normalised file system path.
    pub fn from_path(path: &Path) -> Result<Self, PathError> {
        Self::new(path.as_os_str().as_bytes().to_vec())
    }

    /// The bytes, starting with a slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same as a file system path.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// The last component; empty for `/`.
    pub fn name(&self) -> &[u8] {
        let at = self.0.iter().rposition(|&byte| byte == b'/');
        at.map_or(&self.0[..], |at| &self.0[at + 1..])
    }

    /// The folder that holds it; none for `/`.
    pub fn parent(&self) -> Option<EntryPath> {
        if self.0.len() == 1 {
            return None;
        }
        let at = self.0.iter().rposition(|&byte| byte == b'/')?;
        Some(Self(self.0[..at.max(1)].to_vec()))
    }

    /// The components in order; none for `/`.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|&byte| byte == b'/').filter(|name| !name.is_empty())
    }

    /// The path below `root` without a slash in front (empty for `root` itself), if it is there.
    pub fn below<'a>(&'a self, root: &EntryPath) -> Option<&'a [u8]> {
        if root.0.len() == 1 {
            return Some(&self.0[1..]);
        }
        match self.0.strip_prefix(root.0.as_slice())? {
            [] => Some(&[]),
            [b'/', rest @ ..] => Some(rest),
            _ => None,
        }
    }

    /// The path of `name` in this folder.
    pub fn join(&self, name: &[u8]) -> Result<EntryPath, PathError> {
        if !is_plain_name(name) {
            return Err(PathError::BadComponent);
        }
        let mut bytes = Vec::with_capacity(self.0.len() + 1 + name.len());
        bytes.extend_from_slice(&self.0);
        if bytes.len() > 1 {
            bytes.push(b'/');
        }
        bytes.extend_from_slice(name);
        if bytes.len() > MAX_PATH_BYTES {
            return Err(PathError::TooLong);
        }
        Ok(Self(bytes))
    }

    /// The deepest folder that holds (or is) all of `paths`; none when there are none.
    pub fn common_ancestor<'a>(paths: impl IntoIterator<Item = &'a EntryPath>) -> Option<EntryPath> {
        let mut paths = paths.into_iter();
        let mut common = paths.next()?.clone();
        for path in paths {
            while path.below(&common).is_none() {
                common = common.parent()?;
            }
        }
        Some(common)
    }

    /// As text for people; bytes that are not UTF-8 are replaced, control characters escaped.
    pub fn display(&self) -> String {
        display_bytes(&self.0).into_owned()
    }
}

/// Bytes as text for people: invalid UTF-8 is replaced and control characters are escaped, so
/// that a file name cannot speak to the terminal.
pub fn display_bytes(bytes: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(bytes);
    if text.chars().any(char::is_control) {
        let escape = |c: char| {
            if c.is_control() { c.escape_default().collect::<String>() } else { c.to_string() }
        };
        return Cow::Owned(text.chars().map(escape).collect());
    }
    text
}

fn is_plain_name(name: &[u8]) -> bool {
    !name.is_empty() && name != b"." && name != b".." && !name.contains(&0) && !name.contains(&b'/')
}

impl Ord for EntryPath {
    fn cmp(&self, other: &Self) -> Ordering {
        let shared = self.0.iter().zip(&other.0).position(|(a, b)| a != b);
        match shared {
            None => self.0.len().cmp(&other.0.len()),
            Some(at) => rank(self.0[at]).cmp(&rank(other.0[at])),
        }
    }
}

/// A slash comes before every other byte: what is below `a` comes before `a-b`.
fn rank(byte: u8) -> u16 {
    if byte == b'/' { 0 } else { u16::from(byte) + 1 }
}

impl PartialOrd for EntryPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> EntryPath {
        EntryPath::new(text.as_bytes().to_vec()).expect("a good path")
    }

    #[test]
    fn paths_that_could_lead_elsewhere_are_refused() {
        for bad in ["", "a", "../a", "/a/../b", "/a/./b", "/a//b", "/a/", "/a\0b"] {
            assert!(EntryPath::new(bad.as_bytes().to_vec()).is_err(), "{bad:?}");
        }
        for bad in ["", ".", "..", "a/b", "a\0"] {
            assert!(path("/r").join(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn order_is_that_of_a_sorted_walk() {
        let walk = ["/", "/a", "/a/b", "/a/b/c", "/a/c", "/a b", "/a-b", "/a.b", "/b"];
        let mut sorted: Vec<_> = walk.iter().rev().map(|text| path(text)).collect();
        sorted.sort();
        assert_eq!(sorted, walk.iter().map(|text| path(text)).collect::<Vec<_>>());
    }

    #[test]
    fn the_common_ancestor_ends_at_a_component() {
        let common = |paths: &[&str]| {
            let paths: Vec<_> = paths.iter().map(|text| path(text)).collect();
            EntryPath::common_ancestor(&paths).map(|path| path.display())
        };
        assert_eq!(common(&["/a/bc", "/a/bd"]).as_deref(), Some("/a"));
        assert_eq!(common(&["/a/b", "/a/b/c"]).as_deref(), Some("/a/b"));
        assert_eq!(common(&["/a", "/b"]).as_deref(), Some("/"));
        assert_eq!(common(&[]), None);
    }

    #[test]
    fn below_does_not_cut_names() {
        assert_eq!(path("/a/bc").below(&path("/a/b")), None);
        assert_eq!(path("/a/b/c").below(&path("/a/b")), Some(&b"c"[..]));
        assert_eq!(path("/a").below(&path("/")), Some(&b"a"[..]));
    }

    #[test]
    fn a_name_cannot_speak_to_the_terminal() {
        assert_eq!(path("/a\x1b[2Jb").display(), "/a\\u{1b}[2Jb");
    }
}
