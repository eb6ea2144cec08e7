//! The numbers that filbert is to reach on a drive with 600 requests in 30 minutes, counted there.

mod support;

use filbert::emulator::{Effect, Fault, Limits as Allowed};
use filbert::repository::writer::{Choice, WriterOptions};
use std::path::Path;
use std::time::Duration;
use support::drive::{Drive, Machine, count, documents};
use support::tree::{self, noise};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn asked(drive: &Drive) -> u64 {
    drive.emulator.counts().requests.values().sum()
}

/// One upload at a time: while one waits, the clock would run on for another that is on its way, and
/// bring it close to the next.
fn one_by_one() -> WriterOptions {
    WriterOptions { uploads: Choice::Fixed(1), ..WriterOptions::default() }
}

fn alone(drive: &Drive) -> Machine {
    let mut machine = drive.machine("here");
    machine.writer.uploads = Choice::Fixed(1);
    machine
}

#[track_caller]
fn assert_nothing_refused(drive: &Drive) {
    let counts = drive.emulator.counts();
    assert_eq!((counts.refused_window, counts.refused_burst), (0, 0), "{counts:?}");
}

/// Files as sources have them: many, small, alike.
fn sources(folder: &Path, files: u32) {
    for n in 0..files {
        let sub = folder.join(format!("d{:02}/e{:02}", n % 40, n / 40 % 25));
        std::fs::create_dir_all(&sub).unwrap();
        let line = format!("fn f{n}(x: u32) -> u32 {{ x * {} + {} }}\n", n * 7919 % 1009, n % 97);
        std::fs::write(sub.join(format!("{n:05}.rs")), line.repeat(8 + n as usize % 40)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_backup_of_20022_files_takes_eight_requests_and_one_a_pack() {
    let drive = Drive::new().await;
    let mut machine = alone(&drive);
    machine.writer = WriterOptions { pack_bytes: 1 << 20, ..one_by_one() };
    let dir = tempfile::tempdir().unwrap();
    sources(dir.path(), 20_022);
    machine.init().await;
    drive.asked();
    let outcome = machine.back_up(dir.path()).await;
    assert_eq!(outcome.tally.files, 20_022);
    let steps = drive.steps();
    let packs = count(&steps, "PUT packs/000/object");
    assert!(packs >= 2 && steps.len() <= 8 + packs, "{packs} packs: {steps:?}");
    assert_nothing_refused(&drive);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_daily_runs_take_under_450_requests() {
    let drive = Drive::new().await;
    let mut machine = alone(&drive);
    machine.writer = one_by_one();
    let dir = tempfile::tempdir().unwrap();
    sources(dir.path(), 1000);
    machine.init().await;
    machine.back_up(dir.path()).await;
    let before = asked(&drive);
    for day in 0..100_u64 {
        drive.clock.advance(DAY);
        for n in 0..10 {
            let n = (day * 10 + n) % 1000;
            let sub = dir.path().join(format!("d{:02}/e{:02}", n % 40, n / 40 % 25));
            std::fs::write(sub.join(format!("{n:05}.rs")), format!("// day {day}\n").repeat(30)).unwrap();
        }
        let outcome = machine.back_up(dir.path()).await;
        assert!(outcome.tally.files_changed + outcome.tally.files_unmodified == 1000, "{day}");
    }
    let all = asked(&drive) - before;
    assert!(all < 450, "{all}");
    assert_nothing_refused(&drive);
    machine.expect(&tree::read(dir.path()), "after a hundred days").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_needs_700_requests_ends_after_the_second_window() {
    let drive = Drive::new().await;
    let machine = alone(&drive);
    let (dir, source) = documents(700, 8000);
    machine.init().await;
    let (before, began) = (asked(&drive), drive.clock_ms());
    machine.back_up(&source).await;
    let (requests, took) = (asked(&drive) - before, drive.clock_ms() - began);
    assert!((650..1000).contains(&requests), "{requests}");
    let windows = 1 + requests / 540;
    assert!(took < (windows as i64) * 1_801_000, "{requests} requests took {took} ms");
    assert_nothing_refused(&drive);
    let waits = machine.told.waits();
    assert!(!waits.is_empty() && waits[0].reason.contains("600 requests in 30m"), "{waits:?}");
    machine.expect(&tree::read(&source), "after two windows").await;
    drop(dir);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_on_one_ledger_never_pass_the_window_together() {
    let drive = Drive::allowing(Allowed { burst: None, ..Allowed::nutstore_free() }).await;
    let (one, mut other) = (drive.machine("one"), drive.machine("other"));
    other.ledger = one.ledger.clone();
    let (_first, source) = documents(330, 8000);
    let (_second, elsewhere) = documents(340, 8000);
    one.init().await;
    tokio::join!(one.back_up(&source), other.back_up(&elsewhere));
    assert!(asked(&drive) > 600);
    assert_nothing_refused(&drive);
    one.expect(&tree::read(&source), "one").await;
    other.expect(&tree::read(&elsewhere), "the other").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_finds_its_reserve_when_backups_have_used_the_window() {
    let drive = Drive::new().await;
    let mut machine = alone(&drive);
    let (_dir, source) = documents(20, 8000);
    machine.init().await;
    machine.back_up(&source).await;
    // Something else of this machine uses what a backup may use.
    while asked(&drive) < 540 {
        machine.catch_up(filbert::guard::Purpose::Other).await.unwrap();
    }
    let began = drive.clock_ms();
    machine.writer.pack_bytes = 1 << 20;
    machine.expect(&tree::read(&source), "with the reserve").await;
    assert!(drive.clock_ms() - began < 60_000, "it did not wait for the window");
    assert_nothing_refused(&drive);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_breaks_no_budget() {
    let drive = Drive::new().await;
    let machine = alone(&drive);
    let (_dir, source) = documents(300, 8000);
    machine.init().await;
    machine.back_up(&source).await;
    for (n, jump) in [-40_000_000_i64, 90_000_000, -3_600_000].into_iter().enumerate() {
        drive.clock.set_by_millis(jump);
        for file in 0..100 {
            tree::write(&source, &format!("more-{n}-{file}"), noise(1000 * n as u64 + file, 8000));
        }
        machine.back_up(&source).await;
    }
    assert!(asked(&drive) > 600);
    assert_nothing_refused(&drive);
    machine.expect(&tree::read(&source), "with a clock that was set").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn others_on_the_account_are_noticed_and_little_is_tried_in_vain() {
    let drive = Drive::new().await;
    let machine = alone(&drive);
    let (_dir, source) = documents(60, 8000);
    machine.init().await;
    drive.only(Fault::new(Effect::BlockFor(Duration::from_secs(3 * 3600))).on("PUT").nth(20));
    let began = drive.clock_ms();
    machine.back_up(&source).await;
    let (refused, took) = (drive.emulator.counts().refused_window, drive.clock_ms() - began);
    assert!(took >= 3 * 3_600_000, "{took}");
    // One look each half window, and what was on its way.
    assert!(refused <= 12 + 4, "{refused}");
    machine.expect(&tree::read(&source), "after three hours").await;
}
