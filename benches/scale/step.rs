//! One step of the life of a repository, in a process of its own.

use crate::memory::Meter;
use crate::trees::chunky_content;
use filbert::backup::{BackupOptions, BackupService};
use filbert::check::{CheckOptions, CheckService, ReadData};
use filbert::format::chunker::ChunkerParams;
use filbert::format::slot::KdfCost;
use filbert::model::clock::SystemClock;
use filbert::model::entropy::SystemEntropy;
use filbert::model::id::ChunkId;
use filbert::model::set::SetId;
use filbert::progress::Silent;
use filbert::recovery::{RecoveryService, RestoreOptions};
use filbert::repository::select::Selector;
use filbert::repository::{Cancel, InitOptions, Means, Repository};
use filbert::state::Database;
use filbert::store::{WebdavOptions, WebdavStore};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::Runtime;

const PASSWORD: &str = "bench";
/// Ids that are looked up.
const LOOKUPS: usize = 100_000;

/// Where everything is.
#[derive(Serialize, Deserialize)]
pub struct Place {
    pub url: String,
    pub state: PathBuf,
    pub fresh_state: PathBuf,
    pub source: PathBuf,
    pub target: PathBuf,
    pub chunker: ChunkerParams,
    /// Files of [`crate::trees::write_chunky_files`] that the source consists of; 0 if of others.
    pub chunky_files: u64,
}

/// In this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    First,
    Unchanged,
    Edited,
    /// Whether chunks are known and where they lie.
    Lookups,
    /// A machine without state learns what is there.
    CatchUp,
    /// That machine restores everything.
    Restore,
    Check,
}

impl Step {
    pub const ALL: [Step; 7] = [
        Step::First,
        Step::Unchanged,
        Step::Edited,
        Step::Lookups,
        Step::CatchUp,
        Step::Restore,
        Step::Check,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Step::First => "first",
            Step::Unchanged => "unchanged",
            Step::Edited => "edited",
            Step::Lookups => "lookups",
            Step::CatchUp => "catch-up",
            Step::Restore => "restore",
            Step::Check => "check",
        }
    }
}

impl FromStr for Step {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let step = Step::ALL.into_iter().find(|step| step.name() == word);
        step.ok_or_else(|| format!("no step `{word}`"))
    }
}

fn means(place: &Place, state: &Path) -> Means {
    Means {
        store: Arc::new(WebdavStore::new(&WebdavOptions::new(&place.url), Arc::new(SystemClock)).unwrap()),
        state: Arc::new(Database::open(state).unwrap()),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
    }
}

/// Makes the repository, with the real cost of its key.
pub fn init(runtime: &Runtime, place: &Place) {
    let options = InitOptions { cost: KdfCost::DEFAULT, chunker: place.chunker };
    runtime.block_on(Repository::init(means(place, &place.state), &PASSWORD.into(), options)).unwrap();
}

/// Takes a step and tells what it took.
pub fn run(step: Step, place: &Place) {
    let runtime = Runtime::new().unwrap();
    let mut meter = Meter::start();
    let state = match step {
        Step::CatchUp | Step::Restore => &place.fresh_state,
        _ => &place.state,
    };
    let repository = runtime.block_on(Repository::open(means(place, state), &PASSWORD.into())).unwrap();
    meter.opened();
    let remark = match step {
        Step::First | Step::Unchanged | Step::Edited => runtime.block_on(back_up(repository, place)),
        Step::Lookups => look_up(&repository, place.chunky_files),
        Step::CatchUp => {
            let problems = runtime.block_on(repository.catch_up()).unwrap();
            assert_eq!(problems, []);
            String::new()
        }
        Step::Restore => runtime.block_on(restore(repository, place)),
        Step::Check => {
            let options = CheckOptions { read_data: ReadData::Everything, cancel: Cancel::default() };
            let service = CheckService::new(repository);
            let outcome = runtime.block_on(service.run(options, Arc::new(Silent))).unwrap();
            assert_eq!(outcome.problems, []);
            format!("{} packs", outcome.packs_read)
        }
    };
    meter.tell(step.name(), &remark);
}

async fn back_up(repository: Repository, place: &Place) -> String {
    let options = BackupOptions::new(SetId::new("bench", "scale"), vec![place.source.clone()], "/".into());
    let outcome = BackupService::new(repository).run(options, Arc::new(Silent)).await.unwrap();
    assert_eq!(outcome.problem_count, 0);
    let tally = outcome.tally;
    format!("{} files, {} new or changed", tally.files, tally.files_new + tally.files_changed)
}

async fn restore(repository: Repository, place: &Place) -> String {
    let snapshot = repository.select(&Selector::default()).unwrap().snapshot;
    let options = RestoreOptions::new(snapshot, &place.target);
    let outcome = RecoveryService::new(repository).run(options, Arc::new(Silent)).await.unwrap();
    assert_eq!(outcome.problem_count, 0);
    format!("{} files", outcome.files_written)
}

/// The chunks of what [`crate::trees::write_chunky_files`] writes, and as many that nobody has.
fn look_up(repository: &Repository, files: u64) -> String {
    let chunker = repository.chunker().unwrap();
    let mut known: Vec<ChunkId> = Vec::new();
    for number in 0..files {
        if known.len() >= LOOKUPS {
            break;
        }
        let content = chunky_content(number);
        let mut rest = content.as_slice();
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(chunker.cut(rest));
            known.push(repository.keyring().chunk_id(chunk));
            rest = after;
        }
    }
    known.truncate(LOOKUPS);
    let unknown: Vec<_> = known.iter().map(|id| repository.keyring().chunk_id(id.as_bytes())).collect();
    let known_here = |ids: &[ChunkId]| {
        let began = Instant::now();
        let found = ids.iter().filter(|id| repository.knows_chunk(id, None).unwrap()).count();
        (found, began.elapsed().as_micros() as f64 / ids.len() as f64)
    };
    let (found, known_us) = known_here(&known);
    let (_, unknown_us) = known_here(&unknown);
    let began = Instant::now();
    let placed = repository.places(&known).unwrap().into_iter().flatten().count();
    let places_us = began.elapsed().as_micros() as f64 / known.len() as f64;
    assert_eq!(placed, found);
    format!(
        "µs an id: known {known_us:.1}, unknown {unknown_us:.1}, place {places_us:.1}; {found} of {} known",
        known.len()
    )
}
