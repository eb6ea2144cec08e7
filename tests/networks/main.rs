//! Backups and restores through everything that goes wrong between a machine and a drive: each ends
//! with a whole snapshot and every file right, or with an error that says what to do and loses
//! nothing.

#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

#[path = "../support/mod.rs"]
mod support;

mod blocks;
mod closings;
mod downloads;
mod limits;
mod listings;
mod nonsense;
mod protocol;
mod uploads;

use filbert::backup::BackupError;
use filbert::repository::RepositoryError;
use filbert::store::StoreError;

/// The store's error behind a backup's.
#[track_caller]
fn store_error<T: std::fmt::Debug>(result: Result<T, BackupError>) -> StoreError {
    match result.unwrap_err() {
        BackupError::Repository(RepositoryError::Store(error)) => error,
        other => panic!("{other:?}"),
    }
}
