//! SQLite databases that are in use: what goes into the snapshot is one consistent copy under the
//! name of the database, and nothing of what lies beside it. Where there is no copy to be had, that
//! is told, and the files are stored as they lie there.

use super::BackupError;
use super::content::ContentError;
use super::scan::Scan;
use super::take::Taken;
use crate::files::database::{Beside, Copier, CopyError, Header, header};
use crate::files::metadata::{capture, ctime, is_racy, mtime};
use crate::files::walk::Walked;
use crate::model::cancel::Cancel;
use crate::model::entry::{Content, Entry, Metadata, Node};
use crate::model::path::EntryPath;
use crate::model::time::Timestamp;
use crate::progress::Event;
use crate::repository::RepositoryError;
use crate::state::Scratch;
use std::collections::{HashMap, HashSet};
use std::fs::Metadata as FileMetadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The databases of one pass over the files.
pub(super) struct Databases {
    copier: Copier,
    /// What belongs to a database that is stored as a copy, and where a survey met it.
    parts: HashMap<EntryPath, Option<PathBuf>>,
    /// Databases that cannot be copied.
    as_they_are: HashSet<EntryPath>,
    /// What a survey met of those, and took for parts of copies.
    passed_over: Vec<(EntryPath, PathBuf)>,
    /// Holds the copies.
    _scratch: Scratch,
}

impl Databases {
    pub(super) fn new(scratch: Scratch, cancel: Cancel) -> Self {
        Self {
            copier: Copier::new(scratch.path().to_owned(), cancel),
            parts: HashMap::new(),
            as_they_are: HashSet::new(),
            passed_over: Vec::new(),
            _scratch: scratch,
        }
    }

    /// From now on what belongs to this database is left out.
    fn leave_out_parts(&mut self, path: &EntryPath) {
        for part in Beside::paths(path) {
            self.parts.entry(part).or_default();
        }
    }

    /// From now on the database is files as any others.
    fn give_up(&mut self, path: &EntryPath) {
        for part in Beside::paths(path) {
            if let Some(Some(met)) = self.parts.remove(&part) {
                self.passed_over.push((part, met));
            }
        }
        self.as_they_are.insert(path.clone());
    }
}

impl Scan<'_> {
    /// Finds out whether what lies beside a file is a database's log, and else forgets it. What
    /// belongs to the database is left out from then on; it comes after it in tree order.
    pub(super) fn tell_database(&mut self, walked: &mut Walked, last: Option<&Entry>) {
        let Some(beside) = &walked.beside else { return };
        let ignore_inode = self.options.ignore_inode;
        let in_use = self.databases.as_ref().is_some_and(|databases| {
            !databases.as_they_are.contains(&walked.path)
                // An unchanged copy need not be looked into.
                && (last.is_some_and(|last| beside.same(last, &walked.metadata, ignore_inode))
                    || header(&walked.disk_path, &walked.metadata).is_some()
                        && beside.is_in_use(&walked.disk_path))
        });
        match &mut self.databases {
            Some(databases) if in_use => databases.leave_out_parts(&walked.path),
            _ => walked.beside = None,
        }
    }

    /// Whether this belongs to a database that is stored as a copy.
    pub(super) fn is_part_of_copy(&mut self, walked: &Walked) -> bool {
        let part = self.databases.as_mut().and_then(|databases| databases.parts.get_mut(&walked.path));
        match part {
            Some(met) if walked.metadata.is_file() => {
                *met = Some(walked.disk_path.clone());
                true
            }
            _ => false,
        }
    }

    /// Whether this is a database that cannot be copied. It is tried again next time.
    pub(super) fn is_taken_as_it_is(&self, path: &EntryPath) -> bool {
        self.databases.as_ref().is_some_and(|databases| databases.as_they_are.contains(path))
    }

    /// What a survey took for parts of copies that there are none of.
    pub(super) fn passed_over(&mut self) -> Vec<(EntryPath, PathBuf)> {
        self.databases
            .as_mut()
            .map(|databases| std::mem::take(&mut databases.passed_over))
            .unwrap_or_default()
    }

    /// Takes down a copy if this is a database in use: if there is something in its log, or if it
    /// `changes` while it is read, or did so within the last 2 s.
    pub(super) fn take_database(
        &mut self,
        walked: &Walked,
        changes: bool,
        read_at: Timestamp,
    ) -> Result<Option<Taken>, BackupError> {
        let changed = Metadata { mtime: mtime(&walked.metadata), ..Metadata::default() };
        let may_be_in_use = walked.beside.is_some() || changes || is_racy(&changed, read_at);
        let nothing_is_read = self.sink.sample().is_some_and(|sample| sample.is_empty());
        if !may_be_in_use || nothing_is_read || self.is_taken_as_it_is(&walked.path) {
            return Ok(None);
        }
        let Some(databases) = &mut self.databases else { return Ok(None) };
        let path = walked.disk_path.as_path();
        // What cannot be read is told where it is read as any other file.
        let Some(found) = look_again(path, walked) else { return Ok(None) };
        let Some(header) = header(path, &found) else { return Ok(None) };
        let beside = Beside::look(path).filter(|beside| beside.is_in_use(path));
        if beside.is_none() && header == Header::Wal {
            // All of it is in the file. To open it would make a log.
            return Ok(None);
        }
        let copy = match databases.copier.copy(path, &found, beside.as_ref()) {
            Ok(copy) => copy,
            Err(error) => return self.not_copied(walked, beside.is_some(), error),
        };
        // A journal that comes back with the copy would be rolled back into it.
        databases.leave_out_parts(&walked.path);
        let observer = self.observer.clone();
        let advance = |bytes| observer.event(Event::Advanced { files: 0, bytes });
        let read = match self.reader.read(copy, self.sink, advance) {
            Ok(read) => read,
            Err(ContentError::NotAllowed) => return Ok(Some(Taken::Unsent)),
            Err(ContentError::Repository(error)) => return Err(error.into()),
            Err(ContentError::File(error)) => return self.not_copied(walked, true, error.into()),
        };
        self.found.bytes_read += read.outcome.bytes;
        self.found.databases += 1;
        let shown = walked.path.display();
        self.observer.event(Event::Advanced { files: 1, bytes: 0 });
        self.observer.event(Event::DatabaseCopied { path: &shown });
        self.copied(walked, &found, beside.as_ref(), read.content, read_at).map(Some)
    }

    /// The entry of a copy that was made of the database found as `found`.
    fn copied(
        &mut self,
        walked: &Walked,
        found: &FileMetadata,
        beside: Option<&Beside>,
        content: Content,
        read_at: Timestamp,
    ) -> Result<Taken, BackupError> {
        let shown = walked.path.display();
        let captured = match capture(&walked.disk_path, found) {
            Ok(captured) => captured,
            Err(error) => {
                self.problem(shown, error.to_string());
                return Ok(Taken::Gone);
            }
        };
        if let Some(problem) = captured.problem {
            self.problem(shown, problem.to_string());
        }
        let mut meta = captured.meta;
        (meta.mtime, meta.ctime) = match beside {
            Some(beside) => beside.times(found),
            None => (mtime(found), ctime(found)),
        };
        // Without a log it looks as it will when it is read as it is.
        meta.racy = beside.is_none_or(|beside| beside.is_racy(found, read_at));
        // Another name of the file has no log beside it: its content is another one.
        (meta.links, meta.device) = (1, 0);
        Ok(Taken::Entry(Entry { path: walked.path.clone(), node: Node::File(content), meta }))
    }

    fn not_copied(
        &mut self,
        walked: &Walked,
        has_log: bool,
        error: CopyError,
    ) -> Result<Option<Taken>, BackupError> {
        if matches!(error, CopyError::Cancelled) {
            return Err(RepositoryError::Cancelled.into());
        }
        // Without a log the file is all there is, sound or not; whether it can be read shows next.
        let is_no_matter = !has_log && matches!(error, CopyError::Damaged(_) | CopyError::Read(_));
        if !is_no_matter {
            let message = format!(
                "this database cannot be copied: {error}; its files are stored as they lie there, which may be of \
                 two moments; it is tried again next time (or is stored so always, with --no-sqlite)"
            );
            self.problem(walked.path.display(), message);
            self.found.databases_as_they_lie += 1;
        }
        if let Some(databases) = &mut self.databases {
            databases.give_up(&walked.path);
        }
        Ok(None)
    }
}

/// The file as it is now, if it is the one that was walked.
fn look_again(path: &Path, walked: &Walked) -> Option<FileMetadata> {
    let identity = |found: &FileMetadata| (found.dev(), found.ino());
    let now = path.symlink_metadata().ok()?;
    (now.is_file() && identity(&now) == identity(&walked.metadata)).then_some(now)
}
