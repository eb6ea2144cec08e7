//! What a restore promises: nothing outside the target, nothing half done, all metadata back.

use super::*;
use crate::model::entry::{Node, Xattr};
use crate::model::time::Timestamp;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

struct Dir {
    _dir: tempfile::TempDir,
    root: PathBuf,
    target: Target,
}

fn dir() -> Dir {
    let temp = tempfile::tempdir().expect("folder");
    let root = temp.path().join("target");
    fs::create_dir(temp.path().join("other")).expect("folder");
    let target = Target::open_or_create(&root, None).expect("target");
    Dir { _dir: temp, root, target }
}

fn meta(mode: u32) -> Metadata {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    Metadata {
        mode,
        uid,
        gid,
        mtime: Timestamp::new(1_000_000_000, 123_456_789),
        links: 1,
        ..Metadata::default()
    }
}

fn restore(target: &Target, relative: &str, content: &[u8]) -> Result<(), PlaceError> {
    let mut file = target.begin_file(relative.as_bytes(), content.len() as u64, false)?;
    file.write(content)?;
    file.finish(&meta(0o640), false)
}

fn names(path: &Path) -> Vec<String> {
    let list = fs::read_dir(path).expect("readable");
    list.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_file_has_its_content_mode_and_time_to_the_nanosecond() {
    let Dir { root, target, _dir } = dir();
    for (name, mtime) in [("now", Timestamp::new(1_600_000_000, 1)), ("old", Timestamp::new(-5, 999_999_999))]
    {
        let mut file = target.begin_file(name.as_bytes(), 5, false).expect("begins");
        file.write(b"he").expect("writes");
        file.write(b"llo").expect("writes");
        file.finish(&Metadata { mtime, ..meta(0o4751) }, false).expect("finishes");
        let found = root.join(name).metadata().expect("there");
        assert_eq!((found.mtime(), found.mtime_nsec()), (mtime.seconds, i64::from(mtime.nanos)));
        assert_eq!(found.mode() & 0o7777, 0o4751);
        assert_eq!(fs::read(root.join(name)).expect("reads"), b"hello");
    }
    assert!(target.shortfalls().list().is_empty(), "{:?}", target.shortfalls().list());
    target.sync().expect("syncs");
}

#[test]
fn a_link_restored_before_is_never_followed() {
    for openat2 in [true, false] {
        let Dir { root, target, _dir } = dir();
        if !openat2 {
            target.beneath.without_openat2();
        }
        target.symlink(b"a", b"../other", &meta(0o777)).expect("link");
        target.symlink(b"f", b"../other/x", &meta(0o777)).expect("link");
        for path in ["a/b", "a/c/d"] {
            assert!(restore(&target, path, b"evil").expect_err(path).is_in_the_way());
        }
        assert!(target.make_folder(b"a").expect_err("link").is_in_the_way());
        assert!(target.make_folder(b"a/sub").expect_err("link").is_in_the_way());
        assert!(target.symlink(b"a/l", b"x", &meta(0o777)).expect_err("link").is_in_the_way());
        assert!(target.special(b"a/p", &Node::Fifo, &meta(0o600)).is_err());
        assert!(target.open_existing(b"f").is_err());
        assert!(target.existing(b"a/b").is_err());
        assert!(restore(&target, "f", b"evil").expect_err("link").is_in_the_way());
        target.defer_folder(b"a", meta(0o700));
        assert_eq!(target.finish_folders().len(), 1);
        let file = target.begin_file(b"f", 0, false).expect("begins");
        file.finish(&meta(0o600), true).expect("replaces the link itself");
        assert!(root.join("f").symlink_metadata().expect("there").is_file());
        assert!(names(&root.join("../other")).is_empty());
        assert_eq!(names(&root).len(), 2);
    }
}

#[test]
fn a_link_that_takes_the_place_of_an_open_folder_is_not_followed() {
    let Dir { root, target, _dir } = dir();
    target.make_folder(b"a").expect("folder");
    restore(&target, "a/b", b"x").expect("restores");
    target.remove(b"a/b").expect("removed");
    target.remove(b"a").expect("removed");
    target.symlink(b"a", b"../other", &meta(0o777)).expect("link");
    assert!(restore(&target, "a/b", b"x").is_err());
    assert!(names(&root.join("../other")).is_empty());
}

#[test]
fn paths_that_lead_elsewhere_are_refused() {
    let Dir { root, target, _dir } = dir();
    for path in ["../x", "a/../../x", "/etc/x", "a//b", "./a", "a/.", "", "a/", "a\0b"] {
        let error = restore(&target, path, b"x").expect_err(path);
        assert!(matches!(error, PlaceError::BadPath { .. }), "{path}: {error}");
        assert!(target.existing(path.as_bytes()).is_err());
        assert!(target.symlink(path.as_bytes(), b"x", &meta(0o777)).is_err());
    }
    assert!(names(&root).is_empty());
}

#[test]
fn what_is_not_finished_leaves_nothing_behind() {
    let Dir { root, target, _dir } = dir();
    let mut file = target.begin_file(b"a/f", 10_000_000, false).expect("begins");
    file.write(b"part").expect("writes");
    assert_eq!(names(&root.join("a")).len(), 1);
    drop(file);
    assert!(names(&root.join("a")).is_empty());
    let mut file = target.begin_file(b"a/f", 5, false).expect("begins");
    file.write(b"part").expect("writes");
    assert!(matches!(file.finish(&meta(0o600), false), Err(PlaceError::Incomplete { .. })));
    assert!(names(&root.join("a")).is_empty());
}

#[test]
fn holes_stay_holes_and_parts_come_in_any_order() {
    let Dir { root, target, _dir } = dir();
    let mut file = target.begin_file(b"sparse", 5 << 20, true).expect("begins");
    file.skip(1 << 20);
    file.write(b"data").expect("writes");
    file.skip((4 << 20) - 4);
    file.finish(&meta(0o600), false).expect("finishes");
    let found = root.join("sparse").metadata().expect("there");
    assert_eq!(found.len(), 5 << 20);
    assert!(found.blocks() * 512 < 1 << 20);
    let mut file = target.begin_file(b"parts", 6 << 20, false).expect("begins");
    file.write_at(3 << 20, &[2; 3 << 20]).expect("writes");
    file.write_at(0, &[1; 3 << 20]).expect("writes");
    file.finish(&meta(0o600), false).expect("finishes");
    let content = fs::read(root.join("parts")).expect("reads");
    assert!(content == [vec![1; 3 << 20], vec![2; 3 << 20]].concat());
}

#[test]
fn what_lies_there_stays_unless_it_is_to_be_replaced() {
    let Dir { root, target, _dir } = dir();
    fs::write(root.join("f"), "mine").expect("file");
    fs::create_dir_all(root.join("full/x")).expect("folder");
    fs::create_dir(root.join("empty")).expect("folder");
    for path in ["f", "full", "empty"] {
        assert!(restore(&target, path, b"new").expect_err(path).is_in_the_way());
    }
    assert_eq!(fs::read(root.join("f")).expect("reads"), b"mine");
    let replace = |path: &[u8]| {
        let mut file = target.begin_file(path, 3, false)?;
        file.write(b"new")?;
        file.finish(&meta(0o600), true)
    };
    replace(b"f").expect("replaces a file");
    replace(b"empty").expect("replaces an empty folder");
    assert!(matches!(replace(b"full"), Err(PlaceError::NotEmpty { .. })));
    assert!(matches!(target.remove(b"full"), Err(PlaceError::NotEmpty { .. })));
    assert!(target.make_folder(b"f").expect_err("file").is_in_the_way());
    target.remove(b"f").expect("removed");
    assert!(target.make_folder(b"f").expect("made"));
    assert!(!target.make_folder(b"f").expect("there"));
    assert_eq!(names(&root).len(), 3, "no temporary file is left");
}

#[test]
fn folders_get_their_time_and_mode_after_what_is_in_them() {
    let Dir { root, target, _dir } = dir();
    for (path, mode) in [("", 0o755), ("ro", 0o500), ("ro/deep", 0o500), ("ro-2", 0o700)] {
        target.make_folder(path.as_bytes()).expect("folder");
        target.defer_folder(path.as_bytes(), meta(mode));
    }
    restore(&target, "ro/deep/f", b"x").expect("restores");
    assert!(target.finish_folders().is_empty());
    for (path, mode) in [("", 0o755), ("ro", 0o500), ("ro/deep", 0o500)] {
        let found = root.join(path).metadata().expect("there");
        assert_eq!((found.mode() & 0o7777, found.mtime_nsec()), (mode, 123_456_789), "{path}");
    }
    // A second restore into the same place gets in again.
    target.make_folder(b"ro").expect("there");
    target.make_folder(b"ro/deep").expect("there");
    restore(&target, "ro/deep/g", b"x").expect("restores");
    fs::set_permissions(root.join("ro"), fs::Permissions::from_mode(0o700)).expect("chmod");
}

#[test]
fn links_pipes_and_further_names_are_what_they_were() {
    let Dir { root, target, _dir } = dir();
    restore(&target, "one", b"x").expect("restores");
    target.link(b"one", b"sub/two").expect("links");
    assert!(target.link(b"one", b"sub/two").expect_err("there").is_in_the_way());
    let inode = |path: &str| target.existing(path.as_bytes()).expect("looks").expect("there").inode;
    assert_eq!(inode("one"), inode("sub/two"));
    target.symlink(b"l", b"no\xffwhere", &meta(0o777)).expect("link");
    assert_eq!(target.read_link(b"l").expect("reads"), b"no\xffwhere");
    let link = target.existing(b"l").expect("looks").expect("there");
    assert_eq!((link.kind, link.mtime), (Kind::Symlink, meta(0).mtime));
    target.special(b"p", &Node::Fifo, &meta(0o666)).expect("pipe");
    target.special(b"s", &Node::Socket, &meta(0o600)).expect("socket");
    let pipe = target.existing(b"p").expect("looks").expect("there");
    assert_eq!((pipe.kind, pipe.mode, pipe.mtime), (Kind::Fifo, 0o666, meta(0).mtime));
    assert!(target.open_existing(b"p").is_err(), "a pipe is not waited on");
    assert!(target.special(b"x", &Node::Folder, &meta(0o600)).is_err());
    assert_eq!(target.existing(b"none/at/all").expect("looks"), None);
    assert_eq!(target.existing(b"one").expect("looks").expect("there").size, 1);
    assert!(root.join("sub").is_dir());
}

#[test]
fn extended_attributes_come_back_even_on_files_that_forbid_writing() {
    let Dir { root, target, _dir } = dir();
    let xattrs = vec![Xattr { name: b"user.origin".to_vec(), value: b"\0\xff".to_vec() }];
    let file = target.begin_file(b"f", 0, false).expect("begins");
    file.finish(&Metadata { xattrs, ..meta(0o400) }, false).expect("finishes");
    match xattr::get(root.join("f"), "user.origin") {
        Ok(value) => assert_eq!(value.as_deref(), Some(&b"\0\xff"[..])),
        Err(_) => assert_eq!(target.shortfalls().list()[0].kind, ShortfallKind::Xattrs),
    }
}

#[test]
fn owners_that_cannot_be_set_are_told_once_and_lend_no_rights() {
    let Dir { root, target, _dir } = dir();
    for name in ["a", "b"] {
        let file = target.begin_file(name.as_bytes(), 0, false).expect("begins");
        let other = Metadata { uid: 4321, gid: 4321, ..meta(0o6755) };
        file.finish(&other, false).expect("finishes");
    }
    let found = root.join("a").metadata().expect("there");
    if rustix::process::geteuid().is_root() {
        assert_eq!((found.uid(), found.gid(), found.mode() & 0o7777), (4321, 4321, 0o6755));
    } else {
        assert_eq!(found.mode() & 0o7777, 0o755);
        let shortfalls = target.shortfalls().list();
        assert_eq!((shortfalls[0].kind, shortfalls[0].entries), (ShortfallKind::Owner, 2));
    }
    assert_eq!(apply_test(0o6755), 0o755);
}

/// The mode that is set when neither owner nor group could be.
fn apply_test(mode: u32) -> u32 {
    apply::Owned::NONE.permitted(mode).as_raw_mode()
}

#[test]
fn a_full_disk_is_told_apart() {
    let full = Path::new("/dev/full");
    let error = fs::OpenOptions::new()
        .write(true)
        .open(full)
        .and_then(|file| std::io::Write::write_all(&mut &file, b"x"));
    let error = PlaceError::from_io("write", b"f", error.expect_err("full"));
    assert!(error.is_disk_full(), "{error}");
    let Dir { target, _dir, .. } = dir();
    let huge = target.begin_file(b"huge", 1 << 62, false);
    assert!(huge.is_err() || huge.is_ok_and(|file| file.finish(&meta(0o600), false).is_err()));
}

#[test]
fn a_target_is_opened_through_links_and_a_file_is_none() {
    let temp = tempfile::tempdir().expect("folder");
    fs::create_dir(temp.path().join("real")).expect("folder");
    symlink("real", temp.path().join("link")).expect("link");
    let target = Target::open_or_create(&temp.path().join("link/new/deep"), None).expect("target");
    restore(&target, "f", b"x").expect("restores");
    assert!(temp.path().join("real/new/deep/f").is_file());
    assert!(Target::open_or_create(&temp.path().join("real/new/deep/f"), None).is_err());
    assert!(Target::open(&temp.path().join("none")).expect("looks").is_none());
    assert!(Target::open(&temp.path().join("real")).expect("looks").is_some());
}

#[test]
fn what_is_set_aside_comes_back_unless_it_is_to_go() {
    let Dir { _dir, root, target } = dir();
    let file = root.join("log");
    std::fs::write(&file, "log").unwrap();
    let seen = target.existing(b"log").unwrap().unwrap().seen();
    let aside = target.set_aside(b"log", seen).unwrap().unwrap();
    assert!(!file.exists());
    drop(aside);
    assert_eq!(std::fs::read(&file).unwrap(), b"log");
    // The move is a change of state: it is looked at anew.
    let seen = target.existing(b"log").unwrap().unwrap().seen();
    std::fs::write(&file, "more of it").unwrap();
    assert!(matches!(target.set_aside(b"log", seen), Err(PlaceError::Changed { .. })));
    let seen = target.existing(b"log").unwrap().unwrap().seen();
    target.set_aside(b"log", seen).unwrap().unwrap().remove();
    assert_eq!(names(&root), Vec::<String>::new());
    assert!(target.set_aside(b"log", seen).unwrap().is_none());
}
