//! RecoveryService: select, compare, plan, fetch, write, verify.

mod batch;
mod compare;
mod error;
mod estimate;
mod fetch;
mod fill;
mod options;
mod plan;
mod report;
mod room;
mod root;
mod selection;
mod service;
mod verify;

pub use error::RecoveryError;
pub use estimate::RestorePlan;
pub use options::{RestoreOptions, RestoreOutcome};
pub use root::root_of;
pub use service::RecoveryService;
pub use verify::Verified;
