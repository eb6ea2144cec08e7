//! What was restored is read again and compared, where that is asked for.

use crate::support::machine::Machine;
use crate::support::tree::{self, write};
use filbert::progress::{Event, Observer, Stage};
use filbert::recovery::{RecoveryService, RestoreOptions, Verified};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

async fn ready() -> (Machine, TempDir, PathBuf) {
    let machine = Machine::new();
    machine.init().await;
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    write(&source, "a", tree::noise(1, 6000));
    write(&source, "sub/b", tree::noise(2, 6000));
    write(&source, "sub/c", tree::noise(3, 400_000));
    fs::hard_link(source.join("a"), source.join("sub/second name")).unwrap();
    symlink("b", source.join("sub/link")).unwrap();
    machine.back_up("s", &[&source]).await;
    let target = dir.path().join("target");
    (machine, dir, target)
}

async fn verifying(machine: &Machine, target: &Path) -> RestoreOptions {
    RestoreOptions { verify: true, ..machine.wish("s", target).await.unwrap() }
}

/// Spoils what was restored as soon as the comparison begins, as a bad disk would.
struct BadDisk(PathBuf);

impl Observer for BadDisk {
    fn event(&self, event: Event<'_>) {
        if !matches!(event, Event::Stage { stage: Stage::Verifying, .. }) {
            return;
        }
        let file = fs::File::options().write(true).open(self.0.join("sub/c")).unwrap();
        let time = file.metadata().unwrap().modified().unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"rotten", 300_000).unwrap();
        file.set_modified(time).unwrap();
        fs::remove_file(self.0.join("sub/link")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_compared_and_asks_the_server_nothing() {
    let (machine, _dir, target) = ready().await;
    let plain = machine.restore("s", &target).await;
    assert_eq!(plain.verified, None);
    let wish = verifying(&machine, &target).await;
    let outcome = machine.try_restore_as(wish).await.unwrap();
    assert_eq!(outcome.verified, Some(Verified { passed: 4, failed: 0 }));
    assert_eq!((outcome.problem_count, outcome.traffic.total()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_read_back_is_named() {
    let (machine, _dir, target) = ready().await;
    let wish = verifying(&machine, &target).await;
    let service = RecoveryService::new(machine.open().await);
    let outcome = service.run(wish, Arc::new(BadDisk(target))).await.unwrap();
    assert_eq!(outcome.verified, Some(Verified { passed: 3, failed: 2 }));
    let named: Vec<_> = outcome.problems.iter().map(|problem| problem.subject.as_str()).collect();
    assert_eq!(named, ["sub/c", "sub/link"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_left_alone_is_told_once() {
    let (machine, _dir, target) = ready().await;
    write(&target, "a", "in the way");
    let wish = verifying(&machine, &target).await;
    let outcome = machine.try_restore_as(wish).await.unwrap();
    assert_eq!(outcome.left_alone, 1);
    let names = outcome.problems.iter().filter(|problem| problem.subject == "a").count();
    assert_eq!((names, outcome.verified.unwrap().passed), (1, 3), "{:?}", outcome.problems);
}
