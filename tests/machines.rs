//! Several machines, several processes, lost and stale knowledge: a repository is shared without
//! locks, and the local state is only ever a cache.

#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod support;

use filbert::backup::BackupError;
use filbert::check::ReadData;
use filbert::progress::{Event, Observer};
use filbert::repository::RepositoryError;
use filbert::repository::select::Selector;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use support::faulty::{Fault, Op};
use support::machine::{Machine, told};
use support::tree::{self, write};
use tempfile::TempDir;

async fn ready() -> (Machine, TempDir) {
    let machine = Machine::new().with_state_dir();
    machine.init().await;
    (machine, tempfile::tempdir().unwrap())
}

fn source(dir: &TempDir, name: &str, seed: u64) -> PathBuf {
    let source = dir.path().join(name);
    (0..4).for_each(|n| write(&source, &format!("{n}"), tree::noise(seed + n, 7000)));
    source
}

async fn expect(machine: &Machine, set: &str, source: &Path, context: &str) {
    let target = tempfile::tempdir().unwrap();
    machine.restore(set, &target.path().join("out")).await;
    tree::assert_same(&tree::read(source), &target.path().join("out"), context);
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_that_take_turns_restore_each_others_latest() {
    let (one, dir) = ready().await;
    let two = one.beside("there");
    let (ones, twos) = (source(&dir, "one", 0), source(&dir, "two", 100));
    for round in 0..4_u64 {
        write(&ones, "today", tree::noise(200 + round, 4000));
        one.back_up("mine", &[&ones]).await;
        write(&twos, "today", tree::noise(300 + round, 4000));
        two.back_up("yours", &[&twos]).await;
        expect(&two, "mine", &ones, &format!("round {round}")).await;
        expect(&one, "yours", &twos, &format!("round {round}")).await;
    }
    let (_, problems) = one.without_state().catch_up().await;
    assert_eq!(problems, "", "the chains of both writers are whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn sets_of_one_name_on_two_hosts_do_not_mix() {
    let (one, dir) = ready().await;
    let two = one.beside("there");
    let (ones, twos) = (source(&dir, "one", 0), source(&dir, "two", 100));
    one.back_up("documents", &[&ones]).await;
    two.back_up("documents", &[&twos]).await;
    expect(&one, "documents", &ones, "this host's is meant").await;
    expect(&two, "documents", &twos, "this host's is meant").await;
    let (repository, _) = one.beside("a third").catch_up().await;
    let selector =
        Selector { set: Some("documents".into()), this_host: "a third".into(), ..Selector::default() };
    let error = repository.select(&selector).unwrap_err().to_string();
    assert!(error.contains("here, there") && error.contains("--host"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_another_machine_sent_is_not_sent_again() {
    let (one, dir) = ready().await;
    let two = one.beside("there");
    let ones = source(&dir, "one", 0);
    one.back_up("mine", &[&ones]).await;
    let copy = source(&dir, "copy", 0);
    let outcome = two.back_up("yours", &[&copy]).await;
    assert_eq!(outcome.tally.bytes_added, 0);
    expect(&one, "yours", &copy, "from packs of the other machine").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_state_costs_no_reading_and_no_sending() {
    let (machine, dir) = ready().await;
    let source = source(&dir, "source", 0);
    machine.back_up("s", &[&source]).await;
    write(&source, "later", "x");
    machine.back_up("s", &[&source]).await;
    let packs = machine.faults.paths("packs/");
    let outcome = machine.without_state().back_up("s", &[&source]).await;
    assert_eq!((outcome.bytes_read, outcome.tally.files_unmodified), (0, 5));
    assert_eq!((outcome.tally.bytes_added, machine.faults.paths("packs/")), (0, packs));
    expect(&machine.without_state(), "s", &source, "after the state was lost").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_lags_behind_makes_no_false_alarm_and_no_second_record() {
    for fault in [Fault::Omits, Fault::StaleSize] {
        for times in [1, 20] {
            let context = format!("{fault:?} {times} times");
            let (machine, dir) = ready().await;
            let source = source(&dir, "source", 0);
            machine.faults.often(Op::List, "log-", 0, times, fault);
            machine.back_up("s", &[&source]).await;
            write(&source, "later", "x");
            machine.back_up("s", &[&source]).await;
            machine.faults.heal();
            assert_eq!(machine.faults.paths("log-").len(), 2, "{context}");
            assert_eq!(machine.heard.problems(), "", "{context}");
            expect(&machine.without_state(), "s", &source, &context).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_one_listing_lacks_is_looked_for_again() {
    let (machine, dir) = ready().await;
    let source = source(&dir, "source", 0);
    machine.back_up("s", &[&source]).await;
    machine.faults.once(Op::List, "log-", 0, Fault::Omits);
    let (_, problems) = machine.catch_up().await;
    assert!(machine.faults.heal());
    assert_eq!(problems, "", "one listing proves no loss");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_set_back_to_an_older_state_is_told() {
    let (machine, dir) = ready().await;
    let source = source(&dir, "source", 0);
    machine.back_up("s", &[&source]).await;
    let old = machine.faults.paths("");
    write(&source, "later", tree::noise(50, 3000));
    machine.back_up("s", &[&source]).await;
    for path in machine.faults.paths("").into_iter().filter(|path| !old.contains(path)) {
        assert!(machine.faults.memory.lose(&path));
    }
    let (_, problems) = machine.catch_up().await;
    assert!(problems.contains("stood there before and does not any more"), "{problems}");
    let check = machine.check(ReadData::Nothing).await;
    assert!(check.problems.iter().any(|problem| problem.subject.starts_with("log-")), "{}", told(&check));
    assert!(check.problems.iter().any(|problem| problem.subject.starts_with("packs/")), "{}", told(&check));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_missing_in_the_middle_is_told_to_a_machine_that_never_saw_it() {
    let (machine, dir) = ready().await;
    let source = source(&dir, "source", 0);
    for day in 0..3 {
        write(&source, "today", format!("{day}"));
        machine.back_up("s", &[&source]).await;
    }
    let mut records = machine.faults.paths("log-");
    records.sort();
    assert!(machine.faults.memory.lose(&records[1]));
    let (_, problems) = machine.without_state().catch_up().await;
    assert!(problems.contains("the record before this one"), "{problems}");
}

/// Holds a run at its first file until it is let go.
struct Gate {
    reached: Mutex<Option<mpsc::Sender<()>>>,
    let_go: Mutex<mpsc::Receiver<()>>,
}

impl Gate {
    fn new() -> (Arc<Self>, mpsc::Receiver<()>, mpsc::Sender<()>) {
        let (reached, is_reached) = mpsc::channel();
        let (go, let_go) = mpsc::channel();
        let gate = Self { reached: Mutex::new(Some(reached)), let_go: Mutex::new(let_go) };
        (Arc::new(gate), is_reached, go)
    }
}

impl Observer for Gate {
    fn event(&self, event: Event<'_>) {
        if let Event::File { .. } = event
            && let Some(reached) = self.reached.lock().unwrap().take()
        {
            reached.send(()).unwrap();
            // An error says that the test is over.
            let _ = self.let_go.lock().unwrap().recv();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_set_twice_at_once_is_refused_and_another_set_goes_on() {
    let (machine, dir) = ready().await;
    let (first, second) = (source(&dir, "first", 0), source(&dir, "second", 100));
    let (gate, is_reached, go) = Gate::new();
    let held = machine.again();
    let options = held.options("first", &[&first]);
    let running = tokio::spawn(async move { held.back_up_watched(options, gate).await.unwrap() });
    tokio::task::spawn_blocking(move || is_reached.recv().unwrap()).await.unwrap();

    let other = machine.again();
    let error = other.try_back_up(other.options("first", &[&first])).await.unwrap_err();
    assert!(matches!(error, BackupError::Repository(RepositoryError::Busy(_))), "{error}");
    other.back_up("second", &[&second]).await;
    expect(&machine.without_state(), "second", &second, "while the first runs").await;

    go.send(()).unwrap();
    running.await.unwrap();
    for (set, source) in [("first", &first), ("second", &second)] {
        expect(&machine.without_state(), set, source, set).await;
    }
    machine.back_up("first", &[&first]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_sets_at_once_on_one_state_both_restore_though_they_share_content() {
    let (machine, dir) = ready().await;
    let sources: Vec<_> = (0..3).map(|number| source(&dir, &format!("set-{number}"), number * 2)).collect();
    for round in 0..3_u64 {
        let mut running = Vec::new();
        for (number, source) in sources.iter().enumerate() {
            // The same new content in all of them.
            (0..3).for_each(|n| write(source, &format!("new-{n}"), tree::noise(1000 + round * 10 + n, 7000)));
            let (process, source) = (machine.again(), source.clone());
            running.push(tokio::spawn(async move {
                process.back_up(&format!("set-{number}"), &[&source]).await;
            }));
        }
        for run in running {
            run.await.unwrap();
        }
        for (number, source) in sources.iter().enumerate() {
            let context = format!("round {round}, set {number}");
            expect(&machine.without_state(), &format!("set-{number}"), source, &context).await;
        }
    }
    let check = machine.without_state().check(ReadData::Everything).await;
    assert!(check.problems.is_empty(), "{}", told(&check));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_folder_copied_to_another_machine_is_told_as_a_fork() {
    let (machine, dir) = ready().await;
    let source = source(&dir, "source", 0);
    machine.back_up("s", &[&source]).await;
    let copy = machine.with_a_copied_state();
    write(&source, "later", "1");
    machine.back_up("s", &[&source]).await;
    write(&source, "later", "2");
    copy.back_up("s", &[&source]).await;
    fs::remove_file(source.join("later")).unwrap();
    let (_, problems) = machine.without_state().catch_up().await;
    assert!(problems.contains("two records claim the same place"), "{problems}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_after_the_server_was_set_back_is_whole() {
    let (machine, dir) = ready().await;
    let source = source(&dir, "source", 0);
    machine.back_up("s", &[&source]).await;
    let old = machine.faults.paths("");
    write(&source, "later", tree::noise(60, 3000));
    machine.back_up("s", &[&source]).await;
    for path in machine.faults.paths("").into_iter().filter(|path| !old.contains(path)) {
        assert!(machine.faults.memory.lose(&path));
    }
    // Nothing changed since: an unchanged run would send nothing.
    let outcome = machine.back_up("s", &[&source]).await;
    assert!(outcome.snapshot.is_some());
    expect(&machine.without_state(), "s", &source, "after the server was set back").await;
    machine.back_up("s", &[&source]).await;
    expect(&machine.without_state(), "s", &source, "and once more").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_server_is_not_filled_anew_under_the_old_keys() {
    use filbert::repository::RepositoryError;
    let (machine, dir) = ready().await;
    let source = source(&dir, "source", 0);
    machine.back_up("s", &[&source]).await;
    for path in machine.faults.paths("") {
        assert!(machine.faults.memory.lose(&path));
    }
    let failed = machine.try_back_up(machine.options("s", &[&source])).await;
    let no_repository =
        matches!(failed, Err(filbert::backup::BackupError::Repository(RepositoryError::NoRepository(_))));
    assert!(no_repository, "{failed:?}");
    // The kept descriptor may be the last copy of the keys.
    assert!(machine.try_open().await.is_ok());
}
