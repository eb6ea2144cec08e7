//! A drive that counts every request, as the emulator plays it, and machines that back up to it.
//! All go by one clock that stands still but for their own waits. Each step of a machine is a
//! process of its own: new connections, a new guard, and what lies in ledger and state.

use super::machine::{SMALL_CHUNKS, SameKeys, Wanted, small_packs};
use super::{PASSWORD, USER, tree};
use filbert::backup::{BackupError, BackupOptions, BackupOutcome, BackupService};
use filbert::check::{CheckOptions, CheckOutcome, CheckService, ReadData};
use filbert::emulator::{Counts, Emulator, EmulatorOptions, Fault, Limits as Allowed, Seen, start};
use filbert::format::slot::KdfCost;
use filbert::guard::{Credentials, Guard, GuardOptions, Limits, Profile, Purpose};
use filbert::model::clock::{Clock, ManualClock, SystemClock};
use filbert::model::entropy::SystemEntropy;
use filbert::model::set::SetId;
use filbert::model::time::Timestamp;
use filbert::progress::{Event, Observer, Problem};
use filbert::recovery::{RecoveryError, RecoveryService, RestoreOptions, RestoreOutcome};
use filbert::repository::select::Selector;
use filbert::repository::writer::{Choice, WriterOptions};
use filbert::repository::{Cancel, InitOptions, Means, Repository, RepositoryError};
use filbert::state::meta::Meta;
use filbert::state::{Database, Ledger};
use filbert::store::{RetryOptions, Retrying, SharedStore, TrafficCount, WebdavOptions, WebdavStore};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;

/// The set that is backed up.
pub const SET: &str = "docs";
const HOUR_MS: i64 = 3_600_000;

/// What a free account may do, without the rule for bursts: the clock jumps while requests are on
/// their way, so that such as were well apart may come together.
pub fn free_account() -> Allowed {
    Allowed { burst: None, ..Allowed::nutstore_free() }
}

/// The server and its time.
pub struct Drive {
    pub emulator: Emulator,
    pub clock: Arc<ManualClock>,
}

impl Drive {
    /// Nutstore with a free account.
    pub async fn new() -> Self {
        Self::allowing(free_account()).await
    }

    pub async fn allowing(allowed: Allowed) -> Self {
        // Ahead of the files' times, so that they do not count as just changed.
        let now = Timestamp::from_millis(SystemClock.now().millis() + HOUR_MS);
        Self::at(now, allowed).await
    }

    pub async fn at(now: Timestamp, allowed: Allowed) -> Self {
        let clock = Arc::new(ManualClock::at(now));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let options =
            EmulatorOptions { limits: allowed, ..EmulatorOptions::new(clock.clone(), USER, PASSWORD.into()) };
        Self { emulator: start(listener, options).unwrap(), clock }
    }

    /// A machine without state, with an account of its own in a ledger of its own.
    pub fn machine(&self, host: &str) -> Machine {
        Machine {
            url: format!("{}filbert", self.emulator.url()),
            host: host.to_owned(),
            login: PASSWORD.to_owned(),
            clock: self.clock.clone(),
            told: Arc::default(),
            state: Arc::new(Database::in_memory().unwrap()),
            ledger: Arc::new(Ledger::in_memory().unwrap()),
            // Nobody takes anything for a burst here.
            limits: Limits { spacing: Duration::ZERO, ..Profile::NutstoreFree.limits() },
            writer: WriterOptions { uploads: Choice::Auto, ..small_packs() },
            stalled_after: Duration::from_secs(20),
        }
    }

    /// What was asked since this was last called.
    pub fn asked(&self) -> Vec<Seen> {
        self.emulator.journal().take()
    }

    /// As [`Self::asked`], each as its method and a place such as `packs/000/object`.
    pub fn steps(&self) -> Vec<String> {
        self.asked().iter().map(step).collect()
    }

    /// Milliseconds by the clock.
    pub fn clock_ms(&self) -> i64 {
        self.clock.now().millis()
    }

    /// This goes wrong from now on, and nothing else.
    pub fn only(&self, fault: Fault) {
        self.emulator.faults().clear();
        self.emulator.faults().add(fault);
    }
}

/// A request by its method and place.
pub fn step(seen: &Seen) -> String {
    let parts: Vec<_> = seen.path.trim_matches('/').split('/').skip(2).collect();
    let place = match parts.as_slice() {
        [] => "root".to_owned(),
        [name] if name.starts_with("filbert-") => "descriptor".to_owned(),
        [folder, _] if folder.starts_with("log-") => format!("{folder}/object"),
        ["packs", number, _] => format!("packs/{number}/object"),
        rest => rest.join("/"),
    };
    let page = if seen.query.is_some() { " (further page)" } else { "" };
    format!("{} {place}{page}", seen.method)
}

/// How many of the steps are this one.
pub fn count(steps: &[String], wanted: &str) -> usize {
    steps.iter().filter(|step| *step == wanted).count()
}

/// What a process counted is what the server saw, by method and in bytes each way.
#[track_caller]
pub fn assert_counts(traffic: &TrafficCount, before: &Counts, after: &Counts) {
    let mut seen = after.requests.clone();
    for (method, count) in &before.requests {
        seen.entry(method.clone()).and_modify(|now| *now -= count);
    }
    seen.retain(|_, count| *count > 0);
    let counted = traffic.requests.iter().map(|(method, count)| ((*method).to_owned(), *count)).collect();
    assert_eq!(seen, counted, "requests");
    assert_eq!(after.bytes_up - before.bytes_up, traffic.bytes_up, "bytes up");
    assert_eq!(after.bytes_down - before.bytes_down, traffic.bytes_down, "bytes down");
}

/// A time that something waits for.
#[derive(Debug, Clone)]
pub struct ToldWait {
    pub at: Timestamp,
    pub until: Timestamp,
    pub reason: String,
}

/// What a machine told.
#[derive(Default)]
pub struct Told {
    pub waits: Mutex<Vec<ToldWait>>,
    pub problems: Mutex<Vec<String>>,
    pub notices: Mutex<Vec<String>>,
    clock: Mutex<Option<Arc<ManualClock>>>,
}

impl Told {
    pub fn waits(&self) -> Vec<ToldWait> {
        self.waits.lock().unwrap().clone()
    }

    pub fn problems(&self) -> String {
        self.problems.lock().unwrap().join("\n")
    }
}

impl Observer for Told {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Waiting { until, reason } => {
                let at = self.clock.lock().unwrap().as_ref().map_or(until, |clock| clock.now());
                self.waits.lock().unwrap().push(ToldWait { at, until, reason: reason.to_owned() });
            }
            Event::Problem(problem) => {
                self.problems.lock().unwrap().push(format!("{}: {}", problem.subject, problem.message));
            }
            Event::Notice(notice) => self.notices.lock().unwrap().push(notice.to_owned()),
            _ => {}
        }
    }
}

/// A machine that backs up to the drive.
pub struct Machine {
    pub url: String,
    pub host: String,
    /// The password for the server.
    pub login: String,
    pub clock: Arc<ManualClock>,
    pub told: Arc<Told>,
    pub state: Arc<Database>,
    pub ledger: Arc<Ledger>,
    pub limits: Limits,
    pub writer: WriterOptions,
    /// Real time without a byte after which a request is given up.
    pub stalled_after: Duration,
}

/// A process: its store, which counts, and the repository it opened.
pub struct Process {
    pub store: SharedStore,
    pub repository: Repository,
}

impl Machine {
    /// The same machine after its state was lost; its ledger was not.
    pub fn without_state(self) -> Self {
        Self { state: Arc::new(Database::in_memory().unwrap()), ..self }
    }

    /// How a process of this machine reaches the server, as `cli/session.rs` has it.
    pub fn means(&self, purpose: Purpose) -> Means {
        // A second passes before: no two snapshots have one time, and machines make no burst together.
        self.clock.advance(Duration::from_secs(1));
        *self.told.clock.lock().unwrap() = Some(self.clock.clone());
        let options = GuardOptions {
            purpose,
            credentials: Credentials::new(USER, &self.login.as_str().into()),
            observer: self.told.clone(),
            ..GuardOptions::new("account", self.limits.clone(), self.clock.clone())
        };
        let guard = Arc::new(Guard::new(self.ledger.clone(), options));
        let options = WebdavOptions {
            no_progress_timeout: self.stalled_after,
            ..WebdavOptions::new(&self.url).with_credentials(USER, self.login.as_str().into())
        };
        let store = WebdavStore::new(&options, self.clock.clone()).unwrap().guarded_by(guard.clone());
        let known = self.state.meta(Meta::Descriptor).unwrap().is_some();
        let credentials_worked = guard.credentials_worked().unwrap();
        let worked = known || credentials_worked;
        let options = RetryOptions {
            credentials_worked,
            patience: if worked { Duration::from_secs(10 * 60) } else { Duration::ZERO },
            max_throttle_wait: Duration::from_secs(24 * 3600),
            ..RetryOptions::default()
        };
        let store =
            Retrying::new(Arc::new(store), options, self.clock.clone()).observed_by(self.told.clone());
        Means {
            store: Arc::new(store),
            state: self.state.clone(),
            clock: self.clock.clone(),
            entropy: Arc::new(SystemEntropy),
        }
    }

    /// Makes a repository, always with the same keys, so that packs can be counted.
    pub async fn try_init(&self) -> Result<SharedStore, RepositoryError> {
        let means = Means { entropy: Arc::new(SameKeys::default()), ..self.means(Purpose::Other) };
        let store = means.store.clone();
        let options = InitOptions { cost: KdfCost::FOR_TESTS, chunker: SMALL_CHUNKS };
        Repository::init(means, &"correct horse".into(), options).await.map(|_| store)
    }

    pub async fn init(&self) -> SharedStore {
        self.try_init().await.unwrap()
    }

    /// Begins a process and opens the repository.
    pub async fn try_open(&self, purpose: Purpose) -> Result<Process, RepositoryError> {
        let means = self.means(purpose);
        let store = means.store.clone();
        let repository = Repository::open(means, &"correct horse".into()).await?;
        Ok(Process { store, repository })
    }

    pub async fn open(&self) -> Process {
        self.try_open(Purpose::Other).await.unwrap()
    }

    /// Opens and reads what is new; no problem may show.
    pub async fn catch_up(&self, purpose: Purpose) -> Result<Process, RepositoryError> {
        let process = self.try_open(purpose).await?;
        let problems: Vec<Problem> = process.repository.catch_up().await?;
        assert!(problems.is_empty(), "{problems:?}");
        Ok(process)
    }

    pub fn options(&self, source: &Path) -> BackupOptions {
        let set = SetId::new(self.host.as_str(), SET);
        let sources = vec![source.to_path_buf()];
        BackupOptions { writer: self.writer, ..BackupOptions::new(set, sources, PathBuf::from("/")) }
    }

    pub async fn try_back_up(&self, source: &Path) -> Result<BackupOutcome, BackupError> {
        let process = self.try_open(Purpose::Other).await?;
        BackupService::new(process.repository).run(self.options(source), self.told.clone()).await
    }

    /// Backs up and expects all to be well.
    pub async fn back_up(&self, source: &Path) -> BackupOutcome {
        let outcome = self.try_back_up(source).await.unwrap();
        assert_eq!(outcome.problem_count, 0, "{:?}", outcome.problems);
        outcome
    }

    /// Restores the latest snapshot of this host, or the one named, and what of it `includes` match.
    pub async fn try_restore(
        &self,
        wanted: impl Into<Wanted>,
        target: &Path,
        includes: &[&str],
    ) -> Result<(RestoreOutcome, TrafficCount), RecoveryError> {
        let process = self.catch_up(Purpose::Restore).await?;
        let (id, set) = match wanted.into() {
            Wanted::Id(id) => (Some(id.to_string()), None),
            Wanted::LatestOf(set) => (None, Some(set)),
        };
        let selector = Selector { id, set, this_host: self.host.clone(), ..Selector::default() };
        let snapshot = process.repository.select(&selector)?.snapshot;
        let mut wish = RestoreOptions::new(snapshot, target);
        wish.includes = includes.iter().map(|include| (*include).to_owned()).collect();
        let outcome = RecoveryService::new(process.repository).run(wish, self.told.clone()).await?;
        Ok((outcome, process.store.traffic()))
    }

    /// Restores the latest snapshot; it must be `wanted` to the last bit.
    #[track_caller]
    pub fn expect<'a>(&'a self, wanted: &'a tree::Tree, context: &'a str) -> impl Future<Output = ()> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let target = tempfile::tempdir().unwrap();
            let out = target.path().join("out");
            let (outcome, _) = self.try_restore(SET, &out, &[]).await.unwrap();
            let context = format!("{context} ({caller})");
            assert_eq!(outcome.problem_count, 0, "{context}: {:?}", outcome.problems);
            tree::assert_same(wanted, &out, &context);
        }
    }

    pub async fn check(&self, read_data: ReadData) -> (CheckOutcome, TrafficCount) {
        let process = self.open().await;
        let options = CheckOptions { read_data, cancel: Cancel::default() };
        let outcome = CheckService::new(process.repository).run(options, self.told.clone()).await.unwrap();
        (outcome, process.store.traffic())
    }
}

/// A folder with so many files that do not compress, of so many bytes each.
pub fn documents(files: u64, bytes: usize) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("documents");
    (0..files).for_each(|n| tree::write(&source, &format!("file-{n:03}"), tree::noise(n, bytes)));
    (dir, source)
}
