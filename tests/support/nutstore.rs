//! The emulated Nutstore, its clock, and stores on it.

use super::{PASSWORD, USER};
use filbert::emulator::{self, Emulator, EmulatorOptions, Limits};
use filbert::model::clock::ManualClock;
use filbert::model::time::Timestamp;
use filbert::store::{WebdavOptions, WebdavStore};
use std::sync::Arc;
use tokio::net::TcpListener;

/// 2026-01-15, 12:00 UTC.
pub const START_MS: i64 = 1_768_478_400_000;

pub struct Nutstore {
    pub emulator: Emulator,
    /// The clock of the emulator and of the stores.
    pub clock: Arc<ManualClock>,
}

/// An empty drive with these limits.
pub async fn start(limits: Limits) -> Nutstore {
    start_with(|options| options.limits = limits).await
}

/// An empty drive of a free account, changed as wished.
pub async fn start_with(change: impl FnOnce(&mut EmulatorOptions)) -> Nutstore {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(START_MS)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = EmulatorOptions::new(clock.clone(), USER, PASSWORD.into());
    change(&mut options);
    Nutstore { emulator: emulator::start(listener, options).unwrap(), clock }
}

impl Nutstore {
    /// A store whose root is a folder below `/dav/`, such as `repo`; it is not made.
    pub fn store(&self, folder: &str) -> Arc<WebdavStore> {
        self.store_with(folder, |_| {})
    }

    /// A store with other options.
    pub fn store_with(&self, folder: &str, change: impl FnOnce(&mut WebdavOptions)) -> Arc<WebdavStore> {
        let url = format!("{}{folder}", self.emulator.url());
        let mut options = WebdavOptions::new(url).with_credentials(USER, PASSWORD.into());
        change(&mut options);
        Arc::new(WebdavStore::new(&options, self.clock.clone()).unwrap())
    }

    /// The journal's lines since the last time, which it then forgets.
    pub fn lines(&self) -> Vec<String> {
        self.emulator.journal().take().iter().map(filbert::emulator::Seen::line).collect()
    }
}
