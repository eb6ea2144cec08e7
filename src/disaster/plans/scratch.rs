//! Where a rehearsal restores to. It is closed to other users from the beginning: what was private
//! for the folder that it lay in is in a snapshot without that folder. A temporary one that a killed
//! rehearsal left is removed by the next.

use super::report::DrillReport;
use super::{PlanService, PlansError};
use crate::progress::{Event, Problem};
use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

const PRIVATE: u32 = 0o700;

/// The folder of a rehearsal.
#[derive(Debug, Clone)]
pub enum Scratch {
    /// This one, empty or not there. It stays as it is afterwards.
    Kept(PathBuf),
    /// A new one in this folder. It goes afterwards.
    Temporary(PathBuf),
}

impl Scratch {
    /// Where the rehearsal `id` restores to.
    pub(super) fn folder(&self, id: &str) -> PathBuf {
        match self {
            Scratch::Kept(folder) => folder.clone(),
            Scratch::Temporary(within) => within.join(name(id)),
        }
    }

    /// Makes the folder, or closes it if it is there and empty.
    pub(super) fn make(&self, id: &str) -> Result<(), PlansError> {
        let folder = self.folder(id);
        let made = match self {
            Scratch::Temporary(_) => DirBuilder::new().mode(PRIVATE).create(&folder),
            Scratch::Kept(_) => make_or_close(&folder),
        };
        made.map_err(|error| match error.kind() {
            ErrorKind::DirectoryNotEmpty => PlansError::ScratchUsed { folder },
            _ => PlansError::Scratch { folder, reason: error.to_string() },
        })
    }
}

impl PlanService {
    /// Removes the temporary folder of a rehearsal that ended, and remembers that it is gone.
    pub(super) fn remove_scratch(&self, report: &mut DrillReport) -> Result<(), PlansError> {
        let Some(folder) = report.scratch.as_deref().map(Path::new) else { return Ok(()) };
        match remove_own(folder, &name(&report.id)) {
            Ok(()) => {
                report.scratch = None;
                self.keep(report)
            }
            Err(error) => {
                let message = format!("the scratch folder stays: {error}; remove it");
                let problem = Problem::new(folder.display().to_string(), message);
                self.observer.event(Event::Problem(&problem));
                Ok(())
            }
        }
    }

    /// Removes what killed rehearsals left.
    pub(super) fn remove_leftovers(&self) -> Result<(), PlansError> {
        for mut report in self.history()? {
            let Some(left) = report.scratch.clone() else { continue };
            let Some(_dead) = self.try_lock_drill(&report.id)? else { continue };
            self.remove_scratch(&mut report)?;
            if report.scratch.is_none() {
                let notice = format!("removed what rehearsal {} left in {left}", report.id);
                self.observer.event(Event::Notice(&notice));
            }
        }
        Ok(())
    }
}

fn name(id: &str) -> String {
    format!("filbert-rehearsal-{id}")
}

fn make_or_close(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(PRIVATE).create(folder)?;
    if fs::read_dir(folder)?.next().is_some() {
        return Err(ErrorKind::DirectoryNotEmpty.into());
    }
    let is_open = fs::metadata(folder)?.mode() & 0o077 != 0;
    if is_open { fs::set_permissions(folder, Permissions::from_mode(PRIVATE)) } else { Ok(()) }
}

/// Removes a folder of this user that has this name. What is something else is nobody's to remove.
fn remove_own(folder: &Path, name: &str) -> io::Result<()> {
    let found = match folder.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    let is_own = found.is_dir()
        && found.uid() == rustix::process::geteuid().as_raw()
        && folder.file_name().is_some_and(|last| last == name);
    if !is_own {
        return Err(io::Error::other("it is not the folder that was made"));
    }
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            open_folders(folder);
            fs::remove_dir_all(folder)
        }
        removed => removed,
    }
}

/// Folders come back with their modes, and those that cannot be written to keep what is in them.
fn open_folders(folder: &Path) {
    // What cannot be opened is told by the removal.
    let _ = fs::set_permissions(folder, Permissions::from_mode(PRIVATE));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_folders(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().mode() & 0o777
    }

    #[test]
    fn a_scratch_folder_is_closed_to_others_from_the_beginning() {
        let dir = tempfile::tempdir().unwrap();
        let temporary = Scratch::Temporary(dir.path().to_owned());
        temporary.make("1").unwrap();
        assert_eq!(mode(&temporary.folder("1")), PRIVATE);
        assert!(temporary.make("1").is_err(), "one that is there is somebody's");
        let there = dir.path().join("there");
        fs::create_dir(&there).unwrap();
        fs::set_permissions(&there, Permissions::from_mode(0o755)).unwrap();
        for folder in [there, dir.path().join("new")] {
            Scratch::Kept(folder.clone()).make("1").unwrap();
            assert_eq!(mode(&folder), PRIVATE);
        }
        fs::write(dir.path().join("new/file"), "x").unwrap();
        let used = Scratch::Kept(dir.path().join("new")).make("1");
        assert!(matches!(used, Err(PlansError::ScratchUsed { .. })));
    }

    #[test]
    fn only_what_was_made_is_removed_and_all_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("filbert-rehearsal-1");
        fs::create_dir_all(own.join("closed/inner")).unwrap();
        fs::set_permissions(own.join("closed"), Permissions::from_mode(0o500)).unwrap();
        remove_own(&own, "filbert-rehearsal-1").unwrap();
        assert!(!own.exists());
        remove_own(&own, "filbert-rehearsal-1").unwrap();
        let other = dir.path().join("other");
        fs::create_dir(&other).unwrap();
        std::os::unix::fs::symlink(&other, &own).unwrap();
        assert!(remove_own(&own, "filbert-rehearsal-1").is_err(), "a link");
        assert!(remove_own(&other, "filbert-rehearsal-1").is_err(), "another name");
        assert!(other.exists());
    }
}
