//! The index of chunks in SQLite, through what a repository offers. Counted in chunks, and in the bytes
//! that chunks of the usual size have in all.

use crate::material::noise;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use filbert::backup::{BackupOptions, BackupService};
use filbert::format::chunker::ChunkerParams;
use filbert::format::slot::KdfCost;
use filbert::model::clock::SystemClock;
use filbert::model::entropy::SystemEntropy;
use filbert::model::id::ChunkId;
use filbert::model::set::SetId;
use filbert::progress::Silent;
use filbert::repository::{InitOptions, Means, Repository};
use filbert::state::Database;
use filbert::store::{MemoryStore, SharedStore};
use std::sync::{Arc, LazyLock};
use tokio::runtime::Runtime;

/// About so many chunks.
const CHUNKS: usize = 20_000;
/// The smallest that there can be, for only their number counts.
const TINY: ChunkerParams =
    ChunkerParams { min_bytes: 64, average_bytes: 256, max_bytes: 1024, ..ChunkerParams::DEFAULT };

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

fn bytes_of(ids: &[ChunkId]) -> BytesCount {
    BytesCount::new(ids.len() * ChunkerParams::DEFAULT.average_bytes as usize)
}

fn means(store: &SharedStore) -> Means {
    Means {
        store: store.clone(),
        state: Arc::new(Database::in_memory().unwrap()),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
    }
}

/// A repository with one file of many tiny chunks, where it lies, and the chunks.
fn filled() -> (Repository, SharedStore, Vec<ChunkId>) {
    let store: SharedStore = Arc::new(MemoryStore::new());
    let source = tempfile::tempdir().unwrap();
    let init = InitOptions { cost: KdfCost::FOR_TESTS, chunker: TINY };
    let repository = RUNTIME.block_on(Repository::init(means(&store), &"bench".into(), init)).unwrap();

    // A chunk of noise is somewhat longer than the average: see below that it is about right.
    let content = noise(1, CHUNKS * 290);
    std::fs::write(source.path().join("noise"), &content).unwrap();
    let set = SetId::new("bench", "index");
    let options = BackupOptions::new(set, vec![source.path().to_owned()], "/".into());
    let service = BackupService::new(repository.clone());
    RUNTIME.block_on(service.run(options, Arc::new(Silent))).unwrap();

    let (chunker, mut rest, mut ids) = (repository.chunker().unwrap(), content.as_slice(), Vec::new());
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(chunker.cut(rest));
        ids.push(repository.keyring().chunk_id(chunk));
        rest = after;
    }
    assert!(ids.len().abs_diff(CHUNKS) < CHUNKS / 5, "{} chunks", ids.len());
    (repository, store, ids)
}

/// A fresh machine reads a record and inserts the chunks that it tells of.
#[divan::bench(sample_size = 1)]
fn index_insert(bencher: Bencher<'_, '_>) {
    let (_, store, ids) = filled();
    let fresh = || RUNTIME.block_on(Repository::open(means(&store), &"bench".into())).unwrap();
    bencher.counter(ItemsCount::new(ids.len())).counter(bytes_of(&ids)).with_inputs(fresh).bench_local_refs(
        |repository| {
            let problems = RUNTIME.block_on(repository.catch_up()).unwrap();
            assert!(problems.is_empty() && !repository.index_is_empty().unwrap());
        },
    );
}

/// Where chunks lie, as a restore asks: many at once.
#[divan::bench]
fn index_lookup(bencher: Bencher<'_, '_>) {
    let (repository, _, ids) = filled();
    bencher.counter(ItemsCount::new(ids.len())).counter(bytes_of(&ids)).bench_local(|| {
        let places = repository.places(&ids).unwrap();
        assert!(places.iter().all(Option::is_some));
    });
}

/// Whether a chunk is known, as a backup asks: one at a time, here all new.
#[divan::bench]
fn index_miss(bencher: Bencher<'_, '_>) {
    let (repository, _, ids) = filled();
    let unknown: Vec<_> = ids.iter().map(|id| repository.keyring().chunk_id(id.as_bytes())).collect();
    bencher.counter(ItemsCount::new(unknown.len())).counter(bytes_of(&unknown)).bench_local(|| {
        assert!(unknown.iter().all(|id| !repository.knows_chunk(id, None).unwrap()));
    });
}
