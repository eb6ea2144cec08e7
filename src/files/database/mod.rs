//! SQLite databases that are in use. Half of such a database lies in a log beside it, and the file
//! changes while it is read: so it is copied through SQLite, as it is at one moment. Nothing of the
//! original is written to.

mod aside;
mod beside;
mod check;
mod copy;
mod error;
mod wal;

pub use beside::Beside;
pub use copy::Copier;
pub use error::CopyError;

use super::read::{FileReader, Segment};
use std::ffi::OsString;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How each database begins; <https://www.sqlite.org/fileformat2.html>.
pub const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// The file format's read version, at this offset, is 2 where the log is a write-ahead log.
const READ_VERSION_AT: usize = 19;
/// No page is smaller, so no database is.
pub const LEAST_BYTES: u64 = 512;

/// What SQLite appends to a database's name for what lies beside it.
pub const WAL: &str = "-wal";
const SHM: &str = "-shm";
const JOURNAL: &str = "-journal";

/// What is played back onto a database of that name when it is opened.
pub const LOG_SUFFIXES: [&str; 2] = [WAL, JOURNAL];
/// What lies beside it while there is a write-ahead log.
pub const SHARED_MEMORY_SUFFIX: &str = SHM;

/// Whether a file that begins so is a database.
pub fn is_database(start: &[u8]) -> bool {
    start.starts_with(MAGIC)
}

/// What a database's first bytes tell of its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// Changes go into the file, what was there before into a rollback journal.
    Rollback,
    /// Changes go into a write-ahead log.
    Wal,
}

/// The header of the file at `path`, which was found as `expected`; none where it is no database or
/// cannot be read.
pub fn header(path: &Path, expected: &Metadata) -> Option<Header> {
    let mut start = [0; READ_VERSION_AT + 1];
    let bytes = FileReader::open(path, expected).ok()?.next(&mut start).ok()?;
    if bytes != Segment::Data(start.len()) || !start.starts_with(MAGIC) {
        return None;
    }
    Some(if start[READ_VERSION_AT] == 2 { Header::Wal } else { Header::Rollback })
}

/// The path of what lies beside a database.
fn beside_path(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// `path` as SQLite takes one together with parameters. Bytes of any kind come through.
fn uri(path: &Path, parameters: &str) -> String {
    let mut uri = String::from("file://");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                uri.push(char::from(*byte))
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri.push('?');
    uri.push_str(parameters);
    uri
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    #[test]
    fn a_header_tells_databases_from_other_files() {
        let dir = tempfile::tempdir().unwrap();
        let found = |path: &Path| header(path, &path.symlink_metadata().unwrap());
        for (mode, expected) in [("delete", Header::Rollback), ("wal", Header::Wal)] {
            let path = dir.path().join(mode);
            let connection = Connection::open(&path).unwrap();
            connection.pragma_update(None, "journal_mode", mode).unwrap();
            connection.execute_batch("CREATE TABLE t (x)").unwrap();
            assert_eq!(found(&path), Some(expected));
        }
        for other in [&b""[..], b"SQLite format 3", b"SQLite format 2\0 and more than twenty bytes"] {
            let path = dir.path().join("other");
            std::fs::write(&path, other).unwrap();
            assert_eq!(found(&path), None);
        }
    }

    #[test]
    fn any_name_comes_through_an_address() {
        use std::ffi::OsStr;
        let path = Path::new(OsStr::from_bytes(b"/a b/%41?mode=rw#\xff.db"));
        assert_eq!(uri(path, "mode=ro"), "file:///a%20b/%2541%3Fmode%3Drw%23%FF.db?mode=ro");
    }
}
