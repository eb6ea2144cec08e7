//! A base and a delta, replayed: the state they stand for, in path order.

use super::{Change, EntryError};
use crate::model::entry::Entry;
use crate::model::path::EntryPath;
use std::cmp::Ordering;
use std::iter::Peekable;

/// What base and delta say of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The entry in the base.
    pub base: Option<Entry>,
    /// What became of it.
    pub now: Now,
}

/// What the delta makes of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Now {
    /// It is as in the base.
    AsBase,
    /// It is gone.
    Gone,
    /// It is so.
    Put(Entry),
}

impl Merged {
    /// The entry as it is, if it is there.
    pub fn into_now(self) -> Option<Entry> {
        match self.now {
            Now::AsBase => self.base,
            Now::Gone => None,
            Now::Put(entry) => Some(entry),
        }
    }

    /// The entry as it is, if it is there.
    pub fn now(&self) -> Option<&Entry> {
        match &self.now {
            Now::AsBase => self.base.as_ref(),
            Now::Gone => None,
            Now::Put(entry) => Some(entry),
        }
    }

    /// The path it speaks of; none only if there is neither.
    pub fn path(&self) -> Option<&EntryPath> {
        self.base.as_ref().or(self.now()).map(|entry| &entry.path)
    }
}

/// Merges two lists of changes in path order.
pub struct Merge<B: Iterator, D: Iterator> {
    base: Peekable<B>,
    delta: Peekable<D>,
    removed: Option<EntryPath>,
    broken: bool,
}

impl<B, D> Merge<B, D>
where
    B: Iterator<Item = Result<Change, EntryError>>,
    D: Iterator<Item = Result<Change, EntryError>>,
{
    /// Replays `delta` over `base`.
    pub fn new(base: B, delta: D) -> Self {
        Self { base: base.peekable(), delta: delta.peekable(), removed: None, broken: false }
    }

    fn next_merged(&mut self) -> Option<Result<Merged, EntryError>> {
        loop {
            if self.broken {
                return None;
            }
            let order = match (self.base.peek(), self.delta.peek()) {
                (None, None) => return None,
                (Some(Err(_)), _) | (Some(_), None) => Ordering::Less,
                (_, Some(Err(_))) | (None, Some(_)) => Ordering::Greater,
                (Some(Ok(base)), Some(Ok(delta))) => base.path().cmp(delta.path()),
            };
            let base = if order.is_le() { self.base.next() } else { None };
            let delta = if order.is_ge() { self.delta.next() } else { None };
            let base = match base.transpose() {
                Ok(Some(Change::Put(entry))) => Some(entry),
                // A base holds nothing else.
                Ok(Some(Change::Removed(_)) | None) => None,
                Err(error) => return Some(Err(error)),
            };
            let now = match delta.transpose() {
                Ok(Some(Change::Put(entry))) => Now::Put(entry),
                Ok(Some(Change::Removed(path))) => {
                    self.removed = Some(path);
                    Now::Gone
                }
                Ok(None) => match (&self.removed, &base) {
                    (Some(removed), Some(base)) if base.path.below(removed).is_some() => Now::Gone,
                    _ => Now::AsBase,
                },
                Err(error) => {
                    if !matches!(error, EntryError::Path { .. }) {
                        // What the delta says of later paths is lost: the base alone would be
                        // an older state.
                        self.broken = true;
                    }
                    return Some(Err(error));
                }
            };
            if base.is_some() || matches!(now, Now::Put(_)) {
                return Some(Ok(Merged { base, now }));
            }
        }
    }
}

impl<B, D> Iterator for Merge<B, D>
where
    B: Iterator<Item = Result<Change, EntryError>>,
    D: Iterator<Item = Result<Change, EntryError>>,
{
    type Item = Result<Merged, EntryError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_merged()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entry::{Metadata, Node};

    fn path(text: &str) -> EntryPath {
        EntryPath::new(text.as_bytes().to_vec()).unwrap()
    }

    fn put(text: &str, inode: u64) -> Result<Change, EntryError> {
        let meta = Metadata { inode, ..Metadata::default() };
        Ok(Change::Put(Entry { path: path(text), node: Node::Folder, meta }))
    }

    fn gone(text: &str) -> Result<Change, EntryError> {
        Ok(Change::Removed(path(text)))
    }

    #[test]
    fn a_delta_adds_replaces_and_removes_with_all_below() {
        let base = [put("/a", 1), put("/a/b", 1), put("/a/b/c", 1), put("/a/d", 1), put("/a-b", 1)];
        let delta = [gone("/a/b"), put("/a/b/new", 2), put("/a/d", 2), put("/z", 2)];
        let now: Vec<_> = Merge::new(base.into_iter(), delta.into_iter())
            .filter_map(|merged| merged.unwrap().into_now())
            .map(|entry| (entry.path.display(), entry.meta.inode))
            .collect();
        let expected = [("/a", 1), ("/a/b/new", 2), ("/a/d", 2), ("/a-b", 1), ("/z", 2)];
        assert_eq!(now, expected.map(|(path, inode)| (path.to_owned(), inode)));
    }
}
