//! What lies between two snapshots.

use super::BrowseError;
use super::wanted::relative;
use crate::model::entry::{Entry, Node};
use crate::model::path::EntryPath;
use crate::repository::snapshots::{SnapshotEntries, SnapshotInfo, unless_local};
use crate::repository::{Repository, RepositoryError};
use std::cmp::Ordering;

/// A path that is not the same in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// As it is shown.
    pub path: Vec<u8>,
    /// In what way.
    pub kind: DifferenceKind,
    /// Bytes of content before, where it was.
    pub size_before: Option<u64>,
    /// Bytes of content after, where it is.
    pub size_after: Option<u64>,
    /// Whether it is, or was, a folder.
    pub is_folder: bool,
}

/// In what way something differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DifferenceKind {
    /// Only the later one has it.
    Added,
    /// Only the earlier one has it.
    Removed,
    /// Other content, or a link that leads elsewhere.
    Content,
    /// A file became a folder, or the like.
    Type,
    /// The same content with another mode, owner, time or attribute.
    Metadata,
}

/// How much differs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiffTally {
    /// Entries only the later one has.
    pub added: u64,
    /// Entries only the earlier one has.
    pub removed: u64,
    /// Entries with other content or of another type.
    pub changed: u64,
    /// Entries with other metadata alone.
    pub metadata: u64,
    /// Bytes of content that came, whole files counted.
    pub bytes_added: u64,
    /// Bytes of content that went, whole files counted.
    pub bytes_removed: u64,
    /// Entries of either that cannot be read.
    pub unreadable: u64,
}

/// Hands on what differs between `before` and `after`, in the order of paths. Paths are compared as
/// they are shown, so that two machines or folders can be compared.
pub async fn diff(
    repository: &Repository,
    before: &SnapshotInfo,
    after: &SnapshotInfo,
    mut hand_on: impl FnMut(Difference),
) -> Result<DiffTally, BrowseError> {
    let of_before = repository.entries(before).await?;
    let of_after = repository.entries_beside(after, Some(&of_before)).await?;
    let (root_before, root_after) = (before.root(), after.root());
    let mut tally = DiffTally::default();
    let (mut old, mut new) = (Side::new(&of_before, root_before), Side::new(&of_after, root_after));
    loop {
        old.fill()?;
        new.fill()?;
        let order = match (&old.next, &new.next) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((one, _)), Some((other, _))) => in_tree_order(one, other),
        };
        let took_old = if order.is_le() { old.next.take() } else { None };
        let took_new = if order.is_ge() { new.next.take() } else { None };
        if let Some(difference) = difference(took_old, took_new) {
            tally.count(&difference);
            hand_on(difference);
        }
    }
    tally.unreadable = old.unreadable + new.unreadable;
    Ok(tally)
}

/// One of the two, entry by entry.
struct Side<'e> {
    entries: Box<dyn Iterator<Item = Result<Entry, crate::format::entries::EntryError>> + Send + 'e>,
    root: Option<EntryPath>,
    next: Option<(Vec<u8>, Entry)>,
    unreadable: u64,
}

impl<'e> Side<'e> {
    fn new(entries: &'e SnapshotEntries, root: Option<EntryPath>) -> Self {
        Self { entries: Box::new(entries.iter()), root, next: None, unreadable: 0 }
    }

    fn fill(&mut self) -> Result<(), RepositoryError> {
        while self.next.is_none() {
            match self.entries.next().map(|entry| entry.map_err(unless_local)) {
                None => break,
                Some(Ok(entry)) => {
                    let path = relative(&entry.path, self.root.as_ref());
                    if !path.is_empty() {
                        self.next = Some((path.to_vec(), entry));
                    }
                }
                Some(Err(Err(local))) => return Err(local),
                Some(Err(Ok(_))) => self.unreadable += 1,
            }
        }
        Ok(())
    }
}

/// A folder before what is below it, and that before its next sibling.
fn in_tree_order(one: &[u8], other: &[u8]) -> Ordering {
    one.split(|byte| *byte == b'/').cmp(other.split(|byte| *byte == b'/'))
}

fn difference(before: Option<(Vec<u8>, Entry)>, after: Option<(Vec<u8>, Entry)>) -> Option<Difference> {
    let size = |entry: &Option<(Vec<u8>, Entry)>| entry.as_ref().map(|(_, entry)| entry.node.size());
    let folder = |entry: &Option<(Vec<u8>, Entry)>| {
        entry.as_ref().is_some_and(|(_, entry)| matches!(entry.node, Node::Folder))
    };
    let kind = match (&before, &after) {
        (Some(_), None) => DifferenceKind::Removed,
        (None, Some(_)) => DifferenceKind::Added,
        (Some((_, before)), Some((_, after))) => kind_of(before, after)?,
        (None, None) => return None,
    };
    Some(Difference {
        kind,
        size_before: size(&before),
        size_after: size(&after),
        is_folder: folder(&before) || folder(&after),
        path: after.or(before).map(|(path, _)| path)?,
    })
}

fn kind_of(before: &Entry, after: &Entry) -> Option<DifferenceKind> {
    if std::mem::discriminant(&before.node) != std::mem::discriminant(&after.node) {
        return Some(DifferenceKind::Type);
    }
    if before.node != after.node {
        return Some(DifferenceKind::Content);
    }
    let (one, other) = (&before.meta, &after.meta);
    // The time of a folder changes with what is in it, and that is told.
    let same_time = one.mtime == other.mtime || matches!(after.node, Node::Folder);
    let same = (one.mode, one.uid, one.gid) == (other.mode, other.uid, other.gid)
        && one.xattrs == other.xattrs
        && same_time;
    (!same).then_some(DifferenceKind::Metadata)
}

impl DiffTally {
    fn count(&mut self, difference: &Difference) {
        match difference.kind {
            DifferenceKind::Added => self.added += 1,
            DifferenceKind::Removed => self.removed += 1,
            DifferenceKind::Content | DifferenceKind::Type => self.changed += 1,
            DifferenceKind::Metadata => {
                self.metadata += 1;
                return;
            }
        }
        self.bytes_added = self.bytes_added.saturating_add(difference.size_after.unwrap_or(0));
        self.bytes_removed = self.bytes_removed.saturating_add(difference.size_before.unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_snapshots() {
        let mut paths = ["a/b", "a.c", "a", "a/b/c", "b", "a b", "B"].map(str::as_bytes);
        paths.sort_by(|one, other| in_tree_order(one, other));
        let whole = |path: &&[u8]| EntryPath::new([b"/", *path].concat()).unwrap();
        let mut expected = paths.iter().map(whole).collect::<Vec<_>>();
        expected.sort();
        assert_eq!(paths.iter().map(whole).collect::<Vec<_>>(), expected);
    }
}
