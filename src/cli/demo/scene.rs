//! The demo's stage: a temporary folder, a server, and a repository on that.

use super::super::args::DemoServer;
use super::super::environment;
use super::super::error::CliError;
use super::server::{Account, Server};
use super::{SET, copy};
use crate::backup::{BackupOptions, BackupOutcome, BackupService};
use crate::guard::{Guard, GuardOptions};
use crate::model::entropy::{SystemEntropy, random_bytes};
use crate::model::secret::SecretText;
use crate::model::set::SetId;
use crate::progress::Silent;
use crate::recovery::{RecoveryService, RestoreOptions, RestoreOutcome};
use crate::repository::select::Selector;
use crate::repository::writer::WriterOptions;
use crate::repository::{Cancel, InitOptions, Means, Repository, RepositoryError};
use crate::state::{Database, Ledger};
use crate::store::{SharedStore, WebdavOptions, WebdavStore};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

const USER: &str = "demo";

pub(super) struct Scene {
    folder: tempfile::TempDir,
    server: Server,
    store: SharedStore,
    password: SecretText,
    repository: Option<Repository>,
    cancel: Cancel,
}

fn random_password() -> Result<SecretText, CliError> {
    let bytes: [u8; 24] = random_bytes(&SystemEntropy).map_err(RepositoryError::from)?;
    Ok(SecretText::new(hex::encode(bytes)))
}

impl Scene {
    /// Starts the server.
    pub async fn set_up(kind: DemoServer, cancel: Cancel) -> Result<Self, CliError> {
        let failed = |error: io::Error| CliError::failed("set up the demo's folder", error);
        let folder = tempfile::Builder::new().prefix("filbert-demo-").tempdir().map_err(failed)?;
        std::fs::create_dir(folder.path().join("source")).map_err(failed)?;
        let secret = random_password()?;
        let server = Server::start(kind, folder.path(), USER, secret.clone()).await?;
        let url = format!("{}backups", server.url());
        let options = WebdavOptions::new(url).with_credentials(USER, secret);
        let ledger = Arc::new(Ledger::open(&folder.path().join("state"))?);
        let guarded = GuardOptions {
            cancel: cancel.clone(),
            ..GuardOptions::new(USER, server.limits(), server.clock())
        };
        let guard = Arc::new(Guard::new(ledger, guarded));
        let store = Arc::new(WebdavStore::new(&options, server.clock())?.guarded_by(guard));
        Ok(Self { folder, server, store, password: random_password()?, repository: None, cancel })
    }

    /// Where all of it lies.
    pub fn place(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// The repository's address.
    pub fn url(&self) -> String {
        self.store.address()
    }

    /// The folder that is backed up.
    pub fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    /// Its copy of before the edits.
    pub fn kept(&self) -> PathBuf {
        self.folder.path().join("kept")
    }

    /// A folder to restore into.
    pub fn target(&self, word: &str) -> PathBuf {
        self.folder.path().join(format!("restored-{word}"))
    }

    /// Copies the source as it is now.
    pub fn keep(&self) -> io::Result<()> {
        std::fs::create_dir(self.kept())?;
        copy::exact(&self.source(), &self.kept())
    }

    /// Makes the repository.
    pub async fn init(&mut self) -> Result<(), CliError> {
        let means = Means {
            store: self.store.clone(),
            state: Arc::new(Database::open(&self.folder.path().join("state"))?),
            clock: self.server.clock(),
            entropy: Arc::new(SystemEntropy),
        };
        self.repository = Some(Repository::init(means, &self.password, InitOptions::default()).await?);
        Ok(())
    }

    /// Backs up the source.
    pub async fn backup(&self) -> Result<BackupOutcome, CliError> {
        let set = SetId::new(environment::host(), SET);
        let options = BackupOptions {
            exclude_caches: false,
            writer: WriterOptions { threads: environment::threads(), ..WriterOptions::default() },
            cancel: self.cancel.clone(),
            ..BackupOptions::new(set, vec![self.source()], self.place())
        };
        let outcome = BackupService::new(self.repository()?.clone()).run(options, Arc::new(Silent)).await?;
        match outcome.problems.first() {
            Some(problem) => Err(CliError::Failed(format!("{}: {}", problem.subject, problem.message))),
            None => Ok(outcome),
        }
    }

    /// Restores what `backup` made into `target`.
    pub async fn restore(
        &self,
        backup: &BackupOutcome,
        target: &std::path::Path,
    ) -> Result<RestoreOutcome, CliError> {
        let repository = self.repository()?;
        repository.catch_up().await?;
        let id = backup.snapshot.map(|id| id.to_string());
        let selector = Selector { id, this_host: environment::host(), ..Selector::default() };
        let options = RestoreOptions {
            threads: environment::threads(),
            cancel: self.cancel.clone(),
            ..RestoreOptions::new(repository.select(&selector)?.snapshot, target)
        };
        Ok(RecoveryService::new(repository.clone()).run(options, Arc::new(Silent)).await?)
    }

    /// What is to be known of the server beforehand.
    pub fn introduction(&self) -> Option<&'static str> {
        self.server.introduction()
    }

    /// Waits until files that were just written count as settled.
    pub async fn settle(&self) {
        self.server.settle().await;
    }

    /// What the server was asked since the last call, by method.
    pub fn take_requests(&self) -> BTreeMap<String, u64> {
        self.server.take_requests()
    }

    /// What all requests came to, where the server keeps account.
    pub fn account(&self) -> Option<Account> {
        self.server.account()
    }

    /// Bytes of all that lies on the server.
    pub fn stored_bytes(&self) -> u64 {
        self.server.stored_bytes()
    }

    /// Ends the server and removes everything.
    pub async fn tear_down(self) {
        drop(self.repository);
        drop(self.store);
        self.server.shutdown().await;
        // What cannot be removed lies in the system's folder for temporary files.
        let _ = self.folder.close();
    }

    fn repository(&self) -> Result<&Repository, CliError> {
        self.repository.as_ref().ok_or_else(|| CliError::Failed("the demo has no repository yet".to_owned()))
    }
}
