//! What is on this machine and not in the snapshot: found by a walk like that of the backup, so that
//! nothing goes that the backup would not have taken.

use super::changes::{Changes, was_noted};
use super::places::{At, Places, Spot};
use super::report::Report;
use super::root::root_of;
use super::{RecoveryError, RestoreOptions};
use crate::files::filter::Filter;
use crate::files::place::Kind;
use crate::files::source::Source;
use crate::files::walk::{Walk, WalkOptions, Walked};
use crate::format::FormatError;
use crate::model::entry::Entry;
use crate::model::path::{EntryPath, display_bytes};
use crate::progress::Event;
use crate::repository::Repository;
use crate::repository::snapshots::{SnapshotEntries, unless_local};
use crate::state::restores::ChangeKind;
use std::cmp::Ordering;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use walkdir::WalkDir;

/// What is to go, by place and path: a folder before what is below it.
#[derive(Debug, Default)]
pub(super) struct Removals {
    spots: Vec<Spot>,
}

impl Removals {
    /// Finds what `options` want removed.
    ///
    /// # Errors
    /// Those of the list of files: what cannot be read of it might name what would go.
    pub(super) fn find(
        options: &RestoreOptions,
        entries: &SnapshotEntries,
        places: &Places,
        report: &Report,
    ) -> Result<Self, RecoveryError> {
        let mut spots: Vec<Spot> =
            options.remove.iter().filter_map(|path| places.find(path)).map(At::to_spot).collect();
        if options.delete {
            spots.extend(beside(options, entries, places, report)?);
        }
        spots.sort();
        spots.dedup();
        Ok(Self { spots })
    }

    /// Notes all that will go.
    pub(super) fn note(&self, places: &Places, changes: Option<&Changes>, report: &Report) {
        for spot in &self.spots {
            let found =
                places.target(spot.at()).and_then(|target| target.existing(&spot.relative).ok().flatten());
            if let Some(existing) = found {
                if let Some(changes) = changes {
                    changes.note(places, spot.at(), ChangeKind::Removed, Some(&existing));
                }
                report.removed(&places.shown(spot.at()));
            }
        }
    }

    /// Removes all that is to go below this, so that something else can take its place.
    pub(super) fn clear_below(&mut self, at: At<'_>, removing: &Removing<'_>) -> Result<(), RecoveryError> {
        let folder = at.to_spot();
        // What stays in it would keep it there: then nothing of it goes.
        let planned = self.spots.iter().filter(|spot| spot.at().is_below(&folder)).count();
        let there =
            WalkDir::new(removing.places.disk_path(at)).min_depth(1).into_iter().take(planned + 1).count();
        if there > planned {
            return Ok(());
        }
        let (below, others) =
            std::mem::take(&mut self.spots).into_iter().partition(|spot| spot.at().is_below(&folder));
        self.spots = others;
        removing.remove(below)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.spots.is_empty()
    }

    /// Removes the rest.
    pub(super) fn finish(self, removing: &Removing<'_>) -> Result<(), RecoveryError> {
        removing.remove(self.spots)
    }
}

/// What removing needs.
pub(super) struct Removing<'r> {
    pub(super) repository: &'r Repository,
    pub(super) options: &'r RestoreOptions,
    pub(super) places: &'r Places,
    pub(super) report: &'r Report,
}

impl Removing<'_> {
    /// Removes these, the deepest first.
    fn remove(&self, spots: Vec<Spot>) -> Result<(), RecoveryError> {
        for spot in spots.into_iter().rev() {
            let at = spot.at();
            let removed = match spot.relative.is_empty() {
                true => std::fs::remove_dir(self.places.disk_path(at)).map(|()| true).or(Ok(false)),
                false => self.one(at),
            };
            match removed {
                Ok(true) => self.report.removed(&self.places.shown(at)),
                Ok(false) => {}
                Err(RecoveryError::Place(error)) => {
                    self.report.problem(self.places.shown(at), format!("not removed: {error}"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(super) fn one(&self, at: At<'_>) -> Result<bool, RecoveryError> {
        let Some(target) = self.places.target(at) else { return Ok(false) };
        if let Some(mark) = self.options.clear {
            target.clear_unfinished(mark, at.relative);
        }
        let existing = match target.existing(at.relative) {
            // It went with what it lay in.
            Err(error) if error.is_in_the_way() => None,
            existing => existing?,
        };
        let Some(existing) = existing else { return Ok(false) };
        if let Some(noted) = &self.options.noted
            && !was_noted(self.repository.state(), noted, &self.places.disk_path(at), &existing)?
        {
            let message = "it changed after the safety copy was made: not removed";
            self.report.left_alone(self.places.shown(at), message.to_owned());
            return Ok(false);
        }
        match target.remove(at.relative) {
            // What is left in it was never part of the backup.
            Err(error) if error.is_in_the_way() && existing.kind == Kind::Folder => Ok(false),
            removed => Ok(removed.map(|()| true)?),
        }
    }
}

/// What lies in the places and not in the snapshot.
fn beside(
    options: &RestoreOptions,
    entries: &SnapshotEntries,
    places: &Places,
    report: &Report,
) -> Result<Vec<Spot>, RecoveryError> {
    let (head, root) = (&options.snapshot.head, root_of(&options.snapshot)?);
    let taken = Arc::new(Filter::new(&head.includes, &head.excludes)?);
    let wanted = Filter::new(&options.includes, &options.excludes)?;
    let walk_options = WalkOptions {
        exclude_caches: true,
        databases: false,
        one_file_system: head.one_file_system,
        skip: options.skip.clone(),
    };
    let walk = Walk::new(&sources(options, places), root.clone(), taken, walk_options);
    let mut known = entries.iter().peekable();
    let (mut spots, mut mounted) = (Vec::new(), None::<EntryPath>);
    // An entry that cannot be read might be the one that keeps a file: nothing is removed then.
    let list_is_damaged = |reason| RecoveryError::Manifest { snapshot: options.snapshot.id.short(), reason };
    for walked in walk {
        let walked = match walked {
            Ok(walked) => walked,
            Err(error) => {
                report.problem(error.path().display().to_string(), format!("not looked through: {error}"));
                continue;
            }
        };
        let mut order = Ordering::Less;
        while let Some(next) = known.peek() {
            order = next.as_ref().map_or(Ordering::Less, |entry: &Entry| entry.path.cmp(&walked.path));
            if order.is_ge() {
                break;
            }
            if let Some(Err(error)) = known.next() {
                return Err(match unless_local(error) {
                    Ok(_) => list_is_damaged(FormatError::Damaged("an entry cannot be read")),
                    Err(local) => local.into(),
                });
            }
            order = Ordering::Less;
        }
        let is_in_snapshot = order.is_eq();
        if is_in_snapshot {
            known.next();
        }
        if mounted.as_ref().is_some_and(|mounted| walked.path.below(mounted).is_some()) {
            continue;
        }
        let mut has_below =
            || matches!(known.peek(), Some(Ok(next)) if next.path.below(&walked.path).is_some());
        if is_mount_point(&walked) && !has_below() {
            if !head.one_file_system {
                let shown = display_bytes(walked.disk_path.as_os_str().as_bytes());
                report.tell(Event::Notice(&format!(
                    "{shown}: another file system lies there, of which the snapshot has nothing: nothing in it is removed"
                )));
            }
            mounted = Some(walked.path);
            continue;
        }
        let Some(at) = places.find(&walked.path) else { continue };
        let relative = walked.path.below(&root).unwrap_or_default();
        let is_selected = wanted.selects(relative, walked.metadata.is_dir());
        // Below the folder of a place that lies in this one nothing belongs to this one.
        let own = places.folder(at);
        let is_elsewhere = places.all().any(|other| {
            other.folder != own
                && other.folder.starts_with(own)
                && walked.disk_path.starts_with(&other.folder)
        });
        if !is_in_snapshot
            && is_selected
            && !walked.is_cache_tag
            && !is_elsewhere
            && !at.relative.is_empty()
            && walked.disk_path == places.disk_path(at)
        {
            spots.push(at.to_spot());
        }
    }
    Ok(spots)
}

/// Whether another file system begins here, below the folder that is walked.
fn is_mount_point(walked: &Walked) -> bool {
    let above = walked.disk_path.parent().and_then(|above| above.symlink_metadata().ok());
    walked.metadata.is_dir() && above.is_some_and(|above| above.dev() != walked.metadata.dev())
}

/// What is walked: of each place that which the backup walked.
fn sources(options: &RestoreOptions, places: &Places) -> Vec<Source> {
    let folders = options.snapshot.head.sources.iter().filter(|source| source.is_folder);
    let folders: Vec<EntryPath> = folders.filter_map(|source| source.entry_path().ok()).collect();
    let mut sources = Vec::new();
    for place in places.all() {
        let inside = folders.iter().any(|folder| place.from.below(folder).is_some());
        let paths = match inside {
            true => vec![place.from.clone()],
            false => folders.iter().filter(|folder| folder.below(&place.from).is_some()).cloned().collect(),
        };
        for path in paths {
            let Some(at) = places.find(&path) else { continue };
            let walk_root = places.disk_path(at);
            if walk_root.is_dir() {
                sources.push(Source { path, walk_root, followed: None, is_folder: true });
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources.dedup_by(|a, b| a.path == b.path);
    sources
}
