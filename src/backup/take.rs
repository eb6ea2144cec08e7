//! Takes down one entry as it is now: what it is, and a file's content.

use super::BackupError;
use super::content::ContentError;
use super::scan::Scan;
use crate::files::metadata::{capture, ctime, is_racy, meta, mtime};
use crate::files::read::{FileReader, Outcome, ReadError};
use crate::files::walk::Walked;
use crate::model::entry::{Content, Entry, Node, Xattr};
use crate::model::time::Timestamp;
use crate::progress::Event;
use std::fs::Metadata as FileMetadata;
use std::io;
use std::path::Path;

/// A file that changes while it is read is read so often in all.
const READ_ATTEMPTS: usize = 3;

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

/// A file that was read.
struct FileRead {
    content: Content,
    metadata: FileMetadata,
    xattrs: io::Result<Vec<Xattr>>,
    /// Meanwhile.
    changed: bool,
    /// It was read under another name, so soon after a change that another one may not show.
    racy: bool,
}

impl Scan<'_> {
    /// Takes down an entry with its content.
    pub(super) fn take(&mut self, walked: Walked) -> Result<Taken, BackupError> {
        if walked.metadata.is_file() {
            return match &mut self.read_before {
                Some(read) => Ok(read.remove(&walked.path).unwrap_or(Taken::Unsent)),
                None => self.take_file(walked),
            };
        }
        let shown = walked.path.display();
        let captured = match capture(&walked.disk_path, &walked.metadata) {
            Ok(captured) => captured,
            Err(error) if error.is_vanished() => return Ok(self.vanished(&walked.disk_path)),
            Err(error) => {
                self.problem(shown, error.to_string());
                return Ok(Taken::Gone);
            }
        };
        match captured.problem {
            Some(problem) if problem.is_vanished() => return Ok(self.vanished(&walked.disk_path)),
            Some(problem) => self.problem(shown, problem.to_string()),
            None => {}
        }
        Ok(Taken::Entry(Entry { path: walked.path, node: captured.node, meta: captured.meta }))
    }

    pub(super) fn take_file(&mut self, mut walked: Walked) -> Result<Taken, BackupError> {
        let shown = |walked: &Walked| walked.path.display();
        let mut attempt = 1;
        loop {
            // Before it is opened: a change right after that may not show in the times.
            let read_at = self.clock.now();
            if let Some(copied) = self.take_database(&walked, attempt > 1, read_at)? {
                return Ok(copied);
            }
            let FileRead { content, metadata, xattrs, changed, racy } = match self.read(&walked) {
                Ok(read) => read,
                Err(ContentError::Repository(error)) => return Err(error.into()),
                Err(ContentError::NotAllowed) => return Ok(Taken::Unsent),
                Err(ContentError::File(ReadError::Vanished { path })) => {
                    return Ok(self.vanished(&path));
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
                            self.problem(
                                shown(&walked),
                                "it was replaced by something else meanwhile".to_owned(),
                            );
                            return Ok(Taken::Gone);
                        }
                        Err(_) => continue,
                    }
                }
                Err(ContentError::File(error)) => {
                    self.problem(shown(&walked), error.to_string());
                    return Ok(Taken::Gone);
                }
            };
            if changed && attempt < READ_ATTEMPTS {
                attempt += 1;
                continue;
            }
            let (mut meta, problem) = meta(&walked.disk_path, &metadata, xattrs);
            if let Some(problem) = problem {
                self.problem(shown(&walked), problem.to_string());
            }
            // What was read under another name was read then and not now.
            meta.racy = changed || racy || is_racy(&meta, read_at) || self.is_taken_as_it_is(&walked.path);
            if changed {
                let message = "it changed each time while it was read: what is stored may be of two \
                               moments; it is read again next time";
                self.problem(shown(&walked), message.to_owned());
            }
            if meta.links > 1 {
                let (mtime, ctime, racy) = (meta.mtime, meta.ctime, meta.racy);
                let seen = LinkedContent { content: content.clone(), mtime, ctime, racy };
                self.linked.insert((meta.device, meta.inode), seen);
            }
            return Ok(Taken::Entry(Entry { path: walked.path, node: Node::File(content), meta }));
        }
    }

    /// Reads a file, unless it was read under another name.
    fn read(&mut self, walked: &Walked) -> Result<FileRead, ContentError> {
        use std::os::unix::fs::MetadataExt;
        let opened = FileReader::open(&walked.disk_path, &walked.metadata)?;
        let identity = (opened.metadata().dev(), opened.metadata().ino());
        if let Some(seen) = self.linked.get(&identity)
            && seen.content.size == opened.metadata().len()
            && (seen.mtime, seen.ctime) == (mtime(opened.metadata()), ctime(opened.metadata()))
        {
            self.observer.event(Event::Advanced { files: 1, bytes: seen.content.size });
            let (content, metadata) = (seen.content.clone(), opened.metadata().clone());
            return Ok(FileRead {
                content,
                metadata,
                xattrs: opened.xattrs(),
                changed: false,
                racy: seen.racy,
            });
        }
        let observer = &self.observer;
        let advance = |bytes| observer.event(Event::Advanced { files: 0, bytes });
        let read = self.reader.read(opened, self.sink, advance)?;
        self.observer.event(Event::Advanced { files: 1, bytes: 0 });
        self.found.bytes_read += read.outcome.bytes;
        let Outcome { metadata, xattrs, changed, .. } = read.outcome;
        Ok(FileRead { content: read.content, metadata, xattrs, changed, racy: false })
    }

    fn vanished(&self, path: &Path) -> Taken {
        self.observer.event(Event::Notice(&format!("{} vanished meanwhile", path.display())));
        Taken::Vanished
    }
}
