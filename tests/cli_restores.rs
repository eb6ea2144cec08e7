//! Restores that are remembered: they go on after a kill or Ctrl-C, and use what lies there already.

mod support;

use filbert::emulator::{Effect, Fault, Limits};
use filbert::progress::Silent;
use filbert::recovery::{Destination, RestoreSessions, RestoreWish};
use filbert::server::Journal;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;
use support::cli::{Cli, assert_same};
use support::machine::Machine;
use support::tree::{noise, write};

fn restores(cli: &Cli) -> Vec<Value> {
    let ran = cli.ok(&["restores", "--json"]);
    ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn packs_got(journal: &Journal) -> usize {
    let got = |seen: &filbert::server::Seen| seen.method == "GET" && seen.path.contains("/packs/");
    journal.requests().iter().filter(|seen| got(seen)).count()
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

fn unfinished(folder: &Path) -> usize {
    let is_ours = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with(".filbert-");
    fs::read_dir(folder).unwrap().filter(|entry| is_ours(&entry.as_ref().unwrap().file_name())).count()
}

/// Interrupts a restore of one large file of many packs, and goes on.
async fn goes_on_after(name: &str, code: Option<i32>, state: &str) {
    let server = support::dav::start().await;
    let journal = server.server.journal();
    let cli = Cli::new(format!("{}repo", server.server.url()));
    let source = cli.folder("docs");
    fs::write(source.join("large.bin"), noise(7, 120 << 20)).unwrap();
    cli.ok(&["init"]);
    cli.ok(&["backup", "docs", "--set", "docs", "--pack-size", "1MiB"]);
    let put = |seen: &filbert::server::Seen| seen.method == "PUT" && seen.path.contains("/packs/");
    let packs = journal.requests().iter().filter(|seen| put(seen)).count();
    journal.take();

    let mut child = cli.start(&["restore", "latest", "--target", "out"]);
    for _ in 0..6000 {
        if packs_got(journal) >= packs / 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    signal(&child, name);
    assert_eq!(child.wait().unwrap().code(), code, "it ended before it was interrupted");
    let listed = restores(&cli);
    assert_eq!((listed.len(), listed[0]["state"].as_str()), (1, Some(state)));
    let out = cli.home.path().join("out");
    assert_eq!(unfinished(&out), 1, "what was fetched is kept");

    let got_before = packs_got(journal);
    journal.take();
    let id = listed[0]["session"].as_str().unwrap();
    let resumed = cli.summary(&["restore", "--resume", id]);
    assert_eq!(resumed["session"], listed[0]["session"]);
    let got = got_before + packs_got(journal);
    assert!(packs > 20 && got <= packs + 4, "{got} fetches of {packs} packs");
    assert!(resumed["bytes_found_here"].as_u64().unwrap() > 40 << 20, "{resumed}");
    assert_same(&source, &out);
    assert_eq!(restores(&cli)[0]["state"], "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_restore_goes_on_with_what_it_has() {
    goes_on_after("-KILL", None, "broken off").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_restore_goes_on_with_what_it_has() {
    goes_on_after("-INT", Some(130), "stopped").await;
}

/// Killed in the middle of the fourth pack of seven, which comes slowly: what came of it was put into
/// a file at once, and what it was made for is there or made of that.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_restore_fetches_nearly_nothing_again() {
    let drive = support::nutstore::start(Limits::none()).await;
    let received = || drive.emulator.counts().bytes_down;
    let cli = Cli::new(format!("{}repo", drive.emulator.url()));
    let source = cli.folder("docs");
    fs::write(source.join("large.bin"), noise(8, 112 << 20)).unwrap();
    cli.ok(&["init"]);
    cli.ok(&["backup", "docs", "--set", "docs", "--pack-size", "16MiB"]);
    let before = received();
    cli.ok(&["restore", "latest", "--target", "undisturbed"]);
    let undisturbed = received() - before;

    let drip = Effect::Drip { bytes: 1 << 20, pause: Duration::from_millis(30) };
    drive.emulator.faults().add(Fault::new(drip).on("GET").containing("/packs/").times(6));
    let before = received();
    let mut child = cli.start(&["restore", "latest", "--target", "out"]);
    while received() - before < undisturbed / 2 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    signal(&child, "-KILL");
    child.wait().unwrap();
    let listed = restores(&cli);
    let broken_off = listed.iter().find(|restore| restore["state"] == "broken off").unwrap();
    cli.ok(&["restore", "--resume", broken_off["session"].as_str().unwrap()]);
    let in_all = received() - before;
    assert!(in_all <= undisturbed / 20 * 21, "{in_all} bytes, undisturbed {undisturbed}");
    assert!(in_all > undisturbed / 10 * 9, "the server counts what it sends");
    assert_same(&source, &cli.home.path().join("out"));
    assert_eq!(landings(&cli), Vec::<PathBuf>::new(), "nothing of it stays beside the state");
}

/// Folders in which packs come down, and what lies in them.
fn landings(cli: &Cli) -> Vec<PathBuf> {
    let below = walkdir::WalkDir::new(cli.home.path().join("state"))
        .into_iter()
        .map(|entry| entry.unwrap().into_path());
    below.filter(|path| path.to_string_lossy().contains("/landing-")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_down_and_was_spoilt_since_is_fetched_again() {
    let drive = support::nutstore::start(Limits::none()).await;
    let cli = Cli::new(format!("{}repo", drive.emulator.url()));
    let source = cli.folder("docs");
    fs::write(source.join("large.bin"), noise(9, 40 << 20)).unwrap();
    cli.ok(&["init"]);
    cli.ok(&["backup", "docs", "--set", "docs", "--pack-size", "16MiB"]);
    let drip = Effect::Drip { bytes: 1 << 20, pause: Duration::from_millis(30) };
    drive.emulator.faults().add(Fault::new(drip).on("GET").containing("/packs/").times(6));
    let mut child = cli.start(&["restore", "latest", "--target", "out"]);
    let came = || {
        let files = landings(&cli).into_iter().filter_map(|path| path.metadata().ok());
        files.filter(|meta| meta.is_file()).map(|meta| meta.len()).sum::<u64>()
    };
    while came() < 6 << 20 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    signal(&child, "-KILL");
    child.wait().unwrap();
    // As after a crash of the machine: the length is right, the content is not.
    for path in landings(&cli).into_iter().filter(|path| path.is_file()) {
        let length = path.metadata().unwrap().len();
        fs::write(path, vec![0; length as usize]).unwrap();
    }
    let broken_off = restores(&cli).pop().unwrap();
    cli.ok(&["restore", "--resume", broken_off["session"].as_str().unwrap()]);
    assert_same(&source, &cli.home.path().join("out"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_file_that_differs_in_parts_those_are_fetched() {
    let server = support::dav::start().await;
    let cli = Cli::new(format!("{}repo", server.server.url()));
    let source = cli.folder("docs");
    let content = noise(5, 60 << 20);
    fs::write(source.join("image"), &content).unwrap();
    cli.ok(&["init"]);
    cli.ok(&["backup", "docs", "--set", "docs"]);
    // A page written over, and some bytes put in, so that all behind it moves.
    let out = cli.folder("out");
    let mut edited = content.clone();
    edited[3 << 20..(3 << 20) + 4096].fill(0);
    edited.splice(9 << 20..9 << 20, noise(6, 12_345));
    fs::write(out.join("image"), &edited).unwrap();
    let wish = ["restore", "latest", "--target", "out", "--overwrite", "--verify"];
    let dry = cli.summary(&[&wish[..], &["--dry-run"]].concat());
    let restored = cli.summary(&wish);
    assert_same(&source, &out);
    let here = restored["bytes_found_here"].as_u64().unwrap();
    assert!(here > 59 << 20 && here < 60 << 20, "{here}");
    let received = restored["bytes_received"].as_u64().unwrap();
    // Two places, each in one or two frames.
    assert!(received < 17 << 20, "{received}");
    assert_eq!(dry["bytes_found_here"], restored["bytes_found_here"]);
    // The look at the log is no part of what a dry run tells.
    let (planned, looked) = (dry["bytes_received"].as_u64().unwrap(), 4000);
    assert!((planned..planned + looked).contains(&received), "{planned}, {received}");
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_start_watch_stop_and_wait() {
    let machine = Machine::new();
    machine.init().await;
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    for number in 0..40 {
        write(&source, &format!("f{number}"), noise(number, 200_000));
    }
    machine.back_up("s", &[&source]).await;
    let repository = machine.open().await;
    let snapshot = repository.snapshots().unwrap().pop().unwrap();
    let sessions = RestoreSessions::new(repository);
    let target = dir.path().join("target");
    let wish = RestoreWish::new(snapshot.id, Destination::Folder(target.clone()));
    let session = sessions.start(wish.clone(), Arc::new(Silent)).unwrap();
    let id = session.id().to_owned();
    assert!(sessions.resume(&id, false, Arc::new(Silent)).is_err(), "it is under way");
    session.cancel();
    let stopped = session.wait().await;
    // It may have been faster.
    if stopped.is_err() {
        let resumed = sessions.resume(&id, false, Arc::new(Silent)).unwrap();
        resumed.wait().await.unwrap();
    }
    assert_same(&source, &target);
    let session = sessions.start(wish, Arc::new(Silent)).unwrap();
    let (watched, ended) = {
        while session.progress().files < 40 {
            tokio::task::yield_now().await;
        }
        (session.progress(), session.wait().await.unwrap())
    };
    assert_eq!((watched.all_files, watched.files, watched.problems), (Some(40), 40, 0));
    assert_eq!((ended.outcome.files_already_right, ended.safety), (40, None));
    assert_eq!(sessions.list().unwrap().len(), 2);
}

/// Writes to a file that waits for its turn, as soon as another one is being filled.
struct Editor(std::path::PathBuf);

impl filbert::progress::Observer for Editor {
    fn event(&self, event: filbert::progress::Event<'_>) {
        if matches!(event, filbert::progress::Event::Transferred { down: 1.., .. }) {
            fs::write(&self.0, "edited meanwhile").unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_edited_while_it_waits_for_its_turn_is_left_alone() {
    let machine = Machine::new();
    machine.init().await;
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    write(&source, "a", noise(1, 3_000_000));
    write(&source, "z", noise(2, 100_000));
    machine.back_up("s", &[&source]).await;
    let target = dir.path().join("target");
    write(&target, "z", b"older");
    let wish = machine.wish("s", &target).await.unwrap();
    let wish = filbert::recovery::RestoreOptions { overwrite: true, ..wish };
    let service = filbert::recovery::RecoveryService::new(machine.open().await);
    let outcome = service.run(wish, Arc::new(Editor(target.join("z")))).await.unwrap();
    assert_eq!(outcome.left_alone, 1, "{outcome:?}");
    assert!(outcome.problems[0].message.contains("changed while"), "{outcome:?}");
    assert_eq!(fs::read(target.join("z")).unwrap(), b"edited meanwhile");
    assert_eq!(fs::read(target.join("a")).unwrap(), noise(1, 3_000_000));
}
