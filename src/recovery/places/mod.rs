//! Where each thing of a snapshot goes: all below one folder, or each to where it came from.

use super::options::Destination;
use super::root::root_of;
use super::{RecoveryError, RestoreOptions};
use crate::files::place::{Flusher, PlaceError, Target};
use crate::model::path::{EntryPath, display_bytes};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod maps;

pub(super) use maps::check_entries;

/// A path below one of the places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At<'p> {
    pub(super) place: usize,
    /// Below the folder of the place; empty for that folder itself.
    pub(super) relative: &'p [u8],
}

/// As [`At`], to be kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Spot {
    pub(super) place: usize,
    pub(super) relative: Vec<u8>,
}

impl At<'_> {
    pub(super) fn to_spot(self) -> Spot {
        Spot { place: self.place, relative: self.relative.to_vec() }
    }

    /// Whether this lies below `folder`.
    pub(super) fn is_below(&self, folder: &Spot) -> bool {
        self.place == folder.place
            && (folder.relative.is_empty() && !self.relative.is_empty()
                || matches!(self.relative.strip_prefix(&folder.relative[..]), Some([b'/', ..])))
    }
}

impl Spot {
    pub(super) fn at(&self) -> At<'_> {
        At { place: self.place, relative: &self.relative }
    }
}

/// All places of a restore.
#[derive(Debug)]
pub(super) struct Places {
    places: Vec<Place>,
    /// What goes to where it came from is told by its whole path.
    by_whole_path: bool,
}

/// One folder of this machine, and what goes below it.
#[derive(Debug)]
pub(super) struct Place {
    /// What lies below this in the snapshot.
    pub(super) from: EntryPath,
    /// Goes below this folder.
    pub(super) folder: PathBuf,
    /// None in a dry run that finds no such folder.
    pub(super) target: Option<Arc<Target>>,
    /// None in a dry run.
    pub(super) flusher: Option<Arc<Flusher>>,
}

impl Places {
    /// Opens all places, and makes those that are missing, but in a dry run.
    ///
    /// # Errors
    /// One cannot be used, or is being restored into already.
    pub(super) fn open(options: &RestoreOptions) -> Result<Self, RecoveryError> {
        let mut places = Vec::new();
        let pairs = pairs(options)?;
        maps::check(options, &pairs)?;
        for (from, folder) in pairs {
            let target = match options.dry_run {
                true => Target::open(&folder)?,
                false => Some(Target::open_or_create(&folder, options.mark)?),
            };
            let target = target.map(Arc::new);
            let written = target.clone().filter(|_| !options.dry_run);
            places.push(Place {
                from,
                folder,
                target,
                flusher: written.map(|to| Arc::new(Flusher::new(to))),
            });
        }
        // The innermost first: it is the one that is meant.
        places.sort_by_key(|place: &Place| std::cmp::Reverse(place.from.as_bytes().len()));
        let by_whole_path = matches!(options.destination, Destination::Original { .. });
        Ok(Self { places, by_whole_path })
    }

    /// Keeps other restores away from the folders of a dry run that are there, until this is dropped.
    ///
    /// # Errors
    /// One is being restored into already.
    pub(super) fn hold(&self) -> Result<(), PlaceError> {
        let there = self.places.iter().filter_map(|place| Some((place, place.target.as_ref()?)));
        there.into_iter().try_for_each(|(place, target)| target.hold(&place.folder))
    }

    /// Where this goes; none for what lies below no place.
    pub(super) fn find<'p>(&self, path: &'p EntryPath) -> Option<At<'p>> {
        self.places.iter().enumerate().find_map(|(place, found)| {
            let relative = path.below(&found.from)?;
            Some(At { place, relative })
        })
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Place> {
        self.places.iter()
    }

    pub(super) fn target(&self, at: At<'_>) -> Option<&Arc<Target>> {
        self.places.get(at.place)?.target.as_ref()
    }

    pub(super) fn flusher(&self, at: At<'_>) -> Option<&Arc<Flusher>> {
        self.places.get(at.place)?.flusher.as_ref()
    }

    /// The folder of its place.
    pub(super) fn folder(&self, at: At<'_>) -> &Path {
        self.places.get(at.place).map_or(Path::new("/"), |place| &place.folder)
    }

    /// Its path on this machine.
    pub(super) fn disk_path(&self, at: At<'_>) -> PathBuf {
        let folder = self.folder(at);
        match at.relative {
            b"" => folder.to_owned(),
            relative => folder.join(std::ffi::OsStr::from_bytes(relative)),
        }
    }

    /// Its name, fit for a terminal.
    pub(super) fn shown(&self, at: At<'_>) -> String {
        match self.by_whole_path {
            true => display_bytes(self.disk_path(at).as_os_str().as_bytes()).into_owned(),
            false => display_bytes(at.relative).into_owned(),
        }
    }

    /// Folders get their metadata, and all is brought to the disk. What fails, by name.
    pub(super) fn finish(&self) -> Vec<(String, PlaceError)> {
        let mut failures = Vec::new();
        for place in &self.places {
            let shown = place.folder.display().to_string();
            let folders = place.target.iter().flat_map(|target| target.finish_folders());
            failures.extend(folders.map(|error| ("a folder".to_owned(), error)));
            if let Some(Err(error)) = place.flusher.as_ref().map(|flusher| flusher.finish()) {
                failures.push((shown, error));
            }
        }
        failures
    }
}

/// What lies below which path of the snapshot goes below which folder.
pub(super) fn pairs(options: &RestoreOptions) -> Result<Vec<(EntryPath, PathBuf)>, RecoveryError> {
    let root = root_of(&options.snapshot)?;
    let maps = match &options.destination {
        Destination::Folder(folder) => return Ok(vec![(root, folder.clone())]),
        Destination::Original { maps } => maps,
    };
    let mut pairs: Vec<_> = maps.iter().map(|(from, to)| (from.clone(), real(to))).collect();
    for source in &options.snapshot.head.sources {
        let Ok(path) = source.entry_path() else { continue };
        let folder = if source.is_folder { path } else { path.parent().unwrap_or(path) };
        let is_mapped = maps.iter().any(|(from, _)| folder.below(from).is_some());
        if !is_mapped && !pairs.iter().any(|(from, _)| *from == folder) {
            // A source may be a link: what it leads to was backed up, and is what is restored.
            let real = real(folder.as_path());
            pairs.push((folder, real));
        }
    }
    Ok(pairs)
}

/// The path without links, as far as it is there.
fn real(path: &Path) -> PathBuf {
    let real = path.ancestors().find_map(|above| {
        let below = path.strip_prefix(above).ok()?;
        let real = above.canonicalize().ok()?;
        Some(if below.as_os_str().is_empty() { real } else { real.join(below) })
    });
    real.unwrap_or_else(|| path.to_owned())
}
