//! Checkpoints: after many backups an empty machine still opens with few requests, and every
//! snapshot restores, whether a checkpoint covers it or not.

#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod support;

use filbert::check::ReadData;
use filbert::model::id::ObjectId;
use std::collections::BTreeMap;
use std::path::PathBuf;
use support::faulty::{Asked, Op};
use support::machine::{Machine, told};
use support::tree::{self, Tree, write};
use tempfile::TempDir;

const DAYS: u64 = 70;
/// So many snapshots make a checkpoint.
const EVERY: u64 = 32;
const DAY_MS: i64 = 24 * 3_600_000;

/// A machine after so many daily backups, each with a small change.
struct History {
    machine: Machine,
    made: Vec<(ObjectId, Tree)>,
    source: PathBuf,
    _dir: TempDir,
}

impl History {
    async fn of(days: u64) -> Self {
        let machine = Machine::new();
        machine.init().await;
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("source");
        (0..3).for_each(|n| write(&source, &format!("{n}"), tree::noise(n, 3000)));
        let mut made = Vec::new();
        for day in 0..days {
            write(&source, &format!("{}", day % 7), tree::noise(100 + day, 1500));
            machine.clock.advance_ms(DAY_MS);
            let id = machine.back_up("s", &[&source]).await.snapshot.unwrap();
            made.push((id, tree::read(&source)));
        }
        Self { machine, made, source, _dir: dir }
    }

    fn records(&self, kind: &str) -> Vec<String> {
        let mut paths = self.machine.faults.paths("log-");
        paths.retain(|path| path.contains(&format!("-{kind}-")));
        paths.sort();
        paths
    }
}

async fn expect(machine: &Machine, (id, wanted): &(ObjectId, Tree), context: &str) {
    let target = tempfile::tempdir().unwrap();
    machine.restore(*id, &target.path().join("out")).await;
    tree::assert_same(wanted, &target.path().join("out"), context);
}

fn count(asked: &[Asked]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for asked in asked {
        let top = asked.path.split('/').next().unwrap_or_default();
        let top = match top.split_once('-') {
            Some(("filbert", _)) => "descriptor",
            Some(("log", _)) => "log",
            _ => top,
        };
        *counts.entry(format!("{:?} {top}", asked.op)).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_machine_opens_after_many_backups_with_few_requests_and_restores_any_of_them() {
    let history = History::of(DAYS).await;
    let checkpoints = history.records("checkpoint");
    assert_eq!(checkpoints.len() as u64, DAYS / EVERY);
    assert_eq!(history.records("snapshot").len() as u64, DAYS);

    let empty = history.machine.without_state();
    history.machine.faults.asked();
    let (repository, problems) = empty.catch_up().await;
    assert_eq!(problems, "");
    assert_eq!(repository.snapshots().unwrap().len() as u64, DAYS);
    let asked = history.machine.faults.asked();
    let counts = count(&asked);
    // The root and the descriptor, a listing of the log, the checkpoints that stand and the records since.
    let of = |what: &str| counts.get(what).copied().unwrap_or(0);
    assert_eq!((of("List "), of("Get descriptor"), of("List log")), (1, 1, 1), "{counts:?}");
    let uncovered = (DAYS % EVERY) as usize;
    assert!(of("Get log") <= uncovered + checkpoints.len(), "{counts:?}");
    assert!(asked.iter().all(|asked| matches!(asked.op, Op::Get | Op::List)), "{counts:?}");
    assert!(asked.len() <= 3 + uncovered + checkpoints.len(), "{counts:?}");

    for (day, made) in history.made.iter().enumerate() {
        expect(&empty, made, &format!("day {day}")).await;
    }
    let check = history.machine.without_state().check(ReadData::Everything).await;
    assert!(check.problems.is_empty(), "{}", told(&check));
    assert_eq!(check.snapshots, DAYS);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_backup_of_an_empty_machine_is_incremental_after_a_checkpoint() {
    let history = History::of(EVERY + 1).await;
    let empty = history.machine.without_state();
    let outcome = empty.back_up("s", &[&history.source]).await;
    assert_eq!((outcome.bytes_read, outcome.tally.bytes_added), (0, 0));
    let made = (outcome.snapshot.unwrap(), tree::read(&history.source));
    expect(&history.machine.without_state(), &made, "after it").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_stand_in_for_a_checkpoint_that_is_spoilt_and_the_loss_is_named() {
    for spoil in ["removed", "cut", "flipped"] {
        let history = History::of(EVERY + 3).await;
        let checkpoint = history.records("checkpoint").remove(0);
        let memory = &history.machine.faults.memory;
        let done = match spoil {
            "removed" => memory.lose(&checkpoint),
            "cut" => memory.corrupt(&checkpoint, |bytes| bytes.truncate(200)),
            _ => memory.corrupt(&checkpoint, |bytes| bytes[300] ^= 1),
        };
        assert!(done);
        let empty = history.machine.without_state();
        let (repository, problems) = empty.catch_up().await;
        assert_eq!(repository.snapshots().unwrap().len() as u64, EVERY + 3, "{spoil}");
        assert!(!problems.is_empty(), "{spoil}");
        assert!(spoil == "removed" || problems.contains(&checkpoint), "{spoil}: {problems}");
        for day in [0, 15, EVERY - 1, EVERY, EVERY + 2] {
            expect(&empty, &history.made[day as usize], &format!("{spoil}, day {day}")).await;
        }
        // And the next one makes good.
        let next = empty.back_up("s", &[&history.source]).await.snapshot.unwrap();
        let made = (next, tree::read(&history.source));
        expect(&history.machine.without_state(), &made, &format!("{spoil}, the next")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_a_checkpoint_covers_are_not_needed_to_find_chunks() {
    let history = History::of(EVERY).await;
    let first = history.records("snapshot").remove(3);
    assert!(history.machine.faults.memory.lose(&first));
    let empty = history.machine.without_state();
    // The lost record held the delta of its own snapshot, which the checkpoint carries along.
    for (day, made) in history.made.iter().enumerate() {
        expect(&empty, made, &format!("day {day}")).await;
    }
    let check = empty.check(ReadData::Nothing).await;
    assert!(told(&check).contains(&first), "{}", told(&check));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_written_by_one_machine_serves_and_is_followed_by_another() {
    let history = History::of(EVERY - 1).await;
    let other = history.machine.beside("there");
    let elsewhere = history.source.with_file_name("elsewhere");
    for day in 0..EVERY + 2 {
        write(&elsewhere, "file", tree::noise(500 + day, 2000));
        other.back_up("other", &[&elsewhere]).await;
    }
    assert_eq!(history.records("checkpoint").len(), 2, "one at 32 in all, one 32 later");
    let empty = history.machine.without_state();
    let (repository, problems) = empty.catch_up().await;
    assert_eq!((repository.snapshots().unwrap().len() as u64, problems.as_str()), (2 * EVERY + 1, ""));
    for day in [0, 10, EVERY - 2] {
        expect(&empty, &history.made[day as usize], &format!("day {day}")).await;
    }
    let target = tempfile::tempdir().unwrap();
    other.restore("other", &target.path().join("out")).await;
    tree::assert_same(&tree::read(&elsewhere), &target.path().join("out"), "the other's latest");
    // The first machine goes on with what it knows.
    let id = history.machine.back_up("s", &[&history.source]).await.snapshot.unwrap();
    expect(&empty, &(id, tree::read(&history.source)), "the first goes on").await;
}
