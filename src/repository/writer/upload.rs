//! Sends packs and notes each one in the index as soon as it lies on the remote: that note is
//! what a run after a crash goes on from.

use super::{PackToSend, Shared};
use crate::format::names;
use crate::progress::{Event, Observer};
use crate::repository::index::{self, Origin};
use crate::repository::{Repository, RepositoryError};
use crate::state::meta::Meta;
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Sends until no more packs come. After a failure or a wish to stop, what is on its way is
/// dropped, and the rest is only taken off the queue, so that nobody waits for ever.
pub(super) async fn run(
    repository: Repository,
    at_once: usize,
    mut packs: mpsc::Receiver<PackToSend>,
    observer: Arc<dyn Observer>,
    shared: Arc<Shared>,
) {
    let mut sending = JoinSet::new();
    let sent = tokio::select! {
        sent = send_all(&repository, at_once, &mut packs, &mut sending, observer, &shared) => sent,
        () = shared.cancel.cancelled() => Err(RepositoryError::Cancelled),
        () = shared.stopped.cancelled() => Ok(()),
    };
    if let Err(error) = sent {
        shared.fail(error);
    }
    sending.shutdown().await;
    while packs.recv().await.is_some() {}
}

async fn send_all(
    repository: &Repository,
    at_once: usize,
    packs: &mut mpsc::Receiver<PackToSend>,
    sending: &mut JoinSet<Result<(), RepositoryError>>,
    observer: Arc<dyn Observer>,
    shared: &Arc<Shared>,
) -> Result<(), RepositoryError> {
    while let Some(pack) = packs.recv().await {
        while sending.len() >= at_once {
            settle(sending.join_next().await)?;
        }
        // One after the other: folders are made here, once.
        let folder = folder_for_next(repository, sending.len()).await?;
        let (repository, observer, shared) = (repository.clone(), observer.clone(), shared.clone());
        sending.spawn(async move { send(&repository, pack, folder, &*observer, &shared).await });
    }
    while let Some(sent) = sending.join_next().await {
        settle(Some(sent))?;
    }
    Ok(())
}

type Sent = Option<Result<Result<(), RepositoryError>, tokio::task::JoinError>>;

fn settle(sent: Sent) -> Result<(), RepositoryError> {
    match sent {
        Some(Ok(sent)) => sent,
        Some(Err(error)) => Err(RepositoryError::Internal(error.to_string())),
        None => Ok(()),
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
    let PackToSend { bytes, mut entry, mut token } = pack;
    entry.folder = folder;
    let path = names::pack(folder, &entry.object);
    let (size, body) = (entry.size, Bytes::from(bytes));
    let store = repository.store();
    match store.put_new(&path, body.clone()).await {
        Err(error) if error.is_not_found() => {
            // The folder that we knew is gone.
            store.ensure_folder(names::PACKS).await?;
            store.ensure_folder(&names::folder(names::PACKS, folder)).await?;
            store.put_new(&path, body.clone()).await?;
        }
        result => result?,
    }
    if let Ok(sent) = body.try_into_mut() {
        token.reuse(sent.into());
    }
    let state = repository.state();
    state.write("note a pack", |transaction| {
        index::add_pack(transaction, &entry, Origin::Run(shared.run.id()))
    })?;
    shared.indexed(&entry);
    observer.event(Event::Transferred { up: size, down: 0 });
    Ok(())
}

/// The numbered folder for the next pack, made if it is not known to exist.
async fn folder_for_next(repository: &Repository, on_the_way: usize) -> Result<u32, RepositoryError> {
    let state = repository.state();
    let folders = repository.pack_folders()?;
    let packs = repository.packs_in_folder(folders.candidate())? + on_the_way as u64;
    let (folder, is_new) = folders.next(packs);
    if is_new {
        repository.store().ensure_folder(&names::folder(names::PACKS, folder)).await?;
        state.put_meta_number(Meta::PackFolders, i64::from(folder) + 1)?;
    }
    state.put_meta_number(Meta::PackFolder, i64::from(folder))?;
    Ok(folder)
}
