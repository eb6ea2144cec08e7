//! Locks between the processes of this machine, and between the runs of a process. The system
//! lets go of them when a process ends, however it ends: nothing stale is left behind.

use super::{Database, StateError};
use rustix::fs::FlockOperation;
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// The names of the locks held on a database in memory.
pub(super) type Held = Arc<Mutex<HashSet<String>>>;

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    kept: Kept,
    /// Removed with the lock: nobody else will ever ask for this name.
    remove: Option<PathBuf>,
}

#[derive(Debug)]
enum Kept {
    File { _open: File, path: PathBuf },
    Name { held: Held, name: String },
}

impl Lock {
    /// Removes the lock's file with it. Only for a name that is used once.
    pub fn used_once(mut self) -> Self {
        if let Kept::File { path, .. } = &self.kept {
            self.remove = Some(path.clone());
        }
        self
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(path) = self.remove.take() {
            // One that stays does no harm.
            let _ = std::fs::remove_file(path);
        }
        if let Kept::Name { held, name } = &self.kept {
            held.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        }
    }
}

impl Database {
    /// Takes the lock `name`, or none if somebody has it.
    pub fn try_lock(&self, name: &str) -> Result<Option<Lock>, StateError> {
        let Some(folder) = self.folder() else {
            let new = self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
            let kept = Kept::Name { held: self.held.clone(), name: name.to_owned() };
            return Ok(new.then_some(Lock { kept, remove: None }));
        };
        // Hashed, for a set may have any name.
        let hash = blake3::hash(name.as_bytes()).to_hex();
        let path = folder.join(format!("lock-{}", &hash[..16]));
        let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let open = open.map_err(|error| StateError::io("open the lock file", &path, &error))?;
        match rustix::fs::flock(&open, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Lock { kept: Kept::File { _open: open, path }, remove: None })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(StateError::io("lock", &path, &error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_held_until_it_is_dropped(one: &Database, two: &Database) {
        let held = one.try_lock("set").unwrap();
        assert!(held.is_some());
        assert!(two.try_lock("set").unwrap().is_none());
        assert!(two.try_lock("other").unwrap().is_some());
        drop(held);
        assert!(two.try_lock("set").unwrap().is_some());
    }

    #[test]
    fn a_lock_is_held_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (Database::open(folder.path()).unwrap(), Database::open(folder.path()).unwrap());
        is_held_until_it_is_dropped(&one, &two);
        let memory = Database::in_memory().unwrap();
        is_held_until_it_is_dropped(&memory, &memory);
    }
}
