//! What listings and messages tell: which snapshot was taken, what it lacks, and that a result which
//! cannot be written is none.

#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod support;

use rusqlite::Connection;
use std::fs;
use std::fs::File;
use support::cli::Cli;

/// A repository in a folder, with a snapshot of each of these sets, in this order.
fn with_sets(sets: &[&str]) -> (Cli, Vec<String>) {
    let mut cli = Cli::new("");
    cli.repository = cli.home.path().join("repo").display().to_string();
    cli.ok(&["init"]);
    let ids = sets.iter().map(|set| {
        let folder = cli.folder(set);
        fs::write(folder.join("file"), set).unwrap();
        cli.summary(&["backup", set, "--set", set])["snapshot"].as_str().unwrap().to_owned()
    });
    let ids = ids.collect();
    (cli, ids)
}

#[test]
fn latest_tells_which_set_it_took_where_there_are_others() {
    let (cli, ids) = with_sets(&["one", "two", "three"]);
    let told = cli.ok(&["show", "latest"]);
    assert!(told.err.contains("of set three of ") && told.err.contains("2 others"), "{}", told.err);
    assert!(!told.out.contains("others"), "{}", told.out);
    let json = cli.ok(&["show", "latest", "--json"]);
    assert_eq!(json.json()["set"], "three");
    assert!(json.err.contains("2 others"), "{}", json.err);
    for silent in
        [["show", "latest", "--set=two"], ["show", &ids[0], "--json"], ["show", "latest", "--quiet"]]
    {
        let told = cli.ok(&silent);
        assert!(!told.err.contains("other"), "{silent:?}: {}", told.err);
    }
    let (alone, _) = with_sets(&["one"]);
    assert_eq!(alone.ok(&["ls", "latest"]).err, "");
}

#[test]
fn an_id_of_another_set_or_host_is_refused() {
    let (cli, ids) = with_sets(&["one", "two"]);
    for (word, other) in [("--set", "two"), ("--host", "elsewhere")] {
        let refused = cli.run(&["ls", &ids[0], word, other]);
        assert_eq!(refused.code, Some(1), "{}", refused.err);
        for part in [&ids[0][..8], "of set `one`", other, word] {
            assert!(refused.err.contains(part), "`{part}` is not in: {}", refused.err);
        }
    }
    assert_eq!(cli.ok(&["ls", &ids[0], "--set", "one"]).out, "file\n");
}

#[test]
fn two_times_are_told_as_such() {
    let (cli, ids) = with_sets(&["one"]);
    let both = cli.run(&["show", "@0s", "--at", "1h"]);
    assert_eq!(both.code, Some(2), "{}", both.err);
    assert!(both.err.contains("`@0s` and --at both name a time"), "{}", both.err);
    let id = cli.run(&["show", &ids[0], "--at", "1h"]);
    assert!(id.code == Some(2) && id.err.contains("instead of an id"), "{}", id.err);
}

#[test]
fn show_names_what_a_snapshot_lacks() {
    let (cli, _) = with_sets(&["one"]);
    let broken = cli.folder("one").join("broken.sqlite");
    fs::write(&broken, [b"SQLite format 3\0".as_slice(), &[7; 9000]].concat()).unwrap();
    fs::write(cli.folder("one").join("broken.sqlite-wal"), [9; 5000]).unwrap();
    let backup = cli.run(&["backup", "--set", "one"]);
    assert_eq!(backup.code, Some(3), "{}", backup.err);
    let warning = backup.err.lines().find(|line| line.starts_with("warning: 1 database in use")).unwrap();
    assert!(warning.contains("stored as the files lie there"), "{warning}");
    assert!(!backup.err.contains("could not be backed up"), "{}", backup.err);

    let told = cli.ok(&["show", "latest"]);
    assert!(told.err.contains("its backup had 1 problem (`filbert show"), "{}", told.err);
    assert!(told.out.contains("problems     1\n  "), "{}", told.out);
    let named = told.out.lines().find(|line| line.contains("one/broken.sqlite: ")).unwrap();
    assert!(named.contains("stored as they lie there"), "{named}");
    let json = cli.ok(&["show", "latest", "--json"]).json();
    assert_eq!(json["problems"], 1);
    let listed = &json["problem_list"][0];
    assert!(listed["subject"].as_str().unwrap().ends_with("one/broken.sqlite"), "{listed}");
    assert!(!listed["message"].as_str().unwrap().is_empty());
    assert_eq!(cli.ok(&["snapshots", "--json"]).json()[1]["problems"], 1);
}

/// SQLite's check answers in two lines.
#[test]
fn each_message_is_one_line() {
    let (cli, _) = with_sets(&["one"]);
    let path = cli.folder("one").join("db");
    let open = Connection::open(&path).unwrap();
    open.execute_batch(
        "PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (x TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
         INSERT INTO t SELECT hex(randomblob(500)) FROM n; PRAGMA wal_checkpoint(TRUNCATE);
         CREATE TABLE u (x)",
    )
    .unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[8 * 4096..9 * 4096].fill(0x5a);
    fs::write(&path, bytes).unwrap();
    let backup = cli.run(&["backup", "--set", "one"]);
    assert_eq!(backup.code, Some(3), "{}", backup.err);
    let lines: Vec<_> = backup.err.lines().filter(|line| line.contains("is damaged: ")).collect();
    assert_eq!(lines.len(), 1, "{}", backup.err);
    assert!(lines[0].contains("in database main") && lines[0].contains("tried again next time"), "{lines:?}");
    drop(open);
}

#[test]
fn a_result_that_cannot_be_written_ends_with_1() {
    let (cli, ids) = with_sets(&["one", "two"]);
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let commands: [&[&str]; 12] = [
        &["ls", &ids[0]],
        &["ls", &ids[0], "--json"],
        &["snapshots"],
        &["snapshots", "--json"],
        &["show", &ids[0]],
        &["find", "file"],
        &["diff", &ids[0], &ids[1]],
        &["dump", &ids[0], "file"],
        &["check", "--json"],
        &["plan", "check", "--json"],
        &["completions", "bash"],
        &["--help"],
    ];
    for command in commands {
        let lost = cli.run_into(command, full());
        assert_eq!(lost.code, Some(1), "{command:?}: {}", lost.err);
        let told: Vec<_> = lost.err.lines().filter(|line| line.starts_with("error: ")).collect();
        assert!(told.len() == 1 && told[0].contains("No space left"), "{command:?}: {}", lost.err);
    }
    // Who reads may have read enough.
    for command in [&commands[0], &commands[3], &commands[7], &commands[10]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let closed = cli.run_into(command, writer);
        assert_eq!((closed.code, closed.err.as_str()), (Some(0), ""), "{command:?}");
    }
}

#[test]
fn usage_names_what_a_command_needs_whatever_is_set() {
    let cli = Cli::new("somewhere");
    for (wrong, usage) in
        [(vec!["kit"], "Usage: filbert kit "), (vec!["show"], "Usage: filbert show [OPTIONS] <SNAPSHOT>\n")]
    {
        let told = cli.run(&wrong);
        assert_eq!(told.code, Some(2), "{}", told.err);
        assert!(told.err.contains(usage), "{}", told.err);
        for variable in ["--repository", "--state-dir", "--webdav-user"] {
            assert!(!told.err.contains(variable), "{}", told.err);
        }
    }
}

#[test]
fn a_local_folder_has_no_password_of_its_own() {
    let (mut cli, _) = with_sets(&["one"]);
    cli.password = "another".to_owned();
    let wrong = cli.run(&["snapshots"]);
    assert_eq!(wrong.code, Some(12), "{}", wrong.err);
    assert!(wrong.err.contains("encryption password is wrong"), "{}", wrong.err);
    assert!(!wrong.err.contains("server"), "{}", wrong.err);
}
