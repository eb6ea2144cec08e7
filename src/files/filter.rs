//! Decides by include and exclude globs what belongs to a backup or a restore. Both ask with paths
//! relative to the root of what is shown, so a pattern means the same for either.

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A pattern that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// The pattern is no glob, or one that could never match.
    #[error("the pattern `{pattern}` cannot be used: {reason}")]
    BadPattern {
        /// As it was given.
        pattern: String,
        /// What is wrong and how to write it.
        reason: String,
    },
}

/// What becomes of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Not wanted, nor anything below.
    Excluded,
    /// A folder that is not wanted for itself, but something below may be: it is walked, and kept
    /// only if something below is kept.
    Pending,
    /// Wanted, and so is all below that is not excluded.
    Included,
}

/// Compiled include and exclude patterns. A pattern without a slash matches a name at any depth;
/// one with a slash is matched from the root, where `*` stays within a folder and `**` does not;
/// a slash at the end means folders only. What matches takes all below it; excludes win.
///
/// Names are bytes and need not be UTF-8; `?` stands for one byte.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    includes: Rules,
    excludes: Rules,
    /// Folders that may lead to something included; none: any folder may.
    leading: Option<GlobSet>,
    /// In place of patterns: nothing but these paths.
    exactly: Option<Exactly>,
}

/// One list of patterns, sorted by what they are matched against.
#[derive(Debug, Clone, Default)]
struct Rules {
    names: GlobSet,
    folder_names: GlobSet,
    paths: GlobSet,
    folder_paths: GlobSet,
    /// Whether there is any pattern.
    given: bool,
}

/// A pattern taken apart.
struct Pattern<'a> {
    /// Without the slashes at either end.
    body: &'a str,
    anchored: bool,
    folders_only: bool,
}

impl Filter {
    /// Compiles the patterns. Without includes everything is included.
    ///
    /// # Errors
    /// The first pattern that is not a glob or could never match.
    pub fn new(includes: &[String], excludes: &[String]) -> Result<Filter, FilterError> {
        Ok(Filter {
            includes: Rules::new(includes)?,
            excludes: Rules::new(excludes)?,
            leading: leading_folders(includes)?,
            exactly: None,
        })
    }

    /// Exactly these paths below the root (empty for the root itself), and folders on the way to them.
    /// Of a folder that is named, only the folder: what is below it has to be named as well.
    pub fn exactly(paths: impl IntoIterator<Item = Vec<u8>>) -> Filter {
        Filter { exactly: Some(Exactly::new(paths)), ..Filter::default() }
    }

    /// Whether there are no patterns at all.
    pub fn is_empty(&self) -> bool {
        !self.includes.given && !self.excludes.given && self.exactly.is_none()
    }

    /// Whether an include pattern matches `relative` itself, and not only a folder above it.
    pub fn names(&self, relative: &[u8], is_folder: bool) -> bool {
        self.includes.matches(relative, is_folder)
    }

    /// What becomes of `relative` (below the root, without a slash in front; empty for the root
    /// itself, which no pattern matches) when its folder's decision is `parent`.
    pub fn decide(&self, relative: &[u8], is_folder: bool, parent: Decision) -> Decision {
        if parent == Decision::Excluded {
            return Decision::Excluded;
        }
        if let Some(exactly) = &self.exactly {
            return exactly.decide(relative, is_folder);
        }
        if relative.is_empty() {
            return if !self.includes.given { Decision::Included } else { Decision::Pending };
        }
        if self.excludes.matches(relative, is_folder) {
            Decision::Excluded
        } else if parent == Decision::Included
            || !self.includes.given
            || self.includes.matches(relative, is_folder)
        {
            Decision::Included
        } else if is_folder && self.may_lead(relative) {
            Decision::Pending
        } else {
            Decision::Excluded
        }
    }

    /// As [`decide`](Self::decide), looking at all folders above as well. For single paths; a
    /// [`Selection`](super::selection::Selection) is faster for many in tree order.
    pub fn decide_alone(&self, relative: &[u8], is_folder: bool) -> Decision {
        let mut decision = self.decide(b"", true, Decision::Pending);
        if relative.is_empty() {
            return decision;
        }
        for (at, _) in relative.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            decision = self.decide(&relative[..at], true, decision);
        }
        self.decide(relative, is_folder, decision)
    }

    /// Whether `relative` is wanted for itself (a folder on the way to something wanted is not).
    pub fn selects(&self, relative: &[u8], is_folder: bool) -> bool {
        self.decide_alone(relative, is_folder) == Decision::Included
    }

    fn may_lead(&self, relative: &[u8]) -> bool {
        self.leading.as_ref().is_none_or(|set| set.is_match(as_path(relative)))
    }
}

/// Paths, and the folders above them.
#[derive(Debug, Clone, Default)]
struct Exactly {
    wanted: HashSet<Vec<u8>>,
    leading: HashSet<Vec<u8>>,
}

impl Exactly {
    fn new(paths: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut this = Self::default();
        for path in paths {
            this.leading.insert(Vec::new());
            for (at, _) in path.iter().enumerate().rev().filter(|(_, byte)| **byte == b'/') {
                if !this.leading.insert(path[..at].to_vec()) {
                    break;
                }
            }
            this.wanted.insert(path);
        }
        this
    }

    fn decide(&self, relative: &[u8], is_folder: bool) -> Decision {
        if self.wanted.contains(relative) {
            Decision::Included
        } else if is_folder && self.leading.contains(relative) {
            Decision::Pending
        } else {
            Decision::Excluded
        }
    }
}

impl Rules {
    fn new(patterns: &[String]) -> Result<Rules, FilterError> {
        let mut builders: [GlobSetBuilder; 4] = std::array::from_fn(|_| GlobSetBuilder::new());
        for text in patterns {
            let pattern = Pattern::parse(text)?;
            let which = 2 * usize::from(pattern.anchored) + usize::from(pattern.folders_only);
            builders[which].add(glob(text, pattern.body)?);
        }
        let [names, folder_names, paths, folder_paths] = builders;
        Ok(Rules {
            names: build(names)?,
            folder_names: build(folder_names)?,
            paths: build(paths)?,
            folder_paths: build(folder_paths)?,
            given: !patterns.is_empty(),
        })
    }

    fn matches(&self, relative: &[u8], is_folder: bool) -> bool {
        if !self.given {
            return false;
        }
        let start = relative.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
        matches(&self.names, &self.folder_names, &relative[start..], is_folder)
            || matches(&self.paths, &self.folder_paths, relative, is_folder)
    }
}

fn matches(any: &GlobSet, folders: &GlobSet, bytes: &[u8], is_folder: bool) -> bool {
    let folders = Some(folders).filter(|set| is_folder && !set.is_empty());
    if any.is_empty() && folders.is_none() {
        return false;
    }
    let candidate = Candidate::new(as_path(bytes));
    any.is_match_candidate(&candidate) || folders.is_some_and(|set| set.is_match_candidate(&candidate))
}

impl<'a> Pattern<'a> {
    fn parse(text: &'a str) -> Result<Self, FilterError> {
        let folders_only = text.ends_with('/');
        let body = text.strip_prefix("./").unwrap_or(text);
        let body = body.trim_start_matches('/').trim_end_matches('/');
        if body.is_empty() {
            return Err(bad(text, "it names nothing; write a name such as `*.pdf` or a path such as `a/b`"));
        }
        if body.split('/').any(|name| matches!(name, "" | "." | "..")) {
            return Err(bad(text, "paths are matched without empty, `.` and `..` parts; leave them out"));
        }
        let anchored = text.strip_suffix('/').unwrap_or(text).contains('/');
        Ok(Pattern { body, anchored, folders_only })
    }
}

/// The folders that may hold something an include matches, so that the rest need not be walked;
/// none where a pattern does not say.
fn leading_folders(includes: &[String]) -> Result<Option<GlobSet>, FilterError> {
    let mut builder = GlobSetBuilder::new();
    for text in includes {
        let pattern = Pattern::parse(text)?;
        // Braces and brackets may hold slashes: such a pattern cannot be cut at them.
        if !pattern.anchored || pattern.body.contains(['{', '[', '\\']) {
            return Ok(None);
        }
        let body = pattern.body;
        for (at, _) in body.match_indices('/') {
            let lead = &body[..at];
            let Some(before) = lead.find("**") else {
                builder.add(glob(text, lead)?);
                continue;
            };
            // Below this point any depth is possible.
            let fixed = lead[..before].rfind('/').map_or("", |slash| &lead[..=slash]);
            builder.add(glob(text, &format!("{fixed}**"))?);
            break;
        }
    }
    build(builder).map(Some)
}

fn glob(text: &str, body: &str) -> Result<globset::Glob, FilterError> {
    let built = GlobBuilder::new(body).literal_separator(true).backslash_escape(true).build();
    built.map_err(|error| bad(text, &error.kind().to_string()))
}

fn build(builder: GlobSetBuilder) -> Result<GlobSet, FilterError> {
    builder.build().map_err(|error| bad(error.glob().unwrap_or("(all)"), &error.kind().to_string()))
}

fn bad(pattern: &str, reason: &str) -> FilterError {
    FilterError::BadPattern { pattern: pattern.to_owned(), reason: reason.to_owned() }
}

fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(includes: &[&str], excludes: &[&str]) -> Filter {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Filter::new(&owned(includes), &owned(excludes)).expect("good patterns")
    }

    #[test]
    fn exact_paths_take_nothing_below_them() {
        let filter = Filter::exactly(["a/b", "a/b/c/d", "e"].map(|path| path.as_bytes().to_vec()));
        let decided = |path: &str| filter.decide_alone(path.as_bytes(), true);
        assert_eq!(["a/b", "a/b/c/d", "e"].map(decided), [Decision::Included; 3]);
        assert_eq!(["", "a", "a/b/c"].map(decided), [Decision::Pending; 3]);
        assert_eq!(["a/x", "a/b/x", "a/b/c/d/x", "e/f", "f"].map(decided), [Decision::Excluded; 5]);
        assert_eq!(filter.decide_alone(b"a", false), Decision::Excluded);
        assert!(!filter.is_empty());
    }

    #[test]
    fn patterns_mean_what_the_manual_says() {
        // includes, excludes, path (a slash at the end: a folder), selected
        let table: &[(&[&str], &[&str], &str, bool)] = &[
            (&[], &[], "a/b", true),
            (&["*.pdf"], &[], "x.pdf", true),
            (&["*.pdf"], &[], "deep/er/x.pdf", true),
            (&["*.pdf"], &[], "x.pdf.txt", false),
            (&[], &["node_modules"], "a/node_modules/b/c", false),
            (&[], &["node_modules"], "a/node_modules2", true),
            (&["projects/p1/*"], &[], "projects/p1/a", true),
            (&["projects/p1/*"], &[], "projects/p1/a/b", true),
            (&["projects/p1/*"], &[], "x/projects/p1/a", false),
            (&["projects/*.txt"], &[], "projects/a/b.txt", false),
            (&["projects/**/*.txt"], &[], "projects/a/b/c.txt", true),
            (&["projects/**/*.txt"], &[], "projects/c.txt", true),
            (&["**/c.txt"], &[], "a/b/c.txt", true),
            (&["/notes.txt"], &[], "notes.txt", true),
            (&["/notes.txt"], &[], "a/notes.txt", false),
            (&["./notes.txt"], &[], "a/notes.txt", false),
            (&["build/"], &[], "a/build/", true),
            (&["build/"], &[], "a/build", false),
            (&["build/"], &[], "a/build/x", true),
            (&["a/build/"], &[], "b/a/build/", false),
            (&["docs"], &["*.tmp"], "docs/x.tmp", false),
            (&["docs/x.tmp"], &["docs"], "docs/x.tmp", false),
            (&["a/{b,c}/d"], &[], "a/c/d", true),
            (&["a/{b/x,c}/d"], &[], "a/b/x/d", true),
            (&["[ab].txt"], &[], "q/b.txt", true),
            (&["文件*"], &[], "x/文件一.txt", true),
        ];
        for (includes, excludes, path, selected) in table {
            let (path, is_folder) = path.strip_suffix('/').map_or((*path, false), |path| (path, true));
            let got = filter(includes, excludes).selects(path.as_bytes(), is_folder);
            assert_eq!(got, *selected, "{includes:?} {excludes:?} {path}");
        }
    }

    #[test]
    fn folders_that_cannot_lead_to_an_include_are_not_walked() {
        let walked = |include: &str, path: &str| {
            filter(&[include], &[]).decide_alone(path.as_bytes(), true) == Decision::Pending
        };
        assert!(walked("projects/p1/*.txt", "projects"));
        assert!(walked("projects/p1/*.txt", "projects/p1"));
        assert!(!walked("projects/p1/*.txt", "projects/p2"));
        assert!(!walked("projects/p1/*.txt", "other"));
        assert!(walked("projects/**/x/y.txt", "projects/q/r/s"));
        assert!(!walked("projects/**/x/y.txt", "other"));
        assert!(walked("a/{b/c,d}/e", "anything"));
        assert!(walked("*.txt", "anything"));
        assert!(walked("**/x", "anything/at/all"));
    }

    #[test]
    fn the_root_is_matched_by_no_pattern() {
        assert!(filter(&[], &["*"]).selects(b"", true));
        assert_eq!(filter(&["x"], &[]).decide_alone(b"", true), Decision::Pending);
    }

    #[test]
    fn names_that_are_not_utf8_are_matched() {
        let filter = filter(&["*.pdf"], &["bad*"]);
        assert!(filter.selects(b"a/\xff\xfe.pdf", false));
        assert!(!filter.selects(b"bad\xff.pdf", false));
    }

    #[test]
    fn a_bad_pattern_is_named_with_its_fault() {
        for pattern in ["a[", "{a", "", "/", "a//b", "../x", "a/./b"] {
            let error = Filter::new(&[], &[pattern.to_owned()]).expect_err(pattern).to_string();
            assert!(error.contains(&format!("`{pattern}`")), "{error}");
        }
    }
}
