//! Locks between the processes of this machine. The system lets go of them when a process
//! ends, however it ends: nothing stale is left behind.

use super::{Database, StateError};
use rustix::fs::FlockOperation;
use std::fs::{File, OpenOptions};

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: Option<File>,
}

impl Database {
    /// Takes the lock `name`, or none if another process has it.
    pub fn try_lock(&self, name: &str) -> Result<Option<Lock>, StateError> {
        let Some(file) = self.lock_file(name)? else { return Ok(Some(Lock { _file: None })) };
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Lock { _file: Some(file) })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(self.lock_error(name, error)),
        }
    }

    /// Takes the lock `name`, waiting for it.
    pub fn lock(&self, name: &str) -> Result<Lock, StateError> {
        let Some(file) = self.lock_file(name)? else { return Ok(Lock { _file: None }) };
        rustix::fs::flock(&file, FlockOperation::LockExclusive)
            .map_err(|error| self.lock_error(name, error))?;
        Ok(Lock { _file: Some(file) })
    }

    fn lock_file(&self, name: &str) -> Result<Option<File>, StateError> {
        let Some(folder) = self.folder() else { return Ok(None) };
        // Hashed, for a set may have any name.
        let hash = blake3::hash(name.as_bytes()).to_hex();
        let path = folder.join(format!("lock-{}", &hash[..16]));
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        file.map(Some).map_err(|error| StateError::io("open the lock file", &path, &error))
    }

    fn lock_error(&self, name: &str, error: rustix::io::Errno) -> StateError {
        let path = self.folder().map(|folder| folder.join(name)).unwrap_or_default();
        StateError::io("lock", &path, &error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (Database::open(folder.path()).unwrap(), Database::open(folder.path()).unwrap());
        let held = one.try_lock("set").unwrap();
        assert!(held.is_some());
        assert!(two.try_lock("set").unwrap().is_none());
        assert!(two.try_lock("other").unwrap().is_some());
        drop(held);
        assert!(two.try_lock("set").unwrap().is_some());
    }
}
