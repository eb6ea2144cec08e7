//! One bad object spoils only itself: a matrix of what can happen to an object and of which
//! objects there are. Whatever happens, no wrong byte reaches a target, nothing is missing
//! without being named, and the rest works.

#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

#[path = "../support/mod.rs"]
mod support;

mod descriptor;
mod packs;
mod records;

use filbert::model::id::ObjectId;
use filbert::store::MemoryStore;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use support::machine::Machine;
use support::tree::{self, Tree, What, write};
use tempfile::TempDir;

/// What happens to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    Removed,
    Cut,
    Flipped,
    Emptied,
    /// It has the bytes of another one of its kind.
    Swapped,
}

impl Harm {
    pub const ALL: [Harm; 5] = [Harm::Removed, Harm::Cut, Harm::Flipped, Harm::Emptied, Harm::Swapped];

    /// Whether presence or size gives it away.
    pub fn shows_in_listings(self) -> bool {
        matches!(self, Harm::Removed | Harm::Cut | Harm::Emptied)
    }

    pub fn strike(self, store: &MemoryStore, path: &str) {
        let before = store.objects();
        let folder = |path: &str| path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
        let other = before.keys().find(|other| *other != path && folder(other) == folder(path));
        let swapped = other.map(|other| before[other].to_vec());
        let struck = match self {
            Harm::Removed => store.lose(path),
            Harm::Cut => store.corrupt(path, |bytes| bytes.truncate(bytes.len() * 2 / 3)),
            Harm::Flipped => store.corrupt(path, |bytes| {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 0x10;
            }),
            Harm::Emptied => store.corrupt(path, Vec::clear),
            Harm::Swapped => store.corrupt(path, |bytes| *bytes = swapped.unwrap_or(b"{}".to_vec())),
        };
        assert!(struck, "{path} is not there");
        assert_ne!(store.objects().get(path), before.get(path), "{self:?} changed nothing");
    }
}

/// A repository with two snapshots of one set, and one of another set.
pub struct Scene {
    pub machine: Machine,
    pub full: Made,
    pub incremental: Made,
    pub other: Made,
    pub dir: TempDir,
}

/// A snapshot and the tree it should restore to.
pub struct Made {
    pub id: ObjectId,
    pub path: String,
    pub tree: Tree,
}

impl Scene {
    pub async fn set_up() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let machine = Machine::new().with_state_dir();
        machine.init().await;
        let source = dir.path().join("docs");
        (0..6).for_each(|n| write(&source, &format!("sub-{}/file-{n}", n % 2), tree::noise(n, 7000)));
        let full = Made::by(&machine, "docs", &source).await;
        write(&source, "sub-0/file-2", tree::noise(20, 7000));
        write(&source, "new", tree::noise(21, 7000));
        let incremental = Made::by(&machine, "docs", &source).await;
        let elsewhere = dir.path().join("music");
        (0..2).for_each(|n| write(&elsewhere, &format!("song-{n}"), tree::noise(40 + n, 7000)));
        let other = Made::by(&machine, "music", &elsewhere).await;
        assert!(machine.faults.paths("packs/").len() > 6);
        Self { machine, full, incremental, other, dir }
    }

    pub fn source(&self) -> PathBuf {
        self.dir.path().join("docs")
    }

    /// A target that is not there yet.
    pub fn target(&self) -> PathBuf {
        tempfile::tempdir_in(self.dir.path()).unwrap().keep().join("out")
    }

    /// A machine without state, and a store of its own in which the object was harmed.
    pub async fn harmed(&self, path: &str, harm: Harm) -> Machine {
        let machine = self.machine.beside_a_copy().await;
        harm.strike(&machine.faults.memory, path);
        machine
    }

    /// Restores and expects all of it.
    pub async fn expect_whole(&self, machine: &Machine, made: &Made, context: &str) {
        let target = self.target();
        let outcome = machine.try_restore(made.id, &target).await;
        let outcome = outcome.unwrap_or_else(|error| panic!("{context}: {error}"));
        assert_eq!(outcome.problem_count, 0, "{context}: {:?}", outcome.problems);
        tree::assert_same(&made.tree, &target, context);
    }

    /// Restores: each file is right, or is not there and named. Returns those that are not there.
    pub async fn expect_right_or_named(
        &self,
        machine: &Machine,
        made: &Made,
        context: &str,
    ) -> BTreeSet<String> {
        let target = self.target();
        let outcome = machine.try_restore(made.id, &target).await;
        let outcome = outcome.unwrap_or_else(|error| panic!("{context}: {error}"));
        let found = tree::read(&target);
        let mut missing = BTreeSet::new();
        for (path, wanted) in &made.tree {
            match found.get(path) {
                Some(found) => assert_eq!(found.what, wanted.what, "{context}: wrong bytes in {path}"),
                None => {
                    assert!(matches!(wanted.what, What::File { .. }), "{context}: {path}");
                    missing.insert(path.clone());
                }
            }
        }
        let extra: Vec<_> = found.keys().filter(|path| !made.tree.contains_key(*path)).collect();
        assert!(extra.is_empty(), "{context}: left behind {extra:?}");
        let named: BTreeSet<_> = outcome.problems.iter().map(|problem| problem.subject.clone()).collect();
        assert_eq!(named, missing, "{context}: named is what is missing");
        missing
    }
}

impl Made {
    pub async fn by(machine: &Machine, set: &str, source: &Path) -> Self {
        let id = machine.back_up(set, &[source]).await.snapshot.unwrap();
        let found = machine.faults.paths("log-").into_iter().find(|path| path.ends_with(&id.to_string()));
        Self { id, path: found.unwrap(), tree: tree::read(source) }
    }
}
