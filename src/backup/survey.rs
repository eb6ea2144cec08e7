//! Where the limits of a run may not cover all: what is new or changed is found first, then read
//! in the order of its worth, the newest change first. The pass in path order comes after that.

use super::BackupError;
use super::scan::{Scan, catch_up_to};
use super::take::Taken;
use crate::files::database::Beside;
use crate::files::metadata::{mtime, same};
use crate::files::walk::{Walk, Walked};
use crate::format::entries::{Merged, Now};
use crate::format::record::snapshot::MAX_MISSING_NAME_BYTES;
use crate::manifest::ManifestError;
use crate::model::entry::{Entry, Node};
use crate::model::path::EntryPath;
use crate::model::time::Timestamp;
use crate::repository::RepositoryError;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Read between two looks at what is left, in bytes.
const MOST_AT_ONCE: u64 = 64 << 20;
/// An entry in the list of files beside its path, attributes and pieces, at most.
const ENTRY_BYTES: u64 = 128;
/// A piece of a file in the list.
const PIECE_BYTES: u64 = 24;
/// Chunks are about this large.
const MEAN_CHUNK_BYTES: u64 = 128 << 10;
/// Of what may be sent so much is kept free for the list of files, one part of this.
const SHARE_OF_LIST: u64 = 4;
/// Where less than this may be sent no file with content of its own is tried, in bytes.
const LEAST_LEFT: u64 = 1 << 10;
/// Once something did not fit, so many files that cannot fit are looked into in vain: what was
/// renamed or touched needs nothing new.
const MOST_IN_VAIN: u32 = 64;

/// A file that is new or changed.
struct Wanted {
    path: EntryPath,
    disk_path: PathBuf,
    changed: Timestamp,
    bytes: u64,
    /// Bytes of the logs of a database that is in use; else none.
    log_bytes: u64,
    /// Device and inode of a file with several names.
    shared: Option<(u64, u64)>,
}

impl Wanted {
    fn new(path: EntryPath, disk_path: PathBuf, found: &Metadata) -> Self {
        let shared = (found.nlink() > 1).then(|| (found.dev(), found.ino()));
        Self { path, disk_path, changed: mtime(found), bytes: found.len(), log_bytes: 0, shared }
    }

    /// What it takes in the list of files, about.
    fn place(&self) -> u64 {
        ENTRY_BYTES + self.path.as_bytes().len() as u64 + (self.bytes / MEAN_CHUNK_BYTES) * PIECE_BYTES
    }
}

/// How far the reading got.
struct Reading {
    /// Something did not fit any more.
    full: bool,
    /// Kept free in the list of files until then, for files that need nothing but their place.
    kept_free: u64,
    /// Files that were looked into since then and need something new.
    in_vain: u32,
}

/// What an entry takes in the list of files, at most.
fn entry_bytes(entry: &Entry) -> u64 {
    let pieces = match &entry.node {
        Node::File(content) => content.pieces.len() as u64 * PIECE_BYTES,
        Node::Symlink(target) => target.len() as u64,
        _ => 0,
    };
    let attributes: usize =
        entry.meta.xattrs.iter().map(|xattr| xattr.name.len() + xattr.value.len() + 8).sum();
    ENTRY_BYTES + entry.path.as_bytes().len() as u64 + pieces + attributes as u64
}

impl Scan<'_> {
    /// Finds what is new or changed and reads of it what the limits allow; [`Scan::run`] then
    /// writes it down. Fails, before anything is taken up, if not even that can be committed.
    pub(super) fn read_by_worth(
        &mut self,
        walk: Walk,
        known: impl Iterator<Item = Result<Merged, ManifestError>>,
    ) -> Result<(), BackupError> {
        let mut wanted = self.survey(walk, known)?;
        if !self.sink.fits() {
            return Err(BackupError::LimitsTooSmall);
        }
        // A copy is no larger than file and log, and hardly ever larger than the file.
        let most = |file: &Wanted| file.bytes.saturating_add(file.log_bytes);
        let bytes = wanted.iter().map(most).fold(0, u64::saturating_add);
        let places = wanted.iter().map(Wanted::place).fold(0, u64::saturating_add);
        self.sink.list_grows(places);
        if self.sink.covers(bytes, wanted.len() as u64) {
            // In path order it compresses best.
            self.read_before = None;
            return Ok(());
        }
        self.sink.list_shrinks(places);
        let left = self.sink.left();
        wanted.sort_by(|one, other| {
            // What cannot arrive in this run gets what the others leave.
            let fitting_first = (one.bytes > left).cmp(&(other.bytes > left));
            let newest_first = fitting_first.then(other.changed.cmp(&one.changed));
            newest_first.then(one.bytes.cmp(&other.bytes)).then_with(|| one.path.cmp(&other.path))
        });
        let kept_free = places.min(left / SHARE_OF_LIST);
        self.sink.list_grows(kept_free);
        let mut reading = Reading { full: false, kept_free, in_vain: 0 };
        let mut rest = wanted.into_iter().peekable();
        while rest.peek().is_some() {
            let quarter = (self.sink.left() / 4).clamp(1, MOST_AT_ONCE);
            let (mut batch, mut bytes) = (Vec::new(), 0);
            while bytes < quarter
                && let Some(file) = rest.next()
            {
                bytes = file.bytes.saturating_add(bytes);
                batch.push(file);
            }
            // Alike files lie near each other, and compress better together.
            batch.sort_by(|one, other| one.path.cmp(&other.path));
            for file in batch {
                self.read_wanted(file, &mut reading)?;
                for (path, disk_path) in self.passed_over() {
                    let Ok(found) = disk_path.symlink_metadata() else { continue };
                    self.read_wanted(Wanted::new(path, disk_path, &found), &mut reading)?;
                }
            }
        }
        Ok(())
    }

    /// Reads a file, unless it cannot be sent.
    fn read_wanted(&mut self, file: Wanted, reading: &mut Reading) -> Result<(), BackupError> {
        if self.options.cancel.is_cancelled() {
            return Err(RepositoryError::Cancelled.into());
        }
        let needs_nothing =
            file.bytes == 0 || file.shared.is_some_and(|identity| self.linked.contains_key(&identity));
        let left = if reading.full { self.sink.left() } else { u64::MAX };
        let may_fit = file.bytes < left && left >= LEAST_LEFT;
        let worth_a_look = reading.in_vain < MOST_IN_VAIN && !self.sink.time_is_up();
        if !needs_nothing && !may_fit && !worth_a_look {
            return Ok(());
        }
        let listed = file.place();
        let Wanted { path, disk_path, log_bytes, .. } = file;
        let Ok(metadata) = disk_path.symlink_metadata() else { return Ok(()) };
        if !metadata.is_file() {
            return Ok(());
        }
        // Its place in the list first: what is taken up must fit with it.
        self.sink.list_grows(listed);
        if !self.sink.fits() {
            self.sink.list_shrinks(listed);
            self.is_full(reading);
            return Ok(());
        }
        self.sink.only_known(reading.full && !may_fit);
        let beside = (log_bytes > 0).then(|| Beside::look(&disk_path)).flatten().map(Box::new);
        let taken =
            self.take_file(Walked { path: path.clone(), disk_path, metadata, is_cache_tag: false, beside });
        self.sink.only_known(false);
        self.sink.list_shrinks(listed);
        let taken = taken?;
        match &taken {
            Taken::Entry(entry) => {
                let listed = entry_bytes(entry);
                self.sink.list_grows(listed);
                if !self.sink.fits() {
                    self.sink.list_shrinks(listed);
                    self.is_full(reading);
                    return Ok(());
                }
            }
            Taken::Gone => {}
            // It may be back when the list is written: then it is missing, and named.
            Taken::Vanished => return Ok(()),
            Taken::Unsent => {
                self.is_full(reading);
                return Ok(());
            }
        }
        self.read_before.get_or_insert_default().insert(path, taken);
        Ok(())
    }

    /// Something did not fit: what was kept free is there for the others now.
    fn is_full(&mut self, reading: &mut Reading) {
        reading.in_vain += u32::from(reading.full);
        reading.full = true;
        self.sink.list_shrinks(std::mem::take(&mut reading.kept_free));
    }

    /// The files that are new or changed; tells the sink what the rest of the list takes.
    fn survey(
        &mut self,
        walk: Walk,
        known: impl Iterator<Item = Result<Merged, ManifestError>>,
    ) -> Result<Vec<Wanted>, BackupError> {
        self.read_before = Some(Default::default());
        let (mut wanted, mut list_bytes, mut name_bytes) = (Vec::new(), 0, 0);
        let mut known = known.peekable();
        let gone = |merged: &Merged| {
            let noted = merged.base.as_ref().map(|entry| entry.path.as_bytes().len() as u64 + 16);
            noted.unwrap_or(0)
        };
        for walked in walk {
            if self.options.cancel.is_cancelled() {
                return Err(RepositoryError::Cancelled.into());
            }
            // What cannot be walked is told by the second pass; its problem is in the record.
            let Ok(mut walked) = walked else {
                list_bytes += 1024;
                continue;
            };
            let last = catch_up_to(&mut known, &walked.path, |merged| {
                list_bytes += gone(merged);
                Ok(())
            })?;
            if self.is_part_of_copy(&walked) {
                list_bytes += last.as_ref().map_or(0, gone);
                continue;
            }
            let last_entry = last.as_ref().and_then(Merged::now);
            self.tell_database(&mut walked, last_entry);
            let unchanged = self.is_unchanged(last_entry, &walked)?;
            let as_base = last.as_ref().is_some_and(|last| last.now == Now::AsBase);
            if let Some(entry) = last_entry
                && (self.options.whole || !as_base)
            {
                list_bytes += entry_bytes(entry);
            }
            let path_bytes = walked.path.as_bytes().len() as u64;
            if !unchanged && walked.metadata.is_file() {
                name_bytes += path_bytes + 8;
                let mut file = Wanted::new(walked.path, walked.disk_path, &walked.metadata);
                if let Some(beside) = &walked.beside {
                    file.changed = beside.times(&walked.metadata).0;
                    file.log_bytes = beside.bytes();
                }
                wanted.push(file);
            } else if !unchanged {
                let target = if walked.metadata.is_symlink() { walked.metadata.len() } else { 0 };
                list_bytes += ENTRY_BYTES + path_bytes + target;
            }
        }
        while let Some(merged) = known.next().transpose()? {
            list_bytes += gone(&merged);
        }
        self.sink.list_grows(list_bytes);
        self.sink.names_take(name_bytes.min(MAX_MISSING_NAME_BYTES as u64 + 8192));
        Ok(wanted)
    }

    /// Whether an entry is as it was, so that nothing of it is read.
    pub(super) fn is_unchanged(
        &self,
        last: Option<&Entry>,
        walked: &Walked,
    ) -> Result<bool, RepositoryError> {
        let Some(entry) = last else { return Ok(false) };
        let is_file = matches!(entry.node, Node::File(_));
        let (now, ignore_inode) = (&walked.metadata, self.options.ignore_inode);
        let is_same = match &walked.beside {
            Some(beside) => beside.same(entry, now, ignore_inode),
            None => same(entry, now, ignore_inode),
        };
        Ok(is_same
            && !(self.options.read_all && is_file)
            && (!self.options.check_chunks || self.has_all_chunks(entry)?))
    }
}
