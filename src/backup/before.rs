//! What is known of a set before it is backed up: from the local state, or from the remote where
//! that is new, was not looked at for long, or the set was another machine's.

use super::{BackupError, BackupOptions, BackupService};
use crate::manifest::Manifest;
use crate::progress::{Event, Problem};
use crate::repository::RepositoryError;
use crate::repository::snapshots::SnapshotInfo;
use crate::repository::writer::Sending;
use crate::state::meta::Meta;
use crate::store::ErrorKind;

/// What is known of a set from before.
pub(super) struct Before {
    /// Its newest snapshot.
    pub(super) snapshot: Option<SnapshotInfo>,
    /// That snapshot's list of files, to compare with.
    pub(super) manifest: Option<Manifest>,
    /// How often something known to be on the remote turned out not to be, so far.
    pub(super) doubt: i64,
}

impl BackupService {
    pub(super) async fn before(
        &self,
        options: &BackupOptions,
        sending: &Sending,
    ) -> Result<Before, BackupError> {
        let (repository, observer) = (&self.repository, &sending.observer);
        if !options.dry_run {
            repository.settle().await?;
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
        let Some(newest) = &snapshot else { return Ok(Before { snapshot, manifest: None, doubt }) };
        let kept = self.manifests.load(&options.set)?;
        let fits = |kept: &Manifest| kept.base == newest.base && kept.delta == newest.delta;
        let manifest = match kept.filter(fits) {
            Some(kept) => Some(kept),
            None => self.manifest_or_none(options, newest, sending).await?,
        };
        Ok(Before { snapshot, manifest, doubt })
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
        before.manifest = match &before.snapshot {
            Some(newest) => self.manifest_or_none(options, newest, sending).await?,
            None => None,
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
            "going on from a run that was broken off: {kept} packs are there already"
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
        let base = self.repository.manifest_stream(&newest.base).await?;
        let delta = match &newest.delta {
            Some(delta) => self.repository.manifest_stream(delta).await?,
            None => Vec::new(),
        };
        let ids = (newest.id, newest.base, newest.delta);
        self.manifests.keep_streams(&options.set, ids, &base, &delta)?;
        Ok(self.manifests.load(&options.set)?)
    }
}
