//! What a restore in place and its rollback owe to owners, attributes, further names, half-done work and
//! each other.

mod support;

use filbert::emulator::{Effect, Fault, Limits};
use filbert::files::place::Target;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use support::cli::{Cli, assert_same};
use support::tree::noise;

const IN_PLACE: [&str; 5] = ["restore", "latest", "--set", "docs", "--in-place"];

fn machine(make: impl FnOnce(&Path)) -> (Cli, PathBuf) {
    let mut cli = Cli::new("");
    cli.repository = cli.home.path().join("repository").to_str().unwrap().to_owned();
    cli.ok(&["init"]);
    let docs = cli.folder("docs");
    make(&docs);
    cli.ok(&["backup", docs.to_str().unwrap(), "--set", "docs"]);
    (cli, docs)
}

fn copy_of(folder: &Path, to: PathBuf) -> PathBuf {
    assert!(Command::new("cp").arg("-a").arg(folder).arg(&to).status().unwrap().success());
    to
}

fn restores(cli: &Cli) -> Vec<Value> {
    let ran = cli.ok(&["restores", "--json"]);
    ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn session(summary: &Value) -> &str {
    summary["session"].as_str().unwrap()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn owners_and_attributes_that_went_wrong_are_mended_where_the_content_is_right() {
    let (cli, docs) = machine(|docs| {
        for name in ["owner", "lost", "altered", "foreign", "right"] {
            fs::write(docs.join(name), name).unwrap();
        }
        std::os::unix::fs::symlink("right", docs.join("link")).unwrap();
        for name in ["lost", "altered"] {
            xattr::set(docs.join(name), "user.mark", b"as it was").unwrap();
        }
    });
    let before = copy_of(&docs, cli.home.path().join("before"));
    let inode = |name: &str| docs.join(name).symlink_metadata().unwrap().ino();
    let inodes = ["owner", "lost", "right"].map(inode);
    xattr::remove(docs.join("lost"), "user.mark").unwrap();
    xattr::set(docs.join("altered"), "user.mark", b"altered").unwrap();
    xattr::set(docs.join("foreign"), "user.other", b"x").unwrap();
    xattr::set(&docs, "user.other", b"x").unwrap();
    let mut wrong = 3;
    if is_root() {
        chown(docs.join("owner"), Some(7), Some(7)).unwrap();
        std::os::unix::fs::lchown(docs.join("link"), Some(7), Some(7)).unwrap();
        wrong = 4;
    }
    let spoilt = copy_of(&docs, cli.home.path().join("spoilt"));

    let left = cli.run(&["restore", "latest", "--set", "docs", "--target", docs.to_str().unwrap()]);
    assert!(left.code == Some(0) && left.err.contains("--overwrite sets them"), "{}", left.err);
    let restored = cli.summary(&IN_PLACE);
    assert_eq!((&restored["metadata_set"], &restored["files_written"]), (&wrong.into(), &0.into()));
    assert_same(&before, &docs);
    assert_eq!(["owner", "lost", "right"].map(inode), inodes, "the files are the same ones");
    let again = cli.summary(&IN_PLACE);
    assert_eq!((&again["metadata_set"], &again["files_already_right"]), (&0.into(), &5.into()));
    let owner = docs.join("link").symlink_metadata().unwrap().uid();
    assert_eq!(owner, before.join("link").symlink_metadata().unwrap().uid());

    let dry = cli.summary(&["rollback", session(&restored), "--dry-run"]);
    assert_eq!(dry["metadata_set"], wrong);
    assert_same(&before, &docs);
    let undone = cli.summary(&["rollback", session(&restored), "--verify"]);
    assert_eq!(undone["verified"]["failed"], 0);
    assert_same(&spoilt, &docs);
    let owner = docs.join("owner").symlink_metadata().unwrap().uid();
    assert_eq!(owner, spoilt.join("owner").symlink_metadata().unwrap().uid());
}

#[test]
fn what_was_one_file_under_two_names_is_one_again() {
    let (cli, docs) = machine(|docs| {
        fs::write(docs.join("a"), "linked").unwrap();
        fs::hard_link(docs.join("a"), docs.join("b")).unwrap();
        fs::write(docs.join("c"), "c").unwrap();
        fs::write(docs.join("d"), "d").unwrap();
        fs::write(docs.join("e"), "e").unwrap();
        fs::write(docs.join("f"), "f").unwrap();
    });
    // One name missing and one another file; a file under two names of which one is right.
    fs::remove_file(docs.join("a")).unwrap();
    fs::remove_file(docs.join("b")).unwrap();
    fs::write(docs.join("b"), "another").unwrap();
    fs::remove_file(docs.join("d")).unwrap();
    fs::hard_link(docs.join("c"), docs.join("d")).unwrap();
    fs::remove_file(docs.join("e")).unwrap();
    fs::hard_link(docs.join("f"), docs.join("e")).unwrap();
    let before = copy_of(&docs, cli.home.path().join("before"));
    let dry = cli.summary(&[&IN_PLACE[..], &["--dry-run"]].concat());
    let restored = cli.summary(&IN_PLACE);
    assert_eq!((&dry["files_written"], &dry["files_replaced"]), (&4.into(), &3.into()));
    for counted in ["files_written", "files_replaced", "files_already_right"] {
        assert_eq!(dry[counted], restored[counted], "{counted}");
    }
    let inode = |name: &str| docs.join(name).metadata().unwrap().ino();
    assert_eq!(inode("a"), inode("b"));
    assert_ne!(inode("c"), inode("d"));
    assert_ne!(inode("e"), inode("f"));
    cli.ok(&["rollback", session(&restored)]);
    assert_same(&before, &docs);
    assert_eq!(inode("c"), inode("d"));
    assert_eq!(inode("e"), inode("f"));
}

#[test]
fn a_cache_keeps_its_tag_and_what_is_mounted_meanwhile_is_none_of_ours() {
    let (cli, docs) = machine(|docs| {
        fs::write(docs.join("f"), "f").unwrap();
        fs::create_dir(docs.join("mnt")).unwrap();
    });
    fs::create_dir(docs.join("cache")).unwrap();
    fs::write(docs.join("cache/CACHEDIR.TAG"), "Signature: 8a477f597d28d172789f06886806bc55\n").unwrap();
    fs::write(docs.join("cache/data"), "data").unwrap();
    let delete = [&IN_PLACE[..], &["--delete"]].concat();
    cli.ok(&delete);
    assert!(docs.join("cache/CACHEDIR.TAG").exists() && docs.join("cache/data").exists());
    let mount = |arguments: &[&str]| {
        let mounted = Command::new(arguments[0]).args(&arguments[1..]).arg(docs.join("mnt")).output();
        mounted.is_ok_and(|mounted| mounted.status.success())
    };
    if !mount(&["mount", "-t", "tmpfs", "none"]) {
        eprintln!("skipped: no file system may be mounted here");
        return;
    }
    fs::write(docs.join("mnt/f"), "of another disk").unwrap();
    fs::write(docs.join("new"), "not in the snapshot").unwrap();
    let ran = cli.run(&delete);
    let stayed = fs::read(docs.join("mnt/f"));
    assert!(mount(&["umount"]));
    assert_eq!(stayed.unwrap(), b"of another disk", "{}", ran.err);
    assert!(ran.code == Some(0) && ran.err.contains("another file system"), "{}", ran.err);
    assert!(!docs.join("new").exists(), "what lies beside it goes");
}

fn unfinished(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(".filbert-")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_restore_in_place_leaves_nothing_once_it_is_taken_back() {
    let drive = support::nutstore::start(Limits::none()).await;
    let cli = Cli::new(format!("{}repo", drive.emulator.url()));
    let docs = cli.folder("docs");
    fs::write(docs.join("large.bin"), noise(3, 24 << 20)).unwrap();
    fs::write(docs.join("f"), "f").unwrap();
    cli.ok(&["init"]);
    cli.ok(&["backup", docs.to_str().unwrap(), "--set", "docs"]);
    fs::write(docs.join("large.bin"), noise(4, 24 << 20)).unwrap();
    let before = copy_of(&docs, cli.home.path().join("before"));

    let drip = Effect::Drip { bytes: 1 << 20, pause: Duration::from_millis(50) };
    drive.emulator.faults().add(Fault::new(drip).on("GET").containing("/packs/").times(9));
    let mut child = cli.start(&IN_PLACE);
    while unfinished(&docs).is_empty() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // While it runs nobody else restores there, and keeps nothing of what is half done.
    let second = cli.run(&IN_PLACE);
    assert_eq!(second.code, Some(11), "{}", second.err);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(unfinished(&docs).len(), 1);
    let listed = restores(&cli);
    assert_eq!((listed.len(), &listed[0]["state"]), (1, &"broken off".into()), "the second one never began");
    {
        let _held = Target::open_or_create(&docs, None).unwrap();
        let busy = cli.run(&["restore", "--resume", listed[0]["session"].as_str().unwrap()]);
        assert_eq!(busy.code, Some(11), "{}", busy.err);
    }
    assert!(listed[0]["safety_snapshot"].is_string());
    assert_eq!(restores(&cli)[0]["safety_snapshot"], listed[0]["safety_snapshot"], "the way back stays");

    cli.ok(&["backup", docs.to_str().unwrap(), "--set", "other"]);
    let held = cli.ok(&["ls", "latest", "--set", "other"]);
    assert!(!held.out.contains(".filbert-"), "{}", held.out);
    cli.ok(&["rollback", listed[0]["session"].as_str().unwrap()]);
    assert_eq!(unfinished(&docs), Vec::<String>::new());
    assert_same(&before, &docs);
}

#[test]
fn a_rollback_that_was_stopped_ends_well() {
    let (cli, docs) = machine(|docs| {
        fs::create_dir(docs.join("thing")).unwrap();
        fs::write(docs.join("thing/inside"), "inside").unwrap();
        fs::write(docs.join("f"), "f").unwrap();
    });
    fs::remove_dir_all(docs.join("thing")).unwrap();
    fs::write(docs.join("thing"), "a file").unwrap();
    let before = copy_of(&docs, cli.home.path().join("before"));
    let restored = cli.summary(&IN_PLACE);
    assert_eq!((&restored["removed"], &restored["files_replaced"]), (&1.into(), &0.into()));
    let undone = cli.summary(&["rollback", session(&restored)]);
    assert_same(&before, &docs);
    // What it removed is gone, and what lay below lies below nothing: no fault, however often.
    let again = cli.summary(&["restore", "--resume", session(&undone)]);
    assert_eq!(again["problems"], 0);
    assert_same(&before, &docs);
}

#[test]
fn the_log_of_a_database_goes_before_the_database_comes() {
    let (cli, docs) = machine(|docs| {
        let database = rusqlite::Connection::open(docs.join("db")).unwrap();
        database
            .execute_batch("PRAGMA journal_mode=wal; CREATE TABLE t (x); INSERT INTO t VALUES (1)")
            .unwrap();
    });
    let database = rusqlite::Connection::open(docs.join("db")).unwrap();
    database
        .execute_batch("INSERT INTO t VALUES (2); PRAGMA wal_checkpoint; INSERT INTO t VALUES (3)")
        .unwrap();
    assert!(docs.join("db-wal").metadata().unwrap().len() > 0);
    // As after a crash of its program.
    let logs = ["db", "db-wal", "db-shm"].map(|name| (docs.join(name), fs::read(docs.join(name)).unwrap()));
    drop(database);
    for (path, content) in &logs {
        fs::write(path, content).unwrap();
    }
    let seen = cli.run(&[&IN_PLACE[..], &["-v"]].concat());
    assert_eq!(seen.code, Some(0), "{}", seen.err);
    let line = |words: &str| {
        let shown = format!("{}{}", seen.out, seen.err);
        shown.lines().position(|line| line.contains(words) && line.contains("docs/db")).unwrap()
    };
    assert!(line("remove ") < line("replace "));
    assert!(!docs.join("db-wal").exists());
    let database = rusqlite::Connection::open(docs.join("db")).unwrap();
    let count: i64 = database.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 1);
}
