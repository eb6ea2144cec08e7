//! BackupService: walk, compare, chunk, seal, send, publish.

mod content;
mod error;
mod options;
mod scan;
mod service;
mod sink;
mod sources;

pub use error::BackupError;
pub use options::{BackupOptions, BackupOutcome};
pub use service::BackupService;
