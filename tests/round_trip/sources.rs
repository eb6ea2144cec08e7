//! What a source may be, and what is shown of it.

use crate::support::machine::Machine;
use crate::support::tree::{self, What, write};
use filbert::backup::{BackupError, BackupOptions};
use filbert::files::source::SourceError;
use filbert::format::record::{SnapshotKind, SnapshotState};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

async fn ready() -> (Machine, TempDir, PathBuf) {
    let machine = Machine::new();
    machine.init().await;
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    (machine, dir, root)
}

fn names(target: &Path) -> Vec<String> {
    tree::read(target).into_keys().filter(|name| !name.is_empty()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_as_source_restores_under_its_name() {
    let (machine, _dir, root) = ready().await;
    write(&root, "a/letter.txt", "dear");
    write(&root, "a/other.txt", "not asked for");
    machine.back_up("s", &[&root.join("a/letter.txt")]).await;
    machine.without_state().restore("s", &root.join("out")).await;
    assert_eq!(names(&root.join("out")), ["letter.txt"]);
    assert_eq!(fs::read(root.join("out/letter.txt")).unwrap(), b"dear");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_sources_restore_below_their_common_ancestor() {
    let (machine, _dir, root) = ready().await;
    write(&root, "home/ann/docs/x", "1");
    write(&root, "home/bob/y", "2");
    write(&root, "home/bob/not", "3");
    machine.back_up("s", &[&root.join("home/bob/y"), &root.join("home/ann/docs")]).await;
    machine.without_state().restore("s", &root.join("out")).await;
    let files = ["ann/docs/x", "bob/y"];
    for file in files {
        let [restored, source] = ["out", "home"].map(|top| fs::read(root.join(top).join(file)).unwrap());
        assert_eq!(restored, source, "{file}");
    }
    assert_eq!(names(&root.join("out")), ["ann", "ann/docs", "ann/docs/x", "bob", "bob/y"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nested_sources_are_stored_once() {
    let (machine, _dir, root) = ready().await;
    write(&root, "a/b/x", tree::noise(1, 5000));
    write(&root, "a/y", "2");
    let (outer, inner) = (root.join("a"), root.join("a/b"));
    let outcome = machine.back_up("s", &[&inner, &outer, &inner.join("x")]).await;
    assert_eq!(outcome.tally.files, 2);
    assert_eq!(outcome.bytes_read, 5001);
    machine.without_state().restore("s", &root.join("out")).await;
    tree::assert_same(&tree::read(&outer), &root.join("out"), "the outer source");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_symlink_as_source_is_followed_once_and_told() {
    let (machine, _dir, root) = ready().await;
    write(&root, "real/x", "1");
    symlink("x", root.join("real/inner-link")).unwrap();
    symlink("real", root.join("link")).unwrap();
    machine.back_up("s", &[&root.join("link")]).await;
    assert!(machine.heard.notices().contains("is a symbolic link"), "{}", machine.heard.notices());
    machine.without_state().restore("s", &root.join("out")).await;
    tree::assert_same(&tree::read(&root.join("real")), &root.join("out"), "where the link leads");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_sources_takes_those_of_the_last_snapshot_with_its_patterns() {
    let (machine, _dir, root) = ready().await;
    write(&root, "a/x", "1");
    write(&root, "a/x.tmp", "2");
    let excludes = vec!["*.tmp".to_owned()];
    let options = BackupOptions { excludes, ..machine.options("s", &[&root.join("a")]) };
    machine.try_back_up(options).await.unwrap();
    write(&root, "a/y", "3");
    write(&root, "a/y.tmp", "4");
    let outcome = machine.without_state().back_up("s", &[]).await;
    assert_eq!((outcome.tally.files, outcome.tally.files_new), (2, 1));
    machine.restore("s", &root.join("out")).await;
    assert_eq!(names(&root.join("out")), ["x", "y"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_when_no_source_is_there() {
    let (machine, _dir, root) = ready().await;
    machine.faults.asked();
    let missing = machine.try_back_up(machine.options("s", &[&root.join("missing")])).await;
    assert!(matches!(missing, Err(BackupError::Source(SourceError::Missing { .. }))), "{missing:?}");
    let unknown = machine.try_back_up(machine.options("s", &[])).await;
    assert!(matches!(unknown, Err(BackupError::NoSources(_))), "{unknown:?}");
    assert!(machine.faults.paths("log-").is_empty() && machine.faults.paths("packs/").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_missing_source_of_two_makes_the_snapshot_incomplete_and_is_looked_for_again() {
    let (machine, _dir, root) = ready().await;
    write(&root, "a/x", "1");
    let sources = [root.join("a"), root.join("b")];
    let outcome = machine.try_back_up(machine.options("s", &[&sources[0], &sources[1]])).await.unwrap();
    assert_eq!(outcome.state, SnapshotState::Incomplete);
    assert!(outcome.problems[0].subject.ends_with("/b"), "{:?}", outcome.problems);
    write(&root, "b/y", "2");
    let outcome = machine.back_up("s", &[]).await;
    assert_eq!((outcome.state, outcome.tally.files), (SnapshotState::Whole, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_sends_nothing_and_keeps_nothing() {
    let (machine, _dir, root) = ready().await;
    write(&root, "a/x", tree::noise(1, 3000));
    let dry = || BackupOptions { dry_run: true, ..machine.options("s", &[&root.join("a")]) };
    machine.faults.asked();
    let outcome = machine.try_back_up(dry()).await.unwrap();
    assert_eq!(outcome.snapshot, None);
    assert_eq!((outcome.tally.files_new, outcome.tally.bytes_added), (1, 3000));
    assert_eq!(outcome.traffic.bytes_up, 0);
    assert!(machine.faults.asked().is_empty(), "a dry run on a known machine asks nothing");
    // Had it kept the file as known, the real run would take it for unmodified.
    let real = machine.back_up("s", &[&root.join("a")]).await;
    assert_eq!((real.tally.files_new, real.bytes_read), (1, 3000));
    let again = machine.try_back_up(dry()).await.unwrap();
    assert_eq!((again.tally.files_unmodified, again.tally.bytes_added), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_run_reads_nothing_and_costs_two_requests_a_small_change_four() {
    let (machine, _dir, root) = ready().await;
    (0..20).for_each(|n| write(&root, &format!("a/{n}"), tree::noise(n, 2000)));
    let source = root.join("a");
    let first = machine.back_up("s", &[&source]).await;
    let packs = machine.faults.paths("packs/").len() as u64;
    assert!(packs > 3, "{packs} packs");
    assert!(first.traffic.total() <= 8 + packs, "{:?} for {packs} packs", first.traffic);
    let unchanged = machine.back_up("s", &[&source]).await;
    assert_eq!(unchanged.bytes_read, 0);
    assert_eq!(unchanged.traffic.total(), 2, "{:?}", unchanged.traffic);
    write(&root, "a/7", "changed");
    let small = machine.back_up("s", &[&source]).await;
    assert_eq!((small.tally.files_changed, small.bytes_read), (1, 7));
    assert!(small.traffic.total() <= 4, "{:?}", small.traffic);
    assert_eq!(small.kind, SnapshotKind::Incremental);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_run_reads_everything_again_and_sends_no_content_again() {
    let (machine, _dir, root) = ready().await;
    write(&root, "a/x", tree::noise(1, 30_000));
    let first = machine.back_up("s", &[&root.join("a")]).await;
    let full = machine.back_up_full("s", &[&root.join("a")]).await;
    assert_eq!((full.kind, full.bytes_read), (SnapshotKind::Full, 30_000));
    assert_eq!((full.tally.files_unmodified, full.tally.bytes_added), (1, 0));
    assert!(first.tally.bytes_added > 30_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_read_within_two_seconds_of_its_change_is_read_again_next_time() {
    let (machine, _dir, root) = ready().await;
    machine.clock.advance_ms(-3_600_000);
    write(&root, "a/x", tree::noise(1, 3000));
    machine.back_up("s", &[&root.join("a")]).await;
    machine.clock.advance_ms(3_600_000);
    let second = machine.back_up("s", &[&root.join("a")]).await;
    assert_eq!((second.bytes_read, second.tally.files_unmodified + second.tally.files_changed), (3000, 1));
    assert_eq!(machine.back_up("s", &[&root.join("a")]).await.bytes_read, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_to_skip_are_left_out_whole() {
    let (machine, _dir, root) = ready().await;
    write(&root, "a/x", "1");
    write(&root, "a/state/database", "2");
    let skip = vec![root.join("a/state")];
    let options = BackupOptions { skip, ..machine.options("s", &[&root.join("a")]) };
    machine.try_back_up(options).await.unwrap();
    machine.restore("s", &root.join("out")).await;
    assert_eq!(tree::read(&root.join("out")).get("state").map(|thing| &thing.what), None::<&What>);
    assert_eq!(names(&root.join("out")), ["x"]);
}
