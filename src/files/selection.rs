//! Filters a list of entries in tree order, as a restore has it, without asking again about the
//! folders above each entry; and holds back folders until something below them is kept.

use super::filter::{Decision, Filter};

/// A cursor that is moved through paths in tree order and decides about each. Folders that are
/// missing in the list are thought in.
#[derive(Debug)]
pub struct Selection<'f> {
    filter: &'f Filter,
    root: Decision,
    /// The folder looked at last, with what was decided about each folder of the way to it.
    folder: Vec<u8>,
    decided: Vec<(usize, Decision)>,
}

impl<'f> Selection<'f> {
    /// A cursor at the root.
    pub fn new(filter: &'f Filter) -> Self {
        let root = filter.decide(b"", true, Decision::Pending);
        Self { filter, root, folder: Vec::new(), decided: Vec::new() }
    }

    /// What becomes of `relative`, a path below the root without a slash in front. Right for any
    /// order of paths, fast for tree order.
    pub fn decide(&mut self, relative: &[u8], is_folder: bool) -> Decision {
        if relative.is_empty() {
            return self.root;
        }
        while let Some((end, _)) = self.decided.last() {
            if is_below(relative, &self.folder[..*end]) {
                break;
            }
            self.decided.pop();
        }
        let (known, mut decision) = self.decided.last().copied().unwrap_or((0, self.root));
        self.folder.truncate(known);
        let from = if known == 0 { 0 } else { known + 1 };
        for (at, _) in relative.iter().enumerate().skip(from).filter(|(_, byte)| **byte == b'/') {
            decision = self.enter(&relative[..at], decision);
        }
        if is_folder {
            return self.enter(relative, decision);
        }
        self.filter.decide(relative, false, decision)
    }

    fn enter(&mut self, folder: &[u8], parent: Decision) -> Decision {
        let decision = self.filter.decide(folder, true, parent);
        self.folder.extend_from_slice(&folder[self.folder.len()..]);
        self.decided.push((folder.len(), decision));
        decision
    }
}

/// Whether `path` lies somewhere in `folder`; both without a slash at the end, empty for the root.
pub(super) fn is_below(path: &[u8], folder: &[u8]) -> bool {
    folder.is_empty() && !path.is_empty()
        || path.len() > folder.len() && path[folder.len()] == b'/' && path.starts_with(folder)
}

/// Folders that wait for something below them to be kept.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    stack: Vec<(Vec<u8>, T)>,
}

impl<T> Waiting<T> {
    pub(super) fn new() -> Self {
        Self { stack: Vec::new() }
    }

    /// Forgets the folders that do not hold `path`: the walk has left them.
    pub(super) fn leave(&mut self, path: &[u8]) {
        while self.stack.last().is_some_and(|(folder, _)| !is_below(path, folder)) {
            self.stack.pop();
        }
    }

    pub(super) fn push(&mut self, path: &[u8], item: T) {
        self.stack.push((path.to_vec(), item));
    }

    /// Takes the waiting folders, the outermost first.
    pub(super) fn release(&mut self) -> impl Iterator<Item = T> + '_ {
        self.stack.drain(..).map(|(_, item)| item)
    }
}

/// The items of a list in tree order that `filter` keeps, folders on the way to them among them.
/// `locate` gives an item's path below the root and whether it is a folder.
pub fn selected<T, I, L>(filter: &Filter, items: I, locate: L) -> impl Iterator<Item = T>
where
    I: Iterator<Item = T>,
    L: Fn(&T) -> (&[u8], bool),
{
    let mut selection = Selection::new(filter);
    let mut waiting = Waiting::new();
    items.flat_map(move |item| {
        let (path, is_folder) = locate(&item);
        let decision = selection.decide(path, is_folder);
        waiting.leave(path);
        match decision {
            Decision::Excluded => Vec::new(),
            Decision::Pending => {
                let path = path.to_vec();
                waiting.push(&path, item);
                Vec::new()
            }
            Decision::Included => waiting.release().chain(std::iter::once(item)).collect(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: [(&str, bool); 9] = [
        ("", true),
        ("a", true),
        ("a/b", true),
        ("a/b/x.pdf", false),
        ("a/c", false),
        ("a-b", true),
        ("a-b/y", false),
        ("d/e/f.pdf", false),
        ("z.pdf", false),
    ];

    #[test]
    fn the_cursor_agrees_with_looking_at_each_path_alone_in_any_order() {
        let patterns = [(vec!["*.pdf"], vec!["b"]), (vec!["a/b", "d/**"], vec![]), (vec![], vec!["a/*"])];
        for (includes, excludes) in patterns {
            let owned = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect::<Vec<_>>();
            let filter = Filter::new(&owned(includes), &owned(excludes)).expect("good");
            let mut selection = Selection::new(&filter);
            for (path, is_folder) in TREE.iter().chain(TREE.iter().rev()) {
                let alone = filter.decide_alone(path.as_bytes(), *is_folder);
                assert_eq!(selection.decide(path.as_bytes(), *is_folder), alone, "{path}");
            }
        }
    }

    #[test]
    fn folders_show_only_with_something_kept_below() {
        let filter = Filter::new(&["*.pdf".to_owned()], &[]).expect("good");
        let kept = selected(&filter, TREE.into_iter(), |(path, folder)| (path.as_bytes(), *folder));
        let kept: Vec<_> = kept.map(|(path, _)| path).collect();
        assert_eq!(kept, ["", "a", "a/b", "a/b/x.pdf", "d/e/f.pdf", "z.pdf"]);
    }
}
