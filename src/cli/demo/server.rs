//! The demo's server: an ordinary one on a folder, or the emulated Nutstore, whose rules and clock
//! are its own.

use super::super::args::DemoServer;
use super::super::error::CliError;
use super::super::render::{counted, size};
use super::report::request_words;
#[cfg(feature = "testing")]
use crate::emulator::{self, Emulator, EmulatorOptions};
use crate::guard::Limits;
#[cfg(feature = "testing")]
use crate::guard::Profile;
#[cfg(feature = "testing")]
use crate::model::clock::ManualClock;
use crate::model::clock::{Clock, SystemClock};
use crate::model::secret::SecretText;
use crate::server::{RunningServer, ServerOptions, serve};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// Files that changed less than 2 s before they are read are read again next time, which would hide
/// what an unchanged run costs.
const SETTLED: Duration = Duration::from_millis(2100);

pub(super) enum Server {
    Plain {
        running: RunningServer,
        files: tempfile::TempDir,
    },
    #[cfg(feature = "testing")]
    Nutstore {
        emulator: Emulator,
        clock: Arc<ManualClock>,
    },
}

/// What all requests came to, where the server keeps account.
#[derive(Debug, Serialize)]
pub(super) struct Account {
    requests: BTreeMap<String, u64>,
    bytes_up: u64,
    bytes_down: u64,
    refused: u64,
    window_left: Option<u64>,
}

impl Account {
    /// In words.
    pub fn words(&self) -> String {
        let left = self.window_left.map_or_else(String::new, |left| {
            format!("; left of this half hour: {}", counted(left, "request"))
        });
        let requests = request_words(&self.requests);
        let (up, down) = (size(self.bytes_up), size(self.bytes_down));
        format!("{requests}, {up} up, {down} down; refused: {}{left}", self.refused)
    }
}

impl Server {
    /// Starts a server; what it keeps on a disk lies in `folder`.
    pub async fn start(
        kind: DemoServer,
        folder: &Path,
        user: &str,
        password: SecretText,
    ) -> Result<Self, CliError> {
        let failed = |error: io::Error| CliError::failed("set up the demo's server", error);
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        match kind {
            DemoServer::Plain => {
                let files = tempfile::Builder::new().prefix("server-").tempdir_in(folder).map_err(failed)?;
                let (root, user) = (files.path().to_owned(), user.to_owned());
                let options = ServerOptions { root, user, password: Some(password) };
                Ok(Self::Plain { running: serve(listener, options).map_err(failed)?, files })
            }
            #[cfg(feature = "testing")]
            DemoServer::Nutstore => {
                let clock = Arc::new(ManualClock::at(SystemClock.now()));
                let mut options = EmulatorOptions::new(clock.clone(), user, password);
                options.limits = emulator::Limits::nutstore_free();
                Ok(Self::Nutstore { emulator: emulator::start(listener, options).map_err(failed)?, clock })
            }
            #[cfg(not(feature = "testing"))]
            DemoServer::Nutstore => Err(CliError::Failed(
                "the emulated Nutstore is not built into this program; try `cargo run --release \
                 --features testing -- demo --server nutstore`"
                    .to_owned(),
            )),
        }
    }

    /// The address of the folder for repositories.
    pub fn url(&self) -> String {
        match self {
            Self::Plain { running, .. } => running.url(),
            #[cfg(feature = "testing")]
            Self::Nutstore { emulator, .. } => emulator.url(),
        }
    }

    /// The clock that the repository goes by.
    pub fn clock(&self) -> Arc<dyn Clock> {
        match self {
            Self::Plain { .. } => Arc::new(SystemClock),
            #[cfg(feature = "testing")]
            Self::Nutstore { clock, .. } => clock.clone(),
        }
    }

    /// What an account there allows, as the client knows it.
    pub fn limits(&self) -> Limits {
        match self {
            Self::Plain { .. } => Limits::none(),
            #[cfg(feature = "testing")]
            Self::Nutstore { .. } => Profile::NutstoreFree.limits(),
        }
    }

    /// What is to be known of this server beforehand.
    pub fn introduction(&self) -> Option<&'static str> {
        match self {
            Self::Plain { .. } => None,
            #[cfg(feature = "testing")]
            Self::Nutstore { .. } => Some(
                "It is an emulated Nutstore with the rules of a free account: 600 requests in any 30 \
                 minutes, none right after another, listings in pages of 750. Its clock is moved, so that waiting takes no time.",
            ),
        }
    }

    /// Waits until files that were just written count as settled.
    pub async fn settle(&self) {
        match self {
            Self::Plain { .. } => tokio::time::sleep(SETTLED).await,
            #[cfg(feature = "testing")]
            Self::Nutstore { clock, .. } => {
                let behind = SystemClock.now().millis() - clock.now().millis();
                clock.advance(SETTLED + Duration::from_millis(behind.max(0).unsigned_abs()));
            }
        }
    }

    /// What was asked since the last call, by method.
    pub fn take_requests(&self) -> BTreeMap<String, u64> {
        let methods: Vec<String> = match self {
            Self::Plain { running, .. } => running.journal().take().into_iter().map(|it| it.method).collect(),
            #[cfg(feature = "testing")]
            Self::Nutstore { emulator, .. } => {
                emulator.journal().take().into_iter().map(|it| it.method).collect()
            }
        };
        let mut counts = BTreeMap::new();
        methods.into_iter().for_each(|method| *counts.entry(method).or_default() += 1);
        counts
    }

    /// What all requests came to, where the server keeps account.
    pub fn account(&self) -> Option<Account> {
        match self {
            Self::Plain { .. } => None,
            #[cfg(feature = "testing")]
            Self::Nutstore { emulator, .. } => {
                let counts = emulator.counts();
                Some(Account {
                    refused: counts.refused_burst + counts.refused_window,
                    requests: counts.requests,
                    bytes_up: counts.bytes_up,
                    bytes_down: counts.bytes_down,
                    window_left: emulator.window_left(),
                })
            }
        }
    }

    /// Bytes of all that is stored.
    pub fn stored_bytes(&self) -> u64 {
        match self {
            Self::Plain { files, .. } => walkdir::WalkDir::new(files.path())
                .into_iter()
                .flatten()
                .filter_map(|entry| entry.metadata().ok())
                .filter(std::fs::Metadata::is_file)
                .map(|found| found.len())
                .sum(),
            #[cfg(feature = "testing")]
            Self::Nutstore { emulator, .. } => emulator.objects().stored_bytes(),
        }
    }

    /// Ends it.
    pub async fn shutdown(self) {
        match self {
            Self::Plain { running, .. } => running.shutdown().await,
            #[cfg(feature = "testing")]
            Self::Nutstore { emulator, .. } => emulator.shutdown().await,
        }
    }
}
