//! Turns the sources a user names into what is stored and what is walked: absolute paths, links
//! followed once, nothing stored twice.

use crate::model::path::{EntryPath, PathError};
use std::io;
use std::path::{Path, PathBuf};

/// A source that cannot be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Nothing lies there.
    #[error("no such source: {}; check the path", .path.display())]
    Missing {
        /// As it was given.
        path: PathBuf,
    },
    /// A symbolic link that leads nowhere.
    #[error("the source {} is a symbolic link that leads nowhere", .path.display())]
    Dangling {
        /// As it was given.
        path: PathBuf,
    },
    /// It cannot be looked at.
    #[error("cannot look at the source {}: {source}", .path.display())]
    Unreadable {
        /// As it was given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its path cannot be stored.
    #[error("the source {} cannot be stored: {source}", .path.display())]
    BadPath {
        /// As it was given.
        path: PathBuf,
        /// Why.
        source: PathError,
    },
}

/// A file, folder or other thing to back up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Under which path it is stored: the folders above it are real ones, its name is as given.
    pub path: EntryPath,
    /// What is really walked: `path`, or where that link leads.
    pub walk_root: PathBuf,
    /// Where the link leads, if the source is one.
    pub followed: Option<PathBuf>,
    /// Whether a folder is walked.
    pub is_folder: bool,
}

/// The sources of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    /// In tree order, none walked twice.
    pub sources: Vec<Source>,
    /// What the user should know: links followed, sources left out since another holds them.
    pub notices: Vec<String>,
}

impl Resolved {
    /// The root of what is shown of these sources; none when there are none.
    pub fn shown_root(&self) -> Option<EntryPath> {
        let sources: Vec<_> = self.sources.iter().map(|one| (one.path.clone(), one.is_folder)).collect();
        shown_root(&sources)
    }
}

/// Looks at each of `given`, taken relative to `current_dir` (absolute).
///
/// # Errors
/// The first source that is missing or cannot be looked at.
pub fn resolve(given: &[PathBuf], current_dir: &Path) -> Result<Resolved, SourceError> {
    let mut found = given.iter().map(|path| look_at(path, current_dir)).collect::<Result<Vec<_>, _>>()?;
    let mut notices = Vec::new();
    for source in &found {
        if let Some(target) = &source.followed {
            notices.push(format!(
                "the source {} is a symbolic link; {} is backed up in its place",
                source.path.display(),
                target.display()
            ));
        }
    }
    // A folder comes before what it holds, and a real name before links that lead to the same.
    found.sort_by(|a, b| {
        (&a.walk_root, a.followed.is_some(), &a.path).cmp(&(&b.walk_root, b.followed.is_some(), &b.path))
    });
    let mut sources: Vec<Source> = Vec::with_capacity(found.len());
    for source in found {
        match sources.iter().find(|outer| outer.holds(&source)) {
            Some(outer) if outer.path == source.path => {}
            Some(outer) => notices.push(format!(
                "the source {} is stored once, as part of {}",
                source.path.display(),
                outer.path.display()
            )),
            None => sources.push(source),
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Resolved { sources, notices })
}

/// The root that paths are shown and restored from: a single folder itself, the folder of a single
/// file, the common ancestor of several. Each is a stored path and whether it is a folder. None
/// when there are none.
pub fn shown_root(sources: &[(EntryPath, bool)]) -> Option<EntryPath> {
    let common = EntryPath::common_ancestor(sources.iter().map(|(path, _)| path))?;
    let is_file = sources.iter().any(|(path, is_folder)| *path == common && !is_folder);
    if is_file { Some(common.parent().unwrap_or(common)) } else { Some(common) }
}

impl Source {
    /// Whether a walk of this source meets `other`. Another file system below may be left out of a
    /// walk, so that one named for itself stays a source of its own.
    fn holds(&self, other: &Source) -> bool {
        if self.walk_root == other.walk_root {
            return true;
        }
        self.is_folder
            && other.walk_root.starts_with(&self.walk_root)
            && device(&self.walk_root) == device(&other.walk_root)
    }
}

fn device(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    path.symlink_metadata().ok().map(|metadata| metadata.dev())
}

fn look_at(given: &Path, current_dir: &Path) -> Result<Source, SourceError> {
    let full = current_dir.join(given);
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            SourceError::Missing { path: given.to_owned() }
        }
        _ => SourceError::Unreadable { path: given.to_owned(), source: error },
    };
    let stored = match (full.parent(), full.file_name()) {
        (Some(parent), Some(name)) => parent.canonicalize().map_err(failed)?.join(name),
        _ => full.canonicalize().map_err(failed)?,
    };
    let mut metadata = stored.symlink_metadata().map_err(failed)?;
    let mut followed = None;
    if metadata.is_symlink() {
        let dangling = |_| SourceError::Dangling { path: given.to_owned() };
        let target = stored.canonicalize().map_err(dangling)?;
        metadata = target.symlink_metadata().map_err(failed)?;
        followed = Some(target);
    }
    let path = EntryPath::from_path(&stored)
        .map_err(|source| SourceError::BadPath { path: given.to_owned(), source })?;
    let walk_root = followed.clone().unwrap_or(stored);
    Ok(Source { path, walk_root, followed, is_folder: metadata.is_dir() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn tree() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("temporary folder");
        let root = dir.path().canonicalize().expect("canonical");
        fs::create_dir_all(root.join("a/b")).expect("folders");
        fs::create_dir(root.join("c")).expect("folder");
        fs::write(root.join("c/f"), "x").expect("file");
        symlink("a", root.join("link")).expect("link");
        symlink("../c", root.join("a/out")).expect("link");
        symlink("nowhere", root.join("dangling")).expect("link");
        (dir, root)
    }

    fn resolved(root: &Path, given: &[&str]) -> Resolved {
        let given: Vec<_> = given.iter().map(PathBuf::from).collect();
        resolve(&given, root).expect("resolves")
    }

    fn paths(resolved: &Resolved, root: &Path) -> Vec<String> {
        let root = EntryPath::from_path(root).expect("path");
        let below =
            |one: &Source| String::from_utf8_lossy(one.path.below(&root).expect("below")).into_owned();
        resolved.sources.iter().map(below).collect()
    }

    #[test]
    fn sources_are_sorted_and_nested_ones_stored_once() {
        let (_dir, root) = tree();
        let got = resolved(&root, &["c", "./a/b/", "a/.", "c/../a", "c"]);
        assert_eq!(paths(&got, &root), ["a", "c"]);
        assert_eq!(got.notices.len(), 1, "{:?}", got.notices);
    }

    #[test]
    fn a_link_is_followed_once_and_told() {
        let (_dir, root) = tree();
        let got = resolved(&root, &["link"]);
        assert_eq!(paths(&got, &root), ["link"]);
        assert_eq!(got.sources[0].followed.as_deref(), Some(root.join("a").as_path()));
        assert_eq!(got.sources[0].walk_root, root.join("a"));
        assert!(got.sources[0].is_folder);
        assert_eq!(got.notices.len(), 1);
        assert_eq!(paths(&resolved(&root, &["link", "a"]), &root), ["a"]);
        assert_eq!(paths(&resolved(&root, &["a", "a/out"]), &root), ["a", "a/out"]);
    }

    #[test]
    fn dots_lead_to_real_folders() {
        let (_dir, root) = tree();
        assert_eq!(paths(&resolved(&root.join("a/b"), &["../.."]), &root), [""]);
        assert_eq!(paths(&resolved(&root.join("a/b"), &["."]), &root), ["a/b"]);
        assert_eq!(paths(&resolved(&root, &["link/b"]), &root), ["a/b"]);
        assert_eq!(resolved(&root, &["/"]).sources[0].path.as_bytes(), b"/");
    }

    #[test]
    fn what_is_not_there_is_named() {
        let (_dir, root) = tree();
        for (path, word) in [("nope", "no such source"), ("c/f/x", "no such"), ("dangling", "nowhere")] {
            let error = resolve(&[path.into()], &root).expect_err(path).to_string();
            assert!(error.contains(word) && error.contains(path), "{error}");
        }
    }

    #[test]
    fn the_shown_root_is_the_folder_itself_or_that_of_a_file() {
        let (_dir, root) = tree();
        let shown =
            |given: &[&str]| resolved(&root, given).shown_root().expect("a root").as_path().to_owned();
        assert_eq!(shown(&["a"]), root.join("a"));
        assert_eq!(shown(&["c/f"]), root.join("c"));
        assert_eq!(shown(&["c/f", "a/b"]), root);
        assert_eq!(shown_root(&[]), None);
    }
}
