//! Restores that are remembered: each has an id, can be watched, stopped, gone on with, and, where it
//! was made in place, taken back.

mod progress;
mod run;
mod safety;
mod wish;

pub use progress::RestoreProgress;
pub use safety::{Keep, SafetyError, SafetyNet};
pub use wish::RestoreWish;

use super::{Destination, RecoveryError, RecoveryService, RestoreOptions, RestoreOutcome};
use crate::model::id::ObjectId;
use crate::model::path::EntryPath;
use crate::progress::Observer;
use crate::repository::snapshots::SnapshotInfo;
use crate::repository::{Cancel, Repository, RepositoryError};
use crate::state::lock::Lock;
use crate::state::restores::{Change, ChangeKind, RestoreRecord, RestoreState};
use progress::Watched;
use run::Run;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Starts restores, and remembers them in the local state.
pub struct RestoreSessions {
    /// Where from.
    pub repository: Repository,
    /// Keeps what a restore in place changes.
    pub net: Option<Arc<dyn SafetyNet>>,
    /// Folders in which nothing is removed.
    pub skip: Vec<PathBuf>,
    /// Threads that decode.
    pub threads: usize,
    /// A wish to stop all that is started from here.
    pub cancel: Cancel,
}

/// A restore under way. Dropping it does not stop it.
pub struct RestoreSession {
    id: String,
    cancel: Cancel,
    watched: Arc<Watched>,
    task: JoinHandle<Result<SessionEnd, RecoveryError>>,
}

/// What a restore came to.
#[derive(Debug, Clone)]
pub struct SessionEnd {
    /// What was restored.
    pub outcome: RestoreOutcome,
    /// The snapshot of what was there before, if anything was to be changed in place.
    pub safety: Option<ObjectId>,
}

impl RestoreSession {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How far it is.
    pub fn progress(&self) -> RestoreProgress {
        self.watched.now()
    }

    /// Asks it to stop. What is restored stays, and [`RestoreSessions::resume`] goes on from there.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Waits for its end.
    pub async fn wait(self) -> Result<SessionEnd, RecoveryError> {
        self.task.await.map_err(|error| RepositoryError::Internal(error.to_string()))?
    }
}

impl RestoreSessions {
    /// Restores from `repository`.
    pub fn new(repository: Repository) -> Self {
        Self { repository, net: None, skip: Vec::new(), threads: 2, cancel: Cancel::default() }
    }

    /// Starts a restore. Must be called inside a multi-threaded tokio runtime.
    pub fn start(
        &self,
        wish: RestoreWish,
        observer: Arc<dyn Observer>,
    ) -> Result<RestoreSession, RecoveryError> {
        self.start_new(wish, None, observer)
    }

    /// Goes on with a restore that was stopped, broke off, or could not restore everything; `verify` adds
    /// reading it once more, where that was not asked for.
    pub fn resume(
        &self,
        id: &str,
        verify: bool,
        observer: Arc<dyn Observer>,
    ) -> Result<RestoreSession, RecoveryError> {
        let mut record = self.record(id)?;
        if record.state == RestoreState::Undone {
            return Err(RecoveryError::Session(format!("restore {id} was taken back: begin a new one")));
        }
        let lock = self.lock(&record.id)?;
        if verify {
            let wish = RestoreWish { verify, ..self.wish_of(&record)? };
            record.wish = wish.to_bytes().map_err(unwritable)?;
        }
        self.run(record, vec![lock], true, observer)
    }

    /// Takes a restore in place back: brings back what it replaced and removed, and removes what it
    /// made. That is a restore in place itself, and can be taken back.
    pub fn roll_back(
        &self,
        id: &str,
        verify: bool,
        observer: Arc<dyn Observer>,
    ) -> Result<RestoreSession, RecoveryError> {
        let (wish, undone) = self.wish_back(id)?;
        let not_under_way = self.lock(&undone)?;
        self.start_new(RestoreWish { verify, ..wish }, Some((undone, not_under_way)), observer)
    }

    /// What taking a restore back would do, to be looked at: a dry run.
    pub fn look_back(&self, id: &str) -> Result<RestoreOptions, RecoveryError> {
        let (wish, undone) = self.wish_back(id)?;
        Ok(RestoreOptions { dry_run: true, ..self.options(&wish, Some(&undone))? })
    }

    /// What brings back the state from before a restore, and the id of that.
    fn wish_back(&self, id: &str) -> Result<(RestoreWish, String), RecoveryError> {
        let undone = self.record(id)?;
        if undone.state == RestoreState::Undone {
            return Err(RecoveryError::Session(format!("restore {id} was taken back already")));
        }
        let snapshot = undone.safety.ok_or_else(|| {
            RecoveryError::Session(format!(
                "restore {id} has no safety snapshot: it was not made in place, was made with --no-safety, or changed nothing"
            ))
        })?;
        let wish = RestoreWish {
            overwrite: true,
            // What it made may have been worked on since.
            safety: true,
            ..RestoreWish::new(snapshot, Destination::Original { maps: Vec::new() })
        };
        Ok((wish, undone.id))
    }

    /// All restores of this machine that are remembered, the oldest first.
    pub fn list(&self) -> Result<Vec<RestoreRecord>, RecoveryError> {
        Ok(self.repository.state().restores()?)
    }

    /// Whether a restore that is noted as under way really is.
    pub fn is_under_way(&self, record: &RestoreRecord) -> Result<bool, RecoveryError> {
        let free = record.state != RestoreState::Running || self.try_lock(&record.id)?.is_some();
        Ok(!free)
    }

    /// What was asked for.
    pub fn wish_of(&self, record: &RestoreRecord) -> Result<RestoreWish, RecoveryError> {
        let snapshot = record.snapshot.unwrap_or(ObjectId([0; 32]));
        let damaged = |reason| RepositoryError::damaged("the local state", reason).into();
        RestoreWish::from_bytes(snapshot, &record.wish).map_err(damaged)
    }

    fn start_new(
        &self,
        wish: RestoreWish,
        undoes: Option<(String, Lock)>,
        observer: Arc<dyn Observer>,
    ) -> Result<RestoreSession, RecoveryError> {
        let id = format!("{:08x}", self.repository.random_number()? as u32);
        let (undoes, undone) = undoes.unzip();
        let locks = [Some(self.lock(&id)?), undone].into_iter().flatten().collect();
        let record = RestoreRecord {
            id,
            began_ms: self.repository.clock().now().millis(),
            ended_ms: None,
            snapshot: Some(wish.snapshot),
            wish: wish.to_bytes().map_err(unwritable)?,
            state: RestoreState::Running,
            safety: None,
            undoes,
            counts: None,
        };
        self.run(record, locks, false, observer)
    }

    fn run(
        &self,
        mut record: RestoreRecord,
        locks: Vec<Lock>,
        goes_on: bool,
        observer: Arc<dyn Observer>,
    ) -> Result<RestoreSession, RecoveryError> {
        let state = self.repository.state();
        let wish = self.wish_of(&record)?;
        let (id, cancel) = (record.id.clone(), self.cancel.child());
        let options = RestoreOptions {
            cancel: cancel.clone(),
            mark: mark(&id),
            goes_on,
            ..self.options(&wish, record.undoes.as_deref())?
        };
        (record.state, record.ended_ms) = (RestoreState::Running, None);
        state.put_restore(&record)?;
        let watched = Arc::new(Watched::new(observer));
        let service = RecoveryService::new(self.repository.clone());
        let (net, observer) = (self.net.clone(), watched.clone());
        let run = Run { service, net, record, wish, options, observer, _locks: locks };
        Ok(RestoreSession { id, cancel, watched, task: tokio::spawn(run.finish()) })
    }

    /// What is wished for, of a restore that takes back `undoes`.
    fn options(&self, wish: &RestoreWish, undoes: Option<&str>) -> Result<RestoreOptions, RecoveryError> {
        let remove = match undoes {
            Some(undone) => made_by(&self.repository.state().changes(undone)?),
            None => Vec::new(),
        };
        Ok(RestoreOptions {
            remove,
            skip: self.skip.clone(),
            threads: self.threads,
            cancel: self.cancel.clone(),
            clear: undoes.and_then(mark),
            ..wish.options(self.snapshot(wish.snapshot)?)
        })
    }

    fn snapshot(&self, id: ObjectId) -> Result<SnapshotInfo, RecoveryError> {
        let found = self.repository.snapshots()?.into_iter().find(|snapshot| snapshot.id == id);
        found.ok_or_else(|| {
            let id = &id.to_string()[..8];
            RecoveryError::Session(format!(
                "snapshot {id} is not there any more: `filbert snapshots` lists those that are"
            ))
        })
    }

    fn record(&self, id: &str) -> Result<RestoreRecord, RecoveryError> {
        let found = self.repository.state().restore(&id.to_ascii_lowercase())?;
        let unknown = || {
            format!(
                "no restore `{id}` is known on this machine: `filbert restores` lists those that are; what one changed \
                 elsewhere, or before the state was lost, is in one of `filbert snapshots --tag safety`, and `filbert \
                 restore ID --in-place` brings it back"
            )
        };
        found.ok_or_else(|| RecoveryError::Session(unknown()))
    }

    fn lock(&self, id: &str) -> Result<Lock, RecoveryError> {
        let busy = || RepositoryError::Busy(format!("restore {id}"));
        Ok(self.try_lock(id)?.ok_or_else(busy)?)
    }

    fn try_lock(&self, id: &str) -> Result<Option<Lock>, RecoveryError> {
        Ok(self.repository.state().try_lock(&format!("restore {id}"))?.map(Lock::used_once))
    }
}

fn unwritable(reason: crate::format::FormatError) -> RepositoryError {
    RepositoryError::damaged("the wish", reason)
}

/// By which unfinished files of a restore are known.
fn mark(id: &str) -> Option<u32> {
    u32::from_str_radix(id, 16).ok()
}

/// What a restore made where nothing was.
fn made_by(changes: &[Change]) -> Vec<EntryPath> {
    let made = changes.iter().filter(|change| change.kind == ChangeKind::Made);
    made.filter_map(|change| EntryPath::new(change.path.clone()).ok()).collect()
}
