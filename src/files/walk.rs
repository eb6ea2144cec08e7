//! Walks sources in the order of stored paths, with one `lstat` an entry, leaving out what is not
//! wanted without looking into it.

mod entries;

use super::database::{Beside, LEAST_BYTES};
use super::filter::{Decision, Filter};
use super::place::is_unfinished;
use super::selection::Waiting;
use super::source::Source;
use crate::model::path::{EntryPath, PathError, display_bytes};
use entries::Entries;
use std::collections::{HashSet, VecDeque};
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use walkdir::DirEntry;

/// The name of the file that marks a folder as a cache, and how such a file begins.
/// <https://bford.info/cachedir/>
const CACHE_TAG: (&str, &[u8]) = ("CACHEDIR.TAG", b"Signature: 8a477f597d28d172789f06886806bc55");

/// What a walk leaves out beside what the filter does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WalkOptions {
    /// Of a folder marked by a `CACHEDIR.TAG`, keep only the folder and the tag. A source itself
    /// is taken whole.
    pub exclude_caches: bool,
    /// Do not go into other file systems than that of each source; mount points show empty.
    pub one_file_system: bool,
    /// Look for logs of databases beside files.
    pub databases: bool,
    /// Folders left out whole: the tool's own state, a local repository. Those missing at the
    /// start of the walk are ignored.
    pub skip: Vec<PathBuf>,
}

/// Something found.
#[derive(Debug, Clone)]
pub struct Walked {
    /// Under which path it is stored.
    pub path: EntryPath,
    /// Where it lies. Differs from `path` below a source that is a symbolic link.
    pub disk_path: PathBuf,
    /// What `lstat` says.
    pub metadata: Metadata,
    /// It marks its folder as a cache, of which nothing else is walked.
    pub is_cache_tag: bool,
    /// Of a regular file: what lies beside it as a database's logs do, by name. Those that the
    /// filter leaves out are found as well.
    pub beside: Option<Box<Beside>>,
}

/// Something that could not be walked; the walk goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WalkError {
    /// It was there when its folder was read, and is no more.
    #[error("{} vanished while it was looked at", shown(.path))]
    Vanished {
        /// Where it lay.
        path: PathBuf,
    },
    /// A folder that cannot be listed or an entry that cannot be looked at.
    #[error("cannot read {}: {source}", shown(.path))]
    Unreadable {
        /// Where it lies.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its path cannot be stored.
    #[error("cannot store {}: {source}", shown(.path))]
    BadPath {
        /// Where it lies.
        path: PathBuf,
        /// Why.
        source: PathError,
    },
}

impl WalkError {
    /// What it is about.
    pub fn path(&self) -> &Path {
        match self {
            Self::Vanished { path } | Self::Unreadable { path, .. } | Self::BadPath { path, .. } => path,
        }
    }
}

/// An iterator over all that is wanted of some sources, without files that a restore has not finished, in the order of [`EntryPath`]. A folder
/// comes before what is below it; one that is only on the way to something wanted comes right
/// before that. Symbolic links are not followed. An unreadable folder comes with its own metadata,
/// then as an error.
pub struct Walk {
    filter: Arc<Filter>,
    root: EntryPath,
    options: WalkOptions,
    skip: HashSet<(u64, u64)>,
    upcoming: VecDeque<Source>,
    /// The sources being walked, each inside the one before it.
    levels: Vec<Level>,
    waiting: Waiting<Walked>,
    ready: VecDeque<Result<Walked, WalkError>>,
}

/// The walk of one source.
struct Level {
    source: Source,
    entries: Entries,
    /// What was decided about the folder at each depth of the way to the present entry.
    decided: Vec<Decision>,
    above: Decision,
    device: u64,
}

impl Walk {
    /// A walk of `sources`, which must be resolved and in tree order. `root` is the root of what
    /// is shown: `filter` is asked with paths relative to it.
    pub fn new(sources: &[Source], root: EntryPath, filter: Arc<Filter>, options: WalkOptions) -> Self {
        let identify = |path: &PathBuf| path.metadata().ok().map(|found| (found.dev(), found.ino()));
        let skip = options.skip.iter().filter_map(identify).collect();
        let upcoming = sources.iter().cloned().collect();
        let (levels, waiting, ready) = (Vec::new(), Waiting::new(), VecDeque::new());
        Self { filter, root, options, skip, upcoming, levels, waiting, ready }
    }

    fn begin(&mut self, source: Source) {
        let relative = source.path.below(&self.root).unwrap_or(source.path.name());
        let above = match relative.iter().rposition(|byte| *byte == b'/') {
            Some(at) => self.filter.decide_alone(&relative[..at], true),
            None => self.filter.decide_alone(b"", true),
        };
        let entries = Entries::below(&source.walk_root);
        self.levels.push(Level { source, entries, decided: Vec::new(), above, device: 0 });
    }

    /// Handles the next entry of the innermost source; false at its end.
    fn step(&mut self) -> bool {
        let Some(level) = self.levels.last_mut() else { return false };
        let entry = match level.entries.next() {
            None => return false,
            Some(Err(error)) => {
                self.ready.push_back(Err(failure(error)));
                return true;
            }
            Some(Ok(entry)) => entry,
        };
        let path = match level.source.stored(entry.path()) {
            Ok(path) => path,
            Err(source) => {
                let path = entry.into_path();
                self.ready.push_back(Err(WalkError::BadPath { path, source }));
                return true;
            }
        };
        if entry.depth() > 0
            && self.upcoming.front().is_some_and(|next| next.path <= path)
            && let Some(inner) = self.upcoming.pop_front()
        {
            if inner.path != path {
                level.entries.put_back(entry);
            } else if entry.file_type().is_dir() {
                level.entries.skip_current_dir();
            }
            self.begin(inner);
            return true;
        }
        self.look_at(entry, path);
        true
    }

    fn look_at(&mut self, entry: DirEntry, path: EntryPath) {
        let Some(level) = self.levels.last_mut() else { return };
        let depth = entry.depth();
        level.decided.truncate(depth);
        let parent = level.decided.last().copied().unwrap_or(level.above);
        let relative = path.below(&self.root).unwrap_or(path.name());
        let listed_as_folder = entry.file_type().is_dir();
        let decision = if relative.is_empty() {
            level.above
        } else {
            self.filter.decide(relative, listed_as_folder, parent)
        };
        self.waiting.leave(relative);
        if decision == Decision::Excluded {
            if listed_as_folder {
                level.entries.skip_current_dir();
            }
            return;
        }
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            Err(error) => {
                self.ready.push_back(Err(failure(error)));
                if listed_as_folder {
                    level.decided.push(decision);
                }
                return;
            }
        };
        if depth > 0 && metadata.is_file() && metadata.nlink() == 1 && is_unfinished(path.name()) {
            return;
        }
        let disk_path = entry.into_path();
        let may_be_database = self.options.databases && metadata.is_file() && metadata.len() >= LEAST_BYTES;
        let beside = may_be_database.then(|| level.entries.beside(&disk_path, depth)).flatten();
        let mut tag = None;
        if listed_as_folder {
            level.decided.push(decision);
            if depth == 0 {
                level.device = metadata.dev();
            }
            if self.skip.contains(&(metadata.dev(), metadata.ino())) {
                level.entries.skip_current_dir();
                return;
            }
            if self.options.one_file_system && metadata.dev() != level.device {
                level.entries.skip_current_dir();
            } else if self.options.exclude_caches && depth > 0 && is_cache(&disk_path) {
                level.entries.skip_current_dir();
                tag = self.tag_of(&path, &disk_path, decision);
            }
        }
        self.keep(Walked { path, disk_path, metadata, is_cache_tag: false, beside }, decision);
        if let Some(tag) = tag {
            self.keep(tag, Decision::Included);
        }
    }

    fn keep(&mut self, walked: Walked, decision: Decision) {
        if decision == Decision::Pending {
            let relative = walked.path.below(&self.root).unwrap_or(walked.path.name()).to_vec();
            self.waiting.push(&relative, walked);
            return;
        }
        self.ready.extend(self.waiting.release().map(Ok));
        self.ready.push_back(Ok(walked));
    }

    /// The tag file of a cache folder, if the filter wants it.
    fn tag_of(&self, folder: &EntryPath, on_disk: &Path, parent: Decision) -> Option<Walked> {
        let path = folder.join(CACHE_TAG.0.as_bytes()).ok()?;
        let disk_path = on_disk.join(CACHE_TAG.0);
        let metadata = disk_path.symlink_metadata().ok()?;
        let relative = path.below(&self.root)?;
        let wanted = self.filter.decide(relative, false, parent) == Decision::Included;
        wanted.then_some(Walked { path, disk_path, metadata, is_cache_tag: true, beside: None })
    }
}

impl Iterator for Walk {
    type Item = Result<Walked, WalkError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Some(ready);
            }
            if self.step() {
                continue;
            }
            if self.levels.pop().is_none() {
                let source = self.upcoming.pop_front()?;
                self.begin(source);
            }
        }
    }
}

impl Source {
    /// Under which path something that lies at `disk_path` in this source is stored.
    fn stored(&self, disk_path: &Path) -> Result<EntryPath, PathError> {
        let disk = disk_path.as_os_str().as_bytes();
        let below = disk.get(self.walk_root.as_os_str().len()..).unwrap_or_default();
        let below = below.strip_prefix(b"/").unwrap_or(below);
        let base = self.path.as_bytes();
        let mut bytes = Vec::with_capacity(base.len() + 1 + below.len());
        bytes.extend_from_slice(base);
        if !below.is_empty() {
            if base.len() > 1 {
                bytes.push(b'/');
            }
            bytes.extend_from_slice(below);
        }
        EntryPath::new(bytes)
    }
}

/// Whether `folder` holds a true tag. A pipe or link of that name is none, and must not be waited on.
fn is_cache(folder: &Path) -> bool {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(tag) = rustix::fs::open(folder.join(CACHE_TAG.0), flags, Mode::empty()) else {
        return false;
    };
    let mut start = [0; CACHE_TAG.1.len()];
    let read = rustix::io::pread(&tag, &mut start[..], 0);
    read == Ok(start.len()) && start == *CACHE_TAG.1
}

fn failure(error: walkdir::Error) -> WalkError {
    let path = error.path().map_or_else(PathBuf::new, Path::to_owned);
    let source = error.into_io_error().unwrap_or_else(|| io::Error::other("a loop of links"));
    if source.kind() == io::ErrorKind::NotFound {
        return WalkError::Vanished { path };
    }
    WalkError::Unreadable { path, source }
}

fn shown(path: &Path) -> String {
    display_bytes(path.as_os_str().as_bytes()).into_owned()
}

#[cfg(test)]
mod tests;
