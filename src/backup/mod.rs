//! BackupService: walk, compare, chunk, seal, send, publish.

mod error;
mod options;
mod service;

pub use error::BackupError;
pub use options::{BackupOptions, BackupOutcome};
pub use service::BackupService;
