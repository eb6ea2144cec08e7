//! Runs that may spend only so much: never more than that, the most valuable first, each ends with a
//! genuine snapshot that says what it lacks, and together they end whole.

mod support;

use filbert::backup::{BackupError, BackupOptions, BackupOutcome, RunLimits};
use filbert::check::ReadData;
use filbert::format::record::SnapshotState;
use filbert::model::clock::Clock;
use filbert::model::time::Timestamp;
use filbert::progress::{Event, Observer};
use filbert::repository::writer::{Choice, WriterOptions};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use support::faulty::Op;
use support::machine::{Machine, TestClock, told};
use support::tree::{self, Tree, What, write};
use tempfile::TempDir;

fn requests(requests: u64) -> RunLimits {
    RunLimits { requests: Some(requests), ..RunLimits::default() }
}

fn upload(bytes: u64) -> RunLimits {
    RunLimits { upload_bytes: Some(bytes), ..RunLimits::default() }
}

async fn ready() -> (Machine, TempDir, PathBuf) {
    let machine = Machine::new();
    machine.init().await;
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    machine.faults.asked();
    (machine, dir, source)
}

/// Backs up within limits and counts at the store that they were kept.
async fn limited(
    machine: &Machine,
    source: &Path,
    limits: RunLimits,
    context: &str,
) -> Result<BackupOutcome, BackupError> {
    machine.faults.asked();
    let options = BackupOptions { limits, ..machine.options("s", &[source]) };
    let outcome = machine.try_back_up(options).await;
    let asked = machine.faults.asked();
    let sent: u64 = asked.iter().filter(|asked| asked.op == Op::Put).map(|asked| asked.body_bytes).sum();
    let count = asked.len() as u64;
    assert!(limits.requests.is_none_or(|limit| count <= limit), "{context}: {count} requests of {limits:?}");
    assert!(limits.upload_bytes.is_none_or(|limit| sent <= limit), "{context}: {sent} bytes of {limits:?}");
    assert!(asked.iter().all(|asked| asked.op != Op::Delete), "{context}");
    outcome
}

fn files(tree: &Tree) -> impl Iterator<Item = (&String, &tree::Thing)> {
    tree.iter().filter(|(_, thing)| matches!(thing.what, What::File { .. }))
}

/// The snapshot restores to files as they are, as they were in the one before, or to none, and
/// those that are not as they are were named.
async fn expect_consistent(
    machine: &Machine,
    source: &Path,
    outcome: &BackupOutcome,
    before: &Tree,
    context: &str,
) -> Tree {
    let now = tree::read(source);
    let target = tempfile::tempdir().unwrap();
    let out = target.path().join("out");
    machine.without_state().restore(outcome.snapshot.unwrap(), &out).await;
    let restored = tree::read(&out);
    let named: BTreeSet<_> = outcome.missing.names.iter().cloned().collect();
    for (path, thing) in files(&restored) {
        let as_it_is = now.get(path) == Some(thing);
        assert!(as_it_is || before.get(path) == Some(thing), "{context}: {path} is of no moment");
    }
    let mut missing = 0;
    for (path, thing) in files(&now) {
        if restored.get(path) != Some(thing) {
            missing += 1;
            let shown = source.join(path).display().to_string();
            assert!(named.contains(&shown), "{context}: {shown} is missing and not named");
        }
    }
    assert!(outcome.missing.files >= missing, "{context}: {missing} of {}", outcome.missing.files);
    if outcome.state == SnapshotState::Whole {
        assert_eq!((missing, outcome.missing.files), (0, 0), "{context}");
        tree::assert_same(&now, &out, context);
    } else {
        assert!(outcome.state == SnapshotState::Partial && outcome.missing.files > 0, "{context}");
    }
    restored
}

#[tokio::test(flavor = "multi_thread")]
async fn no_limit_is_ever_exceeded_and_the_runs_together_end_whole() {
    let table: Vec<_> = [10, 11, 12, 13, 15, 20, 40]
        .map(requests)
        .into_iter()
        .chain([20_000, 30_000, 50_000, 200_000].map(upload))
        .chain([RunLimits { requests: Some(14), upload_bytes: Some(40_000), stop_at: None }])
        .collect();
    for limits in table {
        let (machine, _dir, source) = ready().await;
        (0..12)
            .for_each(|n| write(&source, &format!("{}/{n}", n % 3), tree::noise(n, 4000 + 300 * n as usize)));
        write(&source, "empty", Vec::new());
        let (mut before, mut runs) = (Tree::new(), 0);
        loop {
            runs += 1;
            let context = format!("{limits:?}, run {runs}");
            let outcome = limited(&machine, &source, limits, &context).await.unwrap();
            before = expect_consistent(&machine, &source, &outcome, &before, &context).await;
            if outcome.state == SnapshotState::Whole {
                break;
            }
            assert!(runs < 60, "{context}: no end");
        }
        let check = machine.without_state().check(ReadData::Everything).await;
        assert!(check.problems.is_empty(), "{limits:?}: {}", told(&check));
        // What was sent once is not sent again.
        let stored: u64 = machine.faults.memory.objects().values().map(|bytes| bytes.len() as u64).sum();
        assert!(stored < 150_000 + runs * 2500, "{limits:?}: {stored} bytes in {runs} runs");
        let unchanged = limited(&machine, &source, requests(2), "unchanged").await.unwrap();
        assert_eq!(unchanged.state, SnapshotState::Whole);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_change_goes_first_then_the_small_before_the_large() {
    let (machine, _dir, source) = ready().await;
    let day = Duration::from_secs(86_400);
    for (name, age, size) in
        [("a-old", 9, 9000), ("b-new-large", 1, 9000), ("c-new-small", 1, 5000), ("d-newest", 0, 7000)]
    {
        write(&source, name, tree::noise(size as u64 + age, size));
        let file = std::fs::File::options().append(true).open(source.join(name)).unwrap();
        let changed = SystemTime::UNIX_EPOCH + day * 20_000 - day * u32::try_from(age).unwrap();
        file.set_modified(changed).unwrap();
    }
    let by_worth = ["d-newest", "c-new-small", "b-new-large", "a-old"];
    for run in 0..20 {
        let context = format!("run {run}");
        let outcome = limited(&machine, &source, upload(20_000), &context).await.unwrap();
        let target = tempfile::tempdir().unwrap();
        let out = target.path().join("out");
        machine.restore(outcome.snapshot.unwrap(), &out).await;
        let restored = tree::read(&out);
        let there = by_worth.map(|name| restored.contains_key(name));
        let count = there.iter().filter(|there| **there).count();
        assert!(there[..count].iter().all(|there| *there), "{context}: {there:?} of {by_worth:?}");
        if outcome.state == SnapshotState::Whole {
            assert!(run > 0 && count == by_worth.len(), "{context}");
            return;
        }
    }
    panic!("no end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_larger_than_what_a_run_may_send_arrives_over_several() {
    let (machine, _dir, source) = ready().await;
    write(&source, "large", tree::noise(1, 100_000));
    let mut left = Vec::new();
    for run in 0..20 {
        let outcome = limited(&machine, &source, upload(30_000), &format!("run {run}")).await.unwrap();
        if outcome.state == SnapshotState::Whole {
            expect_consistent(&machine, &source, &outcome, &Tree::new(), "large").await;
            assert!(run >= 3, "it cannot be there after {run} runs");
            return;
        }
        assert_eq!((outcome.missing.files, outcome.missing.bytes), (1, 100_000));
        left.push(outcome.tally.bytes_added);
    }
    panic!("it never arrived: {left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_changes_between_limited_runs_each_snapshot_is_of_known_moments() {
    for seed in 0..16_u64 {
        let (machine, _dir, source) = ready().await;
        let mut dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut roll = |sides: u64| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice % sides
        };
        let mut before = Tree::new();
        for round in 0..6 {
            for _ in 0..roll(9) + 1 {
                let name = format!("{}/{}", roll(3), roll(6));
                let path = source.join(&name);
                match roll(6) {
                    0 if path.is_file() => std::fs::remove_file(&path).unwrap(),
                    1 if path.is_file() => {
                        std::fs::remove_file(&path).unwrap();
                        std::os::unix::fs::symlink("somewhere", &path).unwrap();
                    }
                    _ => {
                        if path.is_symlink() {
                            std::fs::remove_file(&path).unwrap();
                        }
                        write(&source, &name, tree::noise(roll(1000), roll(9000) as usize));
                    }
                }
            }
            std::fs::create_dir_all(&source).unwrap();
            let limits = match roll(3) {
                0 => requests(9 + roll(10)),
                1 => upload(12_000 + roll(30_000)),
                _ => RunLimits {
                    requests: Some(10 + roll(6)),
                    upload_bytes: Some(20_000 + roll(9000)),
                    stop_at: None,
                },
            };
            let context = format!("seed {seed}, round {round}, {limits:?}");
            let outcome = limited(&machine, &source, limits, &context).await.unwrap();
            before = expect_consistent(&machine, &source, &outcome, &before, &context).await;
        }
        let last = machine.back_up("s", &[&source]).await;
        assert_eq!(last.state, SnapshotState::Whole, "seed {seed}");
        expect_consistent(&machine, &source, &last, &Tree::new(), &format!("seed {seed}, at the end")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_kept_however_many_threads_make_packs() {
    for seed in 0..8_u64 {
        let (mut machine, _dir, source) = ready().await;
        machine.writer =
            WriterOptions { threads: 4, level: Choice::Auto, uploads: Choice::Auto, ..machine.writer };
        (0..30).for_each(|n| write(&source, &format!("{n}"), tree::noise(n + 100 * seed, 8000)));
        let mut runs = 0;
        for limits in [requests(20), upload(90_000)].into_iter().cycle() {
            let context = format!("seed {seed}, {limits:?}");
            if limited(&machine, &source, limits, &context).await.unwrap().state == SnapshotState::Whole {
                break;
            }
            runs += 1;
            assert!(runs < 20, "{context}: no end");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_not_even_a_commit_fits_nothing_is_sent() {
    let (machine, _dir, source) = ready().await;
    write(&source, "a", tree::noise(1, 9000));
    for limits in [requests(1), requests(0), upload(0), upload(2000)] {
        let error = limited(&machine, &source, limits, "too little").await.unwrap_err();
        assert!(matches!(error, BackupError::LimitsTooSmall), "{error}");
        assert!(error.to_string().contains("--max-requests"));
        assert!(machine.faults.paths("log-").is_empty() && machine.faults.paths("packs/").is_empty());
    }
    let past = RunLimits { stop_at: Some(Timestamp::from_millis(5)), ..RunLimits::default() };
    let error = limited(&machine, &source, past, "too late").await.unwrap_err();
    assert!(matches!(error, BackupError::LimitsTooSmall), "{error}");
    for limits in [requests(0), upload(0), past] {
        let options = BackupOptions { limits, dry_run: true, ..machine.options("s", &[&source]) };
        let tried = machine.try_back_up(options).await.unwrap();
        assert_eq!(tried.tally.files, 1, "{limits:?}");
    }
}

/// A clock that goes on by an hour with each file that is read.
struct Slow(Arc<TestClock>);

impl Observer for Slow {
    fn event(&self, event: Event<'_>) {
        if matches!(event, Event::Advanced { files: 1, .. }) {
            self.0.advance_ms(3_600_000);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_time_to_stop_nothing_new_is_taken_up() {
    let (machine, _dir, source) = ready().await;
    (0..6).for_each(|n| write(&source, &format!("{n}"), tree::noise(n, 3000)));
    let stop_at = Some(Timestamp::from_millis(machine.clock.now().millis() + 2 * 3_600_000 + 60_000));
    let limits = RunLimits { stop_at, ..RunLimits::default() };
    let options = BackupOptions { limits, ..machine.options("s", &[&source]) };
    let outcome = machine.back_up_watched(options, Arc::new(Slow(machine.clock.clone()))).await.unwrap();
    assert_eq!((outcome.state, outcome.missing.files, outcome.tally.files), (SnapshotState::Partial, 3, 3));
    let whole = machine.back_up("s", &[&source]).await;
    assert_eq!(whole.state, SnapshotState::Whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_too_large_for_a_run_starves_no_other() {
    let (machine, _dir, source) = ready().await;
    write(&source, "moved-from", tree::noise(9, 12_000));
    machine.back_up("s", &[&source]).await;
    std::fs::rename(source.join("moved-from"), source.join("moved")).unwrap();
    (0..4).for_each(|n| write(&source, &format!("small-{n}"), tree::noise(n, 1000)));
    (0..4).for_each(|n| write(&source, &format!("empty-{n}"), Vec::new()));
    for old in ["moved", "small-0", "small-1", "small-2", "small-3", "empty-0", "empty-1"] {
        let file = std::fs::File::options().append(true).open(source.join(old)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(86_400 * 10_000)).unwrap();
    }
    std::fs::hard_link(source.join("small-1"), source.join("small-1-again")).unwrap();
    write(&source, "dump", tree::noise(100, 90_000));
    // Rewritten each night: nothing of it is of use the next time.
    for night in 1..4 {
        let outcome = limited(&machine, &source, upload(25_000), "a night").await.unwrap();
        assert_eq!((outcome.missing.files, outcome.missing.bytes), (1, 90_000), "{:?}", outcome.missing);
        let target = tempfile::tempdir().unwrap();
        machine.restore(outcome.snapshot.unwrap(), &target.path().join("out")).await;
        let restored = tree::read(&target.path().join("out"));
        assert_eq!(files(&restored).count(), 10, "{:?}", restored.keys());
        write(&source, "dump", tree::noise(100 + night, 90_000));
    }
    // Left alone it arrives.
    for run in 0..20 {
        let outcome = limited(&machine, &source, upload(25_000), "left alone").await.unwrap();
        if outcome.state == SnapshotState::Whole {
            assert!(run >= 3, "it cannot be there after {run} runs");
            expect_consistent(&machine, &source, &outcome, &Tree::new(), "at the end").await;
            return;
        }
    }
    panic!("it never arrived");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_renamed_is_there_though_nothing_more_may_be_sent() {
    let (machine, _dir, source) = ready().await;
    (0..5).for_each(|n| write(&source, &format!("old-{n}"), tree::noise(n, 4_000)));
    machine.back_up("s", &[&source]).await;
    (0..5).for_each(|n| {
        std::fs::rename(source.join(format!("old-{n}")), source.join(format!("renamed-{n}"))).unwrap();
    });
    // Each of them would fit, all together do not.
    (0..9).for_each(|n| write(&source, &format!("new-{n}"), tree::noise(50 + n, 9000)));
    let outcome = limited(&machine, &source, upload(60_000), "renamed").await.unwrap();
    let target = tempfile::tempdir().unwrap();
    machine.restore(outcome.snapshot.unwrap(), &target.path().join("out")).await;
    let restored = tree::read(&target.path().join("out"));
    let renamed = files(&restored).filter(|(name, _)| name.starts_with("renamed")).count();
    assert!(renamed == 5 && outcome.missing.files > 0, "{:?}", restored.keys());
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_come_under_limits_as_well_and_keep_them() {
    let late = Timestamp::from_millis(i64::from(u32::MAX) * 1000);
    let by_time = RunLimits { stop_at: Some(late), ..RunLimits::default() };
    let both = RunLimits { requests: Some(36), upload_bytes: Some(150_000), ..RunLimits::default() };
    for limits in [requests(40), upload(150_000), both, by_time] {
        let (machine, _dir, source) = ready().await;
        for day in 0..70 {
            write(&source, &format!("{}", day % 5), tree::noise(day, 1500));
            let context = format!("{limits:?}, day {day}");
            let outcome = limited(&machine, &source, limits, &context).await.unwrap();
            assert_eq!(outcome.state, SnapshotState::Whole, "{context}");
        }
        let written =
            machine.faults.paths("log-").iter().filter(|path| path.contains("-checkpoint-")).count();
        assert!(written >= 2, "{limits:?}: {written} checkpoints");
    }
    // Where there is room for a backup only, it is all that is made.
    let (machine, _dir, source) = ready().await;
    for day in 0..40 {
        write(&source, &format!("{}", day % 5), tree::noise(day, 1500));
        limited(&machine, &source, upload(14_000), &format!("tight, day {day}")).await.unwrap();
    }
    assert!(machine.faults.paths("log-").iter().all(|path| !path.contains("-checkpoint-")));
}

#[tokio::test(flavor = "multi_thread")]
async fn sparse_files_of_absurd_sizes_are_no_room_to_spare() {
    let (machine, _dir, source) = ready().await;
    (0..6).for_each(|n| write(&source, &format!("{n}"), tree::noise(n, 9000)));
    for name in ["sparse-1", "sparse-2"] {
        let file = std::fs::File::create(source.join(name)).unwrap();
        // As much as the disk's format allows.
        let sizes = [i64::MAX as u64, 1 << 43, 1 << 40];
        assert!(sizes.into_iter().any(|size| file.set_len(size).is_ok()));
    }
    let outcome = limited(&machine, &source, upload(40_000), "sparse").await.unwrap();
    assert_eq!(outcome.state, SnapshotState::Partial);
}
