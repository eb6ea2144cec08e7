//! One pass over the files: the walk in path order beside the last state in path order. What is
//! unchanged costs one `lstat`; what is new or changed is read. The result is the list of
//! changes to the base.

use super::BackupError;
use super::content::ContentReader;
use super::databases::Databases;
use super::sink::ChunkSink;
use super::take::{LinkedContent, Taken};
use crate::files::walk::{WalkError, Walked};
use crate::format::entries::{Block, BlockWriter, Change, Merged, Now};
use crate::format::record::Tally;
use crate::format::record::snapshot::{MAX_PROBLEMS, Missing};
use crate::manifest::ManifestError;
use crate::model::clock::Clock;
use crate::model::entry::{Entry, Metadata, Node, Piece};
use crate::model::path::EntryPath;
use crate::progress::{Event, FileAction, Observer, Problem};
use crate::repository::{Cancel, RepositoryError};
use crate::state::Spool;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::iter::Peekable;
use std::sync::Arc;

/// How the pass is made.
pub(super) struct ScanOptions {
    /// Read every file, changed or not.
    pub(super) read_all: bool,
    /// Write every entry, not only what differs from the base.
    pub(super) whole: bool,
    /// Look whether the chunks of unchanged files are known, and read the file if not.
    pub(super) check_chunks: bool,
    pub(super) ignore_inode: bool,
    pub(super) cancel: Cancel,
}

/// What a pass came to.
#[derive(Default)]
pub(super) struct Scanned {
    /// Changes to the base, or all entries.
    pub(super) blocks: Spool,
    /// Whether anything differs from the last state.
    pub(super) differs: bool,
    pub(super) tally: Tally,
    pub(super) bytes_read: u64,
    /// Databases in use that were copied.
    pub(super) databases: u64,
    /// Those that could not be copied, and are stored as their files lie there.
    pub(super) databases_as_they_lie: u64,
    pub(super) problems: Vec<Problem>,
    pub(super) problem_count: u64,
    /// What was not sent, for the run may not spend more.
    pub(super) missing: Missing,
}

pub(super) struct Scan<'a> {
    pub(super) options: ScanOptions,
    pub(super) reader: ContentReader,
    pub(super) sink: &'a mut dyn ChunkSink,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) observer: Arc<dyn Observer>,
    blocks: BlockWriter,
    /// The last folder noted as gone: what is below it need not be noted.
    removed: Option<EntryPath>,
    /// The last folder that was walked and then gone: so is all that was walked below it.
    vanished_folder: Option<EntryPath>,
    /// Content of files with several names, by device and inode.
    pub(super) linked: HashMap<(u64, u64), LinkedContent>,
    /// None where files of databases are files as any others.
    pub(super) databases: Option<Databases>,
    /// In a run with limits: what was read before this pass, in which no content is read.
    pub(super) read_before: Option<HashMap<EntryPath, Taken>>,
    pub(super) found: Scanned,
}

impl<'a> Scan<'a> {
    pub(super) fn new(
        options: ScanOptions,
        reader: ContentReader,
        sink: &'a mut dyn ChunkSink,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        Self {
            options,
            reader,
            sink,
            clock,
            observer,
            blocks: BlockWriter::default(),
            removed: None,
            vanished_folder: None,
            linked: HashMap::new(),
            databases: None,
            read_before: None,
            found: Scanned::default(),
        }
    }

    /// Makes the pass.
    pub(super) fn run(
        mut self,
        walk: impl Iterator<Item = Result<Walked, WalkError>>,
        known: impl Iterator<Item = Result<Merged, ManifestError>>,
    ) -> Result<Scanned, BackupError> {
        let mut known = known.peekable();
        for walked in walk {
            if self.options.cancel.is_cancelled() {
                return Err(RepositoryError::Cancelled.into());
            }
            match walked {
                Ok(walked) => {
                    let last = catch_up_to(&mut known, &walked.path, |merged| self.gone(merged))?;
                    self.walked(walked, last)?;
                }
                Err(WalkError::Vanished { path }) => {
                    self.observer.event(Event::Notice(&format!("{} vanished meanwhile", path.display())));
                }
                Err(error) => self.problem(error.path().display().to_string(), error.to_string()),
            }
        }
        while let Some(merged) = known.next().transpose()? {
            self.gone(&merged)?;
        }
        let last = self.blocks.finish().map_err(unwritable)?;
        self.put_aside(last)?;
        Ok(self.found)
    }

    fn gone(&mut self, merged: &Merged) -> Result<(), BackupError> {
        if let Some(entry) = merged.now() {
            self.found.differs = true;
            if matches!(entry.node, Node::File(_)) {
                self.found.tally.files_removed += 1;
            }
        }
        let Some(base) = &merged.base else { return Ok(()) };
        let covered = self.is_below_removed(&base.path);
        if !covered && !self.options.whole {
            self.removed = Some(base.path.clone());
            self.push(&Change::Removed(base.path.clone()))?;
        }
        Ok(())
    }

    fn walked(&mut self, mut walked: Walked, last: Option<Merged>) -> Result<(), BackupError> {
        let vanished =
            self.vanished_folder.as_ref().is_some_and(|folder| walked.path.below(folder).is_some());
        if vanished || self.is_part_of_copy(&walked) {
            return last.map_or(Ok(()), |merged| self.gone(&merged));
        }
        let last_entry = last.as_ref().and_then(Merged::now);
        self.tell_database(&mut walked, last_entry);
        let is_unchanged = self.is_unchanged(last_entry, &walked)?;
        let unchanged = last_entry.filter(|_| is_unchanged);
        // What lies below something noted as gone must be put again to be there.
        let put_all = self.options.whole || self.is_below_removed(&walked.path);
        if let Some(entry) = unchanged {
            self.count(entry, FileAction::Unmodified);
            self.observer.event(Event::Advanced { files: 1, bytes: entry.node.size() });
            let as_base = last.as_ref().is_some_and(|last| last.now == Now::AsBase);
            if !as_base || put_all {
                let entry = entry.clone();
                self.push(&Change::Put(entry))?;
            }
            return Ok(());
        }
        let action = if last_entry.is_some() { FileAction::Changed } else { FileAction::New };
        let (bytes, is_folder) = (walked.metadata.len(), walked.metadata.is_dir());
        let path = walked.path.clone();
        let entry = match self.take(walked)? {
            Taken::Entry(entry) => entry,
            // What was known of it is gone.
            gone @ (Taken::Gone | Taken::Vanished) => {
                if is_folder && matches!(gone, Taken::Vanished) {
                    self.vanished_folder = Some(path);
                }
                return last.map_or(Ok(()), |merged| self.gone(&merged));
            }
            Taken::Unsent => return self.unsent(&path, bytes, last, put_all),
        };
        let equal = |last: &Entry| {
            // That it was read right after a change is no change.
            let meta = Metadata { racy: entry.meta.racy, ..last.meta.clone() };
            last.node == entry.node && meta == entry.meta
        };
        let action = if last_entry.is_some_and(equal) { FileAction::Unmodified } else { action };
        self.count(&entry, action);
        self.found.differs |= last_entry != Some(&entry);
        if action != FileAction::Unmodified {
            self.observer.event(Event::File { path: &entry.path.display(), action });
        }
        let as_base = last.as_ref().is_some_and(|last| last.base.as_ref() == Some(&entry));
        if !as_base || put_all {
            self.push(&Change::Put(entry))?;
        }
        Ok(())
    }

    /// Leaves a file as it was in the last state; one that was not there stays away.
    fn unsent(
        &mut self,
        path: &EntryPath,
        bytes: u64,
        last: Option<Merged>,
        put_all: bool,
    ) -> Result<(), BackupError> {
        self.found.missing.add(path.display(), bytes);
        let Some(last) = last else { return Ok(()) };
        let kept = match last.now() {
            // What lay below it is gone.
            Some(entry) if entry.node == Node::Folder => None,
            Some(entry) if self.options.check_chunks && !self.has_all_chunks(entry)? => None,
            kept => kept,
        };
        let Some(entry) = kept else { return self.gone(&last) };
        self.count(entry, FileAction::Unmodified);
        if last.now != Now::AsBase || put_all {
            self.push(&Change::Put(entry.clone()))?;
        }
        Ok(())
    }

    fn is_below_removed(&self, path: &EntryPath) -> bool {
        self.removed.as_ref().is_some_and(|removed| path.below(removed).is_some())
    }

    pub(super) fn has_all_chunks(&self, entry: &Entry) -> Result<bool, RepositoryError> {
        let Node::File(content) = &entry.node else { return Ok(true) };
        for piece in &content.pieces {
            if let Piece::Chunk(id) = piece
                && !self.sink.knows(id)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn count(&mut self, entry: &Entry, action: FileAction) {
        let tally = &mut self.found.tally;
        tally.entries += 1;
        let Node::File(content) = &entry.node else { return };
        tally.files += 1;
        tally.bytes += content.size;
        match action {
            FileAction::New => tally.files_new += 1,
            FileAction::Changed => tally.files_changed += 1,
            _ => tally.files_unmodified += 1,
        }
    }

    fn push(&mut self, change: &Change) -> Result<(), BackupError> {
        let full = self.blocks.push(change).map_err(unwritable)?;
        self.put_aside(full)
    }

    fn put_aside(&mut self, block: Option<Block>) -> Result<(), BackupError> {
        block.map_or(Ok(()), |block| Ok(self.found.blocks.push(block.bytes)?))
    }

    pub(super) fn problem(&mut self, subject: String, message: String) {
        let problem = Problem::new(subject, message);
        self.observer.event(Event::Problem(&problem));
        self.found.problem_count += 1;
        if self.found.problems.len() < MAX_PROBLEMS {
            self.found.problems.push(problem);
        }
    }
}

/// Hands everything known before `path` to `gone`, and returns what is known of `path`.
pub(super) fn catch_up_to(
    known: &mut Peekable<impl Iterator<Item = Result<Merged, ManifestError>>>,
    path: &EntryPath,
    mut gone: impl FnMut(&Merged) -> Result<(), BackupError>,
) -> Result<Option<Merged>, BackupError> {
    loop {
        let order = match known.peek() {
            None => return Ok(None),
            Some(Err(_)) => Ordering::Less,
            Some(Ok(merged)) => merged.path().map_or(Ordering::Less, |known| known.cmp(path)),
        };
        if order.is_gt() {
            return Ok(None);
        }
        let Some(merged) = known.next().transpose()? else { return Ok(None) };
        if order.is_eq() {
            return Ok(Some(merged));
        }
        gone(&merged)?;
    }
}

fn unwritable(reason: crate::format::FormatError) -> BackupError {
    RepositoryError::damaged("the list of files", reason).into()
}
