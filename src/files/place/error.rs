//! Why something could not be put into the target.

use crate::model::path::display_bytes;
use rustix::io::Errno;
use std::io;
use std::path::PathBuf;

/// One thing that could not be restored. Paths are relative to the target, fit for a terminal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// The target itself cannot be used.
    #[error("cannot restore into {}: {source}; name a folder that can be written", .path.display())]
    Target {
        /// As it was given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody else restores into the target.
    #[error("another restore into {} is under way: wait until it ends, or choose another folder", .path.display())]
    Busy {
        /// As it was given.
        path: PathBuf,
    },
    /// A path that could lead out of the target: the record is damaged or hostile.
    #[error("`{path}` is no path inside the target; it is not restored")]
    BadPath {
        /// The path.
        path: String,
    },
    /// Something lies at the path, or in place of a folder above it.
    #[error("cannot {action} `{path}`: {what} is in the way")]
    InTheWay {
        /// What was tried.
        action: &'static str,
        /// The path.
        path: String,
        /// What lies there.
        what: &'static str,
    },
    /// A folder with something in it lies in the way; such are never removed.
    #[error("cannot {action} `{path}`: a folder that is not empty is in the way; move it away")]
    NotEmpty {
        /// What was tried.
        action: &'static str,
        /// The path.
        path: String,
    },
    /// No room, or no quota, is left.
    #[error("cannot {action} `{path}`: the disk of the target is full; make room and restore again")]
    DiskFull {
        /// What was tried.
        action: &'static str,
        /// The path.
        path: String,
    },
    /// Somebody else wrote to it, or replaced it.
    #[error("`{path}` changed while the restore was under way: it is left as it is; restore once more")]
    Changed {
        /// Below the target.
        path: String,
    },
    /// A file that was to be finished before all of it was written.
    #[error("`{path}` has {written} bytes of {size}; it is not put in place")]
    Incomplete {
        /// The path.
        path: String,
        /// Bytes written, holes among them.
        written: u64,
        /// Bytes it should have.
        size: u64,
    },
    /// The system refuses.
    #[error("cannot {action} `{path}`: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The path.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl PlaceError {
    pub(super) fn new(action: &'static str, relative: &[u8], error: Errno) -> Self {
        let path = display_bytes(relative).into_owned();
        match error {
            Errno::NOSPC | Errno::DQUOT => Self::DiskFull { action, path },
            Errno::LOOP => Self::InTheWay { action, path, what: "a symbolic link" },
            Errno::NOTDIR => Self::InTheWay { action, path, what: "something that is no folder" },
            Errno::EXIST => Self::InTheWay { action, path, what: "something of that name" },
            Errno::ISDIR => Self::InTheWay { action, path, what: "a folder" },
            Errno::NOTEMPTY => Self::NotEmpty { action, path },
            error => Self::Io { action, path, source: error.into() },
        }
    }

    pub(super) fn from_io(action: &'static str, relative: &[u8], error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(errno) => Self::new(action, relative, errno),
            None => Self::Io { action, path: display_bytes(relative).into_owned(), source: error },
        }
    }

    /// Whether nothing more can be written: going on would fail for every file.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::DiskFull { .. })
    }

    /// Whether it failed for what lies there already.
    pub fn is_in_the_way(&self) -> bool {
        matches!(self, Self::InTheWay { .. } | Self::NotEmpty { .. } | Self::Changed { .. })
    }
}
