//! A path of a snapshot as somebody writes it: as it is shown, or whole.

use crate::model::path::EntryPath;

/// A path as it is shown: below `root`, or whole where it is not below.
pub fn relative<'e>(path: &'e EntryPath, root: Option<&EntryPath>) -> &'e [u8] {
    root.and_then(|root| path.below(root)).unwrap_or(path.as_bytes())
}

/// The folder or file that is asked for, relative to the shown root, without slashes at the ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedPath(Vec<u8>);

impl WantedPath {
    /// `given` is as shown, or a whole path.
    pub fn new(given: &[u8], root: Option<&EntryPath>) -> Self {
        let mut path = given;
        while let Some(rest) = path.strip_suffix(b"/") {
            path = rest;
        }
        if given.starts_with(b"/") {
            let whole = EntryPath::new(path.to_vec()).ok();
            let below = whole.as_ref().zip(root).and_then(|(path, root)| path.below(root));
            return Self(below.unwrap_or(path).to_vec());
        }
        while let Some(rest) = path.strip_prefix(b"./") {
            path = rest;
        }
        Self(if path == b"." { Vec::new() } else { path.to_vec() })
    }

    /// Whether everything is asked for.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it is `path` itself.
    pub fn is(&self, path: &[u8]) -> bool {
        self.0 == path
    }

    /// Whether it is `path`, or a folder above it.
    pub fn holds(&self, path: &[u8]) -> bool {
        match path.strip_prefix(self.0.as_slice()) {
            Some(rest) => self.0.is_empty() || rest.is_empty() || rest.starts_with(b"/"),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wanted_folder_holds_itself_and_what_is_below() {
        let root = EntryPath::new(b"/home/me".to_vec()).unwrap();
        for given in ["a/b", "./a/b/", "/home/me/a/b"] {
            let wanted = WantedPath::new(given.as_bytes(), Some(&root));
            assert!(wanted.is(b"a/b") && wanted.holds(b"a/b") && wanted.holds(b"a/b/c"), "{given}");
            assert!(!wanted.holds(b"a/bc") && !wanted.holds(b"a"), "{given}");
        }
        for all in [".", "/home/me", "/home/me/"] {
            let wanted = WantedPath::new(all.as_bytes(), Some(&root));
            assert!(wanted.is_root() && wanted.holds(b"x"), "{all}");
        }
        assert!(!WantedPath::new(b"/elsewhere", Some(&root)).holds(b"x"));
    }
}
