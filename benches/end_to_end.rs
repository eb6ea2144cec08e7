//! Whole backups and restores of a tree of 2,000 source-like files through a store in memory:
//! what filbert costs without network and disk.

#![allow(clippy::unwrap_used, reason = "a failed step of a bench ends it")]

mod material;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use filbert::backup::{BackupOptions, BackupOutcome, BackupService};
use filbert::format::chunker::ChunkerParams;
use filbert::format::slot::KdfCost;
use filbert::model::clock::SystemClock;
use filbert::model::entropy::SystemEntropy;
use filbert::model::set::SetId;
use filbert::progress::Silent;
use filbert::recovery::{RecoveryService, RestoreOptions};
use filbert::repository::select::Selector;
use filbert::repository::{InitOptions, Means, Repository};
use filbert::state::Database;
use filbert::store::MemoryStore;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;

const FILES: u64 = 2_000;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

struct Tree {
    dir: TempDir,
    bytes: u64,
}

static TREE: LazyLock<Tree> = LazyLock::new(|| {
    let dir = material::folder();
    let bytes = material::tree(dir.path(), FILES);
    Tree { dir, bytes }
});

fn main() {
    let tree = &*TREE;
    println!("{FILES} files, {} bytes below {}", tree.bytes, tree.dir.path().display());
    divan::Divan::default().max_time(Duration::from_secs(4)).config_with_args().main();
    // Nothing that is static is dropped.
    std::fs::remove_dir_all(tree.dir.path()).unwrap();
}

fn counters() -> (BytesCount, ItemsCount) {
    (BytesCount::new(TREE.bytes), ItemsCount::new(FILES))
}

/// An empty repository. Its key derivation costs next to nothing: that of a real one takes the
/// same time whatever is backed up.
fn empty() -> Repository {
    let means = Means {
        store: Arc::new(MemoryStore::new()),
        state: Arc::new(Database::in_memory().unwrap()),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
    };
    let options = InitOptions { cost: KdfCost::FOR_TESTS, chunker: ChunkerParams::DEFAULT };
    RUNTIME.block_on(Repository::init(means, &"bench".into(), options)).unwrap()
}

fn back_up(repository: &Repository, full: bool) -> BackupOutcome {
    let set = SetId::new("bench", "tree");
    let source = TREE.dir.path().to_owned();
    let options = BackupOptions { full, ..BackupOptions::new(set, vec![source], "/".into()) };
    let service = BackupService::new(repository.clone());
    RUNTIME.block_on(service.run(options, Arc::new(Silent))).unwrap()
}

fn restore(repository: &Repository, target: &Path) {
    let options =
        RestoreOptions::new(repository.select(&Selector::default()).unwrap().snapshot, target.to_owned());
    let service = RecoveryService::new(repository.clone());
    let outcome = RUNTIME.block_on(service.run(options, Arc::new(Silent))).unwrap();
    assert_eq!((outcome.files, outcome.problem_count), (FILES, 0));
}

/// Walk, read, chunk, compress, seal and send everything.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn first_backup(bencher: Bencher<'_, '_>) {
    let (bytes, files) = counters();
    bencher
        .with_inputs(empty)
        .counter(bytes)
        .counter(files)
        .bench_refs(|repository| assert_eq!(back_up(repository, false).tally.files_new, FILES));
}

/// Walk and compare; nothing is read.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn unchanged_backup(bencher: Bencher<'_, '_>) {
    let repository = empty();
    back_up(&repository, false);
    // What was read within 2 s of its last change is read once more.
    std::thread::sleep(Duration::from_millis(2_100));
    back_up(&repository, false);
    let (_, files) = counters();
    bencher.counter(files).bench_local(|| {
        let outcome = back_up(&repository, false);
        assert_eq!((outcome.tally.files_unmodified, outcome.bytes_read), (FILES, 0));
    });
}

/// Walk, read, chunk and hash everything; no chunk is new.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn full_backup_of_known_content(bencher: Bencher<'_, '_>) {
    let repository = empty();
    back_up(&repository, false);
    let (bytes, files) = counters();
    bencher
        .counter(bytes)
        .counter(files)
        .bench_local(|| assert_eq!(back_up(&repository, true).bytes_read, TREE.bytes));
}

/// Fetch, open, verify and write everything into an empty folder.
#[divan::bench(sample_count = 10, sample_size = 1, skip_ext_time)]
fn restore_all(bencher: Bencher<'_, '_>) {
    let repository = empty();
    back_up(&repository, false);
    let (bytes, files) = counters();
    bencher
        .with_inputs(material::folder)
        .counter(bytes)
        .counter(files)
        .bench_refs(|target| restore(&repository, target.path()));
}

/// Compare everything with files that are right already.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn restore_over_right_files(bencher: Bencher<'_, '_>) {
    let repository = empty();
    back_up(&repository, false);
    let target = material::folder();
    restore(&repository, target.path());
    let (bytes, files) = counters();
    bencher.counter(bytes).counter(files).bench_local(|| restore(&repository, target.path()));
}
