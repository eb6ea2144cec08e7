//! A walk that begins before the repository is open serves the run that it was begun for, and no
//! other.

use crate::support::machine::Machine;
use filbert::backup::{BackupOptions, BackupService, Begun};
use filbert::model::clock::Clock;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

/// Backs up after a walk for `begun_for` has begun, and after what `meanwhile` does.
async fn back_up(
    machine: &Machine,
    begun_for: &BackupOptions,
    options: &BackupOptions,
    meanwhile: impl FnOnce(),
) -> u64 {
    let begun = Begun::start(begun_for, &machine.means()).expect("it begins");
    meanwhile();
    let service = BackupService::new(machine.open().await).going_on(Some(begun));
    let outcome = service.run(options.clone(), Arc::new(filbert::progress::Silent)).await.unwrap();
    assert_eq!(outcome.problem_count, 0, "{:?}", outcome.problems);
    outcome.tally.files
}

#[tokio::test(flavor = "multi_thread")]
async fn the_run_counts_from_when_its_walk_began() {
    let (machine, dir) = (Machine::new(), tempfile::tempdir().unwrap());
    machine.init().await;
    fs::write(dir.path().join("f"), "x").unwrap();
    let options = machine.options("s", &[dir.path()]);
    let began = machine.clock.now();
    let waits = || machine.clock.advance_ms(5_000);
    assert_eq!(back_up(&machine, &options, &options, waits).await, 1);
    let (repository, _) = machine.catch_up().await;
    let head = repository.snapshots().unwrap().pop().expect("a snapshot").head;
    assert!(head.started.millis() - began.millis() < 5_000, "{:?} after {began:?}", head.started);
    assert!(head.finished.millis() - began.millis() >= 5_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_of_something_else_or_of_long_ago_is_made_anew() {
    let (machine, dir) = (Machine::new(), tempfile::tempdir().unwrap());
    machine.init().await;
    let [one, two] = ["one", "two"].map(|name| dir.path().join(name));
    for folder in [&one, &two] {
        fs::create_dir(folder).unwrap();
    }
    fs::write(two.join("a"), "x").unwrap();
    let (of_one, of_two) = (machine.options("s", &[&one]), machine.options("s", &[&two]));
    assert_eq!(back_up(&machine, &of_one, &of_two, || ()).await, 1, "the other source");
    let without = BackupOptions { excludes: vec!["a".to_owned()], ..of_two.clone() };
    assert_eq!(back_up(&machine, &without, &of_two, || ()).await, 1, "another pattern");
    let waits_long = || {
        // The walk of one file is over by then.
        std::thread::sleep(Duration::from_millis(50));
        fs::write(two.join("b"), "y").unwrap();
        machine.clock.advance_ms(60_000);
    };
    assert_eq!(back_up(&machine, &of_two, &of_two, waits_long).await, 2, "what came meanwhile");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lay_in_a_folder_that_went_after_the_walk_is_not_kept() {
    let (machine, dir) = (Machine::new(), tempfile::tempdir().unwrap());
    machine.init().await;
    let folder = dir.path().join("folder");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("unchanged"), "x").unwrap();
    fs::write(dir.path().join("stays"), "x").unwrap();
    let options = machine.options("s", &[dir.path()]);
    assert_eq!(back_up(&machine, &options, &options, || ()).await, 2);
    fs::write(folder.join("new"), "x").unwrap();
    let goes = || {
        // The walk is over by then.
        std::thread::sleep(Duration::from_millis(50));
        fs::remove_dir_all(&folder).unwrap();
    };
    assert_eq!(back_up(&machine, &options, &options, goes).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_that_another_run_overtook_is_made_anew() {
    let (machine, dir) = (Machine::new(), tempfile::tempdir().unwrap());
    machine.init().await;
    fs::write(dir.path().join("a"), "x").unwrap();
    let options = machine.options("s", &[dir.path()]);
    let begun = Begun::start(&options, &machine.means()).expect("it begins");
    std::thread::sleep(Duration::from_millis(50));
    fs::write(dir.path().join("b"), "y").unwrap();
    assert_eq!(machine.back_up("s", &[dir.path()]).await.tally.files, 2);
    let service = BackupService::new(machine.open().await).going_on(Some(begun));
    let outcome = service.run(options, Arc::new(filbert::progress::Silent)).await.unwrap();
    assert_eq!((outcome.tally.files, outcome.tally.files_removed), (2, 0));
}
