//! What lies on the emulated drive: folders and objects in memory, and the last changes, so that
//! a listing can be as it was before them.

use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// How many changes can be taken back.
const REMEMBERED: usize = 64;

/// A folder or an object.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Folder(Folder),
    Object(Object),
}

#[derive(Debug, Clone, Default)]
pub(super) struct Folder {
    pub children: BTreeMap<String, Node>,
    pub modified_ms: i64,
}

#[derive(Debug, Clone)]
pub(super) struct Object {
    pub bytes: Bytes,
    pub modified_ms: i64,
    /// As listings have it: without quotes.
    pub etag: String,
}

/// Why nothing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Itself,
    Parent,
}

#[derive(Debug)]
pub(super) struct Tree {
    root: Node,
    versions: u64,
    /// Paths, and what was there before.
    changes: VecDeque<(Vec<String>, Option<Node>)>,
}

impl Tree {
    pub fn new(now_ms: i64) -> Self {
        let root = Node::Folder(Folder { modified_ms: now_ms, ..Folder::default() });
        Self { root, versions: 0, changes: VecDeque::new() }
    }

    pub fn find(&self, path: &[String]) -> Result<&Node, Missing> {
        let mut node = &self.root;
        for (depth, name) in path.iter().enumerate() {
            let is_last = depth + 1 == path.len();
            let missing = if is_last { Missing::Itself } else { Missing::Parent };
            node = match node {
                Node::Folder(folder) => folder.children.get(name).ok_or(missing)?,
                Node::Object(_) => return Err(Missing::Parent),
            };
        }
        Ok(node)
    }

    /// Puts an object in its place; tells whether there was none.
    pub fn put(&mut self, path: &[String], bytes: Bytes, now_ms: i64) -> Result<bool, Missing> {
        self.versions += 1;
        let etag = format!("{:016x}", self.versions);
        let object = Node::Object(Object { bytes, modified_ms: now_ms, etag });
        Ok(self.change(path, Some(object))?.is_none())
    }

    pub fn make_folder(&mut self, path: &[String], now_ms: i64) -> Result<(), Missing> {
        let folder = Node::Folder(Folder { modified_ms: now_ms, ..Folder::default() });
        self.change(path, Some(folder)).map(|_| ())
    }

    /// Puts `node` at the path, or takes away what is there, and answers that.
    pub fn change(&mut self, path: &[String], node: Option<Node>) -> Result<Option<Node>, Missing> {
        let before = set(&mut self.root, path, node)?;
        self.changes.push_back((path.to_vec(), before.clone()));
        if self.changes.len() > REMEMBERED {
            self.changes.pop_front();
        }
        Ok(before)
    }

    /// The tree before the last so many changes.
    pub fn before(&self, changes: usize) -> Self {
        let mut root = self.root.clone();
        for (path, node) in self.changes.iter().rev().take(changes) {
            // The folder above was there when the change was made, and is again.
            let _ = set(&mut root, path, node.clone());
        }
        Self { root, versions: self.versions, changes: VecDeque::new() }
    }

    /// All objects with their paths, without `/dav/`.
    pub fn objects(&self) -> Vec<(String, Bytes)> {
        let mut found = Vec::new();
        collect(&self.root, "", &mut found);
        found
    }

    pub fn stored_bytes(&self) -> u64 {
        self.objects().iter().map(|(_, bytes)| bytes.len() as u64).sum()
    }
}

fn set(root: &mut Node, path: &[String], node: Option<Node>) -> Result<Option<Node>, Missing> {
    let (name, parents) = path.split_last().ok_or(Missing::Itself)?;
    let mut at = root;
    for parent in parents {
        at = match at {
            Node::Folder(folder) => folder.children.get_mut(parent).ok_or(Missing::Parent)?,
            Node::Object(_) => return Err(Missing::Parent),
        };
    }
    let Node::Folder(folder) = at else { return Err(Missing::Parent) };
    Ok(match node {
        Some(node) => folder.children.insert(name.clone(), node),
        None => folder.children.remove(name),
    })
}

fn collect(node: &Node, path: &str, found: &mut Vec<(String, Bytes)>) {
    match node {
        Node::Object(object) => found.push((path.to_owned(), object.bytes.clone())),
        Node::Folder(folder) => {
            for (name, node) in &folder.children {
                let below = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
                collect(node, &below, found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('/').map(str::to_owned).collect()
    }

    #[test]
    fn what_was_put_is_found_and_what_is_above_is_needed() {
        let mut tree = Tree::new(0);
        assert_eq!(tree.put(&path("a/b"), Bytes::new(), 1), Err(Missing::Parent));
        tree.make_folder(&path("a"), 1).unwrap();
        assert_eq!(tree.put(&path("a/b"), Bytes::from("xyz"), 1), Ok(true));
        assert_eq!(tree.put(&path("a/b"), Bytes::from("x"), 2), Ok(false));
        assert_eq!(tree.find(&path("a/c")).unwrap_err(), Missing::Itself);
        assert_eq!(tree.find(&path("c/c")).unwrap_err(), Missing::Parent);
        assert_eq!(tree.find(&path("a/b/c")).unwrap_err(), Missing::Parent);
        assert_eq!(tree.stored_bytes(), 1);
    }

    #[test]
    fn changes_can_be_taken_back() {
        let mut tree = Tree::new(0);
        tree.make_folder(&path("a"), 0).unwrap();
        tree.put(&path("a/b"), Bytes::from("old"), 0).unwrap();
        tree.put(&path("a/b"), Bytes::from("newer"), 0).unwrap();
        tree.change(&path("a"), None).unwrap();
        let sizes = |tree: Tree| tree.objects().iter().map(|(_, bytes)| bytes.len()).collect::<Vec<_>>();
        assert_eq!(sizes(tree.before(0)), [0; 0]);
        assert_eq!(sizes(tree.before(1)), [5]);
        assert_eq!(sizes(tree.before(2)), [3]);
        assert_eq!(sizes(tree.before(9)), [0; 0]);
    }
}
