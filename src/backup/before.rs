//! What is known of a set before it is backed up: from the local state, or from the remote where
//! that is new, was not looked at for long, or the set was another machine's.

use super::{BackupError, BackupOptions, BackupService};
use crate::manifest::Manifest;
use crate::model::amount::counted;
use crate::progress::{Event, Problem};
use crate::repository::RepositoryError;
use crate::repository::snapshots::SnapshotInfo;
use crate::repository::writer::Sending;
use crate::state::Spool;
use crate::state::meta::Meta;
use crate::store::ErrorKind;

/// What is known of a set from before.
pub(super) struct Before {
    /// Its newest snapshot.
    pub(super) snapshot: Option<SnapshotInfo>,
    /// That snapshot's list of files, to compare with.
    pub(super) manifest: Option<Manifest>,
    /// The records or packs of that list may be gone: the whole list is written anew.
    pub(super) list_is_doubtful: bool,
    /// How often something known to be on the remote turned out not to be, so far.
    pub(super) doubt: i64,
}

impl Before {
    /// Whether every entry goes into the new list, and not only what differs.
    pub(super) fn needs_whole_list(&self, options: &BackupOptions) -> bool {
        options.full || self.manifest.is_none() || self.list_is_doubtful
    }
}

impl BackupService {
    pub(super) async fn before(
        &self,
        options: &BackupOptions,
        sending: &Sending,
    ) -> Result<Before, BackupError> {
        let (repository, observer) = (&self.repository, &sending.observer);
        if !options.dry_run {
            repository.settle(&sending.cancel).await?;
        }
        if repository.look_is_due()? {
            let problems = match options.dry_run {
                true => repository.catch_up().await?,
                false => repository.catch_up_to_write().await?,
            };
            problems.iter().for_each(|problem| observer.event(Event::Problem(problem)));
        }
        if !options.dry_run {
            self.take_over_leftovers(sending).await?;
        }
        let doubt = repository.state().meta_number(Meta::Doubt)?.unwrap_or(0);
        let snapshot = repository.newest_of(&options.set.host, &options.set.name)?;
        let mut before = Before { snapshot, manifest: None, list_is_doubtful: false, doubt };
        let Some(newest) = &before.snapshot else { return Ok(before) };
        let kept = self.manifests.load(&options.set)?;
        let fits = |kept: &Manifest| kept.base == newest.base && kept.delta == newest.delta;
        before.manifest = match kept.filter(fits) {
            Some(kept) => Some(kept),
            None => self.manifest_or_none(options, newest, sending).await?,
        };
        if before.manifest.as_ref().is_some_and(|manifest| manifest.doubt != doubt) {
            before.list_is_doubtful = !repository.has_manifest(newest, &sending.run).await?;
        }
        Ok(before)
    }

    /// A kept list of files that cannot be read is dropped and had from the remote again; any other
    /// error ends the run.
    pub(super) async fn start_again(
        &self,
        error: BackupError,
        options: &BackupOptions,
        before: &mut Before,
        sending: &Sending,
    ) -> Result<(), BackupError> {
        let (BackupError::Manifest(reason), Some(_)) = (&error, &before.manifest) else { return Err(error) };
        let message = format!("{reason}: it is fetched again");
        sending.observer.event(Event::Problem(&Problem::new("the local state", message)));
        self.manifests.forget(&options.set)?;
        let first_time = !before.list_is_doubtful;
        before.list_is_doubtful = true;
        before.manifest = match &before.snapshot {
            Some(newest) if first_time => self.manifest_or_none(options, newest, sending).await?,
            _ => None,
        };
        Ok(())
    }

    /// What a broken-off run left is only gone on from if it really lies there.
    async fn take_over_leftovers(&self, sending: &Sending) -> Result<(), BackupError> {
        let leftovers = self.repository.take_over_leftovers(&sending.run)?;
        if leftovers.is_empty() {
            return Ok(());
        }
        let unproven = self.repository.unproven_packs(&leftovers).await?;
        for pack in &unproven {
            self.repository.forget_pack(pack)?;
        }
        let kept = leftovers.len() - unproven.len();
        sending.observer.event(Event::Notice(&format!(
            "already there: {} that no record vouches for, of a run that was broken off or of records that are gone; \
             what is in there need not be sent again",
            counted(kept as u64, "pack")
        )));
        Ok(())
    }

    /// The list of files of a snapshot from its records. Where they are damaged, all files are
    /// read as if there were none.
    async fn manifest_or_none(
        &self,
        options: &BackupOptions,
        newest: &SnapshotInfo,
        sending: &Sending,
    ) -> Result<Option<Manifest>, BackupError> {
        let error = match self.fetch_manifest(options, newest).await {
            Ok(manifest) => return Ok(manifest),
            Err(error) => error,
        };
        match &error {
            BackupError::Repository(RepositoryError::Store(reason))
                if !matches!(reason.kind, ErrorKind::NotFound | ErrorKind::Corrupt) =>
            {
                return Err(error);
            }
            BackupError::Repository(RepositoryError::State(_)) => return Err(error),
            _ => {}
        }
        let message = format!("the last snapshot cannot be compared with, so all is read: {error}");
        // Told, but no file of this run lacks for it.
        sending.observer.event(Event::Problem(&Problem::new(newest.id.to_string(), message)));
        Ok(None)
    }

    async fn fetch_manifest(
        &self,
        options: &BackupOptions,
        newest: &SnapshotInfo,
    ) -> Result<Option<Manifest>, BackupError> {
        let base = self.repository.manifest_blocks(&newest.base).await?;
        let delta = match &newest.delta {
            Some(delta) => self.repository.manifest_blocks(delta).await?,
            None => Spool::default(),
        };
        let ids = (newest.id, newest.base, newest.delta);
        self.manifests.keep_streams(&options.set, ids, &base, &delta)?;
        Ok(self.manifests.load(&options.set)?)
    }
}
