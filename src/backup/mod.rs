//! BackupService: walk, compare, chunk, seal, send, publish.

mod allowance;
mod before;
mod begun;
mod content;
mod databases;
mod error;
mod limits;
mod list;
mod options;
mod plan;
mod ration;
mod scan;
mod service;
mod sink;
mod sources;
mod survey;
mod take;

pub use begun::Begun;
pub use error::BackupError;
pub use limits::RunLimits;
pub use options::{BackupOptions, BackupOutcome};
pub use plan::{BackupPlan, SampleOptions};
pub use service::BackupService;
