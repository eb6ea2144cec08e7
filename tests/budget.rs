//! The request budget as a user meets it: the real program, its settings, several processes, and a
//! server that counts by the real clock.

mod support;

use filbert::emulator::{Effect, Emulator, EmulatorOptions, Fault, Limits, Rate, start};
use filbert::model::clock::SystemClock;
use filbert::state::Ledger;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use support::cli::{Cli, Ran, assert_same};
use support::{PASSWORD, USER};
use tokio::net::TcpListener;

async fn drive(window: Option<Rate>) -> Emulator {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let limits = Limits { window, refusals_prolong: true, ..Limits::none() };
    let options = EmulatorOptions::new(Arc::new(SystemClock), USER, PASSWORD.into());
    start(listener, EmulatorOptions { limits, ..options }).unwrap()
}

fn rate(requests: u64, ms: u64) -> Option<Rate> {
    Some(Rate { requests, within: Duration::from_millis(ms) })
}

/// A user with this text in the section of the repository.
fn user(drive: &Emulator, section: &str) -> Cli {
    let cli = Cli::new("nut");
    let settings = format!("[repositories.nut]\nurl = '{}repo'\n{section}", drive.url());
    std::fs::write(config(&cli), settings).unwrap();
    cli
}

fn config(cli: &Cli) -> PathBuf {
    cli.home.path().join("config.toml")
}

fn run(cli: &Cli, arguments: &[&str]) -> Ran {
    let config = config(cli).display().to_string();
    cli.run(&[arguments, &["--config", &config]].concat())
}

fn ok(cli: &Cli, arguments: &[&str]) -> Ran {
    let ran = run(cli, arguments);
    assert_eq!(ran.code, Some(0), "{arguments:?}: {}{}", ran.out, ran.err);
    ran
}

/// So many files of 1 MiB that do not compress: about as many packs.
fn noise(folder: &Path, files: u8) {
    for number in 0..files {
        let mut content = vec![0; 1 << 20];
        let name = format!("{}{number}", folder.display());
        blake3::Hasher::new().update(name.as_bytes()).finalize_xof().fill(&mut content);
        std::fs::write(folder.join(format!("{number:03}.bin")), content).unwrap();
    }
}

fn backup<'a>(folder: &'a Path, set: &'a str) -> Vec<&'a str> {
    vec!["backup", folder.to_str().unwrap(), "--set", set, "--pack-size", "1MiB"]
}

fn lines(ran: &Ran) -> Vec<Value> {
    ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_one_budget() {
    let drive = drive(rate(30, 1000)).await;
    let cli = user(&drive, "requests = '30/1s'\n");
    let folders = [cli.folder("one"), cli.folder("two")];
    folders.iter().for_each(|folder| noise(folder, 24));
    ok(&cli, &["init"]);
    let ran: Vec<Ran> = std::thread::scope(|scope| {
        let both = [("one", &folders[0]), ("two", &folders[1])].map(|(set, folder)| {
            let cli = &cli;
            scope.spawn(move || run(cli, &backup(folder, set)))
        });
        both.into_iter().map(|one| one.join().unwrap()).collect()
    });
    for ran in &ran {
        assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    }
    let counts = drive.counts();
    assert!(counts.requests["PUT"] >= 48, "{counts:?}");
    assert_eq!((counts.refused_window, counts.refused_burst), (0, 0));
    let out = cli.home.path().join("out");
    ok(&cli, &["restore", "latest", "--set", "two", "--target", out.to_str().unwrap()]);
    assert_same(&folders[1], &out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_says_until_when_and_goes_on_by_itself() {
    let drive = drive(rate(20, 4000)).await;
    let cli = user(&drive, "requests = '20/4s'\n");
    let folder = cli.folder("documents");
    noise(&folder, 20);
    ok(&cli, &["init"]);
    let ran = ok(&cli, &[&backup(&folder, "docs")[..], &["--json"]].concat());
    let waits: Vec<_> = lines(&ran).into_iter().filter(|line| line["type"] == "waiting").collect();
    assert!(!waits.is_empty(), "{}", ran.out);
    assert!(waits[0]["until"].as_str().unwrap().ends_with('Z'), "{waits:?}");
    assert!(waits[0]["reason"].as_str().unwrap().contains("20 requests in 4s"), "{waits:?}");
    assert_eq!(drive.counts().refused_window, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_is_left_alone_and_the_run_ends_whole() {
    let drive = drive(None).await;
    // Half a window, as long as is waited first, is well above what is worth telling.
    let cli = user(&drive, "requests = '600/8s'\n");
    let folder = cli.folder("documents");
    noise(&folder, 8);
    ok(&cli, &["init"]);
    // The account's other programs used it up.
    let block = Effect::BlockFor(Duration::from_secs(3));
    drive.faults().add(Fault::new(block).on("PUT").containing("packs").nth(3));
    let ran = ok(&cli, &backup(&folder, "docs"));
    assert!(ran.err.contains("waiting until") && ran.err.contains("BlockedTemporarily"), "{}", ran.err);
    let counts = drive.counts();
    assert!((1..=8).contains(&counts.refused_window), "{counts:?}");
    let out = cli.home.path().join("out");
    ok(&cli, &["restore", "latest", "--set", "docs", "--target", out.to_str().unwrap()]);
    assert_same(&folder, &out);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_wait_is_told_until_when() {
    let drive = drive(rate(10, 3_600_000)).await;
    let cli = user(&drive, "requests = '10/1h'\nreserve_for_restore = '0%'\n");
    ok(&cli, &["init"]);
    ok(&cli, &["snapshots"]);
    let waits = ["snapshots", "--max-wait", "1m"];
    let mut last = run(&cli, &waits);
    for _ in 0..8 {
        last = run(&cli, &waits);
    }
    assert_eq!(last.code, Some(3), "{}{}", last.out, last.err);
    assert!(last.err.contains("budget is used until") && last.err.contains("--max-wait"), "{}", last.err);
    assert_eq!(drive.counts().refused_window, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_that_is_nearly_used_up_gets_a_partial_snapshot() {
    let drive = drive(None).await;
    let cli = user(&drive, "upload_per_month = '8MiB'\n");
    let folder = cli.folder("documents");
    noise(&folder, 12);
    ok(&cli, &["init"]);
    let json = [&backup(&folder, "docs")[..], &["--json"]].concat();
    let ran = run(&cli, &json);
    assert_eq!(ran.code, Some(3), "{}{}", ran.out, ran.err);
    let summary = ran.summary();
    assert_eq!(summary["state"], "partial");
    let missing = summary["missing"]["files"].as_u64().unwrap();
    assert!((5..=9).contains(&missing), "{summary}");
    let sent = drive.counts().bytes_up;
    assert!(sent <= 8 << 20, "{sent}");
    // Nothing is left for a second one, and nothing is sent.
    let ran = run(&cli, &backup(&folder, "docs"));
    assert_eq!(ran.code, Some(3), "{}{}", ran.out, ran.err);
    assert!(drive.counts().bytes_up <= 8 << 20);
    // The account is paid for: what lies there is not sent again.
    std::fs::write(config(&cli), format!("[repositories.nut]\nurl = '{}repo'\n", drive.url())).unwrap();
    let whole = ok(&cli, &json).summary();
    assert_eq!((&whole["state"], &whole["missing"]["files"]), (&"whole".into(), &0.into()));
    let all = drive.counts().bytes_up;
    assert!(all < (12 << 20) + (2 << 20), "{sent}, then {all}");
    let out = cli.home.path().join("out");
    ok(&cli, &["restore", "latest", "--set", "docs", "--target", out.to_str().unwrap()]);
    assert_same(&folder, &out);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_wait_commits_what_the_window_allows() {
    let drive = drive(rate(30, 3_600_000)).await;
    let cli = user(&drive, "requests = '30/1h'\n");
    let folder = cli.folder("documents");
    noise(&folder, 40);
    ok(&cli, &["init"]);
    let ran = run(&cli, &[&backup(&folder, "docs")[..], &["--json", "--max-wait", "1s"]].concat());
    assert_eq!(ran.code, Some(3), "{}{}", ran.out, ran.err);
    assert_eq!(ran.summary()["state"], "partial");
    let counts = drive.counts();
    let asked: u64 = counts.requests.values().sum();
    assert!((20..=27).contains(&asked) && counts.refused_window == 0, "{counts:?}");
    // What the reserve left is enough for a restore.
    let out = cli.home.path().join("out");
    let ran = run(
        &cli,
        &[
            "restore",
            "latest",
            "--set",
            "docs",
            "--target",
            out.to_str().unwrap(),
            "--max-wait",
            "0s",
            "--include",
            "000.bin",
        ],
    );
    assert!(ran.code == Some(0) || ran.err.contains("nothing in snapshot"), "{}{}", ran.out, ran.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_somebody_holds_is_waited_for() {
    let drive = drive(None).await;
    let cli = user(&drive, "");
    ok(&cli, &["init"]);
    let ledger = Ledger::open(&cli.home.path().join("state")).unwrap();
    let held = Arc::new(std::sync::Barrier::new(2));
    let began = held.clone();
    let holder = std::thread::spawn(move || {
        ledger.change("somebody else", |_| {
            began.wait();
            std::thread::sleep(Duration::from_millis(700));
            (Vec::new(), ())
        })
    });
    held.wait();
    ok(&cli, &["snapshots"]);
    holder.join().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_is_none_is_told_and_nothing_is_sent() {
    let drive = drive(None).await;
    let cli = user(&drive, "");
    ok(&cli, &["init"]);
    let before = drive.counts();
    let state = cli.home.path().join("state");
    for left in ["accounts.sqlite-wal", "accounts.sqlite-shm"] {
        let _ = std::fs::remove_file(state.join(left));
    }
    std::fs::write(state.join("accounts.sqlite"), "not a database at all, but long enough".repeat(40))
        .unwrap();
    let ran = run(&cli, &["snapshots"]);
    assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("accounts.sqlite") && ran.err.contains("move"), "{}", ran.err);
    assert_eq!(drive.counts(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn absurd_budgets_are_refused_before_anything_is_sent() {
    let drive = drive(None).await;
    for (section, word) in [
        ("requests = '0/30m'\n", "600/30m"),
        ("requests = '600'\n", "600/30m"),
        ("upload_per_month = '0'\n", "at least"),
        ("profile = 'dropbox'\n", "nutstore-free"),
        ("reserve_for_restore = '95%'\n", "90%"),
    ] {
        let ran = run(&user(&drive, section), &["init"]);
        assert_eq!(ran.code, Some(1), "{section}: {}", ran.err);
        assert!(ran.err.contains(word) && ran.err.contains("repository `nut`"), "{section}: {}", ran.err);
    }
    assert!(drive.counts().requests.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_a_wait() {
    let drive = drive(rate(12, 3_600_000)).await;
    let cli = user(&drive, "requests = '12/1h'\n");
    let folder = cli.folder("documents");
    noise(&folder, 8);
    ok(&cli, &["init"]);
    let config = config(&cli).display().to_string();
    let mut child = cli.start(&[&backup(&folder, "docs")[..], &["--config", &config]].concat());
    let mut told = String::new();
    let mut lines = std::io::BufReader::new(child.stderr.take().unwrap());
    while !told.contains("waiting until") {
        let read = std::io::BufRead::read_line(&mut lines, &mut told).unwrap();
        assert!(read > 0, "it ended: {told}");
    }
    let process = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &process]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(drive.counts().refused_window, 0);
}
