//! Folders in which what comes of packs lies for a while, one a restore, so that one that was killed
//! fetches little again.

use super::restores::{RestoreRecord, RestoreState};
use super::{Database, StateError, make_private_folder};
use std::collections::HashSet;
use std::io;
use std::path::PathBuf;

const PREFIX: &str = "landing-";
/// Of so many restores that broke off it is kept. Of each there are two packs at most.
const MOST: usize = 3;

impl Database {
    /// The folder of this restore, made if missing, with what an earlier run of it left there; none for
    /// a database in memory. Those of restores that ended, or that others broke off after, go.
    pub fn landing_folder(&self, restore: &str) -> Result<Option<PathBuf>, StateError> {
        let Some(state) = self.folder() else { return Ok(None) };
        let restores = self.restores()?;
        let unfinished = |record: &&RestoreRecord| {
            matches!(record.state, RestoreState::Running | RestoreState::Cancelled | RestoreState::Failed)
        };
        let newest = restores.iter().rev().filter(unfinished).map(|record| record.id.as_str());
        let kept: HashSet<_> = newest.take(MOST).chain([restore]).collect();
        let entries = std::fs::read_dir(state).map_err(|error| StateError::io("list", state, &error))?;
        for entry in entries.flatten() {
            let name = entry.file_name();
            let of = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
            // One that cannot be removed is tried again next time.
            if of.is_some_and(|of| !kept.contains(of)) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        let folder = state.join(format!("{PREFIX}{restore}"));
        make_private_folder(&folder).map_err(|error| StateError::io("make", &folder, &error))?;
        Ok(Some(folder))
    }

    /// Removes the folder of a restore that came to its end.
    pub fn remove_landing_folder(&self, restore: &str) -> Result<(), StateError> {
        let Some(state) = self.folder() else { return Ok(()) };
        let folder = state.join(format!("{PREFIX}{restore}"));
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StateError::io("remove", &folder, &error))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(id: &str, began_ms: i64, state: RestoreState) -> RestoreRecord {
        RestoreRecord {
            id: id.to_owned(),
            began_ms,
            ended_ms: None,
            snapshot: None,
            wish: Vec::new(),
            state,
            safety: None,
            undoes: None,
            counts: None,
        }
    }

    #[test]
    fn those_of_the_newest_that_broke_off_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let state = Database::open(folder.path()).unwrap();
        let landed = |id: &str| folder.path().join(format!("landing-{id}")).is_dir();
        let broken_off = RestoreState::Running;
        for (began_ms, id) in ["oldest", "older", "old", "new"].into_iter().enumerate() {
            state.put_restore(&begun(id, began_ms as i64, broken_off)).unwrap();
            state.landing_folder(id).unwrap();
        }
        assert!(!landed("oldest") && landed("older") && landed("old") && landed("new"));
        state.put_restore(&begun("old", 2, RestoreState::Done)).unwrap();
        state.put_restore(&begun("newest", 9, broken_off)).unwrap();
        let made = state.landing_folder("newest").unwrap().unwrap();
        assert!(!landed("oldest") && landed("older") && !landed("old") && landed("new"));
        std::fs::write(made.join("f"), "x").unwrap();
        assert!(state.landing_folder("newest").unwrap().unwrap().join("f").exists(), "it goes on with it");
        state.remove_landing_folder("newest").unwrap();
        state.remove_landing_folder("newest").unwrap();
        assert!(!landed("newest"));
        assert_eq!(Database::in_memory().unwrap().landing_folder("x").unwrap(), None);
    }
}
