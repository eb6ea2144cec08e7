//! What lies beside a database: how it is found, and how it shows in the change key.

use super::{JOURNAL, SHM, WAL, beside_path};
use crate::files::metadata::{ctime, is_racy, mtime};
use crate::files::read::{FileReader, Segment};
use crate::model::entry::{Entry, Metadata, Node};
use crate::model::path::EntryPath;
use crate::model::time::Timestamp;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const NANOS: u64 = 1_000_000_000;

/// The logs beside a file that may be a database: those that are there and not empty, one at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beside {
    wal: Option<Log>,
    journal: Option<Log>,
}

/// A log as `lstat` finds it. Its ctime does not count: run as root, SQLite sets the owner of a log
/// that it opens, to read it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Log {
    bytes: u64,
    mtime: Timestamp,
}

impl Log {
    fn look(path: &Path) -> Option<Self> {
        let found = path.symlink_metadata().ok()?;
        (found.is_file() && found.len() > 0).then(|| Self { bytes: found.len(), mtime: mtime(&found) })
    }
}

impl Beside {
    /// Looks beside the file at `path`; by names only, whatever the file is.
    pub fn look(path: &Path) -> Option<Self> {
        let [wal, journal] = [WAL, JOURNAL].map(|suffix| Log::look(&beside_path(path, suffix)));
        (wal.is_some() || journal.is_some()).then_some(Self { wal, journal })
    }

    /// Of names that begin as a database's, in tree order, each with what follows that beginning:
    /// whether this one is a log's, or none can come any more; none while one may come.
    pub fn comes(rest: &[u8]) -> Option<bool> {
        let is_log = [JOURNAL, WAL].iter().any(|suffix| rest == suffix.as_bytes());
        let is_past = rest > WAL.as_bytes();
        (is_log || is_past).then_some(is_log)
    }

    /// Under which paths what belongs to the database at `path` is stored if it is stored.
    pub fn paths(path: &EntryPath) -> impl Iterator<Item = EntryPath> {
        [WAL, SHM, JOURNAL]
            .into_iter()
            .filter_map(move |suffix| EntryPath::new([path.as_bytes(), suffix.as_bytes()].concat()).ok())
    }

    /// Whether there is a write-ahead log.
    pub fn has_wal(&self) -> bool {
        self.wal.is_some()
    }

    /// Whether a log holds something that the database at `path` lacks: a write-ahead log, or a
    /// journal that is not left over from a transaction that ended (its first byte is 0 then).
    pub fn is_in_use(&self, path: &Path) -> bool {
        self.has_wal() || {
            let journal = beside_path(path, JOURNAL);
            let mut first = [0];
            let read = |found| FileReader::open(&journal, &found).ok()?.next(&mut first).ok();
            let read = journal.symlink_metadata().ok().and_then(read);
            read == Some(Segment::Data(1)) && first != [0]
        }
    }

    /// Bytes of the logs.
    pub fn bytes(&self) -> u64 {
        self.logs().map(|log| log.bytes).fold(0, u64::saturating_add)
    }

    /// The mtime and ctime that stand for the database found as `found` together with its logs: the
    /// latest mtime, and the file's ctime, but for its nanoseconds. These are a hash of all sizes and
    /// times, so that any change of a log alone changes them.
    pub fn times(&self, found: &fs::Metadata) -> (Timestamp, Timestamp) {
        let mut hasher = blake3::Hasher::new();
        let mut hash = |bytes: u64, time: Timestamp| {
            hasher.update(&bytes.to_le_bytes());
            hasher.update(&time.seconds.to_le_bytes());
            hasher.update(&time.nanos.to_le_bytes());
        };
        let (mut latest, changed) = (mtime(found), ctime(found));
        hash(found.len(), latest);
        hash(found.len(), changed);
        for log in [self.wal, self.journal] {
            // No log is empty.
            let Log { bytes, mtime } = log.unwrap_or(Log { bytes: 0, mtime: Timestamp::default() });
            hash(bytes, mtime);
            latest = log.map_or(latest, |log| latest.max(log.mtime));
        }
        let hash = hasher.finalize().as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        (latest, Timestamp::new(changed.seconds, u32::try_from(hash % NANOS).unwrap_or(0)))
    }

    /// Whether `previous` is a copy of the database as it is `now` with these logs. The size counts
    /// for nothing, for it is the copy's.
    pub fn same(&self, previous: &Entry, now: &fs::Metadata, ignore_inode: bool) -> bool {
        !previous.meta.racy
            && matches!(previous.node, Node::File(_))
            && (previous.meta.mtime, previous.meta.ctime) == self.times(now)
            && (ignore_inode || previous.meta.inode == now.ino())
    }

    /// Whether another change of the database found as `found`, or of a log, could leave their times
    /// as they are after a reading at `read_at`.
    pub fn is_racy(&self, found: &fs::Metadata, read_at: Timestamp) -> bool {
        let file = Metadata { mtime: mtime(found), ctime: ctime(found), ..Metadata::default() };
        let logs = self.logs().map(|log| Metadata { mtime: log.mtime, ..Metadata::default() });
        logs.chain([file]).any(|times| is_racy(&times, read_at))
    }

    fn logs(&self) -> impl Iterator<Item = Log> {
        self.wal.into_iter().chain(self.journal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entry::Content;
    use std::time::{Duration, UNIX_EPOCH};

    struct Lying(tempfile::TempDir);

    impl Lying {
        fn new() -> Self {
            let lying = Self(tempfile::tempdir().unwrap());
            lying.put("db", "file", 10);
            lying
        }

        fn put(&self, name: &str, content: &str, seconds: u64) {
            let path = self.0.path().join(name);
            fs::write(&path, content).unwrap();
            let file = fs::File::options().write(true).open(path).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        }

        fn look(&self) -> (fs::Metadata, Option<Beside>) {
            let path = self.0.path().join("db");
            (path.symlink_metadata().unwrap(), Beside::look(&path))
        }

        fn copied(&self) -> Entry {
            let (found, beside) = self.look();
            let (mtime, ctime) = beside.unwrap().times(&found);
            let meta = Metadata { mtime, ctime, inode: found.ino(), ..Metadata::default() };
            let node = Node::File(Content { size: 99, pieces: Vec::new() });
            Entry { path: EntryPath::new(b"/db".to_vec()).unwrap(), node, meta }
        }
    }

    #[test]
    fn only_regular_files_with_something_in_them_are_logs() {
        let lying = Lying::new();
        lying.put("db-wal", "", 10);
        fs::create_dir(lying.0.path().join("db-journal")).unwrap();
        assert_eq!(lying.look().1, None);
        lying.put("db-wal", "x", 10);
        assert!(lying.look().1.is_some_and(|beside| beside.has_wal() && beside.bytes() == 1));
    }

    #[test]
    fn any_change_of_a_log_alone_changes_the_key_and_nothing_else_does() {
        let lying = Lying::new();
        lying.put("db-wal", "one", 12);
        let copied = lying.copied();
        let same = || {
            let (found, beside) = lying.look();
            beside.is_some_and(|beside| beside.same(&copied, &found, false))
        };
        assert_eq!(copied.meta.mtime, Timestamp::new(12, 0));
        assert!(same() && same());
        // Each of these leaves the file as it is, and the latest time.
        lying.put("db-wal", "longer", 12);
        assert!(!same());
        lying.put("db-journal", "x", 11);
        assert!(!same());
        fs::remove_file(lying.0.path().join("db-wal")).unwrap();
        assert!(!same());
        fs::remove_file(lying.0.path().join("db-journal")).unwrap();
        assert!(!same());
    }

    #[test]
    fn a_copy_does_not_pass_for_the_file_alone_nor_the_other_way_round() {
        let lying = Lying::new();
        lying.put("db-wal", "x", 9);
        let copied = lying.copied();
        let (found, beside) = lying.look();
        let mut alone = copied.clone();
        (alone.meta.mtime, alone.meta.ctime) = (mtime(&found), ctime(&found));
        assert!(beside.unwrap().same(&copied, &found, false));
        assert!(!beside.unwrap().same(&alone, &found, false));
        alone.meta.links = 1;
        alone.node = Node::File(Content { size: found.len(), pieces: Vec::new() });
        assert!(crate::files::metadata::same(&alone, &found, false));
        assert!(!crate::files::metadata::same(&copied, &found, false));
    }

    #[test]
    fn a_log_changed_around_the_reading_makes_the_copy_racy() {
        let lying = Lying::new();
        lying.put("db-wal", "x", 1_000_000);
        let (found, beside) = lying.look();
        let late = Timestamp::new(found.ctime() + 100, 0);
        assert!(!beside.unwrap().is_racy(&found, late));
        assert!(beside.unwrap().is_racy(&found, Timestamp::new(1_000_001, 0)));
    }

    #[test]
    fn a_journal_of_a_transaction_that_ended_is_no_use() {
        let lying = Lying::new();
        let path = lying.0.path().join("db");
        for (content, expected) in [("\0\0\0\0", false), ("\u{d9}", true)] {
            lying.put("db-journal", content, 10);
            assert_eq!(Beside::look(&path).unwrap().is_in_use(&path), expected);
        }
    }
}
