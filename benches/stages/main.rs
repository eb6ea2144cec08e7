//! Each stage of a backup for itself, in bytes or items a second: where the time goes, and
//! whether a change made a stage slower.

#![allow(clippy::unwrap_used, reason = "a failed step of a bench ends it")]

mod content;
mod guard;
mod index;
mod listing;
mod manifest;
#[path = "../material/mod.rs"]
mod material;
mod walk;

use std::time::Duration;

/// So long at most for each measurement.
const MAX_TIME: Duration = Duration::from_secs(1);

fn main() {
    divan::Divan::default().max_time(MAX_TIME).config_with_args().main();
}
