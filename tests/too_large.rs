//! Servers that refuse large objects: the run ends whole, and the size is learnt once.

mod support;

use filbert::backup::BackupError;
use filbert::check::ReadData;
use filbert::format::chunker::ChunkerParams;
use filbert::repository::RepositoryError;
use filbert::repository::writer::WriterOptions;
use filbert::store::ErrorKind;
use std::path::Path;
use support::faulty::{Asked, Op};
use support::machine::{Machine, told};
use support::tree::{self, write};

const KIB: u64 = 1 << 10;

fn sizes(asked: &[Asked]) -> Vec<u64> {
    asked.iter().filter(|asked| asked.op == Op::Put).map(|asked| asked.body_bytes).collect()
}

fn with_packs(mut machine: Machine, pack_bytes: usize, frame_bytes: usize) -> Machine {
    machine.writer = WriterOptions { pack_bytes, frame_bytes, ..machine.writer };
    machine
}

async fn expect_whole(machine: &Machine, source: &Path) {
    let empty = machine.without_state();
    let check = empty.check(ReadData::Everything).await;
    assert!(check.problems.is_empty(), "{}", told(&check));
    let target = tempfile::tempdir().unwrap();
    empty.restore("s", &target.path().join("out")).await;
    tree::assert_same(&tree::read(source), &target.path().join("out"), "after refusals");
}

#[tokio::test(flavor = "multi_thread")]
async fn packs_that_are_refused_are_split_and_the_size_is_known_from_then_on() {
    // Frames smaller and larger than what the server takes.
    for frame_bytes in [16 << 10, 1 << 20] {
        for largest in [150 * KIB, 300 * KIB, 700 * KIB] {
            let machine = with_packs(Machine::new(), 2 << 20, frame_bytes).with_state_dir();
            machine.init().await;
            let dir = tempfile::tempdir().unwrap();
            let source = dir.path().join("source");
            (0..40).for_each(|n| write(&source, &format!("{n}"), tree::noise(n, 100_000)));
            machine.faults.takes_at_most(largest);
            machine.faults.asked();
            machine.back_up("s", &[&source]).await;

            let sent = sizes(&machine.faults.asked());
            let mut refused: Vec<_> = sent.iter().copied().filter(|size| *size > largest).collect();
            let (tried, all) = (refused.len(), sent.len());
            refused.sort_unstable();
            refused.dedup();
            assert_eq!(refused.len(), tried, "a size was tried twice: {refused:?}");
            // Each is at most half the one before, or the smaller rest of a split.
            assert!(tried <= 6, "{refused:?}");
            // Half filled packs at the least, beside those that were split.
            assert!(all as u64 <= 4_000_000 / (largest / 4) + 8, "{all} requests: {sent:?}");
            expect_whole(&machine, &source).await;

            (40..60).for_each(|n| write(&source, &format!("{n}"), tree::noise(n, 100_000)));
            machine.faults.asked();
            machine.again().back_up("s", &[&source]).await;
            let again = sizes(&machine.faults.asked());
            // `again` asks for packs of 8 KiB: the learnt size is a bound, never a wish.
            assert!(again.iter().all(|size| *size <= largest), "{again:?}");
            (60..80).for_each(|n| write(&source, &format!("{n}"), tree::noise(n, 100_000)));
            machine.back_up("s", &[&source]).await;
            let third = sizes(&machine.faults.asked());
            assert!(third.iter().all(|size| *size <= largest), "{third:?}");
            expect_whole(&machine, &source).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_is_larger_than_the_server_takes_is_cut_once_more() {
    // As with the limit that nginx has when nobody sets one: less than the largest chunk, sealed.
    let mut machine = with_packs(Machine::new(), 16 << 20, 1 << 20);
    machine.init.chunker = ChunkerParams::DEFAULT;
    machine.init().await;
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    write(&source, "large", tree::noise(1, 9_000_000));
    write(&source, "even", vec![7; 5_000_000]);
    for largest in [1 << 20, 200 * KIB] {
        machine.faults.takes_at_most(largest);
        machine.back_up("s", &[&source]).await;
        expect_whole(&machine, &source).await;
        write(&source, "another", tree::noise(largest, 3_000_000));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_refused_is_made_smaller_and_the_journal_is_not_stuck() {
    let machine = with_packs(Machine::new(), 100 << 10, 16 << 10).with_state_dir();
    machine.init().await;
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    // Small packs and a long list of files.
    (0..3000).for_each(|n: u64| {
        let name = format!("{}-{n}", blake3::hash(&n.to_le_bytes()).to_hex());
        write(&source, &name, n.to_le_bytes());
    });
    machine.faults.takes_at_most(120 << 10);
    machine.back_up("s", &[&source]).await;
    expect_whole(&machine, &source).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_nothing_is_told_with_what_to_do() {
    let machine = with_packs(Machine::new(), 2 << 20, 16 << 10);
    machine.init().await;
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    (0..20).for_each(|n| write(&source, &format!("{n}"), tree::noise(n, 100_000)));
    machine.faults.takes_at_most(1000);
    machine.faults.asked();
    let error = machine.try_back_up(machine.options("s", &[&source])).await.unwrap_err();
    assert!(matches!(error, BackupError::Repository(RepositoryError::ObjectTooLarge { .. })), "{error}");
    assert!(error.to_string().contains("client_max_body_size"), "{error}");
    assert!(sizes(&machine.faults.asked()).len() < 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn packs_that_never_get_through_get_smaller_and_the_next_run_begins_with_those() {
    for kind in [ErrorKind::Transient, ErrorKind::Unknown] {
        let mut machine = with_packs(Machine::new(), 8 << 20, 1 << 20);
        machine.init.chunker = ChunkerParams::DEFAULT;
        machine.init().await;
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("source");
        (0..20).for_each(|n| write(&source, &format!("{n}"), tree::noise(n, 1_000_000)));
        machine.faults.cuts_above(3 << 20, kind);
        machine.faults.asked();
        machine.back_up("s", &[&source]).await;
        let cut = |sent: &[u64]| sent.iter().filter(|size| **size > 3 << 20).count();
        let sent = sizes(&machine.faults.asked());
        // Two sizes, or packs that were on their way at the same time, three attempts each.
        assert!((6..=12).contains(&cut(&sent)), "{sent:?}");
        assert!(machine.heard.notices().contains("gets through"), "{}", machine.heard.notices());
        expect_whole(&machine, &source).await;

        (20..26).for_each(|n| write(&source, &format!("{n}"), tree::noise(n, 1_000_000)));
        machine.faults.asked();
        machine.back_up("s", &[&source]).await;
        let sent = sizes(&machine.faults.asked());
        assert_eq!(cut(&sent), 0, "{sent:?}");
        // The size is not what a server is known to refuse.
        assert_eq!(machine.open().await.object_limit().unwrap(), None);
        expect_whole(&machine, &source).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_not_even_the_smallest_packs_get_through_the_error_stands() {
    let mut machine = with_packs(Machine::new(), 4 << 20, 1 << 20);
    machine.init.chunker = ChunkerParams::DEFAULT;
    machine.init().await;
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    (0..8).for_each(|n| write(&source, &format!("{n}"), tree::noise(n, 1_000_000)));
    machine.faults.cuts_above(100 << 10, ErrorKind::Transient);
    machine.faults.asked();
    let error = machine.try_back_up(machine.options("s", &[&source])).await.unwrap_err();
    assert!(error.to_string().contains("cut as scripted"), "{error}");
    assert!(sizes(&machine.faults.asked()).len() <= 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_of_the_server_is_never_exceeded_so_nothing_is_refused() {
    for largest in [150_000, 300_000] {
        let mut machine = with_packs(Machine::new(), 2 << 20, 1 << 20);
        machine.writer.max_object = Some(largest);
        machine.init.chunker = ChunkerParams::DEFAULT;
        machine.init().await;
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("source");
        (0..20).for_each(|n| write(&source, &format!("{n}"), tree::noise(n, 400_000)));
        machine.faults.takes_at_most(largest);
        machine.faults.asked();
        machine.back_up("s", &[&source]).await;
        let sent = sizes(&machine.faults.asked());
        assert!(sent.iter().all(|size| *size <= largest), "{sent:?}");
        assert_eq!(machine.open().await.object_limit().unwrap(), None);
        expect_whole(&machine, &source).await;
    }
}
