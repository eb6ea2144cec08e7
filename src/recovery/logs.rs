//! Logs of databases that lie beside what is restored. SQLite would replay them onto a file that they
//! do not belong to: they go, or are told.

use super::batch::WantedFile;
use super::changes::{Changes, was_noted};
use super::places::{At, Places, Spot};
use super::removal::Removing;
use super::report::Report;
use super::{RecoveryError, RestoreOptions};
use crate::files::database::{LOG_SUFFIXES, MAGIC, SHARED_MEMORY_SUFFIX, WAL, is_database};
use crate::files::place::{Aside, NewFile, PlaceError, Seen, Target};
use crate::model::path::display_bytes;
use crate::repository::Repository;
use crate::state::restores::ChangeKind;
use std::io::Read;

/// Logs that were found and that the snapshot does not have.
#[derive(Debug, Default)]
pub(super) struct StrayLogs {
    found: Vec<StrayLog>,
}

#[derive(Debug)]
struct StrayLog {
    spot: Spot,
    /// Length of the name of its database.
    name_len: usize,
    seen: Seen,
}

impl StrayLogs {
    /// Looks for logs beside a file that is there, or that will be.
    pub(super) fn look_beside(&mut self, places: &Places, at: At<'_>) {
        let Some(target) = places.target(at) else { return };
        let before = self.found.len();
        LOG_SUFFIXES.into_iter().for_each(|suffix| self.look_for(target, at, suffix));
        if self.found.len() > before {
            self.look_for(target, at, SHARED_MEMORY_SUFFIX);
        }
    }

    fn look_for(&mut self, target: &Target, at: At<'_>, suffix: &str) {
        let log = [at.relative, suffix.as_bytes()].concat();
        if let Ok(Some(existing)) = target.existing(&log) {
            let spot = Spot { place: at.place, relative: log };
            self.found.push(StrayLog { spot, name_len: at.relative.len(), seen: existing.seen() });
        }
    }

    /// The snapshot has this one itself.
    pub(super) fn is_wanted(&mut self, at: At<'_>) {
        // It comes soon after its database.
        if !self.found.is_empty() {
            self.found.retain(|log| log.spot.at() != at);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Those of this database, which go when it gets its name: none as long as the snapshot may still turn
    /// out to have one of them, which is known behind its place in the order of paths. `upto` is how far
    /// the snapshot was gone through.
    pub(super) fn take_of(&mut self, database: At<'_>, upto: Option<At<'_>>) -> Vec<(Spot, Seen)> {
        let last = [database.relative, WAL.as_bytes()].concat();
        let is_known = upto.is_none_or(|upto| {
            let in_order = |path: &[u8]| {
                path.iter().map(|byte| if *byte == b'/' { 0 } else { *byte }).collect::<Vec<_>>()
            };
            upto.place == database.place && in_order(upto.relative) > in_order(&last)
        });
        if !is_known {
            return Vec::new();
        }
        let is_its = |log: &mut StrayLog| {
            log.spot.place == database.place
                && log.spot.relative.get(..log.name_len) == Some(database.relative)
        };
        self.found.extract_if(.., is_its).map(|log| (log.spot, log.seen)).collect()
    }

    /// Notes those that may go.
    pub(super) fn note(&self, places: &Places, changes: &Changes) {
        for StrayLog { spot, .. } in &self.found {
            let existing =
                places.target(spot.at()).and_then(|target| target.existing(&spot.relative).ok().flatten());
            changes.note(places, spot.at(), ChangeKind::Removed, existing.as_ref());
        }
    }

    /// Those beside what is a database now go where files may be replaced, and are told elsewhere.
    pub(super) fn finish(self, removing: &Removing<'_>, report: &Report) -> Result<(), RecoveryError> {
        let Removing { options, places, .. } = removing;
        for StrayLog { spot, name_len, .. } in self.found {
            let database =
                At { place: spot.place, relative: spot.relative.get(..name_len).unwrap_or_default() };
            if report.is_unrestored(database) || !holds_database(places, database) {
                continue;
            }
            if options.overwrite && removing.one(spot.at())? {
                report.removed(&places.shown(spot.at()));
            } else {
                let message = "a log of another state of the database beside it, which SQLite would play back onto it: \
                               remove it before the database is opened (--overwrite does)";
                report.left_alone(places.shown(spot.at()), message.to_owned());
            }
        }
        Ok(())
    }
}

/// Moves the logs of a database away right before the new one gets its name, so that none lies beside a
/// database that it does not belong to.
pub(super) struct LogRemover {
    repository: Repository,
    noted: Option<String>,
}

/// Logs that are moved away. They come back when this is dropped, but for [`Self::remove`].
pub(super) struct MovedAway(Vec<(Aside, Spot)>);

impl LogRemover {
    pub(super) fn new(repository: Repository, options: &RestoreOptions) -> Self {
        Self { repository, noted: options.noted.clone() }
    }

    /// Moves those beside `wanted` away, if it is a database.
    ///
    /// # Errors
    /// One of them changed, so the database is in use; or the system refuses. Then all are where they were.
    pub(super) fn move_away(
        &self,
        new: &NewFile,
        wanted: &WantedFile,
        places: &Places,
    ) -> Result<MovedAway, PlaceError> {
        let mut moved = MovedAway(Vec::new());
        if wanted.logs.is_empty() || !new.begins_with(MAGIC) {
            return Ok(moved);
        }
        for (log, seen) in &wanted.logs {
            let Some(target) = places.target(log.at()) else { continue };
            if !self.was_noted(target, log, places)? {
                return Err(PlaceError::Changed { path: display_bytes(&log.relative).into_owned() });
            }
            if let Some(aside) = target.set_aside(&log.relative, *seen)? {
                moved.0.push((aside, log.clone()));
            }
        }
        Ok(moved)
    }

    /// Whether it is what was kept before, where anything was.
    fn was_noted(&self, target: &Target, log: &Spot, places: &Places) -> Result<bool, PlaceError> {
        let (Some(noted), Some(existing)) = (&self.noted, target.existing(&log.relative)?) else {
            return Ok(true);
        };
        let state = self.repository.state();
        // What cannot be looked up is not known to be kept.
        Ok(was_noted(state, noted, &places.disk_path(log.at()), &existing).unwrap_or(false))
    }
}

impl MovedAway {
    /// They are not needed any more.
    pub(super) fn remove(self, places: &Places, report: &Report) {
        for (aside, log) in self.0 {
            aside.remove();
            report.removed(&places.shown(log.at()));
        }
    }
}

fn holds_database(places: &Places, at: At<'_>) -> bool {
    let file = places.target(at).and_then(|target| target.open_existing(at.relative).ok());
    let mut start = [0; 16];
    file.is_some_and(|mut file| file.read_exact(&mut start).is_ok() && is_database(&start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(relative: &[u8]) -> At<'_> {
        At { place: 0, relative }
    }

    #[test]
    fn a_log_that_the_snapshot_may_still_have_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["db", "db-journal", "db-wal", "other-wal"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let target = Target::open(folder.path()).unwrap().unwrap();
        let mut logs = StrayLogs::default();
        for suffix in LOG_SUFFIXES {
            logs.look_for(&target, at(b"db"), suffix);
        }
        for gone_through in [&b"db"[..], b"db-journal", b"db-shm", b"db-wal"] {
            assert!(logs.take_of(at(b"db"), Some(at(gone_through))).is_empty());
        }
        assert!(logs.take_of(at(b"other"), None).is_empty());
        let taken = logs.take_of(at(b"db"), Some(at(b"db-wal2")));
        let names: Vec<_> = taken.iter().map(|(spot, _)| &spot.relative[..]).collect();
        assert_eq!(names, [&b"db-wal"[..], b"db-journal"]);
        assert!(logs.is_empty());
    }
}
