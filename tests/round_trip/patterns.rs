//! Includes and excludes: the same words choose the same files at a backup and at a restore.

use crate::support::machine::Machine;
use crate::support::tree::{self, write};
use filbert::backup::{BackupError, BackupOptions};
use filbert::recovery::{RecoveryError, RestoreOptions};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const FILES: [&str; 9] = [
    "a.pdf",
    "notes.txt",
    "projects/p1/plan.pdf",
    "projects/p1/deep/er.txt",
    "projects/p2/plan.pdf",
    "projects/top.txt",
    "target/out.pdf",
    "src/target/x.txt",
    "src/main.rs",
];

/// Includes, excludes, and what they leave of [`FILES`].
type Case = (&'static [&'static str], &'static [&'static str], &'static [&'static str]);

const CASES: [Case; 7] = [
    (&["*.pdf"], &[], &["a.pdf", "projects/p1/plan.pdf", "projects/p2/plan.pdf", "target/out.pdf"]),
    (
        &[],
        &["target"],
        &[
            "a.pdf",
            "notes.txt",
            "projects/p1/plan.pdf",
            "projects/p1/deep/er.txt",
            "projects/p2/plan.pdf",
            "projects/top.txt",
            "src/main.rs",
        ],
    ),
    (&["projects/p1/*"], &[], &["projects/p1/plan.pdf", "projects/p1/deep/er.txt"]),
    (&["projects/*.pdf"], &["nothing"], &[]),
    (&["projects/**/*.pdf"], &[], &["projects/p1/plan.pdf", "projects/p2/plan.pdf"]),
    (&["projects"], &["p2", "*.txt"], &["projects/p1/plan.pdf"]),
    (&["src/main.rs", "notes.txt"], &["notes.*"], &["src/main.rs"]),
];

fn words(patterns: &[&str]) -> Vec<String> {
    patterns.iter().map(|&pattern| pattern.to_owned()).collect()
}

fn files_below(target: &Path) -> BTreeSet<String> {
    let files = tree::read(target).into_iter();
    files.filter(|(_, thing)| matches!(thing.what, tree::What::File { .. })).map(|(name, _)| name).collect()
}

async fn ready() -> (Machine, TempDir, PathBuf) {
    let machine = Machine::new();
    machine.init().await;
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().to_owned();
    FILES.iter().for_each(|name| write(&root, &format!("source/{name}"), *name));
    (machine, dir, root)
}

#[tokio::test(flavor = "multi_thread")]
async fn patterns_choose_the_same_files_at_backup_and_restore() {
    let (machine, _dir, root) = ready().await;
    machine.back_up("all", &[&root.join("source")]).await;
    for (number, (includes, excludes, wanted)) in CASES.into_iter().enumerate() {
        let context = format!("include {includes:?} exclude {excludes:?}");
        let wanted: BTreeSet<_> = wanted.iter().map(|name| (*name).to_owned()).collect();

        let by_restore = root.join(format!("restore-{number}"));
        let wish = RestoreOptions {
            includes: words(includes),
            excludes: words(excludes),
            ..machine.wish("all", &by_restore).await.unwrap()
        };
        match machine.try_restore_as(wish).await {
            Err(RecoveryError::NothingSelected { .. }) if wanted.is_empty() => {}
            restored => {
                restored.unwrap();
                assert_eq!(files_below(&by_restore), wanted, "restore with {context}");
            }
        }

        let set = format!("set-{number}");
        let options = BackupOptions {
            includes: words(includes),
            excludes: words(excludes),
            ..machine.options(&set, &[&root.join("source")])
        };
        machine.try_back_up(options).await.unwrap();
        let by_backup = root.join(format!("backup-{number}"));
        machine.restore(set.as_str(), &by_backup).await;
        assert_eq!(files_below(&by_backup), wanted, "backup with {context}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pattern_that_matches_nothing_ends_a_restore_with_a_message_and_no_files() {
    let (machine, _dir, root) = ready().await;
    machine.back_up("all", &[&root.join("source")]).await;
    let target = root.join("out");
    let wish = RestoreOptions { includes: words(&["*.docx"]), ..machine.wish("all", &target).await.unwrap() };
    let error = machine.try_restore_as(wish).await.unwrap_err();
    assert!(matches!(error, RecoveryError::NothingSelected { .. }), "{error}");
    assert!(!target.exists() || files_below(&target).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_pattern_is_refused_before_anything_is_sent() {
    let (machine, _dir, root) = ready().await;
    let options =
        BackupOptions { excludes: words(&["a[b"]), ..machine.options("s", &[&root.join("source")]) };
    let error = machine.try_back_up(options).await.unwrap_err();
    assert!(matches!(error, BackupError::Filter(_)), "{error}");
    assert!(machine.faults.paths("packs/").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_folder_marked_as_cache_only_the_tag_is_kept_unless_wished_otherwise() {
    let (machine, _dir, root) = ready().await;
    write(&root, "source/cache/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n");
    write(&root, "source/cache/thumbnail", "x");
    write(&root, "source/no-cache/CACHEDIR.TAG", "some other text");
    write(&root, "source/no-cache/kept", "x");
    machine.back_up("s", &[&root.join("source")]).await;
    machine.restore("s", &root.join("out")).await;
    let found = files_below(&root.join("out"));
    assert!(found.contains("cache/CACHEDIR.TAG") && !found.contains("cache/thumbnail"), "{found:?}");
    assert!(found.contains("no-cache/kept"), "{found:?}");
    let options = BackupOptions { exclude_caches: false, ..machine.options("s", &[&root.join("source")]) };
    machine.try_back_up(options).await.unwrap();
    machine.restore("s", &root.join("out-2")).await;
    assert!(files_below(&root.join("out-2")).contains("cache/thumbnail"));
}
