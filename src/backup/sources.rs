//! What is backed up: the sources and patterns given, or those of the set's last snapshot.

use super::{BackupError, BackupOptions};
use crate::files::filter::Filter;
use crate::files::source::{self, Source, shown_root};
use crate::format::record::SourceRecord;
use crate::model::path::EntryPath;
use crate::progress::{Event, Observer, Problem};
use crate::repository::snapshots::SnapshotInfo;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// What is backed up.
#[derive(Debug)]
pub(super) struct Chosen {
    /// Those that are there, in tree order.
    pub(super) sources: Vec<Source>,
    /// The root of what is shown.
    pub(super) root: EntryPath,
    pub(super) filter: Arc<Filter>,
    /// As the record names them, those that are not there too: the next run looks again.
    pub(super) records: Vec<SourceRecord>,
    pub(super) includes: Vec<String>,
    pub(super) excludes: Vec<String>,
    pub(super) one_file_system: bool,
    /// Sources that are not there.
    pub(super) problems: Vec<Problem>,
}

/// Finds out what is backed up. Fails when nothing of it is there.
pub(super) fn choose(
    options: &BackupOptions,
    last: Option<&SnapshotInfo>,
    observer: &dyn Observer,
) -> Result<Chosen, BackupError> {
    let (mut includes, mut excludes) = (options.includes.clone(), options.excludes.clone());
    let mut one_file_system = options.one_file_system;
    let mut given = options.sources.clone();
    if given.is_empty() {
        let last = last.ok_or_else(|| BackupError::NoSources(options.set.name.clone()))?;
        let path = |source: &SourceRecord| PathBuf::from(OsString::from_vec(source.path.clone()));
        given = last.head.sources.iter().map(path).collect();
        if includes.is_empty() && excludes.is_empty() {
            (includes, excludes) = (last.head.includes.clone(), last.head.excludes.clone());
        }
        one_file_system |= last.head.one_file_system;
    }
    let filter = Arc::new(Filter::new(&includes, &excludes)?);

    let (mut there, mut problems, mut first_error) = (Vec::new(), Vec::new(), None);
    let mut missing = Vec::new();
    for path in given {
        match source::resolve(std::slice::from_ref(&path), &options.current_dir) {
            Ok(_) => there.push(path),
            Err(error) => {
                let problem = Problem::new(path.display().to_string(), error.to_string());
                first_error.get_or_insert(error);
                missing.push(path);
                problems.push(problem);
            }
        }
    }
    if there.is_empty() {
        return Err(match first_error {
            Some(error) => error.into(),
            None => BackupError::NoSources(options.set.name.clone()),
        });
    }
    problems.iter().for_each(|problem| observer.event(Event::Problem(problem)));
    let resolved = source::resolve(&there, &options.current_dir)?;
    resolved.notices.iter().for_each(|notice| observer.event(Event::Notice(notice)));
    let mut records: Vec<_> = resolved
        .sources
        .iter()
        .map(|source| SourceRecord { path: source.path.as_bytes().to_vec(), is_folder: source.is_folder })
        .collect();
    for path in missing {
        let absolute = normalised(&options.current_dir.join(path));
        records.push(SourceRecord { path: absolute.into_os_string().into_vec(), is_folder: true });
    }
    // Of all sources, those that are away too: patterns mean the same whatever is plugged in.
    let all: Vec<_> =
        records.iter().filter_map(|source| Some((source.entry_path().ok()?, source.is_folder))).collect();
    let root = shown_root(&all).ok_or_else(|| BackupError::NoSources(options.set.name.clone()))?;
    let filter = match &options.exactly {
        Some(paths) => {
            let relative = paths.iter().filter_map(|path| path.below(&root)).map(<[u8]>::to_vec);
            Arc::new(Filter::exactly(relative))
        }
        None => filter,
    };
    Ok(Chosen {
        sources: resolved.sources,
        root,
        filter,
        records,
        includes,
        excludes,
        one_file_system,
        problems,
    })
}

/// The path without `.` and `..`, by its words alone: nothing lies there to be asked.
fn normalised(path: &Path) -> PathBuf {
    let mut normalised = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normalised.pop();
            }
            other => normalised.push(other),
        }
    }
    normalised
}
