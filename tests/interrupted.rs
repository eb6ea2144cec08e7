//! Runs that are broken off, answers that are lost, servers that lie: the next run goes on from
//! what is there, and "done" is said of whole snapshots only.

#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod support;

use filbert::backup::{BackupError, BackupOptions};
use filbert::check::ReadData;
use filbert::progress::{Event, Observer};
use filbert::repository::{Cancel, RepositoryError};
use filbert::store::ErrorKind;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use support::faulty::{Asked, Fault, Op};
use support::machine::{Machine, told};
use support::tree::{self, write};
use tempfile::TempDir;

/// A machine with a state folder, and some files that make several packs.
async fn ready() -> (Machine, TempDir, PathBuf) {
    let machine = Machine::new().with_state_dir();
    machine.init().await;
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    (0..8).for_each(|n| write(&source, &format!("{n}"), tree::noise(n, 7000)));
    machine.faults.asked();
    (machine, dir, source)
}

fn puts(asked: &[Asked], prefix: &str) -> Vec<(String, u64)> {
    let puts = asked.iter().filter(|asked| asked.op == Op::Put && asked.path.starts_with(prefix));
    puts.map(|asked| (asked.path.clone(), asked.body_bytes)).collect()
}

/// The latest snapshot restores on an empty machine to what the source is, nothing is damaged,
/// and nothing was ever deleted.
async fn expect_whole(machine: &Machine, source: &std::path::Path, context: &str) {
    let asked = machine.faults.asked();
    assert!(asked.iter().all(|asked| asked.op != Op::Delete), "{context}: something was deleted");
    let empty = machine.without_state();
    let check = empty.check(ReadData::Everything).await;
    assert!(check.problems.is_empty(), "{context}: {}", told(&check));
    let target = tempfile::tempdir().unwrap();
    empty.restore("s", &target.path().join("out")).await;
    tree::assert_same(&tree::read(source), &target.path().join("out"), context);
}

/// How many uploads an undisturbed run makes.
async fn undisturbed_puts() -> usize {
    let (machine, _dir, source) = ready().await;
    machine.back_up("s", &[&source]).await;
    puts(&machine.faults.asked(), "").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_the_store_dies_the_next_run_sends_only_what_is_missing() {
    let all = undisturbed_puts().await;
    assert!(all > 6, "{all} uploads");
    for died_after in 0..all {
        let context = format!("died after {died_after} of {all} uploads");
        let (machine, _dir, source) = ready().await;
        machine.faults.dies_after(died_after);
        machine.try_back_up(machine.options("s", &[&source])).await.unwrap_err();
        let there: BTreeSet<_> = machine.faults.paths("packs/").into_iter().collect();
        assert_eq!(there.len(), died_after, "{context}");
        assert!(machine.faults.paths("log-").is_empty(), "{context}");
        machine.faults.heal();
        machine.faults.asked();

        let again = machine.again();
        let outcome = again.back_up("s", &[&source]).await;
        let sent = puts(&machine.faults.asked(), "packs/");
        assert!(sent.iter().all(|(path, _)| !there.contains(path)), "{context}: sent twice");
        assert!(sent.len() <= all - died_after, "{context}: {} packs sent", sent.len());
        assert_eq!(outcome.bytes_read, 8 * 7000, "{context}");
        assert_eq!(machine.faults.paths("log-").len(), 1, "{context}: one record a finished run");
        expect_whole(&machine, &source, &context).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_an_answer_is_lost_the_run_ends_whole_and_nothing_is_sent_twice() {
    let all = undisturbed_puts().await;
    for number in 0..all {
        for (fault, sent_again) in [
            (Fault::StoredThenLost, 0),
            (Fault::Fails(ErrorKind::Unknown), 1),
            (Fault::Fails(ErrorKind::Transient), 1),
        ] {
            let context = format!("{fault:?} at upload {number}");
            let (machine, _dir, source) = ready().await;
            machine.faults.once(Op::Put, "", number, fault);
            machine.back_up("s", &[&source]).await;
            assert!(machine.faults.heal(), "{context}: the fault happened");
            assert_eq!(puts(&machine.faults.asked(), "").len(), all + sent_again, "{context}");
            assert_eq!(machine.faults.paths("log-").len(), 1, "{context}");
            expect_whole(&machine, &source, &context).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_with_success_and_is_not_there_whole_is_sent_again() {
    let all = undisturbed_puts().await;
    for number in 0..all {
        for fault in [Fault::OkButCut, Fault::OkButNotStored] {
            let context = format!("{fault:?} at upload {number}");
            let (machine, _dir, source) = ready().await;
            machine.faults.once(Op::Put, "", number, fault);
            machine.back_up("s", &[&source]).await;
            assert!(machine.faults.heal(), "{context}: the fault happened");
            expect_whole(&machine, &source, &context).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_keeps_what_it_takes_is_never_called_done() {
    for fault in [Fault::OkButCut, Fault::OkButNotStored] {
        for prefix in ["packs/", "log-"] {
            let context = format!("{fault:?} of all uploads to {prefix}");
            let (machine, _dir, source) = ready().await;
            machine.faults.often(Op::Put, prefix, 0, usize::MAX, fault);
            let error = machine.try_back_up(machine.options("s", &[&source])).await.unwrap_err();
            let not_standing = BackupError::Repository(RepositoryError::NotStanding {
                object: String::new(),
                symptom: String::new(),
            });
            assert_eq!(
                std::mem::discriminant(&error),
                std::mem::discriminant(&not_standing),
                "{context}: {error}"
            );
            machine.faults.heal();
            machine.again().back_up("s", &[&source]).await;
            expect_whole(&machine, &source, &context).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_the_record_and_the_look_makes_no_second_copy_of_the_record() {
    for (fault, context) in
        [(Fault::StoredThenDead, "the record lay there"), (Fault::Fails(ErrorKind::Permanent), "it did not")]
    {
        let (machine, _dir, source) = ready().await;
        machine.faults.once(Op::Put, "log-", 0, fault);
        machine.try_back_up(machine.options("s", &[&source])).await.unwrap_err();
        let packs = machine.faults.paths("packs/");
        let first = puts(&machine.faults.asked(), "log-").remove(0);
        machine.faults.heal();

        let again = machine.again();
        let outcome = again.back_up("s", &[&source]).await;
        // The broken-off record is settled with the very same bytes before a second one follows.
        let asked = machine.faults.asked();
        let resent = puts(&asked, "log-").into_iter().filter(|put| *put == first).count();
        assert_eq!(resent, usize::from(fault != Fault::StoredThenDead), "{context}");
        assert!(puts(&asked, "packs/").is_empty(), "{context}: no pack is sent again");
        assert_eq!(machine.faults.paths("packs/"), packs, "{context}");
        assert_eq!((outcome.bytes_read, machine.faults.paths("log-").len()), (0, 2), "{context}");
        expect_whole(&machine, &source, context).await;
    }
}

/// Cancels when so many bytes were read.
struct StopsAfter(std::sync::atomic::AtomicU64, Cancel);

impl Observer for StopsAfter {
    fn event(&self, event: Event<'_>) {
        if let Event::Advanced { bytes, .. } = event {
            let left = self.0.load(std::sync::atomic::Ordering::SeqCst).saturating_sub(bytes);
            self.0.store(left, std::sync::atomic::Ordering::SeqCst);
            if left == 0 {
                self.1.cancel();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_leaves_no_snapshot_and_is_gone_on_from() {
    for bytes in [1, 20_000, 50_000] {
        let context = format!("cancelled after {bytes} bytes");
        let (machine, _dir, source) = ready().await;
        let options = machine.options("s", &[&source]);
        let observer = Arc::new(StopsAfter(bytes.into(), options.cancel.clone()));
        let error = machine.back_up_watched(options, observer).await.unwrap_err();
        assert!(matches!(error, BackupError::Repository(RepositoryError::Cancelled)), "{context}: {error}");
        assert!(machine.faults.paths("log-").is_empty(), "{context}");
        let before = machine.faults.paths("packs/");
        machine.faults.asked();
        machine.again().back_up("s", &[&source]).await;
        let sent = puts(&machine.faults.asked(), "packs/");
        assert!(sent.iter().all(|(path, _)| !before.contains(path)), "{context}");
        expect_whole(&machine, &source, &context).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leftovers_that_are_gone_or_cut_are_not_gone_on_from() {
    let (machine, _dir, source) = ready().await;
    machine.faults.dies_after(4);
    machine.try_back_up(machine.options("s", &[&source])).await.unwrap_err();
    machine.faults.heal();
    let left = machine.faults.paths("packs/");
    assert!(machine.faults.memory.lose(&left[0]));
    assert!(machine.faults.memory.corrupt(&left[1], |bytes| bytes.truncate(100)));
    machine.again().back_up("s", &[&source]).await;
    machine.faults.asked();
    // The cut one stays: nothing is deleted. No record names it.
    let target = tempfile::tempdir().unwrap();
    machine.without_state().restore("s", &target.path().join("out")).await;
    tree::assert_same(&tree::read(&source), &target.path().join("out"), "after leftovers were lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_finished_run_is_one_record_though_every_second_one_is_broken_off() {
    let (machine, _dir, source) = ready().await;
    let mut finished = BTreeMap::new();
    for day in 0..6_u64 {
        write(&source, "today", tree::noise(100 + day, 9000));
        machine.faults.dies_after(1);
        machine.again().try_back_up(machine.options("s", &[&source])).await.unwrap_err();
        machine.faults.heal();
        let id = machine.again().back_up("s", &[&source]).await.snapshot.unwrap();
        finished.insert(id, tree::read(&source));
    }
    assert_eq!(machine.faults.paths("log-").len(), finished.len());
    let empty = machine.without_state();
    let target = tempfile::tempdir().unwrap();
    for (number, (id, wanted)) in finished.into_iter().enumerate() {
        let target = target.path().join(number.to_string());
        empty.restore(id, &target).await;
        tree::assert_same(&wanted, &target, &format!("{id}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_after_a_crash_settles_and_sends_nothing() {
    let (machine, _dir, source) = ready().await;
    machine.faults.once(Op::Put, "log-", 0, Fault::Fails(ErrorKind::Permanent));
    machine.try_back_up(machine.options("s", &[&source])).await.unwrap_err();
    machine.faults.asked();
    let options = BackupOptions { dry_run: true, ..machine.options("s", &[&source]) };
    machine.again().try_back_up(options).await.unwrap();
    assert!(puts(&machine.faults.asked(), "").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn packs_get_smaller_where_a_connection_broke_and_large_again_after() {
    let (mut machine, _dir, source) = ready().await;
    machine.writer.pack_bytes = 2 << 20;
    machine.writer.frame_bytes = 64 << 10;
    (0..30).for_each(|n| write(&source, &format!("large-{n}"), tree::noise(n, 700_000)));
    machine.faults.once(Op::Put, "packs/", 1, Fault::Fails(ErrorKind::Unknown));
    machine.back_up("s", &[&source]).await;
    let sizes: Vec<_> = puts(&machine.faults.asked(), "packs/").iter().map(|(_, size)| *size >> 20).collect();
    assert_eq!(sizes[1], sizes[2], "the same pack again: {sizes:?}");
    let small = sizes.iter().filter(|mib| **mib == 0).count();
    assert!((3..=7).contains(&small), "{sizes:?}");
    expect_whole(&machine, &source, "after a broken connection").await;
}
