//! Sends packs and notes each one in the index as soon as it lies on the remote: that note is
//! what a run after a crash goes on from.

use super::{PackToSend, Shared};
use crate::format::names;
use crate::progress::{Event, Observer};
use crate::repository::index::{self, Standing};
use crate::repository::{Repository, RepositoryError};
use crate::state::meta::Meta;
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub(super) async fn run(
    repository: Repository,
    at_once: usize,
    mut packs: mpsc::Receiver<PackToSend>,
    observer: Arc<dyn Observer>,
    shared: Arc<Shared>,
) {
    let mut sending = JoinSet::new();
    while let Some(pack) = packs.recv().await {
        if shared.stopped.is_cancelled() || shared.cancel.is_cancelled() {
            continue;
        }
        // One after the other: folders are made here, once.
        let folder = match folder_for_next(&repository, sending.len()).await {
            Ok(folder) => folder,
            Err(error) => {
                shared.fail(error);
                continue;
            }
        };
        while sending.len() >= at_once {
            settle(&shared, sending.join_next().await);
        }
        let (repository, observer, shared) = (repository.clone(), observer.clone(), shared.clone());
        sending.spawn(async move { send(&repository, pack, folder, &*observer, &shared).await });
    }
    while let Some(sent) = sending.join_next().await {
        settle(&shared, Some(sent));
    }
}

type Sent = Option<Result<Result<(), RepositoryError>, tokio::task::JoinError>>;

fn settle(shared: &Shared, sent: Sent) {
    match sent {
        Some(Ok(Err(error))) => shared.fail(error),
        Some(Err(error)) => shared.fail(RepositoryError::Internal(error.to_string())),
        Some(Ok(Ok(()))) | None => {}
    }
}

async fn send(
    repository: &Repository,
    pack: PackToSend,
    folder: u32,
    observer: &dyn Observer,
    shared: &Shared,
) -> Result<(), RepositoryError> {
    // The token goes back when this ends.
    let PackToSend { bytes, mut entry, token: _token } = pack;
    entry.folder = folder;
    let path = names::pack(folder, &entry.object);
    let (size, body) = (entry.size, Bytes::from(bytes));
    let store = repository.store();
    match store.put_new(&path, body.clone()).await {
        Err(error) if error.is_not_found() => {
            // The folder that we knew is gone.
            store.ensure_folder(names::PACKS).await?;
            store.ensure_folder(&names::folder(names::PACKS, folder)).await?;
            store.put_new(&path, body).await?;
        }
        result => result?,
    }
    let state = repository.state();
    state.write("note a pack", |transaction| index::add_pack(transaction, &entry, Standing::Unrecorded))?;
    shared.indexed(&entry);
    observer.event(Event::Transferred { up: size, down: 0 });
    Ok(())
}

/// The numbered folder for the next pack, made if it is not known to exist.
async fn folder_for_next(repository: &Repository, on_the_way: usize) -> Result<u32, RepositoryError> {
    let state = repository.state();
    let noted = state.meta_number(Meta::PackFolder)?.map_or(0, |number| number as u32);
    let mut folder = noted.max(repository.newest_pack_folder()?.unwrap_or(0));
    if repository.packs_in_folder(folder)? + on_the_way as u64 >= names::FOLDER_FILL {
        folder += 1;
    }
    let known = state.meta_number(Meta::PackFolders)?.unwrap_or(0);
    let seen = repository.newest_pack_folder()?.is_some_and(|newest| newest >= folder);
    if i64::from(folder) >= known && !seen {
        repository.store().ensure_folder(&names::folder(names::PACKS, folder)).await?;
        state.put_meta_number(Meta::PackFolders, i64::from(folder) + 1)?;
    }
    state.put_meta_number(Meta::PackFolder, i64::from(folder))?;
    Ok(folder)
}
