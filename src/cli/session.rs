//! What a command works with: settings, where to tell things, and the way from a name to an opened
//! repository.

use super::args::GlobalArguments;
use super::destination::Destination;
use super::environment;
use super::error::CliError;
use super::interrupt::Interrupt;
use super::output::Output;
use super::progress::{self, Display};
use super::secret::Wanted;
use crate::config::Settings;
use crate::guard::{Credentials, Guard, GuardOptions, Purpose};
use crate::model::clock::SystemClock;
use crate::model::entropy::SystemEntropy;
use crate::model::secret::SecretText;
use crate::progress::Problem;
use crate::repository::writer::WriterOptions;
use crate::repository::{Means, Repository, RepositoryError};
use crate::state::meta::Meta;
use crate::state::{Database, Ledger};
use crate::store::{RetryOptions, Retrying, SharedStore};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A network or a server that fails is tried again for so long, once it worked.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// A server that refuses requests is given so long to think better of it.
const THROTTLE_PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// One run of the program.
pub(super) struct Session {
    /// Flags and variables.
    pub arguments: GlobalArguments,
    /// The settings file's content.
    pub settings: Settings,
    /// Where words go.
    pub output: Output,
    /// Ctrl-C.
    pub interrupt: Interrupt,
    /// What relative paths are relative to.
    pub current_dir: PathBuf,
    /// Shows what the services tell.
    pub display: Arc<Display>,
    /// When it began.
    pub started: Instant,
    /// What its requests are for.
    purpose: Purpose,
}

/// A repository that is about to be opened: passwords are known, nothing was sent.
pub(super) struct Ready {
    /// Where it is.
    pub destination: Destination,
    /// What it works with.
    pub means: Means,
    /// The encryption password.
    pub password: SecretText,
    /// The folder of the local state was made for this run.
    state_is_new: bool,
    guard: Option<Arc<Guard>>,
}

/// A way to a repository's objects, whose server may have a password.
struct Reached {
    destination: Destination,
    guard: Option<Arc<Guard>>,
    store: SharedStore,
    max_wait: Option<Duration>,
}

/// An opened repository.
#[derive(Clone)]
pub(super) struct Opened {
    /// Where it is.
    pub destination: Destination,
    /// It.
    pub repository: Repository,
    /// Its store, which counts the requests.
    pub store: SharedStore,
    /// The guard of its account; none for a local folder.
    pub guard: Option<Arc<Guard>>,
}

impl Session {
    /// Reads the settings.
    pub fn start(arguments: GlobalArguments, purpose: Purpose) -> Result<Self, CliError> {
        let output = Output { json: arguments.json, quiet: arguments.quiet, verbose: arguments.verbose };
        let current_dir =
            environment::current_dir().map_err(|error| CliError::failed("find the current folder", error))?;
        let home = environment::home();
        let named = arguments.config.clone().filter(|path| !path.as_os_str().is_empty());
        let settings = match named {
            Some(file) => Settings::read(&current_dir.join(file), home.as_deref())?,
            None => match environment::settings_file().filter(|file| file.exists()) {
                Some(file) => Settings::read(&file, home.as_deref())?,
                None => Settings::default(),
            },
        };
        let display = Arc::new(progress::display(output));
        let (interrupt, started) = (Interrupt::default(), Instant::now());
        Ok(Self { arguments, settings, output, interrupt, current_dir, display, started, purpose })
    }

    /// The repository that is meant, with its passwords. Sends nothing.
    pub fn prepare(&self, set: Option<&str>, new_password: bool) -> Result<Ready, CliError> {
        let Reached { destination, guard, store, max_wait } = self.reach(set)?;
        let password = destination.password.get(new_password)?;
        let state_is_new = !destination.state.exists();
        let state = Arc::new(Database::open(&destination.state)?);
        let means = self.means(store, state, guard.as_deref(), max_wait)?;
        Ok(Ready { destination, means, password, state_is_new, guard })
    }

    /// The repository that is meant, without anything that this machine knows of it, and a recovery key.
    /// Sends nothing.
    pub fn prepare_proof(&self) -> Result<(Means, SecretText), CliError> {
        let Reached { guard, store, max_wait, .. } = self.reach(None)?;
        let (what, variable) = ("recovery key", "FILBERT_RECOVERY_KEY");
        let key = Wanted { what, variable, file: None, command: None }.get(false)?;
        let state = Arc::new(Database::in_memory()?);
        Ok((self.means(store, state, guard.as_deref(), max_wait)?, key))
    }

    fn reach(&self, set: Option<&str>) -> Result<Reached, CliError> {
        let destination = Destination::resolve(&self.arguments, &self.settings, set, &self.current_dir)?;
        let max_wait =
            self.arguments.max_wait.map_or_else(|| destination.longest_wait(), |wait| Ok(Some(wait.0)))?;
        let account = destination.account()?;
        let server = destination.server()?;
        let credentials = server.as_ref().map_or_else(Credentials::none, |server| match &server.password {
            Some(password) => Credentials::new(server.user.as_deref().unwrap_or_default(), password),
            None => Credentials::none(),
        });
        let guard = account.map(|(account, limits)| {
            let options = GuardOptions::new(account, limits, Arc::new(SystemClock));
            self.guard(&destination, GuardOptions { credentials, max_wait, ..options })
        });
        let guard = guard.transpose()?;
        let store = destination.store(server.as_ref(), guard.clone())?;
        Ok(Reached { destination, guard, store, max_wait })
    }

    fn means(
        &self,
        store: SharedStore,
        state: Arc<Database>,
        guard: Option<&Guard>,
        max_wait: Option<Duration>,
    ) -> Result<Means, CliError> {
        let known = state.meta(Meta::Descriptor)?.is_some();
        let credentials_worked = guard.map_or(Ok(false), Guard::credentials_worked)?;
        let worked = known || credentials_worked;
        let shortest = |patience: Duration| max_wait.map_or(patience, |longest| longest.min(patience));
        let options = RetryOptions {
            credentials_worked,
            // Whom nobody ever reached is most likely mistyped.
            patience: if worked { shortest(PATIENCE) } else { Duration::ZERO },
            max_throttle_wait: shortest(THROTTLE_PATIENCE),
            ..RetryOptions::default()
        };
        let clock = Arc::new(SystemClock);
        let retrying = Retrying::new(store, options, clock.clone())
            .observed_by(self.display.clone())
            .stopped_by(self.interrupt.cancel.clone());
        Ok(Means { store: Arc::new(retrying), state, clock, entropy: Arc::new(SystemEntropy) })
    }

    fn guard(&self, destination: &Destination, options: GuardOptions) -> Result<Arc<Guard>, CliError> {
        let ledger = Arc::new(Ledger::open(&destination.state_root)?);
        let options = GuardOptions {
            purpose: self.purpose,
            observer: self.display.clone(),
            cancel: self.interrupt.cancel.clone(),
            ..options
        };
        Ok(Arc::new(Guard::new(ledger, options)))
    }

    /// Opens the repository that is meant. Asks the store only if the local state is new.
    pub async fn open(&self, set: Option<&str>) -> Result<Opened, CliError> {
        Ok(self.open_beside(set, |_| ()).await?.0)
    }

    /// As [`Self::open`], and starts what can go on beside the key derivation.
    pub async fn open_beside<T>(
        &self,
        set: Option<&str>,
        begin: impl FnOnce(&Ready) -> T,
    ) -> Result<(Opened, T), CliError> {
        let ready = self.prepare(set, false)?;
        self.interrupt.listen(self.output);
        let begun = begin(&ready);
        Ok((self.open_ready(ready).await?, begun))
    }

    /// Opens a repository whose passwords are known.
    pub async fn open_ready(&self, ready: Ready) -> Result<Opened, CliError> {
        let (store, guard) = (ready.means.store.clone(), ready.guard.clone());
        let repository = self.interrupt.or(Repository::open(ready.means, &ready.password)).await;
        if ready.state_is_new
            && matches!(&repository, Err(CliError::Repository(RepositoryError::NoRepository(_))))
        {
            // A mistyped address leaves nothing behind; one that stays does no harm.
            let _ = std::fs::remove_dir_all(&ready.destination.state);
        }
        let repository = repository?;
        Ok(Opened { destination: ready.destination, repository, store, guard })
    }

    /// Opens the repository that is meant, fetches what is new in its log, and answers what is
    /// wrong with that.
    pub async fn open_up_to_date(&self) -> Result<(Opened, Vec<Problem>), CliError> {
        let opened = self.open(None).await?;
        let problems = self.interrupt.or(opened.repository.catch_up()).await?;
        Ok((opened, problems))
    }

    /// Milliseconds since the start.
    pub fn duration_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Opened {
    /// Packs as they are asked for, made by as many threads as this machine runs.
    pub fn writer(&self) -> WriterOptions {
        let default = WriterOptions::default();
        let max_object = self.guard.as_ref().and_then(|guard| guard.limits().max_object);
        let pack_bytes = self.destination.pack_bytes.unwrap_or(default.pack_bytes);
        let (level, uploads) = (self.destination.level, self.destination.uploads);
        WriterOptions { pack_bytes, level, uploads, threads: environment::threads(), max_object, ..default }
    }
}
