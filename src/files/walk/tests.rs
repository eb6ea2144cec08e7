//! What a walk promises: order, completeness, and what is left out.

use super::*;
use crate::files::source::resolve;
use proptest::prelude::*;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use walkdir::WalkDir;

struct Tree {
    _dir: tempfile::TempDir,
    root: PathBuf,
}

impl Tree {
    fn new(files: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("temporary folder");
        let root = dir.path().canonicalize().expect("canonical");
        let tree = Self { _dir: dir, root };
        files.iter().for_each(|file| tree.file(file.as_bytes(), b"x"));
        tree
    }

    /// Writes a file, or makes a folder where the name ends with a slash.
    fn file(&self, name: &[u8], content: &[u8]) {
        let path = self.root.join(OsStr::from_bytes(name));
        if name.ends_with(b"/") {
            fs::create_dir_all(path).expect("folder");
        } else {
            fs::create_dir_all(path.parent().expect("parent")).expect("folder");
            fs::write(path, content).expect("file");
        }
    }

    fn walk(&self, sources: &[&str], filter: Filter, options: WalkOptions) -> Walk {
        let given: Vec<_> = sources.iter().map(PathBuf::from).collect();
        let resolved = resolve(&given, &self.root).expect("resolves");
        let root = resolved.shown_root().expect("a root");
        Walk::new(&resolved.sources, root, Arc::new(filter), options)
    }

    /// Paths below the tree's root, all of them readable.
    fn names(&self, sources: &[&str], filter: Filter, options: WalkOptions) -> Vec<String> {
        let root = EntryPath::from_path(&self.root).expect("path");
        let walk = self.walk(sources, filter, options).map(|found| found.expect("readable"));
        let found: Vec<_> = walk.map(|walked| walked.path).collect();
        assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "order: {found:?}");
        found.iter().map(|path| display_bytes(path.below(&root).expect("below")).into_owned()).collect()
    }
}

fn filter(includes: &[&str], excludes: &[&str]) -> Filter {
    let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    Filter::new(&owned(includes), &owned(excludes)).expect("good patterns")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_walk_finds_everything_once_in_path_order(
        folders in prop::collection::vec("[ab\\- é][ab.\\-]?(/[ab\\-!]{1,2}){0,3}", 1..12),
        nested in any::<bool>(),
    ) {
        let tree = Tree::new(&["s/"]);
        for folder in &folders {
            tree.file(format!("s/{folder}/").as_bytes(), b"");
        }
        let mut expected: Vec<_> = WalkDir::new(tree.root.join("s"))
            .into_iter()
            .map(|entry| EntryPath::from_path(entry.expect("readable").path()).expect("path"))
            .collect();
        expected.sort();
        let second = format!("s/{}", folders[0]);
        let sources = if nested { vec!["s", second.as_str()] } else { vec!["s"] };
        let found: Vec<_> = tree.walk(&sources, Filter::default(), WalkOptions::default())
            .map(|found| found.expect("readable").path).collect();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn excluded_folders_are_not_looked_into_and_folders_on_the_way_come_when_needed() {
    let tree = Tree::new(&["s/a/b/x.pdf", "s/a/c/y.txt", "s/d/e/z.txt", "s/skip/q.pdf", "s/t.pdf"]);
    let got = tree.names(&["s"], filter(&["*.pdf"], &["skip"]), WalkOptions::default());
    assert_eq!(got, ["s", "s/a", "s/a/b", "s/a/b/x.pdf", "s/t.pdf"]);
    assert_eq!(
        tree.names(&["s"], filter(&["a/c"], &[]), WalkOptions::default()),
        ["s", "s/a", "s/a/c", "s/a/c/y.txt"]
    );
    assert!(tree.names(&["s"], filter(&["nothing"], &[]), WalkOptions::default()).is_empty());
    assert_eq!(tree.names(&["s/t.pdf"], filter(&["t.*"], &[]), WalkOptions::default()), ["s/t.pdf"]);
    assert_eq!(
        tree.names(&["s/a", "s/d"], filter(&["a/b/*", "z.txt"], &[]), WalkOptions::default()),
        ["s/a", "s/a/b", "s/a/b/x.pdf", "s/d", "s/d/e", "s/d/e/z.txt"]
    );
}

#[test]
fn of_a_cache_folder_only_the_folder_and_its_tag_are_kept() {
    let tree = Tree::new(&["s/cache/A", "s/cache/sub/z", "s/fake/A", "s/fake/CACHEDIR.TAG", "s/z"]);
    tree.file(b"s/cache/CACHEDIR.TAG", &[CACHE_TAG.1, b"\n# mine"].concat());
    let options = WalkOptions { exclude_caches: true, ..WalkOptions::default() };
    assert_eq!(
        tree.names(&["s"], Filter::default(), options.clone()),
        ["s", "s/cache", "s/cache/CACHEDIR.TAG", "s/fake", "s/fake/A", "s/fake/CACHEDIR.TAG", "s/z"]
    );
    assert!(tree.names(&["s/cache"], Filter::default(), options).contains(&"s/cache/A".to_owned()));
    assert!(tree.names(&["s"], Filter::default(), WalkOptions::default()).contains(&"s/cache/A".to_owned()));
}

#[test]
fn folders_to_skip_are_left_out_whole_by_any_name() {
    let tree = Tree::new(&["s/state/db", "s/x"]);
    symlink(tree.root.join("s/state"), tree.root.join("other")).expect("link");
    let skip = vec![tree.root.join("other"), tree.root.join("missing")];
    let options = WalkOptions { skip, ..WalkOptions::default() };
    assert_eq!(tree.names(&["s"], Filter::default(), options), ["s", "s/x"]);
}

#[test]
fn links_below_a_source_are_not_followed_and_a_source_that_is_one_is() {
    let tree = Tree::new(&["s/a/f", "else/g"]);
    symlink("../else", tree.root.join("s/l")).expect("link");
    symlink("s", tree.root.join("top")).expect("link");
    assert_eq!(tree.names(&["s"], Filter::default(), WalkOptions::default()), ["s", "s/a", "s/a/f", "s/l"]);
    let walk = tree.walk(&["top"], Filter::default(), WalkOptions::default());
    let found: Vec<_> = walk.map(|found| found.expect("readable")).collect();
    assert_eq!(found[2].path.as_path(), tree.root.join("top/a/f"));
    assert_eq!(found[2].disk_path, tree.root.join("s/a/f"));
    assert!(found[0].metadata.is_dir());
    // A link inside another source that is named for itself is followed in its place.
    assert_eq!(
        tree.names(&["s", "s/l"], Filter::default(), WalkOptions::default()),
        ["s", "s/a", "s/a/f", "s/l", "s/l/g"]
    );
}

#[test]
fn one_file_system_keeps_the_mount_point_only() {
    // /dev/shm or /proc lie on other file systems than / nearly everywhere.
    let device = |path: &str| fs::symlink_metadata(path).map(|found| found.dev());
    let apart = device("/dev").is_ok_and(|dev| device("/dev/shm").is_ok_and(|shm| dev != shm));
    if !apart {
        std::io::Write::write_all(&mut io::stderr(), b"skipped: /dev/shm is not mounted\n").expect("stderr");
        return;
    }
    let file = tempfile::NamedTempFile::new_in("/dev/shm").expect("file");
    let name = file.path().file_name().expect("name").to_str().expect("text").to_owned();
    let found = |sources: &[&str], one_file_system| {
        let given: Vec<_> = sources.iter().map(PathBuf::from).collect();
        let resolved = resolve(&given, Path::new("/")).expect("resolves");
        let root = EntryPath::new(b"/".to_vec()).expect("root");
        let filter = Arc::new(filter(&["dev/shm"], &[]));
        let options = WalkOptions { one_file_system, ..WalkOptions::default() };
        let walk = Walk::new(&resolved.sources, root, filter, options).filter_map(Result::ok);
        walk.map(|found| found.path.name().to_vec())
            .filter(|one| one == b"shm" || one == name.as_bytes())
            .count()
    };
    assert_eq!(found(&["/dev"], true), 1);
    assert_eq!(found(&["/dev"], false), 2);
    assert_eq!(found(&["/dev", "/dev/shm"], true), 2, "a mount named for itself is walked");
}

#[test]
fn an_unreadable_folder_is_kept_and_told_and_the_walk_goes_on() {
    let tree = Tree::new(&["s/locked/x", "s/z"]);
    let locked = tree.root.join("s/locked");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o0)).expect("chmod");
    let found: Vec<_> = tree.walk(&["s"], Filter::default(), WalkOptions::default()).collect();
    let bites = fs::read_dir(&locked).is_err();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o755)).expect("chmod");
    if !bites {
        std::io::Write::write_all(&mut io::stderr(), b"skipped: root reads everything\n").expect("stderr");
        return;
    }
    assert_eq!(found.len(), 4);
    assert_eq!(found[1].as_ref().expect("entry").disk_path, locked);
    assert_eq!(found[2].as_ref().expect_err("problem").path(), locked);
    assert_eq!(found[3].as_ref().expect("entry").path.name(), b"z");
}

#[test]
fn what_vanishes_is_told_and_the_walk_goes_on() {
    let tree = Tree::new(&["s/a/x", "s/b", "s/c"]);
    let mut walk = tree.walk(&["s"], Filter::default(), WalkOptions::default());
    assert!(walk.next().is_some());
    fs::remove_dir_all(tree.root.join("s/a")).expect("removed");
    fs::remove_file(tree.root.join("s/b")).expect("removed");
    let rest: Vec<_> = walk.collect();
    let vanished = |found: &Result<Walked, WalkError>| matches!(found, Err(WalkError::Vanished { .. }));
    assert!(rest.iter().filter(|one| vanished(one)).count() >= 2, "{rest:?}");
    assert_eq!(rest.last().expect("last").as_ref().expect("found").path.name(), b"c");
}

#[test]
fn names_that_are_not_utf8_are_walked_as_they_are() {
    let tree = Tree::new(&["s/"]);
    tree.file(b"s/\xff\xfe/\x80", b"x");
    let walk = tree.walk(&["s"], Filter::default(), WalkOptions::default());
    let last = walk.last().expect("some").expect("readable");
    assert!(last.path.as_bytes().ends_with(b"/\xff\xfe/\x80"));
}

/// The files of a tree beside which the walk finds a log.
fn with_logs(tree: &Tree, sources: &[&str], filter: Filter) -> Vec<String> {
    let options = WalkOptions { databases: true, ..WalkOptions::default() };
    let all = tree.names(sources, Filter::default(), options.clone());
    assert_eq!(all, tree.names(sources, Filter::default(), WalkOptions::default()), "nothing else differs");
    let found = tree.walk(sources, filter, options).map(|found| found.expect("readable"));
    let with = found.filter(|walked| walked.beside.is_some());
    with.map(|walked| display_bytes(walked.path.name()).into_owned()).collect()
}

#[test]
fn logs_are_found_beside_their_files_whatever_lies_between_and_is_filtered() {
    let tree = Tree::new(&["s/"]);
    let large = [b'x'; 512];
    for name in ["wal", "journal", "far", "folder", "last", "none", "over", "empty", "tiny"] {
        tree.file(format!("s/{name}").as_bytes(), if name == "tiny" { b"x" } else { &large });
    }
    for log in ["wal-wal", "journal-journal", "far-wal", "folder-wal", "last-wal", "over-wals", "tiny-wal"] {
        tree.file(format!("s/{log}").as_bytes(), b"x");
    }
    tree.file(b"s/empty-wal", b"");
    // What comes between a database and its log: many files, and a folder with something in it.
    (0..2 * 64).for_each(|n| tree.file(format!("s/far-{n}").as_bytes(), &large));
    ["s/folder-a/x", "s/folder.d/y", "s/none-wal/z"]
        .iter()
        .for_each(|name| tree.file(name.as_bytes(), &large));
    let expected = ["far", "folder", "journal", "last", "wal"];
    assert_eq!(with_logs(&tree, &["s"], Filter::default()), expected);
    assert_eq!(with_logs(&tree, &["s"], filter(&[], &["*-wal", "*-journal"])), expected);
    assert_eq!(with_logs(&tree, &["s"], filter(&["last", "none"], &["folder*"])), ["last"]);
    assert_eq!(with_logs(&tree, &["s/last"], Filter::default()), ["last"], "a source that is a file");
    let walk = tree.walk(&["s"], Filter::default(), WalkOptions::default());
    assert!(
        walk.flatten().all(|walked| walked.beside.is_none()),
        "unless it is wished, nothing is looked for"
    );
}
