//! The net under a restore in place: whoever can make a backup is handed in, for services do not know
//! each other.

use crate::model::id::ObjectId;
use crate::progress::Observer;
use crate::repository::Cancel;
use crate::state::restores::Change;
use futures_util::future::BoxFuture;
use std::sync::Arc;

/// Why nothing could be kept.
pub type SafetyError = Box<dyn std::error::Error + Send + Sync>;

/// What is to be kept before a restore.
pub struct Keep {
    /// The restore's id.
    pub session: String,
    /// What it will change.
    pub changes: Arc<[Change]>,
    /// Who listens.
    pub observer: Arc<dyn Observer>,
    /// A wish to stop.
    pub cancel: Cancel,
}

/// Keeps what a restore is about to change.
pub trait SafetyNet: Send + Sync {
    /// Makes a snapshot of everything that is there and will be changed, each thing under its path.
    /// It must hold all of that, or fail.
    fn keep(&self, keep: Keep) -> BoxFuture<'_, Result<ObjectId, SafetyError>>;
}
