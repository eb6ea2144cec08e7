//! Sends packs and notes each one in the index as soon as it lies on the remote: that note is
//! what a run after a crash goes on from.

use super::pace::{Pace, Uploaded};
use super::split::split;
use super::{PackToSend, Shared, millis};
use crate::format::names;
use crate::format::pack::{FinishedPack, PackEntry};
use crate::progress::{Event, Observer};
use crate::repository::index::{self, Origin};
use crate::repository::{Repository, RepositoryError};
use crate::state::meta::Meta;
use crate::store::{ErrorKind, Repeats, StoreError};
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Sends until no more packs come. After a failure or a wish to stop, what is on its way is
/// dropped, and the rest is only taken off the queue, so that nobody waits for ever.
pub(super) async fn run(
    repository: Repository,
    mut packs: mpsc::Receiver<PackToSend>,
    observer: Arc<dyn Observer>,
    shared: Arc<Shared>,
) {
    let mut sending = JoinSet::new();
    let sent = tokio::select! {
        sent = send_all(&repository, &mut packs, &mut sending, observer, &shared) => sent,
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
    packs: &mut mpsc::Receiver<PackToSend>,
    sending: &mut JoinSet<Result<(), RepositoryError>>,
    observer: Arc<dyn Observer>,
    shared: &Arc<Shared>,
) -> Result<(), RepositoryError> {
    while let Some(pack) = packs.recv().await {
        while sending.len() >= shared.pace().uploads() {
            shared.pace().pack_waits();
            settle(sending.join_next().await)?;
        }
        // One after the other: folders are made here, once.
        let began = millis(&**repository.clock());
        let folder = folder_for_next(repository, sending.len()).await?;
        shared.pace().line().answered_in(millis(&**repository.clock()).saturating_sub(began));
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

/// Sends a pack and notes it; as several smaller ones where the server takes none of its size, or
/// none gets through. A size that was refused is not tried again.
async fn send(
    repository: &Repository,
    pack: PackToSend,
    folder: u32,
    observer: &dyn Observer,
    shared: &Shared,
) -> Result<(), RepositoryError> {
    // The token goes back when this ends.
    let PackToSend { bytes, entry, mut token } = pack;
    let mut unsent = vec![FinishedPack { bytes, entry }];
    while let Some(FinishedPack { bytes, mut entry }) = unsent.pop() {
        entry.folder = folder;
        let body = Bytes::from(bytes);
        let pieces: usize = entry.index.frames.iter().map(|frame| frame.chunks.len()).sum();
        let mut too_heavy = if pieces < 2 { None } else { shared.pace().too_heavy(entry.size) };
        let mut broke = None;
        if too_heavy.is_none() && !shared.limit.refuses(entry.size) {
            let under_way = UnderWay::begin(repository, shared);
            let put = put(repository, &entry, body.clone()).await;
            drop(under_way);
            let sent = match put {
                Err(error) if is_cut_off(&error, entry.size) && !shared.cancel.is_cancelled() => {
                    match size_there(repository, &entry).await {
                        // It lies there after all; it is proven with the others.
                        Ok(Some(size)) if size == entry.size => Ok(()),
                        looked => Err((error, looked.is_ok())),
                    }
                }
                sent => sent.map_err(|error| (error, false)),
            };
            match sent {
                Ok(()) => {
                    if let Ok(sent) = body.try_into_mut() {
                        token.reuse(sent.into());
                    }
                    repository.state().write("note a pack", |transaction| {
                        index::add_pack(transaction, &entry, Origin::Run(shared.run.id()))
                    })?;
                    shared.indexed(&entry);
                    tell_pace(repository, shared, entry.size);
                    observer.event(Event::Transferred { up: entry.size, down: 0 });
                    continue;
                }
                Err((error, _)) if error.kind == ErrorKind::TooLarge => {
                    shared.limit.refused(repository.state(), entry.size)?;
                    if !shared.limit.refuses(entry.size) {
                        return Err(too_large(&entry, error.to_string()));
                    }
                    observer.event(Event::Notice(&format!(
                        "the server takes no object of {} bytes: packs get at most {} bytes from now on",
                        entry.size,
                        shared.limit.bytes()
                    )));
                }
                // The server answers to a small question: the size is the matter.
                Err((error, true)) => {
                    let lighter = give_up(repository, shared, entry.size)?;
                    observer.event(Event::Notice(&format!(
                        "no pack of {} bytes gets through: packs get at most {lighter} bytes in this run ({error})",
                        entry.size
                    )));
                    (too_heavy, broke) = (Some(lighter), Some(error));
                }
                Err((error, false)) => return Err(error.into()),
            }
        }
        let several = |parts: usize| match &broke {
            Some(error) if parts < 2 => Err(RepositoryError::from(error.clone())),
            _ => Ok(()),
        };
        several(pieces)?;
        if pieces < 2 {
            return Err(too_large(&entry, "a single piece of a file".to_owned()));
        }
        let most = too_heavy.map_or(u64::MAX, |most| most).min(shared.limit.bytes());
        let (repository, level) = (repository.clone(), shared.pace().level());
        let splitting = tokio::task::spawn_blocking(move || split(&repository, &body, &entry, most, level));
        let parts = splitting.await.map_err(|error| RepositoryError::Internal(error.to_string()))??;
        several(parts.len())?;
        parts.iter().for_each(|part| shared.load().packed(part.entry.size));
        unsent.extend(parts.into_iter().rev());
    }
    Ok(())
}

/// An upload while it is under way; the line is told when it ends, however it does.
struct UnderWay<'s>(&'s Shared);

impl<'s> UnderWay<'s> {
    fn begin(repository: &Repository, shared: &'s Shared) -> Self {
        shared.pace().line().begins(millis(&**repository.clock()));
        Self(shared)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.pace().line().ends();
    }
}

/// Whether the upload of a pack of so many bytes failed for good, with nothing said about its size,
/// and smaller ones may get through: some proxies reset every long body, some lines are too slow
/// for what a server waits.
fn is_cut_off(error: &StoreError, size: u64) -> bool {
    matches!(error.kind, ErrorKind::Transient | ErrorKind::Unknown) && Pace::may_halve(size)
}

/// The size of what lies on the server under a pack's name, if anything does.
async fn size_there(repository: &Repository, entry: &PackEntry) -> Result<Option<u64>, StoreError> {
    match repository.store().size(&names::pack(entry.folder, &entry.object)).await {
        Err(error) if error.is_not_found() => Ok(None),
        size => size.map(Some),
    }
}

/// Makes packs smaller from now on, in later runs as well, and returns how large they may be.
fn give_up(repository: &Repository, shared: &Shared, size: u64) -> Result<u64, RepositoryError> {
    // These repeats are judged herewith.
    shared.new_repeats(repository.store().repeats());
    let now = {
        let mut pace = shared.pace();
        pace.gave_up(size);
        pace.remembered()
    };
    // At once, for this run may still fail.
    if let Some(bytes) = now.pack_bytes {
        repository.state().put_meta_number(Meta::PackBytes, bytes)?;
    }
    let lighter = now.pack_bytes.and_then(|bytes| u64::try_from(bytes).ok());
    Ok(lighter.filter(|bytes| *bytes > 0).unwrap_or(size / 2))
}

fn tell_pace(repository: &Repository, shared: &Shared, bytes: u64) {
    let Repeats { broken, throttled } = shared.new_repeats(repository.store().repeats());
    let at_ms = millis(&**repository.clock());
    shared.pace().uploaded(Uploaded { bytes, at_ms, broken, throttled });
}

fn too_large(entry: &PackEntry, reason: String) -> RepositoryError {
    RepositoryError::ObjectTooLarge { size: entry.size, reason }
}

async fn put(repository: &Repository, entry: &PackEntry, body: Bytes) -> Result<(), StoreError> {
    let path = names::pack(entry.folder, &entry.object);
    let store = repository.store();
    match store.put_new(&path, body.clone()).await {
        Err(error) if error.is_not_found() => {
            // The folder that we knew is gone.
            store.ensure_folder(names::PACKS).await?;
            store.ensure_folder(&names::folder(names::PACKS, entry.folder)).await?;
            store.put_new(&path, body).await
        }
        result => result,
    }
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
