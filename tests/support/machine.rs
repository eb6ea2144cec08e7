//! A machine that backs up: a store, a local state of its own, a clock and the password. Several
//! machines made `beside` one another share the store and the time.

use super::faulty::FaultyStore;
use filbert::backup::{BackupError, BackupOptions, BackupOutcome, BackupService};
use filbert::check::{CheckOptions, CheckOutcome, CheckService, ReadData};
use filbert::format::chunker::{ChunkerKind, ChunkerParams};
use filbert::format::slot::KdfCost;
use filbert::model::clock::{Clock, SystemClock};
use filbert::model::entropy::{Entropy, EntropyError, SystemEntropy};
use filbert::model::id::ObjectId;
use filbert::model::set::SetId;
use filbert::model::time::Timestamp;
use filbert::progress::{Event, Observer};
use filbert::recovery::{RecoveryError, RecoveryService, RestoreOptions, RestoreOutcome};
use filbert::repository::select::Selector;
use filbert::repository::writer::{Choice, WriterOptions};
use filbert::repository::{Cancel, InitOptions, Means, Repository, RepositoryError};
use filbert::state::Database;
use filbert::store::{RetryOptions, Retrying, SharedStore};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const HOST: &str = "here";
const HOUR_MS: i64 = 3_600_000;

/// The system's clock, ahead by a settable offset: an hour at first, so that files just written
/// do not count as changed within 2 s of their reading.
#[derive(Debug)]
pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn advance_ms(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let now = SystemClock.now();
        let ahead = Timestamp::from_millis(now.millis() + self.0.load(Ordering::SeqCst));
        Timestamp::new(ahead.seconds, ahead.nanos)
    }
}

/// Keeps what a service told.
#[derive(Debug, Default)]
pub struct Heard {
    pub problems: Mutex<Vec<String>>,
    pub notices: Mutex<Vec<String>>,
}

impl Heard {
    pub fn problems(&self) -> String {
        self.problems.lock().unwrap().join("\n")
    }

    pub fn notices(&self) -> String {
        self.notices.lock().unwrap().join("\n")
    }
}

impl Observer for Heard {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Problem(problem) => {
                self.problems.lock().unwrap().push(format!("{}: {}", problem.subject, problem.message));
            }
            Event::Notice(notice) => self.notices.lock().unwrap().push(notice.to_owned()),
            _ => {}
        }
    }
}

pub struct Machine {
    pub faults: Arc<FaultyStore>,
    pub clock: Arc<TestClock>,
    pub host: String,
    pub heard: Arc<Heard>,
    pub writer: WriterOptions,
    pub init: InitOptions,
    pub password: String,
    state: Arc<Database>,
    state_dir: Option<Arc<tempfile::TempDir>>,
    store: SharedStore,
}

impl Machine {
    /// A machine with a store of its own, in memory, with small chunks, frames and packs.
    pub fn new() -> Self {
        Self::on(Arc::new(FaultyStore::default()))
    }

    pub fn on(faults: Arc<FaultyStore>) -> Self {
        let ms = Duration::from_millis(1);
        let patience = RetryOptions { attempts: 3, base_delay: ms, max_delay: ms, ..RetryOptions::default() };
        let store = Arc::new(Retrying::new(faults.clone(), patience, Arc::new(SystemClock)));
        Self {
            faults,
            clock: Arc::new(TestClock(AtomicI64::new(HOUR_MS))),
            host: HOST.to_owned(),
            heard: Arc::default(),
            writer: small_packs(),
            init: InitOptions { cost: KdfCost::FOR_TESTS, chunker: SMALL_CHUNKS },
            password: "correct horse".to_owned(),
            state: Arc::new(Database::in_memory().unwrap()),
            state_dir: None,
            store,
        }
    }

    /// The state lies in a folder, so that locks work and a crash can be played by [`Self::again`].
    pub fn with_state_dir(mut self) -> Self {
        let dir = tempfile::tempdir().unwrap();
        self.state = Arc::new(Database::open(dir.path()).unwrap());
        self.state_dir = Some(Arc::new(dir));
        self
    }

    /// Another machine with the same store and time, and an empty state.
    pub fn beside(&self, host: &str) -> Self {
        let mut other = Self::on(self.faults.clone());
        (other.clock, other.host) = (self.clock.clone(), host.to_owned());
        (other.writer, other.init, other.password) = (self.writer, self.init, self.password.clone());
        other
    }

    /// The same host after its state was lost.
    pub fn without_state(&self) -> Self {
        self.beside(&self.host)
    }

    /// Another process on the same state folder: after a crash, or at the same time.
    pub fn again(&self) -> Self {
        let dir = self.state_dir.clone().expect("a machine with a state folder");
        let mut other = self.without_state();
        other.state = Arc::new(Database::open(dir.path()).unwrap());
        other.state_dir = Some(dir);
        other
    }

    /// A machine that was cloned with its disk, state folder and all.
    pub fn with_a_copied_state(&self) -> Self {
        let from = self.state_dir.clone().expect("a machine with a state folder");
        let dir = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(from.path()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), dir.path().join(file.file_name())).unwrap();
        }
        let mut other = self.without_state();
        other.state = Arc::new(Database::open(dir.path()).unwrap());
        other.state_dir = Some(Arc::new(dir));
        other
    }

    /// A machine with an empty state and the objects of this one's store as they are now.
    pub async fn beside_a_copy(&self) -> Self {
        let mut other = Self::on(Arc::new(self.faults.copy().await));
        (other.clock, other.host) = (self.clock.clone(), self.host.clone());
        (other.writer, other.init, other.password) = (self.writer, self.init, self.password.clone());
        other
    }

    pub fn means(&self) -> Means {
        Means {
            store: self.store.clone(),
            state: self.state.clone(),
            clock: self.clock.clone(),
            entropy: Arc::new(SystemEntropy),
        }
    }

    /// Makes a repository, always with the same keys: content is cut alike in every test, so that
    /// packs can be counted. All that is sealed later has randomness of its own.
    pub async fn init(&self) -> Repository {
        let means = Means { entropy: Arc::new(SameKeys::default()), ..self.means() };
        Repository::init(means, &self.password.as_str().into(), self.init).await.unwrap();
        self.open().await
    }

    pub async fn try_open(&self) -> Result<Repository, RepositoryError> {
        Repository::open(self.means(), &self.password.as_str().into()).await
    }

    pub async fn open(&self) -> Repository {
        self.try_open().await.unwrap()
    }

    /// Opens and reads what is new in the log; the problems come back as text.
    pub async fn catch_up(&self) -> (Repository, String) {
        let repository = self.open().await;
        let problems = repository.catch_up().await.unwrap();
        let told: Vec<_> =
            problems.iter().map(|problem| format!("{}: {}", problem.subject, problem.message)).collect();
        (repository, told.join("\n"))
    }

    pub fn options(&self, set: &str, sources: &[&Path]) -> BackupOptions {
        let sources = sources.iter().map(|source| source.to_path_buf()).collect();
        let set = SetId::new(self.host.as_str(), set);
        BackupOptions { writer: self.writer, ..BackupOptions::new(set, sources, PathBuf::from("/")) }
    }

    /// Backs up; the clock moves on by a second before, so that no two snapshots have one time.
    pub async fn try_back_up(&self, options: BackupOptions) -> Result<BackupOutcome, BackupError> {
        self.back_up_watched(options, self.heard.clone()).await
    }

    pub async fn back_up_watched(
        &self,
        options: BackupOptions,
        observer: Arc<dyn Observer>,
    ) -> Result<BackupOutcome, BackupError> {
        self.clock.advance_ms(1000);
        let repository = self.try_open().await?;
        BackupService::new(repository).run(options, observer).await
    }

    /// Backs up and expects all to be well.
    pub async fn back_up(&self, set: &str, sources: &[&Path]) -> BackupOutcome {
        let outcome = self.try_back_up(self.options(set, sources)).await.unwrap();
        assert_eq!(outcome.problem_count, 0, "{:?}", outcome.problems);
        outcome
    }

    pub async fn back_up_full(&self, set: &str, sources: &[&Path]) -> BackupOutcome {
        let options = BackupOptions { full: true, ..self.options(set, sources) };
        self.try_back_up(options).await.unwrap()
    }

    /// The wish to restore a snapshot, whole, into `target`.
    pub async fn wish(
        &self,
        wanted: impl Into<Wanted>,
        target: &Path,
    ) -> Result<RestoreOptions, RepositoryError> {
        let (repository, _) = self.catch_up().await;
        let (id, set) = match wanted.into() {
            Wanted::Id(id) => (Some(id.to_string()), None),
            Wanted::LatestOf(set) => (None, Some(set)),
        };
        let selector = Selector { id, set, this_host: self.host.clone(), ..Selector::default() };
        Ok(RestoreOptions::new(repository.select(&selector)?.snapshot, target))
    }

    pub async fn try_restore_as(&self, wish: RestoreOptions) -> Result<RestoreOutcome, RecoveryError> {
        RecoveryService::new(self.open().await).run(wish, self.heard.clone()).await
    }

    pub async fn try_restore(
        &self,
        wanted: impl Into<Wanted>,
        target: &Path,
    ) -> Result<RestoreOutcome, RecoveryError> {
        let wish = self.wish(wanted, target).await?;
        self.try_restore_as(wish).await
    }

    /// Restores and expects all to be well.
    pub async fn restore(&self, wanted: impl Into<Wanted>, target: &Path) -> RestoreOutcome {
        let outcome = self.try_restore(wanted, target).await.unwrap();
        assert_eq!(outcome.problem_count, 0, "{:?}", outcome.problems);
        outcome
    }

    pub async fn check(&self, read_data: ReadData) -> CheckOutcome {
        let options = CheckOptions { read_data, cancel: Cancel::default() };
        CheckService::new(self.open().await).run(options, self.heard.clone()).await.unwrap()
    }
}

/// Which snapshot: one by its id, or the latest of a set.
pub enum Wanted {
    Id(ObjectId),
    LatestOf(String),
}

impl From<ObjectId> for Wanted {
    fn from(id: ObjectId) -> Self {
        Wanted::Id(id)
    }
}

impl From<&str> for Wanted {
    fn from(set: &str) -> Self {
        Wanted::LatestOf(set.to_owned())
    }
}

pub const SMALL_CHUNKS: ChunkerParams =
    ChunkerParams { kind: ChunkerKind::KeyedFastcdc, min_bytes: 64, average_bytes: 256, max_bytes: 1024 };

/// Packs of about 8 KiB, one at a time, so that a few files make many in a known order.
pub fn small_packs() -> WriterOptions {
    WriterOptions {
        pack_bytes: 8 << 10,
        frame_bytes: 2 << 10,
        level: Choice::Fixed(1),
        threads: 1,
        uploads: Choice::Fixed(1),
        max_object: None,
    }
}

/// What a check found, one problem a line.
pub fn told(outcome: &CheckOutcome) -> String {
    let lines: Vec<_> =
        outcome.problems.iter().map(|problem| format!("{}: {}", problem.subject, problem.message)).collect();
    lines.join("\n")
}

/// Bytes that are the same in every run.
#[derive(Default)]
pub struct SameKeys(std::sync::atomic::AtomicU64);

impl Entropy for SameKeys {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        let number = self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(bytes);
        Ok(())
    }
}
