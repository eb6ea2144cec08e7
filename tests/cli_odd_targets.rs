//! Targets that cannot hold what a snapshot has, hold something else already, or are in use: told, and
//! nothing is lost in silence.

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::cli::{Cli, Ran, assert_same};
use support::tree::noise;

/// A repository in a folder.
fn machine() -> (Cli, PathBuf) {
    let mut cli = Cli::new("");
    cli.repository = cli.home.path().join("repository").to_str().unwrap().to_owned();
    cli.ok(&["init"]);
    let docs = cli.folder("docs");
    (cli, docs)
}

fn restore(cli: &Cli, target: &Path, more: &[&str]) -> Ran {
    let target = target.to_str().unwrap();
    cli.run(&[&["restore", "latest", "--target", target], more].concat())
}

/// An exFAT file system: `A` and `a` are one name there, and `:` and `?` are refused.
struct Exfat {
    folder: tempfile::TempDir,
    device: String,
}

impl Exfat {
    /// None, said aloud, where the tools are missing or the system does not let us.
    fn mount() -> Option<Self> {
        let (make, mount) = (support::find("mkfs.exfat")?, support::find("mount.exfat-fuse")?);
        if !rustix::process::geteuid().is_root() {
            support::lacking("only root may mount a file system of another kind");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
        let quietly = |command: &mut Command| command.stdout(Stdio::null()).status().unwrap().success();
        assert!(quietly(Command::new(make).arg(&image)));
        let device = Command::new("losetup").args(["--find", "--show"]).arg(&image).output().unwrap();
        let device = String::from_utf8(device.stdout).unwrap().trim().to_owned();
        let mounted = Self { folder, device };
        fs::create_dir(mounted.path()).unwrap();
        let is_there = !mounted.device.is_empty()
            && quietly(Command::new(mount).arg(&mounted.device).arg(mounted.path()).stderr(Stdio::null()));
        if !is_there {
            support::lacking("no loop device or no FUSE for a file system of another kind");
            return None;
        }
        Some(mounted)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }
}

impl Drop for Exfat {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).stderr(Stdio::null()).status();
        let _ = Command::new("losetup").arg("--detach").arg(&self.device).stderr(Stdio::null()).status();
    }
}

/// Files and their content below a folder, by path.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let walked = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().map(Result::unwrap);
    let files = walked.filter(|entry| entry.file_type().is_file());
    let below = |path: &Path| path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
    files.map(|entry| (below(entry.path()), fs::read(entry.path()).unwrap())).collect()
}

#[test]
fn of_two_names_that_are_one_to_the_target_neither_replaces_the_other() {
    let Some(exfat) = Exfat::mount() else { return };
    let (cli, docs) = machine();
    for name in ["A", "a", "sub/x", "SUB/x", "SUB/y", "deep/N", "deep/n", "deep/er/m", "deep/ER/m"] {
        fs::create_dir_all(docs.join(name).parent().unwrap()).unwrap();
        fs::write(docs.join(name), name).unwrap();
    }
    // The same content: still two files.
    fs::write(docs.join("twin"), "twin").unwrap();
    let twin = docs.join("TWIN");
    assert!(Command::new("cp").arg("--archive").arg(docs.join("twin")).arg(twin).status().unwrap().success());
    cli.ok(&["backup", docs.to_str().unwrap(), "--set", "docs"]);

    let target = exfat.path().join("out");
    let mut before = Vec::new();
    for more in [&[][..], &[], &["--overwrite"], &["--overwrite", "--verify"]] {
        let ran = restore(&cli, &target, more);
        assert_eq!(ran.code, Some(3), "{more:?}: {}", ran.err);
        let found = contents(&target);
        for (path, content) in &found {
            let original = fs::read(docs.join(path)).unwrap();
            assert!(original == *content, "{more:?}: {path} holds {}", String::from_utf8_lossy(content));
        }
        // Of each pair one is there, and the other is told.
        let told = |one: &str, other: &str| {
            let (this, that) =
                (found.iter().any(|(path, _)| path == one), found.iter().any(|(path, _)| path == other));
            assert!(this != that, "{more:?}: {found:?}");
            let missing = if this { other } else { one };
            let line = ran.err.lines().find(|line| line.contains(&format!("{missing}:")));
            assert!(line.is_some(), "{more:?}: {missing} is not told: {}", ran.err);
        };
        told("A", "a");
        told("TWIN", "twin");
        told("SUB/x", "sub/x");
        told("deep/N", "deep/n");
        told("deep/ER/m", "deep/er/m");
        assert!(before.is_empty() || before == found, "{more:?}: what was right stays");
        before = found;
    }
}

#[test]
fn names_and_kinds_that_the_target_refuses_are_told_and_the_rest_is_restored() {
    let Some(exfat) = Exfat::mount() else { return };
    let (cli, docs) = machine();
    let long = "ä".repeat(127);
    for name in ["with:colon", "why?", "plain", &long] {
        fs::write(docs.join(name), name).unwrap();
    }
    fs::create_dir(docs.join("folder:")).unwrap();
    fs::write(docs.join("folder:/inside"), "inside").unwrap();
    symlink("plain", docs.join("link")).unwrap();
    cli.ok(&["backup", docs.to_str().unwrap(), "--set", "docs"]);
    let target = exfat.path().join("out");
    for more in [&[][..], &["--overwrite"]] {
        let ran = restore(&cli, &target, more);
        assert_eq!(ran.code, Some(3), "{}", ran.err);
        for name in ["with:colon", "why?", "folder:", "inside", "link"] {
            assert!(ran.err.contains(name), "{name} is not told: {}", ran.err);
        }
        let names: Vec<_> = contents(&target).into_iter().map(|(path, _)| path).collect();
        assert_eq!(names, ["plain".to_owned(), long.clone()], "nothing half done");
    }
}

#[test]
fn a_name_of_255_bytes_comes_back() {
    let (cli, docs) = machine();
    fs::write(docs.join("n".repeat(255)), "long").unwrap();
    cli.ok(&["backup", docs.to_str().unwrap(), "--set", "docs"]);
    let out = cli.home.path().join("out");
    assert_eq!(restore(&cli, &out, &[]).code, Some(0));
    assert_same(&docs, &out);
}

#[test]
fn a_file_for_a_folder_and_a_folder_for_a_file() {
    let (cli, docs) = machine();
    fs::write(docs.join("file"), "file").unwrap();
    fs::write(docs.join("other"), "other").unwrap();
    fs::create_dir(docs.join("folder")).unwrap();
    fs::write(docs.join("folder/inside"), "inside").unwrap();
    cli.ok(&["backup", docs.to_str().unwrap(), "--set", "docs"]);
    let out = cli.folder("out");
    let swap = || {
        fs::create_dir(out.join("file")).unwrap();
        fs::create_dir(out.join("other")).unwrap();
        fs::write(out.join("other/precious"), "mine").unwrap();
        fs::write(out.join("folder"), "mine").unwrap();
    };
    swap();
    let ran = restore(&cli, &out, &[]);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    for left in ["file", "other", "folder", "folder/inside"] {
        assert!(ran.err.contains(&format!("{left}:")), "{left} is not told: {}", ran.err);
    }
    assert_eq!(fs::read(out.join("folder")).unwrap(), b"mine");
    assert!(out.join("file").is_dir());

    // What is empty goes; a folder with something in it never does.
    let ran = restore(&cli, &out, &["--overwrite"]);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert!(ran.err.contains("other") && ran.err.contains("not empty"), "{}", ran.err);
    assert_eq!(fs::read(out.join("other/precious")).unwrap(), b"mine");
    assert_eq!(fs::read(out.join("file")).unwrap(), b"file");
    assert_eq!(fs::read(out.join("folder/inside")).unwrap(), b"inside");
    fs::remove_dir_all(out.join("other")).unwrap();
    assert_eq!(restore(&cli, &out, &["--overwrite"]).code, Some(0));
    assert_same(&docs, &out);
}

#[test]
fn links_in_a_target_that_lead_outside_are_not_followed() {
    let (cli, docs) = machine();
    fs::write(docs.join("file"), "file").unwrap();
    fs::create_dir(docs.join("folder")).unwrap();
    fs::write(docs.join("folder/inside"), "inside").unwrap();
    cli.ok(&["backup", docs.to_str().unwrap(), "--set", "docs"]);
    let (out, outside) = (cli.folder("out"), cli.folder("outside"));
    fs::write(outside.join("file"), "mine").unwrap();
    symlink(outside.join("file"), out.join("file")).unwrap();
    symlink(&outside, out.join("folder")).unwrap();
    let ran = restore(&cli, &out, &[]);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert!(ran.err.contains("file:") && ran.err.contains("folder/inside:"), "{}", ran.err);
    assert_eq!(contents(&outside), [("file".to_owned(), b"mine".to_vec())]);
    // The links themselves are replaced where that is asked for.
    assert_eq!(restore(&cli, &out, &["--overwrite"]).code, Some(0));
    assert_eq!(contents(&outside), [("file".to_owned(), b"mine".to_vec())]);
    assert_same(&docs, &out);
}

#[test]
fn a_second_restore_into_the_same_folder_is_refused() {
    let (cli, docs) = machine();
    fs::write(docs.join("file"), "file").unwrap();
    cli.ok(&["backup", docs.to_str().unwrap(), "--set", "docs"]);
    let out = cli.home.path().join("out");
    let held = filbert::files::place::Target::open_or_create(&out, None).unwrap();
    let ran = restore(&cli, &out, &[]);
    assert_eq!(ran.code, Some(11), "{}", ran.err);
    assert!(ran.err.contains("another restore into") && ran.err.contains("wait"), "{}", ran.err);
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
    drop(held);
    assert_eq!(restore(&cli, &out, &[]).code, Some(0));
}

/// Removes what somebody's prune would: all objects below these folders whose name has this in it.
fn prune(cli: &Cli, folder: &str, named: &str) -> usize {
    let objects = walkdir::WalkDir::new(Path::new(&cli.repository).join(folder)).into_iter();
    let files = objects.map(Result::unwrap).filter(|entry| entry.file_type().is_file());
    let named = files.filter(|entry| entry.file_name().to_str().unwrap().contains(named));
    named.map(|entry| fs::remove_file(entry.path()).unwrap()).count()
}

/// A repository of two snapshots, and the id of the first.
fn with_two_snapshots() -> (Cli, PathBuf, String) {
    let (cli, docs) = machine();
    fs::write(docs.join("first"), noise(1, 200_000)).unwrap();
    cli.ok(&["backup", docs.to_str().unwrap(), "--set", "docs"]);
    let first = cli.ok(&["snapshots", "--latest", "--json"]).json()[0]["id"].as_str().unwrap().to_owned();
    fs::write(docs.join("second"), noise(2, 200_000)).unwrap();
    cli.ok(&["backup", "--set", "docs"]);
    (cli, docs, first)
}

#[test]
fn a_snapshot_whose_record_is_gone_is_told_and_restored_only_where_it_is_known() {
    let (cli, docs, first) = with_two_snapshots();
    assert_eq!(prune(&cli, "log-000", &first), 1);
    // This machine has kept the record: it tells, and has all content.
    let out = cli.home.path().join("out");
    let ran = restore(&cli, &out, &[]);
    assert!(ran.err.contains(&first) && ran.err.contains("removed"), "{}", ran.err);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_same(&docs, &out);

    let empty = Cli { home: tempfile::tempdir().unwrap(), ..Cli::new(cli.repository.clone()) };
    for command in
        [&["restore", &first[..8], "--target", "out"][..], &["restore", "latest", "--target", "out"]]
    {
        let ran = empty.run(command);
        assert_eq!(ran.code, Some(1), "{command:?}: {}", ran.err);
        assert!(ran.err.contains("filbert snapshots") || ran.err.contains("filbert check"), "{}", ran.err);
    }
    assert!(!empty.home.path().join("out").join("first").exists());
}

#[test]
fn packs_that_go_in_between_are_told_with_what_they_spoil_and_a_resumed_restore_tells_again() {
    let (cli, docs, _) = with_two_snapshots();
    // Between the listing and the restore: this machine knows of the packs, and they are gone.
    let newest = newest_pack(&cli);
    fs::remove_file(&newest).unwrap();
    let out = cli.home.path().join("out");
    let ran = restore(&cli, &out, &[]);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    let pack = newest.file_name().unwrap().to_str().unwrap();
    for word in ["second", pack, "filbert check"] {
        assert!(ran.err.contains(word), "`{word}` is not told: {}", ran.err);
    }
    assert_eq!(contents(&out).len(), 1, "the other file is whole and no part of this one is left");
    assert_eq!(fs::read(out.join("first")).unwrap(), fs::read(docs.join("first")).unwrap());
    let listed = cli.ok(&["restores", "--json"]);
    let session: serde_json::Value = serde_json::from_str(listed.out.lines().next().unwrap()).unwrap();
    assert_eq!(session["state"], "incomplete");
    let resumed = cli.run(&["restore", "--resume", session["session"].as_str().unwrap()]);
    assert_eq!(resumed.code, Some(3), "{}", resumed.err);
    assert!(resumed.err.contains("second") && resumed.err.contains(pack), "{}", resumed.err);
    // The next backup brings it again, for that machine still has it.
    cli.run(&["check"]);
    cli.ok(&["backup", "--set", "docs"]);
    assert_eq!(restore(&cli, &out, &[]).code, Some(0));
    assert_same(&docs, &out);
}

fn newest_pack(cli: &Cli) -> PathBuf {
    let packs = fs::read_dir(Path::new(&cli.repository).join("packs/000")).unwrap();
    let mut packs: Vec<_> = packs.map(|entry| entry.unwrap().path()).collect();
    packs.sort_by_key(|path| path.metadata().unwrap().modified().unwrap());
    packs.pop().unwrap()
}

#[test]
fn a_resumed_restore_of_a_snapshot_that_is_gone_says_so() {
    let (cli, _, first) = with_two_snapshots();
    let out = cli.home.path().join("out");
    let target = out.to_str().unwrap();
    cli.ok(&["restore", &first, "--target", target]);
    let listed = cli.ok(&["restores", "--json"]);
    let session: serde_json::Value = serde_json::from_str(listed.out.lines().next().unwrap()).unwrap();
    // All of it goes: its record, and the packs that nothing needs any more.
    prune(&cli, "log-000", &first);
    prune(&cli, "packs", "");
    fs::remove_file(out.join("first")).unwrap();
    let resumed = cli.run(&["restore", "--resume", session["session"].as_str().unwrap()]);
    assert_ne!(resumed.code, Some(0), "{}", resumed.err);
    assert!(resumed.err.contains(&first) && resumed.err.contains("removed"), "{}", resumed.err);
    assert!(resumed.err.contains("first") && resumed.err.contains("filbert check"), "{}", resumed.err);
}
