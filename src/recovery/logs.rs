//! Logs of databases that lie beside what is restored. SQLite would replay them onto a file that they
//! do not belong to: they go, or are told.

use super::places::{At, Places, Spot};
use super::removal::Removing;
use super::report::Report;
use super::{RecoveryError, RestoreOptions, batch::WantedFile, changes::Changes};
use crate::files::database::{LOG_SUFFIXES, MAGIC, SHARED_MEMORY_SUFFIX, is_database};
use crate::files::place::{NewFile, PlaceError, Target};
use crate::model::path::display_bytes;
use crate::repository::Repository;
use crate::state::restores::ChangeKind;
use std::io::Read;

/// Logs that were found and that the snapshot does not have, each with the length of the name of its
/// database.
#[derive(Debug, Default)]
pub(super) struct StrayLogs {
    found: Vec<(Spot, usize)>,
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
        if target.existing(&log).is_ok_and(|found| found.is_some()) {
            self.found.push((Spot { place: at.place, relative: log }, at.relative.len()));
        }
    }

    /// The snapshot has this one itself.
    pub(super) fn is_wanted(&mut self, at: At<'_>) {
        // It comes soon after its database.
        if !self.found.is_empty() {
            self.found.retain(|(spot, _)| spot.at() != at);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Those of this database, which go when it gets its name.
    pub(super) fn take_of(&mut self, database: At<'_>) -> Vec<Spot> {
        let is_its = |(spot, name_len): &mut (Spot, usize)| {
            spot.place == database.place && spot.relative.get(..*name_len) == Some(database.relative)
        };
        self.found.extract_if(.., is_its).map(|(spot, _)| spot).collect()
    }

    /// Notes those that may go.
    pub(super) fn note(&self, places: &Places, changes: &Changes) {
        for (spot, _) in &self.found {
            let existing =
                places.target(spot.at()).and_then(|target| target.existing(&spot.relative).ok().flatten());
            changes.note(places, spot.at(), ChangeKind::Removed, existing.as_ref());
        }
    }

    /// Those beside what is a database now go where files may be replaced, and are told elsewhere.
    pub(super) fn finish(self, removing: &Removing<'_>, report: &Report) -> Result<(), RecoveryError> {
        let Removing { options, places, .. } = removing;
        for (spot, name_len) in self.found {
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

/// Removes the logs of files that take the place of others, each right before its file does: at no
/// moment does a log lie beside a database that it does not belong to.
pub(super) struct LogRemover {
    repository: Repository,
    options: RestoreOptions,
}

impl LogRemover {
    pub(super) fn new(repository: Repository, options: &RestoreOptions) -> Self {
        Self { repository, options: options.clone() }
    }

    /// Removes those beside `wanted`, if it is a database.
    ///
    /// # Errors
    /// One of them changed since it was kept, so the database is in use; or the system refuses.
    pub(super) fn make_way(
        &self,
        new: &NewFile,
        wanted: &WantedFile,
        places: &Places,
        report: &Report,
    ) -> Result<(), PlaceError> {
        if wanted.logs.is_empty() || !new.begins_with(MAGIC) {
            return Ok(());
        }
        let removing = Removing { repository: &self.repository, options: &self.options, places, report };
        for log in &wanted.logs {
            let in_use = || PlaceError::Changed { path: display_bytes(&log.relative).into_owned() };
            match removing.one(log.at()) {
                Ok(true) => report.removed(&places.shown(log.at())),
                Ok(false) if is_there(places, log.at()) => return Err(in_use()),
                Ok(false) => {}
                Err(RecoveryError::Place(error)) => return Err(error),
                Err(_) => return Err(in_use()),
            }
        }
        Ok(())
    }
}

fn is_there(places: &Places, at: At<'_>) -> bool {
    places.target(at).is_some_and(|target| !matches!(target.existing(at.relative), Ok(None)))
}

fn holds_database(places: &Places, at: At<'_>) -> bool {
    let file = places.target(at).and_then(|target| target.open_existing(at.relative).ok());
    let mut start = [0; 16];
    file.is_some_and(|mut file| file.read_exact(&mut start).is_ok() && is_database(&start))
}
