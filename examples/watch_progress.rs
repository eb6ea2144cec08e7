//! Backs up a folder and shows with an observer of its own how that goes: a line a second, what
//! went wrong as it happens. Ctrl-C ends it cleanly; the same command again goes on from there.

use filbert::backup::{BackupError, BackupOptions, BackupOutcome, BackupService};
use filbert::model::clock::SystemClock;
use filbert::model::entropy::SystemEntropy;
use filbert::model::secret::SecretText;
use filbert::model::set::SetId;
use filbert::progress::{Event, Observer, Stage};
use filbert::repository::{Cancel, InitOptions, Means, Repository, RepositoryError};
use filbert::state::Database;
use filbert::store::{FolderStore, RetryOptions, Retrying, SharedStore, WebdavOptions, WebdavStore};
use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

const USAGE: &str = "\
Backs up a folder and tells each second how far it is. Ctrl-C ends it cleanly.

Usage: watch_progress SOURCE REPOSITORY STATE

  SOURCE      a folder
  REPOSITORY  a folder or the https:// address of a WebDAV folder; made if there is none
  STATE       a folder for what is known locally: with it a broken-off run is gone on with

FILBERT_PASSWORD holds the encryption password, FILBERT_WEBDAV_USER and FILBERT_WEBDAV_PASSWORD
those of the server.";

const INTERRUPTED: u8 = 130;

/// How far the work is. Services tell it from several threads, often: numbers are only added up,
/// and what is to be said at once goes through a channel to the task that prints.
struct Progress {
    stage: Mutex<Option<Stage>>,
    files: AtomicU64,
    files_expected: AtomicU64,
    bytes: AtomicU64,
    sent: AtomicU64,
    problems: AtomicU64,
    lines: mpsc::UnboundedSender<String>,
}

impl Progress {
    fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<String>) {
        let (lines, to_print) = mpsc::unbounded_channel();
        let progress = Self {
            stage: Mutex::default(),
            files: AtomicU64::default(),
            files_expected: AtomicU64::default(),
            bytes: AtomicU64::default(),
            sent: AtomicU64::default(),
            problems: AtomicU64::default(),
            lines,
        };
        (Arc::new(progress), to_print)
    }

    fn say(&self, line: String) {
        // At the end nobody prints any more, and nobody needs to know.
        let _ = self.lines.send(line);
    }

    fn begin(&self, stage: Stage, files: Option<u64>) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = Some(stage);
        self.files.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
        self.files_expected.store(files.unwrap_or(0), Ordering::Relaxed);
        self.say(format!("== {stage:?}"));
    }

    /// Where the work stands, in a line.
    fn standing(&self) -> String {
        let number = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let stage = *self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let mut line = stage.map_or("starting".to_owned(), |stage| format!("{stage:?}"));
        let (files, bytes) = (number(&self.files), number(&self.bytes));
        if files + bytes > 0 {
            line += &format!(", {files} entries");
            if number(&self.files_expected) > 0 {
                line += &format!(" of about {}", number(&self.files_expected));
            }
            line += &format!(", {} KiB read", bytes >> 10);
        }
        line += &format!(", {} KiB sent", number(&self.sent) >> 10);
        if number(&self.problems) > 0 {
            line += &format!(", {} problems", number(&self.problems));
        }
        line
    }
}

impl Observer for Progress {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Stage { stage, files, .. } => self.begin(stage, files),
            Event::Advanced { files, bytes } => {
                self.files.fetch_add(files, Ordering::Relaxed);
                self.bytes.fetch_add(bytes, Ordering::Relaxed);
            }
            Event::Transferred { up, .. } => {
                self.sent.fetch_add(up, Ordering::Relaxed);
            }
            Event::Problem(problem) => {
                self.problems.fetch_add(1, Ordering::Relaxed);
                self.say(format!("!! {}: {}", problem.subject, problem.message));
            }
            Event::Notice(notice) => self.say(format!("-- {notice}")),
            Event::Waiting { until, reason } => {
                self.say(format!(".. waiting until {}: {reason}", until.rfc3339()));
            }
            // A line a file would be too much here, and later versions may tell more.
            _ => {}
        }
    }
}

/// Prints until the work is done, and all that was said before that.
async fn print(progress: Arc<Progress>, mut lines: mpsc::UnboundedReceiver<String>, done: Cancel) {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.tick().await;
    loop {
        tokio::select! {
            biased;
            Some(line) = lines.recv() => println!("{line}"),
            () = done.cancelled() => return,
            _ = seconds.tick() => println!("   {}", progress.standing()),
        }
    }
}

/// The first Ctrl-C asks the backup to end, the second ends the program.
async fn listen(cancel: Cancel) {
    if tokio::signal::ctrl_c().await.is_ok() {
        eprintln!("ending: what was sent is kept");
        cancel.cancel();
    }
    if tokio::signal::ctrl_c().await.is_ok() {
        std::process::exit(i32::from(INTERRUPTED));
    }
}

fn store(place: &str) -> Result<SharedStore, Box<dyn Error>> {
    if !place.starts_with("https://") && !place.starts_with("http://") {
        return Ok(Arc::new(FolderStore::new(place)));
    }
    let mut options = WebdavOptions::new(place);
    if let (Ok(user), Ok(password)) = (env::var("FILBERT_WEBDAV_USER"), env::var("FILBERT_WEBDAV_PASSWORD")) {
        options = options.with_credentials(user, SecretText::from(password.as_str()));
    }
    Ok(Arc::new(WebdavStore::new(&options, Arc::new(SystemClock))?))
}

async fn open(means: Means, password: &SecretText) -> Result<Repository, RepositoryError> {
    match Repository::open(means.clone(), password).await {
        Err(RepositoryError::NoRepository(_)) => {
            Repository::init(means, password, InitOptions::default()).await
        }
        opened => opened,
    }
}

async fn run(arguments: &[String; 3]) -> Result<Option<BackupOutcome>, Box<dyn Error>> {
    let [source, place, state] = arguments;
    let password = env::var("FILBERT_PASSWORD").map_err(|_| "FILBERT_PASSWORD is not set")?;
    let password = SecretText::from(password.as_str());
    let (progress, lines) = Progress::new();
    let cancel = Cancel::default();
    let done = Cancel::default();
    let printer = tokio::spawn(print(progress.clone(), lines, done.clone()));
    tokio::spawn(listen(cancel.clone()));

    // The retrying store is the one that waits, so it has the observer as well.
    let store = Retrying::new(store(place)?, RetryOptions::default(), Arc::new(SystemClock))
        .observed_by(progress.clone())
        .stopped_by(cancel.clone());
    let means = Means {
        store: Arc::new(store),
        state: Arc::new(Database::open(&PathBuf::from(state))?),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
    };
    let repository = open(means, &password).await?;
    let set = SetId::new("this-machine", "watched");
    let options = BackupOptions {
        cancel,
        skip: vec![place.into(), state.into()],
        ..BackupOptions::new(set, vec![source.into()], env::current_dir()?)
    };
    let outcome = BackupService::new(repository).run(options, progress.clone()).await;
    done.cancel();
    printer.await?;
    match outcome {
        Err(BackupError::Repository(RepositoryError::Cancelled)) => Ok(None),
        outcome => Ok(Some(outcome?)),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Ok(arguments) = <[String; 3]>::try_from(arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(&arguments).await {
        Ok(Some(outcome)) => {
            let tally = outcome.tally;
            println!(
                "{} files: {} new, {} changed, {} as before; {} bytes stored, {} requests, {} problems",
                tally.files,
                tally.files_new,
                tally.files_changed,
                tally.files_unmodified,
                tally.bytes_added,
                outcome.traffic.total(),
                outcome.problem_count
            );
            ExitCode::from(if outcome.problem_count == 0 { 0 } else { 3 })
        }
        Ok(None) => {
            println!("interrupted: the same command goes on from here");
            ExitCode::from(INTERRUPTED)
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
