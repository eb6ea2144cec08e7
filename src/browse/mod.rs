//! Looks into snapshots without restoring them: one file's content, a pattern through time, what
//! lies between two states, a whole state as an archive. Like a restore it needs the remote alone.

mod content;
mod diff;
mod error;
pub mod export;
mod find;
mod wanted;

pub use content::dump;
pub use diff::{DiffTally, Difference, DifferenceKind, diff};
pub use error::BrowseError;
pub use find::{Found, FoundVersion, find};
pub use wanted::{WantedPath, relative};
