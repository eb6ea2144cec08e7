//! A folder beside the database for files that have to have a name for a while. One that a killed
//! run left full is emptied by the next run.

use super::lock::Lock;
use super::{Database, StateError, make_private_folder};
use std::io;
use std::path::{Path, PathBuf};

/// So many processes may work beside each other on one state.
const MOST: usize = 64;

/// A folder of this run alone. It is removed with all that is in it when this is dropped.
#[derive(Debug)]
pub struct Scratch(Kept);

#[derive(Debug)]
enum Kept {
    InState { folder: PathBuf, _lock: Lock },
    Temporary(tempfile::TempDir),
}

impl Scratch {
    /// Where it lies.
    pub fn path(&self) -> &Path {
        match &self.0 {
            Kept::InState { folder, .. } => folder,
            Kept::Temporary(folder) => folder.path(),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Kept::InState { folder, .. } = &self.0 {
            // What stays is removed by the next run.
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

impl Database {
    /// An empty folder, closed to other users: beside the database, or for one in memory among the
    /// system's temporary files.
    pub fn scratch(&self) -> Result<Scratch, StateError> {
        let Some(state) = self.folder() else {
            let made = tempfile::tempdir();
            let folder =
                made.map_err(|error| StateError::io("make", Path::new("a temporary folder"), &error))?;
            return Ok(Scratch(Kept::Temporary(folder)));
        };
        let mut own = None;
        for number in 0..MOST {
            let folder = state.join(format!("scratch-{number}"));
            // Behind our own only those are looked at that somebody left.
            if own.is_some() && !folder.exists() {
                break;
            }
            let Some(lock) = self.try_lock(&format!("scratch {number}"))? else { continue };
            match std::fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StateError::io("remove", &folder, &error));
                }
                _ => own = own.or(Some(Kept::InState { folder, _lock: lock })),
            }
        }
        let Some(Kept::InState { folder, _lock }) = own else {
            let error = io::Error::other("too many runs are using it");
            return Err(StateError::io("make a folder in", state, &error));
        };
        make_private_folder(&folder).map_err(|error| StateError::io("make", &folder, &error))?;
        Ok(Scratch(Kept::InState { folder, _lock }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn each_has_a_folder_of_its_own_and_nothing_of_a_dead_run_stays() {
        let folder = tempfile::tempdir().unwrap();
        let state = Database::open(folder.path()).unwrap();
        for dead in ["scratch-0", "scratch-1"] {
            fs::create_dir_all(folder.path().join(dead).join("copy")).unwrap();
            fs::write(folder.path().join(dead).join("copy/database"), "x").unwrap();
        }
        let (one, other) = (state.scratch().unwrap(), state.scratch().unwrap());
        assert_ne!(one.path(), other.path());
        for scratch in [&one, &other] {
            assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
            fs::write(scratch.path().join("f"), "x").unwrap();
        }
        drop((one, other));
        let left = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(left.into_iter().all(|name| !name.to_string_lossy().starts_with("scratch")));
        assert!(Database::in_memory().unwrap().scratch().unwrap().path().is_dir());
    }
}
