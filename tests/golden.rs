//! Repositories of every format version so far lie in `fixtures/` and are read for ever. They are
//! made by `examples/make_fixture.rs` and never changed.

#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod support;

use filbert::check::ReadData;
use filbert::format::FORMAT_VERSION;
use filbert::model::id::ObjectId;
use filbert::repository::RepositoryError;
use filbert::store::Store;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use support::faulty::FaultyStore;
use support::machine::{Machine, told};
use support::tree::{self, Tree, What};

const PASSWORD: &str = "golden";

fn fixture(version: u16) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/v{version}"))
}

/// A machine without state and a copy of the golden repository, so that nothing can change it.
async fn reader(version: u16) -> Machine {
    let store = FaultyStore::default();
    let root = fixture(version).join("repository");
    for entry in walkdir::WalkDir::new(&root).sort_by_file_name() {
        let entry = entry.unwrap();
        let path = entry.path().strip_prefix(&root).unwrap().to_str().unwrap();
        if entry.file_type().is_dir() {
            store.memory.ensure_folder(path).await.unwrap();
        } else {
            store.memory.put_new(path, fs::read(entry.path()).unwrap().into()).await.unwrap();
        }
    }
    let mut machine = Machine::on(Arc::new(store));
    machine.password = PASSWORD.to_owned();
    machine
}

/// The lines that `expected.txt` has of each snapshot.
fn expected(version: u16) -> BTreeMap<ObjectId, Vec<String>> {
    let text = fs::read_to_string(fixture(version).join("expected.txt")).unwrap();
    let mut snapshots = BTreeMap::new();
    let mut lines = &mut Vec::new();
    for line in text.lines() {
        match line.strip_prefix("snapshot ") {
            Some(id) => lines = snapshots.entry(id.parse().unwrap()).or_default(),
            None => lines.push(line.to_owned()),
        }
    }
    snapshots
}

fn listed(tree: &Tree) -> Vec<String> {
    let mut lines: Vec<_> = tree
        .iter()
        .map(|(name, thing)| {
            let (kind, content) = match &thing.what {
                What::File { hash, .. } => ("file", hash.clone()),
                What::Folder => ("folder", "-".to_owned()),
                What::Link(to) => ("link", to.escape_ascii().to_string()),
                other => panic!("{other:?} is in no fixture"),
            };
            let (seconds, nanos) = thing.mtime;
            format!("{kind} {:04o} {seconds}.{nanos:09} {content} {name}", thing.mode)
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn no_format_version_was_forgotten() {
    for version in 1..=FORMAT_VERSION {
        assert!(
            fixture(version).join("expected.txt").is_file(),
            "there is no golden repository of version {version}: cargo run --example make_fixture"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_snapshot_of_every_version_restores_byte_for_byte() {
    for version in 1..=FORMAT_VERSION {
        let machine = reader(version).await;
        let snapshots = expected(version);
        let (repository, problems) = machine.catch_up().await;
        assert_eq!(problems, "");
        let mut ids: Vec<_> = repository.snapshots().unwrap().iter().map(|info| info.id).collect();
        ids.sort();
        assert_eq!(ids, snapshots.keys().copied().collect::<Vec<_>>());
        for (id, mut wanted) in snapshots {
            let target = tempfile::tempdir().unwrap();
            machine.restore(id, &target.path().join("out")).await;
            wanted.sort();
            assert_eq!(listed(&tree::read(&target.path().join("out"))), wanted, "version {version}, {id}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_is_sound_and_has_each_kind_of_object() {
    for version in 1..=FORMAT_VERSION {
        let machine = reader(version).await;
        let check = machine.check(ReadData::Everything).await;
        assert!(check.problems.is_empty(), "version {version}: {}", told(&check));
        for kind in ["filbert-", "packs/000/"] {
            assert!(!machine.faults.paths(kind).is_empty(), "version {version}: no {kind}");
        }
        for kind in ["-snapshot-", "-checkpoint-"] {
            let log = machine.faults.paths("log-");
            assert!(log.iter().any(|path| path.contains(kind)), "version {version}: no {kind}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn old_repositories_are_written_to_as_well() {
    for version in 1..=FORMAT_VERSION {
        let machine = reader(version).await;
        let source = tempfile::tempdir().unwrap();
        tree::write(source.path(), "new", tree::noise(1, 3000));
        machine.back_up("new", &[source.path()]).await;
        let target = tempfile::tempdir().unwrap();
        machine.restore("new", &target.path().join("out")).await;
        tree::assert_same(&tree::read(source.path()), &target.path().join("out"), "written today");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_opens_nothing() {
    for version in 1..=FORMAT_VERSION {
        let mut machine = reader(version).await;
        machine.password = "Golden".to_owned();
        let error = machine.try_open().await.map(drop).unwrap_err();
        assert!(matches!(error, RepositoryError::WrongPassword(_)), "{error}");
    }
}
