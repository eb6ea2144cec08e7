//! RecoveryService: select, compare, plan, fetch, write, verify.

mod compare;
mod error;
mod fetch;
mod fill;
mod options;
mod plan;
mod report;
mod service;

pub use error::RecoveryError;
pub use options::{RestoreOptions, RestoreOutcome};
pub use plan::root_of;
pub use service::RecoveryService;
