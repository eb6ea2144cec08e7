//! BackupService: walk, compare, chunk, seal, send, publish.

mod before;
mod content;
mod error;
mod list;
mod options;
mod plan;
mod scan;
mod service;
mod sink;
mod sources;

pub use error::BackupError;
pub use options::{BackupOptions, BackupOutcome};
pub use plan::{BackupPlan, SampleOptions};
pub use service::BackupService;
