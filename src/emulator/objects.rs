//! The drive's content, for tests that look at it, prepare it, or spoil it behind the client's
//! back. Paths are without `/dav/` and not encoded: `repo/packs/000/x`.

use super::locked;
use super::shared::Shared;
use super::tree::{Node, Tree};
use bytes::Bytes;
use std::sync::MutexGuard;

/// What is stored.
#[derive(Clone, Copy)]
pub struct Objects<'a>(&'a Shared);

impl<'a> Objects<'a> {
    pub(super) fn new(shared: &'a Shared) -> Self {
        Self(shared)
    }

    /// All objects with their sizes in bytes, in order of their paths' names.
    pub fn list(&self) -> Vec<(String, u64)> {
        self.tree().objects().into_iter().map(|(path, bytes)| (path, bytes.len() as u64)).collect()
    }

    /// The paths of the objects that begin so.
    pub fn paths(&self, prefix: &str) -> Vec<String> {
        self.list().into_iter().map(|(path, _)| path).filter(|path| path.starts_with(prefix)).collect()
    }

    /// The bytes of an object; `None` where there is none.
    pub fn get(&self, path: &str) -> Option<Bytes> {
        match self.tree().find(&names(path)) {
            Ok(Node::Object(object)) => Some(object.bytes.clone()),
            _ => None,
        }
    }

    /// Puts an object, and the folders above it where they are missing.
    pub fn put(&self, path: &str, bytes: impl Into<Bytes>) {
        let (mut tree, names, now_ms) = (self.tree(), names(path), self.0.now().millis());
        for depth in 1..names.len() {
            if tree.find(&names[..depth]).is_err() {
                // Its parent was made just before, unless an object is in the way.
                let _ = tree.make_folder(&names[..depth], now_ms);
            }
        }
        let _ = tree.put(&names, bytes.into(), now_ms);
    }

    /// Takes away an object, or a folder with all that is in it; answers whether it was there.
    pub fn remove(&self, path: &str) -> bool {
        self.tree().change(&names(path), None).is_ok_and(|before| before.is_some())
    }

    /// Flips a bit of an object, counted from its beginning; size, date and etag stay. Answers
    /// whether there is such a bit.
    pub fn flip_bit(&self, path: &str, bit: u64) -> bool {
        self.alter(path, |bytes| {
            let byte = usize::try_from(bit / 8).ok().and_then(|at| bytes.get_mut(at));
            byte.map(|byte| *byte ^= 1 << (bit % 8)).is_some()
        })
    }

    /// Cuts an object to so many bytes; answers whether it had more.
    pub fn cut(&self, path: &str, bytes: usize) -> bool {
        self.alter(path, |whole| {
            let longer = whole.len() > bytes;
            whole.truncate(bytes);
            longer
        })
    }

    /// Bytes of all objects together.
    pub fn stored_bytes(&self) -> u64 {
        self.tree().stored_bytes()
    }

    fn alter(&self, path: &str, change: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        let (mut tree, names) = (self.tree(), names(path));
        let Ok(Node::Object(object)) = tree.find(&names) else { return false };
        let mut object = object.clone();
        let mut bytes = object.bytes.to_vec();
        let changed = change(&mut bytes);
        object.bytes = bytes.into();
        changed && tree.change(&names, Some(Node::Object(object))).is_ok()
    }

    fn tree(&self) -> MutexGuard<'a, Tree> {
        locked(&self.0.tree)
    }
}

fn names(path: &str) -> Vec<String> {
    path.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}
