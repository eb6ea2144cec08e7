//! RecoveryService: select, compare, plan, fetch, write, verify.

mod error;
mod options;
mod service;

pub use error::RecoveryError;
pub use options::{RestoreOptions, RestoreOutcome};
pub use service::RecoveryService;
