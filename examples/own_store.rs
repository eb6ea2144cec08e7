//! A store of one's own: every object lies in two folders, say on two drives. Writing needs
//! both, reading either. Backs up into it, then restores as if the first folder were lost.

use async_trait::async_trait;
use bytes::Bytes;
use filbert::backup::{BackupOptions, BackupService};
use filbert::model::clock::SystemClock;
use filbert::model::entropy::SystemEntropy;
use filbert::model::secret::SecretText;
use filbert::model::set::SetId;
use filbert::progress::Silent;
use filbert::recovery::{RecoveryService, RestoreOptions};
use filbert::repository::select::Selector;
use filbert::repository::{InitOptions, Means, Repository, RepositoryError};
use filbert::state::Database;
use filbert::store::{FolderStore, Listing, Store, StoreError, TrafficCount};
use std::error::Error;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

const USAGE: &str = "\
Backs up a folder into two folders at once and restores it from the second alone.

Usage: own_store SOURCE FIRST SECOND TARGET

  SOURCE         a folder
  FIRST, SECOND  where each object is kept; best on two drives. A repository there is gone on with
  TARGET         where the files are restored to; made if missing

FILBERT_PASSWORD holds the encryption password.";

const SET: &str = "twice";

/// Two stores that hold the same objects.
///
/// An object is the same wherever it is found, for its name is the hash of its bytes: it does
/// not matter which of the two a listing or an object comes from. Hazard: a copy that was spoilt
/// on its drive is handed on as it is, and the good one not looked for; filbert notices, for it
/// verifies whatever it reads.
#[derive(Debug)]
struct Twice<A, B> {
    first: A,
    second: B,
}

impl<A: Store, B: Store> Twice<A, B> {
    /// What the second store has when the first one fails. If both do, the failure of the first
    /// is told, unless it only lacks what the second cannot give.
    async fn or_second<T>(
        &self,
        first: Result<T, StoreError>,
        second: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match first {
            Ok(found) => Ok(found),
            Err(error) => second.await.map_err(|other| if error.is_not_found() { other } else { error }),
        }
    }
}

#[async_trait]
impl<A: Store, B: Store> Store for Twice<A, B> {
    /// What either holds: an object that only one lost is still there.
    async fn list(&self, folder: &str) -> Result<Listing, StoreError> {
        match tokio::join!(self.first.list(folder), self.second.list(folder)) {
            (Ok(mut first), Ok(second)) => {
                let lacks = |name: &str| first.entries.iter().all(|entry| entry.name != name);
                let more: Vec<_> = second.entries.into_iter().filter(|entry| lacks(&entry.name)).collect();
                first.entries.extend(more);
                first.skipped += second.skipped;
                Ok(first)
            }
            (first, second) => self.or_second(first, async { second }).await,
        }
    }

    async fn get(&self, path: &str, limit: u64) -> Result<Bytes, StoreError> {
        self.or_second(self.first.get(path, limit).await, self.second.get(path, limit)).await
    }

    async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes, StoreError> {
        let first = self.first.get_range(path, range.clone()).await;
        self.or_second(first, self.second.get_range(path, range)).await
    }

    async fn size(&self, path: &str) -> Result<u64, StoreError> {
        self.or_second(self.first.size(path).await, self.second.size(path)).await
    }

    /// Done only when both have it: the contract is that `Ok` means stored.
    async fn put_new(&self, path: &str, body: Bytes) -> Result<(), StoreError> {
        tokio::try_join!(self.first.put_new(path, body.clone()), self.second.put_new(path, body)).map(drop)
    }

    async fn delete(&self, path: &str) -> Result<(), StoreError> {
        tokio::try_join!(self.first.delete(path), self.second.delete(path)).map(drop)
    }

    async fn ensure_folder(&self, path: &str) -> Result<(), StoreError> {
        tokio::try_join!(self.first.ensure_folder(path), self.second.ensure_folder(path)).map(drop)
    }

    fn traffic(&self) -> TrafficCount {
        let (mut sum, second) = (self.first.traffic(), self.second.traffic());
        for (method, count) in second.requests {
            *sum.requests.entry(method).or_default() += count;
        }
        sum.bytes_up += second.bytes_up;
        sum.bytes_down += second.bytes_down;
        sum
    }

    fn address(&self) -> String {
        format!("{} and {}", self.first.address(), self.second.address())
    }
}

/// A repository in two folders, with nothing known locally.
fn means(first: &Path, second: &Path) -> Result<Means, Box<dyn Error>> {
    let store = Twice { first: FolderStore::new(first), second: FolderStore::new(second) };
    Ok(Means {
        store: Arc::new(store),
        state: Arc::new(Database::in_memory()?),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
    })
}

async fn back_up(
    means: Means,
    password: &SecretText,
    source: &Path,
    skip: Vec<PathBuf>,
) -> Result<(), Box<dyn Error>> {
    let repository = match Repository::open(means.clone(), password).await {
        Err(RepositoryError::NoRepository(_)) => {
            Repository::init(means, password, InitOptions::default()).await?
        }
        opened => opened?,
    };
    let set = SetId::new("this-machine", SET);
    let options =
        BackupOptions { skip, ..BackupOptions::new(set, vec![source.to_owned()], std::env::current_dir()?) };
    let outcome = BackupService::new(repository.clone()).run(options, Arc::new(Silent)).await?;
    println!(
        "backed up {} files to {}: {} bytes of new packs, {} bytes written to both",
        outcome.tally.files,
        repository.store().address(),
        outcome.tally.bytes_added,
        outcome.traffic.bytes_up
    );
    outcome.problems.iter().for_each(|problem| println!("{}: {}", problem.subject, problem.message));
    Ok(())
}

async fn restore(means: Means, password: &SecretText, target: &Path) -> Result<(), Box<dyn Error>> {
    let repository = Repository::open(means, password).await?;
    for problem in repository.catch_up().await? {
        println!("{}: {}", problem.subject, problem.message);
    }
    let wish = Selector { set: Some(SET.to_owned()), ..Selector::default() };
    let options = RestoreOptions::new(repository.select(&wish)?.snapshot, target.to_owned());
    let outcome = RecoveryService::new(repository).run(options, Arc::new(Silent)).await?;
    println!(
        "restored {} of {} files without the first folder; {} were right already",
        outcome.files_written, outcome.files, outcome.files_already_right
    );
    outcome.problems.iter().for_each(|problem| println!("{}: {}", problem.subject, problem.message));
    Ok(())
}

async fn run([source, first, second, target]: &[PathBuf; 4]) -> Result<(), Box<dyn Error>> {
    let password = std::env::var("FILBERT_PASSWORD").map_err(|_| "FILBERT_PASSWORD is not set")?;
    let password = SecretText::from(password.as_str());
    back_up(means(first, second)?, &password, source, vec![first.clone(), second.clone()]).await?;
    let lost = tempfile::tempdir()?.path().join("lost");
    restore(means(&lost, second)?, &password, target).await
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let Ok(arguments) = <[PathBuf; 4]>::try_from(arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
