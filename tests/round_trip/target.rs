//! What lies in the target already: right, in the way, or a trap.

use crate::support::machine::Machine;
use crate::support::tree::{self, write};
use filbert::recovery::RestoreOptions;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use tempfile::TempDir;

/// A backup of some files, and the target.
async fn ready() -> (Machine, TempDir, PathBuf, PathBuf) {
    let machine = Machine::new();
    machine.init().await;
    let dir = tempfile::tempdir().unwrap();
    let (source, target) = (dir.path().join("source"), dir.path().join("target"));
    write(&source, "a", tree::noise(1, 6000));
    write(&source, "sub/b", tree::noise(2, 6000));
    write(&source, "sub/c", tree::noise(3, 6000));
    symlink("b", source.join("sub/link")).unwrap();
    machine.back_up("s", &[&source]).await;
    (machine, dir, source, target)
}

async fn overwriting(machine: &Machine, target: &std::path::Path) -> RestoreOptions {
    RestoreOptions { overwrite: true, ..machine.wish("s", target).await.unwrap() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_right_already_is_not_fetched_again() {
    let (machine, _dir, source, target) = ready().await;
    let first = machine.restore("s", &target).await;
    assert!(first.traffic.requests["GET"] > 0);
    let wish = machine.wish("s", &target).await.unwrap();
    let second = machine.try_restore_as(wish).await.unwrap();
    assert_eq!(second.traffic.total(), 0, "{:?}", second.traffic);
    // The three files and the link.
    assert_eq!((second.files, second.files_written, second.problem_count), (3, 0, 0));

    fs::remove_file(target.join("sub/c")).unwrap();
    let wish = machine.wish("s", &target).await.unwrap();
    let third = machine.try_restore_as(wish).await.unwrap();
    assert_eq!(third.files_written, 1);
    assert!(third.traffic.bytes_down < first.traffic.bytes_down, "{:?}", third.traffic);
    tree::assert_same(&tree::read(&source), &target, "the missing file");
}

#[tokio::test(flavor = "multi_thread")]
async fn same_size_and_time_do_not_make_a_file_right() {
    let (machine, _dir, source, target) = ready().await;
    machine.restore("s", &target).await;
    let file = fs::File::options().write(true).open(target.join("a")).unwrap();
    let time = file.metadata().unwrap().modified().unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"rotten", 3000).unwrap();
    file.set_modified(time).unwrap();
    drop(file);
    let wish = overwriting(&machine, &target).await;
    let outcome = machine.try_restore_as(wish).await.unwrap();
    assert_eq!(outcome.files_written, 1);
    tree::assert_same(&tree::read(&source), &target, "after the rot was found");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_in_the_way_are_left_alone_and_told_unless_overwritten() {
    let (machine, _dir, source, target) = ready().await;
    write(&target, "a", "mine");
    write(&target, "sub/link/inside", "a folder where a link should be");
    write(&target, "unrelated", "mine too");
    let outcome = machine.try_restore("s", &target).await.unwrap();
    assert_eq!((outcome.left_alone, outcome.files_written, outcome.problem_count), (2, 2, 2));
    let subjects: Vec<_> = outcome.problems.iter().map(|problem| problem.subject.as_str()).collect();
    assert_eq!(subjects, ["a", "sub/link"]);
    assert_eq!(fs::read(target.join("a")).unwrap(), b"mine");
    assert!(target.join("sub/link/inside").exists());

    fs::remove_dir_all(target.join("sub/link")).unwrap();
    let wish = overwriting(&machine, &target).await;
    let outcome = machine.try_restore_as(wish).await.unwrap();
    assert_eq!((outcome.left_alone, outcome.problem_count), (0, 0), "{:?}", outcome.problems);
    assert_eq!(fs::read(target.join("unrelated")).unwrap(), b"mine too", "only what is in the way goes");
    fs::remove_file(target.join("unrelated")).unwrap();
    let (mut wanted, mut found) = (tree::read(&source), tree::read(&target));
    // Taking the file away touched the folder.
    wanted.remove("");
    found.remove("");
    assert_eq!(tree::differences(&wanted, &found), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_full_of_files_is_never_removed_for_a_file() {
    let (machine, _dir, _source, target) = ready().await;
    write(&target, "a/precious", "mine");
    let wish = overwriting(&machine, &target).await;
    let outcome = machine.try_restore_as(wish).await.unwrap();
    assert!(outcome.problem_count > 0);
    assert!(outcome.problems.iter().any(|problem| problem.subject == "a"), "{:?}", outcome.problems);
    assert_eq!(fs::read(target.join("a/precious")).unwrap(), b"mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_symlink_in_the_target_is_never_followed() {
    for overwrite in [false, true] {
        let (machine, dir, _source, target) = ready().await;
        let outside = dir.path().join("outside");
        write(&outside, "b", "not to be touched");
        fs::create_dir_all(&target).unwrap();
        symlink(&outside, target.join("sub")).unwrap();
        symlink(outside.join("b"), target.join("a")).unwrap();
        let before = tree::read(&outside);
        let wish = RestoreOptions { overwrite, ..machine.wish("s", &target).await.unwrap() };
        let outcome = machine.try_restore_as(wish).await.unwrap();
        tree::assert_same(&before, &outside, &format!("outside the target, overwrite {overwrite}"));
        if !overwrite {
            let told: Vec<_> = outcome.problems.iter().map(|problem| problem.subject.as_str()).collect();
            assert!(told.contains(&"a") && told.iter().any(|subject| subject.starts_with("sub")), "{told:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_restores_into_one_target_do_not_mix() {
    use filbert::files::place::{PlaceError, Target};
    use filbert::recovery::RecoveryError;
    let (machine, _dir, source, target) = ready().await;
    let first = Target::open_or_create(&target, None).unwrap();
    let second = machine.try_restore("s", &target).await;
    assert!(matches!(second, Err(RecoveryError::Place(PlaceError::Busy { .. }))), "{second:?}");
    drop(first);
    machine.restore("s", &target).await;
    tree::assert_same(&tree::read(&source), &target, "after the other one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_writes_nothing_and_tells_what_it_would_cost() {
    let (machine, _dir, _source, target) = ready().await;
    let wish = RestoreOptions { dry_run: true, ..machine.wish("s", &target).await.unwrap() };
    machine.faults.asked();
    let dry = machine.try_restore_as(wish).await.unwrap();
    assert!(!target.exists());
    assert!(machine.faults.asked().is_empty(), "a dry run fetches no content");
    let wish = machine.wish("s", &target).await.unwrap();
    let real = machine.try_restore_as(wish).await.unwrap();
    assert_eq!((dry.files, dry.bytes, dry.files_written), (real.files, real.bytes, real.files_written));
    assert_eq!(dry.traffic.requests.get("GET"), real.traffic.requests.get("GET"));
    assert!(dry.packs.keys().all(|pack| machine.faults.paths("packs/").contains(pack)), "{:?}", dry.packs);
    assert_eq!(dry.packs.values().sum::<u64>(), dry.traffic.bytes_down);
    assert!(!dry.packs.is_empty() && real.packs.is_empty());

    write(&target, "a", "in the way");
    let wish = RestoreOptions { dry_run: true, ..overwriting(&machine, &target).await };
    let dry = machine.try_restore_as(wish).await.unwrap();
    assert_eq!((dry.files_written, dry.files_replaced, dry.files_already_right), (1, 1, 2));
    assert_eq!(fs::read(target.join("a")).unwrap(), b"in the way");
    let wish = overwriting(&machine, &target).await;
    assert_eq!(machine.try_restore_as(wish).await.unwrap().files_replaced, 1);
}
