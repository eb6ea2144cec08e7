//! An opened repository: the catalog of snapshots and packs, a writer that turns chunks into
//! packs, a reader that turns ids into verified bytes, and publishing of records.

mod carried;
pub mod catalog;
pub mod chain;
pub mod checkpoint;
pub mod content;
pub mod cost;
pub mod decide;
mod descriptors;
pub mod error;
mod fetch;
pub mod frames;
pub mod index;
pub mod known;
pub mod landing;
pub mod log;
pub mod mend;
pub mod open;
pub mod outlook;
pub mod place;
pub mod proof;
pub mod publish;
pub mod reader;
pub mod reading;
pub mod recovery_keys;
pub mod recovery_slots;
pub mod run;
pub mod select;
pub mod shape;
pub mod snapshots;
pub mod writer;

pub use crate::format::descriptor::InitOptions;
pub use crate::model::cancel::Cancel;
pub use error::RepositoryError;
pub use known::KnownPack;
pub use landing::Landing;
pub use run::Run;

use crate::format::chunker::Chunker;
use crate::format::descriptor::Descriptor;
use crate::format::keys::Keyring;
use crate::model::clock::Clock;
use crate::model::entropy::{Entropy, random_bytes};
use crate::model::id::{RepositoryId, Salt};
use crate::state::Database;
use crate::store::SharedStore;
use std::sync::Arc;

/// Records younger than this may still be unknown to a machine that was at work when they were
/// written. Nothing is deleted within it, and a look older than half of it is looked again.
pub const GRACE_MS: i64 = 7 * 24 * 3600 * 1000;

/// What a repository works with. Everything is handed in.
#[derive(Clone)]
pub struct Means {
    /// Where the objects are.
    pub store: SharedStore,
    /// The local state of this repository.
    pub state: Arc<Database>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// An opened repository.
#[derive(Clone)]
pub struct Repository {
    means: Means,
    descriptor: Arc<Descriptor>,
    keyring: Arc<Keyring>,
    listed_log: log::ListedLog,
}

impl Repository {
    /// Its name for ever.
    pub fn id(&self) -> RepositoryId {
        self.descriptor.repository
    }

    /// Where its objects are.
    pub fn store(&self) -> &SharedStore {
        &self.means.store
    }

    /// Its local state.
    pub fn state(&self) -> &Arc<Database> {
        &self.means.state
    }

    /// The time.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.means.clock
    }

    /// Its keys.
    pub fn keyring(&self) -> &Arc<Keyring> {
        &self.keyring
    }

    /// A chunker with its parameters and key.
    pub fn chunker(&self) -> Result<Chunker, RepositoryError> {
        Chunker::new(self.descriptor.chunker, self.keyring.chunker_key())
            .map_err(|reason| RepositoryError::damaged("the descriptor", reason))
    }

    /// A random number, for choosing samples.
    pub fn random_number(&self) -> Result<u64, RepositoryError> {
        Ok(u64::from_le_bytes(random_bytes(&*self.means.entropy)?))
    }

    fn salt(&self) -> Result<Salt, RepositoryError> {
        Ok(Salt(random_bytes(&*self.means.entropy)?))
    }

    fn now_ms(&self) -> i64 {
        self.means.clock.now().millis()
    }
}
