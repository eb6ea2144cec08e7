//! Logs of databases that lie beside what is restored. SQLite would replay them onto a file that they
//! do not belong to: they go, or are told.

use super::places::{At, Places, Spot};
use super::removal::Removing;
use super::report::Report;
use super::{RecoveryError, changes::Changes};
use crate::files::database::{LOG_SUFFIXES, SHARED_MEMORY_SUFFIX, is_database};
use crate::files::place::Target;
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
                report.removed();
            } else {
                let message = "a log of another state of the database beside it, which SQLite would play back onto it: \
                               remove it before the database is opened (--overwrite does)";
                report.left_alone(places.shown(spot.at()), message.to_owned());
            }
        }
        Ok(())
    }
}

fn holds_database(places: &Places, at: At<'_>) -> bool {
    let file = places.target(at).and_then(|target| target.open_existing(at.relative).ok());
    let mut start = [0; 16];
    file.is_some_and(|mut file| file.read_exact(&mut start).is_ok() && is_database(&start))
}
