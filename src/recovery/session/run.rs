//! A session while it is run: first what would change is kept, then it is restored, and how it ended is noted.

use super::super::changes::Changes;
use super::super::places::Places;
use super::super::{Destination, RecoveryError, RecoveryService, RestoreOptions, RestoreOutcome};
use super::{Keep, RestoreWish, SafetyNet, SessionEnd};
use crate::files::place::PlaceError;
use crate::progress::{Event, Observer};
use crate::repository::Landing;
use crate::state::lock::Lock;
use crate::state::restores::{Change, ChangeKind, RestoreRecord, RestoreState};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A session that is being run.
pub(super) struct Run {
    pub(super) service: RecoveryService,
    pub(super) net: Option<Arc<dyn SafetyNet>>,
    pub(super) record: RestoreRecord,
    pub(super) wish: RestoreWish,
    pub(super) options: RestoreOptions,
    pub(super) observer: Arc<dyn Observer>,
    /// Its own, and that of the restore that it takes back.
    pub(super) _locks: Vec<Lock>,
}

impl Run {
    pub(super) async fn finish(mut self) -> Result<SessionEnd, RecoveryError> {
        let ended = self.restore().await;
        let repository = &self.service.repository;
        self.record.ended_ms = Some(repository.clock().now().millis());
        self.record.state = match &ended {
            Ok(outcome) if outcome.disk_full => RestoreState::Failed,
            Ok(outcome) if outcome.is_whole() => RestoreState::Done,
            Ok(_) => RestoreState::NotAll,
            Err(_) if self.options.cancel.is_cancelled() => RestoreState::Cancelled,
            Err(_) => RestoreState::Failed,
        };
        self.record.counts =
            ended.as_ref().ok().and_then(|outcome| serde_json::to_string(&outcome.counts()).ok());
        if matches!(self.record.state, RestoreState::Done | RestoreState::NotAll) {
            self.options.landing = None;
            // One that stays is removed by a later restore.
            let _ = repository.state().remove_landing_folder(&self.record.id);
        }
        let noted = match &ended {
            // It could not begin, and never will: there is nothing to remember.
            Err(error) if !self.options.goes_on && !error.is_worth_resuming() => {
                let _ = repository.state().remove_landing_folder(&self.record.id);
                repository.state().forget_restore(&self.record.id)
            }
            _ => repository.state().put_restore(&self.record),
        };
        let outcome = ended?;
        noted?;
        if let (RestoreState::Done, Some(undone)) = (self.record.state, &self.record.undoes)
            && let Some(mut record) = repository.state().restore(undone)?
        {
            record.state = RestoreState::Undone;
            repository.state().put_restore(&record)?;
        }
        Ok(SessionEnd { outcome, safety: self.record.safety })
    }

    async fn restore(&mut self) -> Result<RestoreOutcome, RecoveryError> {
        let in_place = matches!(self.options.destination, Destination::Original { .. });
        if in_place && self.wish.safety {
            if self.record.safety.is_none() {
                self.keep_what_is_there().await?;
            }
            self.options.noted = Some(self.record.id.clone());
        }
        // It goes on without a landing: only a restore that is killed is the better for it.
        let folder = self.service.repository.state().landing_folder(&self.record.id).ok().flatten();
        self.options.landing = folder.and_then(|folder| Landing::open(&folder).ok()).map(Arc::new);
        let ended = self.service.run(self.options.clone(), self.observer.clone()).await;
        if let (false, Err(RecoveryError::Place(PlaceError::Busy { .. }))) = (self.options.goes_on, &ended) {
            // Another restore was faster: this one changed nothing that could be taken back.
            self.record.safety = None;
        }
        ended
    }

    /// Finds out what will change and has it kept, if there is anything.
    async fn keep_what_is_there(&mut self) -> Result<(), RecoveryError> {
        let changes = Arc::new(Changes::default());
        let dry = RestoreOptions { dry_run: true, ..self.options.clone() };
        // What another restore is working on is neither looked at nor kept.
        let held = Places::open(&dry)?;
        held.hold()?;
        self.service.run_noting(dry, Arc::new(crate::progress::Silent), Some(changes.clone())).await?;
        let state = self.service.repository.state();
        let changes: Arc<[Change]> = and_made_before(state.changes(&self.record.id)?, changes.take()).into();
        state.put_changes(&self.record.id, &changes)?;
        if changes.iter().all(|change| change.kind == ChangeKind::Kept) {
            return Ok(());
        }
        let net =
            self.net.as_ref().ok_or_else(|| RecoveryError::NotKept("nobody is there to keep it".into()))?;
        let nothing_goes =
            changes.iter().all(|change| matches!(change.kind, ChangeKind::Kept | ChangeKind::Made));
        let keep = Keep {
            session: self.record.id.clone(),
            changes,
            observer: self.observer.clone(),
            cancel: self.options.cancel.clone(),
        };
        match net.keep(keep).await {
            Ok(safety) => self.record.safety = Some(safety),
            // Nothing would be lost: a recovery must not fail for a server that takes no more.
            Err(error) if nothing_goes && !self.options.cancel.is_cancelled() => {
                let notice = format!("nothing is replaced, so it goes on without a safety snapshot: {error}");
                self.observer.event(Event::Notice(&notice));
            }
            Err(error) => return Err(RecoveryError::NotKept(error)),
        }
        Ok(state.put_restore(&self.record)?)
    }
}

/// `changes`, and what an earlier run of the same restore, which went on without a safety snapshot, made
/// and that is there now.
fn and_made_before(earlier: Vec<Change>, changes: Vec<Change>) -> Vec<Change> {
    let made = earlier.into_iter().filter(|change| change.kind == ChangeKind::Made);
    let mut all: BTreeMap<Vec<u8>, Change> = made.map(|change| (change.path.clone(), change)).collect();
    for change in changes {
        match all.get(&change.path) {
            Some(made) if made.kind == ChangeKind::Made && change.kind == ChangeKind::Kept => {}
            _ => drop(all.insert(change.path.clone(), change)),
        }
    }
    all.into_values().collect()
}
