//! RecoveryService: select, compare, plan, fetch, write, verify.

mod batch;
mod changes;
mod compare;
mod error;
mod estimate;
mod fetch;
mod fill;
mod logs;
mod options;
mod places;
mod plan;
mod removal;
mod report;
mod reuse;
mod room;
mod root;
mod selection;
mod service;
mod session;
mod spelling;
mod verify;

pub use error::RecoveryError;
pub use estimate::RestorePlan;
pub use options::{Destination, RestoreCounts, RestoreOptions, RestoreOutcome};
pub use root::root_of;
pub use selection::selected_entries;
pub use service::RecoveryService;
pub use session::{
    Keep, RestoreProgress, RestoreSession, RestoreSessions, RestoreWish, SafetyError, SafetyNet, SessionEnd,
};
pub use verify::Verified;
