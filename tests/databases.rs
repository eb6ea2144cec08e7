//! SQLite databases that are in use: what comes back is one consistent state that there was, and the
//! original is left as it is. Writers at work are processes of their own, for a process loses its
//! locks on a file when it closes any handle of it.

#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod support;

use filbert::backup::{BackupOptions, RunLimits};
use filbert::format::record::SnapshotState;
use filbert::recovery::RestoreOutcome;
use rusqlite::Connection;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use support::cli::Cli;
use support::machine::Machine;
use support::tree::{self, write};
use tempfile::TempDir;

/// In the environment of a test that is run again as a writer: the database.
const WRITER: &str = "FILBERT_TEST_WRITER";

async fn ready() -> (Machine, TempDir, PathBuf) {
    let machine = Machine::new().with_state_dir();
    machine.init().await;
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    write(&source, "other", "x");
    (machine, dir, source)
}

/// A database with two tables, to which every transaction adds the same row.
fn database(path: &Path, mode: &str) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(&format!(
            "PRAGMA journal_mode = {mode}; PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = off;
             CREATE TABLE a (id INTEGER PRIMARY KEY, x TEXT); CREATE TABLE b (id INTEGER PRIMARY KEY, x TEXT);"
        ))
        .unwrap();
    add(&connection, 20);
    connection
}

fn add(connection: &Connection, transactions: usize) {
    for _ in 0..transactions {
        connection
            .execute_batch(
                "BEGIN IMMEDIATE;
                 INSERT INTO a (x) VALUES (hex(randomblob(50)));
                 INSERT INTO b SELECT id, x FROM a ORDER BY id DESC LIMIT 1;
                 COMMIT;",
            )
            .unwrap();
    }
}

/// How many transactions a database holds; it is sound, and holds no half of one.
fn transactions(path: &Path) -> u64 {
    let connection = Connection::open(path).unwrap();
    let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok", "{}", path.display());
    let count = "SELECT count(*), max(id), (SELECT count(*) FROM b), \
                 (SELECT count(*) FROM a JOIN b USING (id, x)) FROM a";
    let counted: [u64; 4] = connection
        .query_row(count, [], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))
        .unwrap();
    assert!(counted.iter().all(|one| *one == counted[0]), "{counted:?} of {}", path.display());
    counted[0]
}

/// How many transactions are committed in a database that others write to.
fn committed(path: &Path) -> u64 {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
    connection.query_row("SELECT count(*) FROM a", [], |row| row.get(0)).unwrap()
}

/// Leaves in `to` what lies of the database `from`, as a power failure would.
fn kill(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let beside = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
        if beside(from).exists() {
            fs::copy(beside(from), beside(to)).unwrap();
        }
    }
}

async fn restore(machine: &Machine, set: &str) -> (TempDir, RestoreOutcome) {
    let target = tempfile::tempdir().unwrap();
    let outcome = machine.restore(set, target.path()).await;
    (target, outcome)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Another process that writes all the while, until this is dropped.
struct Writer(Child);

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Writer {
    /// Runs `test` again, which is to call [`Writer::work`] first.
    fn start(test: &str, database: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture"])
            .env(WRITER, database)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let writes = lines.map_while(Result::ok).any(|line| line.contains("writing"));
        assert!(writes, "the writer began");
        Self(child)
    }

    /// In the process of a writer: writes, and never returns.
    fn work() {
        let Some(path) = std::env::var_os(WRITER) else { return };
        let connection = Connection::open(path).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
        // So that checkpoints come often, and the log begins anew.
        connection
            .execute_batch(
                "PRAGMA synchronous = off; PRAGMA wal_autocheckpoint = 50; PRAGMA cache_size = 10;",
            )
            .unwrap();
        println!("writing");
        // A test that was killed itself ends no writer.
        for _ in 0..20_000 {
            add(&connection, 1);
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        std::process::exit(0);
    }
}

async fn backups_beside_a_writer(test: &str, mode: &str) {
    let (machine, _dir, source) = ready().await;
    let path = source.join("busy.sqlite");
    drop(database(&path, mode));
    let writer = Writer::start(test, &path);
    // By the true time: what was changed a moment ago is known to be so.
    machine.clock.advance_ms(-3_600_000);
    for _ in 0..12 {
        let before = committed(&path);
        // A backup sets the clock ahead by this much.
        machine.clock.advance_ms(-1000);
        let outcome = machine.back_up("s", &[&source]).await;
        let after = committed(&path);
        assert_eq!(outcome.databases, 1);
        let (target, _) = restore(&machine, "s").await;
        assert_eq!(names(target.path()), ["busy.sqlite", "other"]);
        let restored = transactions(&target.path().join("busy.sqlite"));
        assert!((before..=after).contains(&restored), "{before} <= {restored} <= {after}");
    }
    drop(writer);
    assert!(transactions(&path) > 20, "the writer wrote, and came to no harm");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_backup_beside_a_busy_writer_holds_a_state_that_there_was() {
    Writer::work();
    backups_beside_a_writer("each_backup_beside_a_busy_writer_holds_a_state_that_there_was", "wal").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_writer_with_a_rollback_journal_is_read_between_its_transactions() {
    Writer::work();
    backups_beside_a_writer(
        "a_busy_writer_with_a_rollback_journal_is_read_between_its_transactions",
        "delete",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_database_comes_back_byte_for_byte() {
    let (machine, _dir, source) = ready().await;
    for mode in ["wal", "delete", "persist"] {
        database(&source.join(mode), mode).close().unwrap();
    }
    assert!(source.join("persist-journal").exists() && !source.join("wal-wal").exists());
    let before = tree::read(&source);
    let outcome = machine.back_up("s", &[&source]).await;
    assert_eq!(outcome.databases, 0);
    let (target, _) = restore(&machine, "s").await;
    tree::assert_same(&before, target.path(), "restored");
    tree::assert_same(&before, &source, "the source");
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_to_the_log_alone_are_seen_and_an_untouched_log_costs_nothing() {
    let (machine, _dir, source) = ready().await;
    let path = source.join("db");
    // Others have it open, who died: nothing but these bytes.
    let live = tempfile::tempdir().unwrap();
    let writer = database(&live.path().join("db"), "wal");
    kill(&live.path().join("db"), &path);
    let before = tree::read(&source);
    assert_eq!(machine.back_up("s", &[&source]).await.databases, 1);
    tree::assert_same(&before, &source, "the source is as it was");
    let untouched = machine.back_up("s", &[&source]).await;
    assert_eq!((untouched.databases, untouched.bytes_read, untouched.tally.files_unmodified), (0, 0, 2));

    let found = || (path.metadata().unwrap().len(), path.metadata().unwrap().ctime_nsec());
    let main = found();
    add(&writer, 50);
    fs::copy(live.path().join("db-wal"), source.join("db-wal")).unwrap();
    assert_eq!(found(), main, "the file itself did not change");
    let changed = machine.back_up("s", &[&source]).await;
    assert_eq!((changed.databases, changed.tally.files_changed), (1, 1));
    let (target, _) = restore(&machine, "s").await;
    assert_eq!(transactions(&target.path().join("db")), 70);
    let times = ["db", "db-wal"].map(|name| source.join(name).metadata().unwrap().modified().unwrap());
    let restored = target.path().join("db").metadata().unwrap().modified().unwrap();
    assert_eq!(Some(&restored), times.iter().max(), "the time is that of the last commit");

    // The log goes into the file, and then there is none.
    assert_eq!(transactions(&path), 70);
    assert_eq!(names(&source), ["db", "other"]);
    let idle = machine.back_up("s", &[&source]).await;
    assert_eq!((idle.databases, idle.tally.files_changed), (0, 1));
    let before = tree::read(&source);
    let (target, _) = restore(&machine, "s").await;
    tree::assert_same(&before, target.path(), "without a log it is stored as it is");

    // And one comes back.
    let again = tempfile::tempdir().unwrap();
    kill(&path, &again.path().join("db"));
    let writer = Connection::open(again.path().join("db")).unwrap();
    add(&writer, 1);
    let log = again.path().join("db-wal");
    fs::copy(&log, source.join("db-wal")).unwrap();
    assert_eq!(machine.back_up("s", &[&source]).await.databases, 1);
    let (target, _) = restore(&machine, "s").await;
    assert_eq!(transactions(&target.path().join("db")), 71);
}

fn transactions_of(connection: &Connection) -> u64 {
    connection.query_row("SELECT count(*) FROM a", [], |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_a_copied_database_is_left_out_and_goes_from_older_snapshots() {
    let (machine, _dir, source) = ready().await;
    let live = tempfile::tempdir().unwrap();
    let writer = database(&live.path().join("db"), "wal");
    kill(&live.path().join("db"), &source.join("db"));
    // A pattern does not hide the log from the copy, and what only looks alike stays.
    for name in ["db-wall", "db-", "notes-wal", "notes-shm"] {
        write(&source, name, "mine");
    }
    write(&source, "notes", vec![b'n'; 3000]);
    let off = BackupOptions { databases: false, ..machine.options("s", &[&source]) };
    let raw = machine.try_back_up(off).await.unwrap();
    assert_eq!((raw.databases, raw.tally.files), (0, 9));
    let before = tree::read(&source);
    let (target, _) = restore(&machine, "s").await;
    tree::assert_same(&before, target.path(), "as files they come back as they are");

    let kept = ["db", "db-", "db-wall", "notes", "notes-shm", "notes-wal", "other"];
    for excludes in [vec![], vec!["db-wal".to_owned()]] {
        add(&writer, 1);
        fs::copy(live.path().join("db-wal"), source.join("db-wal")).unwrap();
        let options = BackupOptions { excludes, ..machine.options("s", &[&source]) };
        let outcome = machine.try_back_up(options).await.unwrap();
        assert_eq!((outcome.databases, outcome.problem_count, outcome.tally.files), (1, 0, 7));
        let (target, _) = restore(&machine, "s").await;
        assert_eq!(names(target.path()), kept);
        assert_eq!(transactions(&target.path().join("db")), transactions_of(&writer));
    }
    let unchanged = machine.back_up("s", &[&source]).await;
    assert_eq!(unchanged.bytes_read, 0, "beside a file that is no database a log is a file");
    // The database as a source of its own, whose folder is not walked.
    assert_eq!(machine.back_up("alone", &[&source.join("db")]).await.databases, 1);
    let (target, _) = restore(&machine, "alone").await;
    assert_eq!(transactions(&target.path().join("db")), transactions_of(&writer));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_a_killed_writer_left_half_done_is_not_in_the_copy() {
    let (machine, _dir, source) = ready().await;
    let live = tempfile::tempdir().unwrap();
    let writer = database(&live.path().join("db"), "delete");
    add(&writer, 100);
    writer
        .execute_batch("PRAGMA cache_size = 2; PRAGMA synchronous = full; BEGIN; UPDATE a SET x = 'half'")
        .unwrap();
    kill(&live.path().join("db"), &source.join("db"));
    let before = tree::read(&source);
    assert_eq!(machine.back_up("s", &[&source]).await.databases, 1);
    tree::assert_same(&before, &source, "the source is as it was");
    let (target, _) = restore(&machine, "s").await;
    assert_eq!(names(target.path()), ["db", "other"]);
    assert_eq!(transactions(&target.path().join("db")), 120);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_cannot_be_copied_is_told_and_stored_with_all_that_lies_beside_it() {
    let (machine, _dir, source) = ready().await;
    write(&source, "db", [b"SQLite format 3\0".as_slice(), &tree::noise(1, 9000)].concat());
    write(&source, "db-wal", tree::noise(2, 5000));
    let before = tree::read(&source);
    for round in ["first", "again, for it may be sound by now"] {
        let outcome = machine.try_back_up(machine.options("s", &[&source])).await.unwrap();
        assert_eq!((outcome.databases, outcome.problem_count), (0, 1), "{round}");
        assert_eq!(outcome.state, SnapshotState::Incomplete);
        let told = format!("{}: {}", outcome.problems[0].subject, outcome.problems[0].message);
        assert!(told.contains("source/db: ") && told.contains("damaged"), "{told}");
        let (target, _) = restore(&machine, "s").await;
        tree::assert_same(&before, target.path(), round);
    }
    let off = BackupOptions { databases: false, ..machine.options("s", &[&source]) };
    assert_eq!(machine.try_back_up(off).await.unwrap().problem_count, 0);
}

/// SQLite would take the damage for the end of the log, as after a crash, and drop all commits.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_log_is_told_and_stored_with_its_database_as_both_lie_there() {
    let (machine, _dir, source) = ready().await;
    let live = tempfile::tempdir().unwrap();
    let writer = Connection::open(live.path().join("db")).unwrap();
    writer
        .execute_batch("PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (x TEXT)")
        .unwrap();
    for _ in 0..50 {
        writer.execute("INSERT INTO t VALUES (hex(randomblob(100)))", []).unwrap();
    }
    kill(&live.path().join("db"), &source.join("db"));
    let mut log = fs::read(source.join("db-wal")).unwrap();
    log[5000..8000].fill(0x5a);
    fs::write(source.join("db-wal"), log).unwrap();
    for shared_memory in [true, false] {
        if !shared_memory {
            fs::remove_file(source.join("db-shm")).unwrap();
        }
        let before = tree::read(&source);
        let outcome = machine.try_back_up(machine.options("s", &[&source])).await.unwrap();
        assert_eq!((outcome.databases, outcome.problem_count), (0, 1));
        let told = format!("{}: {}", outcome.problems[0].subject, outcome.problems[0].message);
        assert!(told.contains("source/db: ") && told.contains("write-ahead log is broken"), "{told}");
        let (target, _) = restore(&machine, "s").await;
        tree::assert_same(&before, target.path(), "as they lie there");
    }
    // Cut where it is damaged it is what a crash leaves.
    let file = fs::File::options().write(true).open(source.join("db-wal")).unwrap();
    file.set_len(6000).unwrap();
    assert_eq!(machine.back_up("s", &[&source]).await.databases, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_dry_runs_go_by_the_copy_too() {
    let (machine, _dir, source) = ready().await;
    let live = tempfile::tempdir().unwrap();
    let writer = database(&live.path().join("db"), "wal");
    kill(&live.path().join("db"), &source.join("db"));
    write(&source, "broken", [b"SQLite format 3\0".as_slice(), &tree::noise(1, 900)].concat());
    write(&source, "broken-wal", tree::noise(2, 500));
    write(&source, "large", tree::noise(3, 1 << 20));
    let dry = BackupOptions { dry_run: true, ..machine.options("s", &[&source]) };
    assert_eq!(machine.try_back_up(dry).await.unwrap().databases, 1);

    let limits = RunLimits { upload_bytes: Some(200_000), ..RunLimits::default() };
    let limited = || BackupOptions { limits, ..machine.options("s", &[&source]) };
    let outcome = machine.try_back_up(limited()).await.unwrap();
    assert_eq!((outcome.databases, outcome.missing.files), (1, 1), "{:?}", outcome.missing);
    let (target, _) = restore(&machine, "s").await;
    assert_eq!(names(target.path()), ["broken", "broken-wal", "db", "other"]);
    assert_eq!(transactions(&target.path().join("db")), 20);

    add(&writer, 5);
    fs::copy(live.path().join("db-wal"), source.join("db-wal")).unwrap();
    let outcome = machine.try_back_up(limited()).await.unwrap();
    assert_eq!(outcome.databases, 1);
    let (target, _) = restore(&machine, "s").await;
    assert_eq!(transactions(&target.path().join("db")), 25);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_name_of_a_database_in_use_is_a_file_of_its_own() {
    let (machine, _dir, source) = ready().await;
    let live = tempfile::tempdir().unwrap();
    let _writer = database(&live.path().join("db"), "wal");
    kill(&live.path().join("db"), &source.join("db"));
    for name in ["a-name-before", "z-name-after"] {
        fs::hard_link(source.join("db"), source.join(name)).unwrap();
    }
    assert_eq!(machine.back_up("s", &[&source]).await.databases, 1);
    let (target, _) = restore(&machine, "s").await;
    assert_eq!(transactions(&target.path().join("db")), 20);
    let read = |folder: &Path, name| fs::read(folder.join(name)).unwrap();
    for name in ["a-name-before", "z-name-after"] {
        assert_eq!(read(target.path(), name), read(&source, name));
    }
    assert_eq!(machine.back_up("s", &[&source]).await.bytes_read, 0);
}

#[test]
fn the_program_copies_a_database_that_another_program_has_open_unless_told_not_to() {
    let repository = tempfile::tempdir().unwrap();
    let cli = Cli::new(repository.path().join("repo").to_str().unwrap());
    let source = cli.folder("docs");
    let path = source.join("in use.sqlite");
    let _open = database(&path, "wal");
    let source_text = source.to_str().unwrap();
    let lies_there = || {
        ["in use.sqlite", "in use.sqlite-wal", "in use.sqlite-shm"].map(|name| {
            let file = source.join(name);
            (fs::read(&file).unwrap(), file.metadata().unwrap().modified().unwrap())
        })
    };
    cli.ok(&["init"]);
    let before = lies_there();
    let plan = cli.ok(&["plan", "backup", source_text, "--set", "s", "--json"]);
    assert!(plan.out.contains("\"exact\":true"), "{}", plan.out);
    assert_eq!(cli.summary(&["backup", source_text, "--set", "s"])["databases"], 1);
    assert_eq!(lies_there(), before, "not a byte of the original, nor a time");
    assert_eq!(names(&source).len(), 3);
    let out = cli.home.path().join("out");
    cli.ok(&["restore", "latest", "--set", "s", "--target", out.to_str().unwrap()]);
    assert_eq!(names(&out), ["in use.sqlite"]);
    assert_eq!(transactions(&out.join("in use.sqlite")), 20);

    let told = cli.ok(&["backup", "--set", "s", "--verbose"]);
    assert!(told.err.contains("in use  ") && told.err.contains("docs/in use.sqlite"), "{}", told.err);
    assert!((told.err + &told.out).contains("copied 1 database in use"));
    let config = cli.home.path().join("config.toml");
    fs::write(&config, format!("[sets.s]\nsources = ['{source_text}']\nsqlite = false\n")).unwrap();
    for off in [["--no-sqlite", "--quiet"], ["--config", config.to_str().unwrap()]] {
        let summary = cli.summary(&["backup", "--set", "s", off[0], off[1]]);
        assert_eq!((&summary["databases"], &summary["problems"]), (&0.into(), &0.into()), "{off:?}");
    }
    let state = cli.home.path().join("state");
    let kept = walkdir::WalkDir::new(state).into_iter().map(|entry| entry.unwrap().file_name().to_owned());
    assert!(!kept.into_iter().any(|name| name.to_string_lossy().starts_with("scratch")));
}

#[test]
fn a_log_of_another_state_is_not_played_back_onto_what_is_restored() {
    let repository = tempfile::tempdir().unwrap();
    let cli = Cli::new(repository.path().join("repo").to_str().unwrap());
    let source = cli.folder("docs");
    let path = source.join("db.sqlite");
    drop(database(&path, "wal"));
    // Nobody has it open: the file alone is the whole database, and its content will not differ.
    cli.ok(&["init"]);
    cli.ok(&["backup", source.to_str().unwrap(), "--set", "s"]);
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    add(&connection, 5);
    // As a power failure leaves it, times as well: the last close would bring the log into the file.
    let copy = |from: &Path, to: &Path| {
        let copied = Command::new("cp").arg("-aT").arg(from).arg(to).status().unwrap();
        assert!(copied.success());
    };
    let dead = cli.home.path().join("dead");
    copy(&source, &dead);
    drop(connection);
    copy(&dead, &source);
    assert_eq!(names(&source), ["db.sqlite", "db.sqlite-shm", "db.sqlite-wal"]);

    let told = cli.run(&["restore", "latest", "--set", "s", "--target", source.to_str().unwrap()]);
    assert!(told.code == Some(3) && told.err.contains("play back onto it"), "{}", told.err);
    let restored = cli.summary(&["restore", "latest", "--set", "s", "--in-place"]);
    assert_eq!(names(&source), ["db.sqlite"]);
    assert_eq!(transactions(&path), 20);
    drop(fs::remove_file(source.join("db.sqlite-wal")));
    cli.ok(&["rollback", restored["session"].as_str().unwrap()]);
    assert_eq!(transactions(&path), 25, "what was in the log is kept as well");
}

#[test]
fn a_database_that_is_open_or_damaged_is_restored_in_place_with_its_net() {
    let repository = tempfile::tempdir().unwrap();
    let cli = Cli::new(repository.path().join("repo").to_str().unwrap());
    let source = cli.folder("docs");
    let path = source.join("db.sqlite");
    let open = database(&path, "wal");
    cli.ok(&["init"]);
    cli.ok(&["backup", source.to_str().unwrap(), "--set", "s"]);
    add(&open, 5);
    // It is closed as by a power failure: the log stays.
    let copy = |from: &Path, to: &Path| {
        assert!(Command::new("cp").arg("-aT").arg(from).arg(to).status().unwrap().success());
    };
    let dead = cli.home.path().join("dead");
    copy(&source, &dead);
    drop(open);
    copy(&dead, &source);
    let restored = cli.summary(&["restore", "latest", "--set", "s", "--in-place"]);
    assert_eq!((transactions(&path), names(&source)), (20, vec!["db.sqlite".to_owned()]));
    cli.ok(&["rollback", restored["session"].as_str().unwrap()]);
    assert_eq!(transactions(&path), 25);

    let mut bytes = fs::read(&path).unwrap();
    bytes[4096..6000].fill(7);
    fs::write(&path, &bytes).unwrap();
    fs::write(source.join("db.sqlite-journal"), "no journal").unwrap();
    let restored = cli.summary(&["restore", "latest", "--set", "s", "--in-place"]);
    assert_eq!(transactions(&path), 20);
    cli.ok(&["rollback", restored["session"].as_str().unwrap()]);
    assert_eq!(fs::read(&path).unwrap(), bytes, "what was damaged is kept, byte for byte");
}
