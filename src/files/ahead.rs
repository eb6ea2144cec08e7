//! A walk on a thread of its own: looking at names goes on beside reading contents, and may begin
//! before there is anybody to take what it finds.

use super::walk::{Walk, WalkError, Walked};
use crossbeam_channel::{Receiver, bounded};
use std::io;
use std::panic::resume_unwind;
use std::thread::{Builder, JoinHandle};

/// Handed over at once: one by one would cost a waking up each.
const BATCH: usize = 64;
/// The walk is at most so many batches ahead, which takes some 6 MB.
const MOST_BATCHES: usize = 256;

type Item = Result<Walked, WalkError>;

/// What a walk finds, in its order. The thread ends with the walk, or soon after this is dropped.
#[derive(Debug)]
pub struct WalkAhead {
    batches: Receiver<Vec<Item>>,
    open: std::vec::IntoIter<Item>,
    thread: Option<JoinHandle<()>>,
}

impl WalkAhead {
    /// Starts to walk.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(mut walk: Walk) -> io::Result<Self> {
        let (found, batches) = bounded(MOST_BATCHES);
        let thread = Builder::new().name("walk".to_owned()).spawn(move || {
            loop {
                let batch: Vec<Item> = walk.by_ref().take(BATCH).collect();
                if batch.is_empty() || found.send(batch).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { batches, open: Vec::new().into_iter(), thread: Some(thread) })
    }
}

impl Iterator for WalkAhead {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = self.open.next() {
                return Some(item);
            }
            match self.batches.recv() {
                Ok(batch) => self.open = batch.into_iter(),
                Err(_) => {
                    // A walk that died is not one that ended: the rest would be taken for removed.
                    if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
                        resume_unwind(panic);
                    }
                    return None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::filter::Filter;
    use crate::files::source;
    use crate::files::walk::WalkOptions;
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;

    fn walk(root: &Path) -> Walk {
        let resolved = source::resolve(&[root.to_owned()], root).expect("there");
        let shown = resolved.shown_root().expect("one source");
        Walk::new(&resolved.sources, shown, Arc::new(Filter::default()), WalkOptions::default())
    }

    #[test]
    fn all_that_the_walk_finds_comes_in_its_order() {
        let dir = tempfile::tempdir().expect("folder");
        for number in 0..3 * BATCH {
            fs::write(dir.path().join(number.to_string()), "x").expect("file");
        }
        let paths =
            |items: Vec<Item>| items.into_iter().map(|item| item.expect("entry").path).collect::<Vec<_>>();
        let ahead = WalkAhead::start(walk(dir.path())).expect("a thread");
        assert_eq!(paths(ahead.collect()), paths(walk(dir.path()).collect()));
    }

    #[test]
    fn a_walk_that_dies_does_not_look_like_one_that_ended() {
        let (found, batches) = bounded::<Vec<Item>>(1);
        let thread = Builder::new().spawn(move || {
            let _held = found;
            resume_unwind(Box::new("died"));
        });
        let (open, thread) = (Vec::new().into_iter(), Some(thread.expect("a thread")));
        let mut ahead = WalkAhead { batches, open, thread };
        let next = std::panic::AssertUnwindSafe(|| ahead.next().is_none());
        assert!(std::panic::catch_unwind(next).is_err());
    }
}
