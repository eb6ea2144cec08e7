//! One pass over the files: the walk in path order beside the last state in path order. What is
//! unchanged costs one `lstat`; what is new or changed is read. The result is the list of
//! changes to the base.

use super::BackupError;
use super::content::{ContentError, ContentReader};
use super::sink::ChunkSink;
use crate::files::metadata::{capture, ctime, is_racy, mtime};
use crate::files::read::{FileReader, ReadError};
use crate::files::walk::{Walk, WalkError, Walked};
use crate::format::entries::{Block, BlockWriter, Change, Merged, Now};
use crate::format::record::Tally;
use crate::format::record::snapshot::{MAX_PROBLEMS, Missing};
use crate::manifest::ManifestError;
use crate::model::clock::Clock;
use crate::model::entry::{Content, Entry, Metadata, Node, Piece};
use crate::model::path::EntryPath;
use crate::model::time::Timestamp;
use crate::progress::{Event, FileAction, Observer, Problem};
use crate::repository::{Cancel, RepositoryError};
use crate::state::Spool;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::fs::Metadata as FileMetadata;
use std::iter::Peekable;
use std::sync::Arc;

/// A file that changes while it is read is read so often in all.
const READ_ATTEMPTS: usize = 3;

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
    pub(super) problems: Vec<Problem>,
    pub(super) problem_count: u64,
    /// What was not sent, for the run may not spend more.
    pub(super) missing: Missing,
}

/// What became of a file that was to be read.
pub(super) enum Taken {
    Entry(Entry),
    /// It cannot be read, which was told.
    Gone,
    /// It was not there any more.
    Vanished,
    /// The run may not spend more.
    Unsent,
}

/// What was read under the first name of a file with several.
pub(super) struct LinkedContent {
    content: Content,
    mtime: Timestamp,
    ctime: Timestamp,
    racy: bool,
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
    /// Content of files with several names, by device and inode.
    pub(super) linked: HashMap<(u64, u64), LinkedContent>,
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
            linked: HashMap::new(),
            read_before: None,
            found: Scanned::default(),
        }
    }

    /// Makes the pass.
    pub(super) fn run(
        mut self,
        walk: Walk,
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

    fn walked(&mut self, walked: Walked, last: Option<Merged>) -> Result<(), BackupError> {
        let last_entry = last.as_ref().and_then(Merged::now);
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
        let bytes = walked.metadata.len();
        let path = walked.path.clone();
        let entry = match self.take(walked)? {
            Taken::Entry(entry) => entry,
            // What was known of it is gone.
            Taken::Gone | Taken::Vanished => return last.map_or(Ok(()), |merged| self.gone(&merged)),
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

    /// Takes down an entry with its content.
    fn take(&mut self, walked: Walked) -> Result<Taken, BackupError> {
        if walked.metadata.is_file() {
            return match &mut self.read_before {
                Some(read) => Ok(read.remove(&walked.path).unwrap_or(Taken::Unsent)),
                None => self.take_file(walked),
            };
        }
        let shown = walked.path.display();
        let captured = match capture(&walked.disk_path, &walked.metadata) {
            Ok(captured) => captured,
            Err(error) => {
                self.problem(shown, error.to_string());
                return Ok(Taken::Gone);
            }
        };
        if let Some(problem) = captured.problem {
            self.problem(shown, problem.to_string());
        }
        Ok(Taken::Entry(Entry { path: walked.path, node: captured.node, meta: captured.meta }))
    }

    pub(super) fn take_file(&mut self, mut walked: Walked) -> Result<Taken, BackupError> {
        let shown = walked.path.display();
        let mut attempt = 1;
        loop {
            // Before it is opened: a change right after that may not show in the times.
            let read_at = self.clock.now();
            let (content, metadata, changed, was_racy) = match self.read(&walked) {
                Ok(read) => read,
                Err(ContentError::Repository(error)) => return Err(error.into()),
                Err(ContentError::NotAllowed) => return Ok(Taken::Unsent),
                Err(ContentError::File(ReadError::Vanished { path })) => {
                    self.observer.event(Event::Notice(&format!("{} vanished meanwhile", path.display())));
                    return Ok(Taken::Vanished);
                }
                Err(ContentError::File(ReadError::Replaced { .. })) if attempt < READ_ATTEMPTS => {
                    // Saved anew by an editor, most likely.
                    attempt += 1;
                    match walked.disk_path.symlink_metadata() {
                        Ok(now) if now.is_file() => {
                            walked.metadata = now;
                            continue;
                        }
                        Ok(_) => {
                            self.problem(shown, "it was replaced by something else meanwhile".to_owned());
                            return Ok(Taken::Gone);
                        }
                        Err(_) => continue,
                    }
                }
                Err(ContentError::File(error)) => {
                    self.problem(shown, error.to_string());
                    return Ok(Taken::Gone);
                }
            };
            if changed && attempt < READ_ATTEMPTS {
                attempt += 1;
                continue;
            }
            let captured = match capture(&walked.disk_path, &metadata) {
                Ok(captured) => captured,
                Err(error) => {
                    self.problem(shown, error.to_string());
                    return Ok(Taken::Gone);
                }
            };
            if let Some(problem) = captured.problem {
                self.problem(shown.clone(), problem.to_string());
            }
            let mut meta = captured.meta;
            // What was read under another name was read then and not now.
            meta.racy = changed || was_racy || is_racy(&meta, read_at);
            if changed {
                let message = "it changed each time while it was read: what is stored may be of two \
                               moments; it is read again next time";
                self.problem(shown, message.to_owned());
            }
            if meta.links > 1 {
                let (mtime, ctime, racy) = (meta.mtime, meta.ctime, meta.racy);
                let seen = LinkedContent { content: content.clone(), mtime, ctime, racy };
                self.linked.insert((meta.device, meta.inode), seen);
            }
            return Ok(Taken::Entry(Entry { path: walked.path, node: Node::File(content), meta }));
        }
    }

    /// Content and attributes of a file, whether it changed meanwhile, and whether it was read under
    /// another name so soon after a change that another one may not show.
    fn read(&mut self, walked: &Walked) -> Result<(Content, FileMetadata, bool, bool), ContentError> {
        use std::os::unix::fs::MetadataExt;
        let opened = FileReader::open(&walked.disk_path, &walked.metadata)?;
        let identity = (opened.metadata().dev(), opened.metadata().ino());
        if let Some(seen) = self.linked.get(&identity)
            && seen.content.size == opened.metadata().len()
            && (seen.mtime, seen.ctime) == (mtime(opened.metadata()), ctime(opened.metadata()))
        {
            self.observer.event(Event::Advanced { files: 1, bytes: seen.content.size });
            return Ok((seen.content.clone(), opened.metadata().clone(), false, seen.racy));
        }
        let observer = &self.observer;
        let advance = |bytes| observer.event(Event::Advanced { files: 0, bytes });
        let read = self.reader.read(opened, self.sink, advance)?;
        self.observer.event(Event::Advanced { files: 1, bytes: 0 });
        self.found.bytes_read += read.outcome.bytes;
        Ok((read.content, read.outcome.metadata, read.outcome.changed, false))
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

    fn problem(&mut self, subject: String, message: String) {
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
