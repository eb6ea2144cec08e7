//! Reads packs whole and opens every frame in them.

use super::suffering::Damage;
use super::{CheckOptions, CheckOutcome};
use crate::format::FormatError;
use crate::format::pack::{PackEntry, verify_pack};
use crate::model::id::ObjectId;
use crate::progress::{Event, Observer};
use crate::repository::{KnownPack, Repository, RepositoryError};
use crate::store::ErrorKind;
use futures_util::StreamExt;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Packs read at the same time.
const AT_ONCE: usize = 2;

/// How many packs are so many percent of them, at least one.
pub(super) fn sample_size(packs: usize, percent: f64) -> usize {
    let wanted = (packs as f64 * percent / 100.0).ceil() as usize;
    wanted.clamp(usize::from(percent > 0.0), packs.max(1)).min(packs)
}

/// So many percent of the packs, at least one, chosen at random.
pub(super) fn sample(
    repository: &Repository,
    mut packs: Vec<KnownPack>,
    percent: f64,
) -> Result<Vec<KnownPack>, RepositoryError> {
    let wanted = sample_size(packs.len(), percent);
    for at in 0..wanted {
        let other = at + (repository.random_number()? % (packs.len() - at) as u64) as usize;
        packs.swap(at, other);
    }
    packs.truncate(wanted);
    Ok(packs)
}

/// Reads these packs but for those that are known to be missing or cut.
pub(super) async fn read(
    repository: &Repository,
    packs: Vec<KnownPack>,
    known_bad: BTreeSet<ObjectId>,
    options: &CheckOptions,
    observer: &dyn Observer,
    outcome: &mut CheckOutcome,
) -> Result<Vec<Damage>, RepositoryError> {
    let wanted = packs.into_iter().filter(|pack| !known_bad.contains(&pack.object));
    let reading = futures_util::stream::iter(wanted).map(|pack| {
        let repository = repository.clone();
        let task = tokio::spawn(async move {
            let pack = repository.pack(pack.number)?;
            let mut read = read_one(&repository, &pack).await;
            if matches!(&read, Ok(Some(_))) {
                // It may have been spoilt on the way.
                read = read_one(&repository, &pack).await;
            }
            Ok::<_, RepositoryError>((pack, read?))
        });
        async { task.await.map_err(|error| RepositoryError::Internal(error.to_string())) }
    });
    let mut reading = reading.buffered(AT_ONCE);
    let mut damage = Vec::new();
    while let Some(next) = reading.next().await {
        if options.cancel.is_cancelled() {
            return Err(RepositoryError::Cancelled);
        }
        let (pack, read) = next??;
        outcome.packs_read += 1;
        outcome.bytes_read += pack.size;
        observer.event(Event::Advanced { files: 1, bytes: pack.size });
        if let Some(reason) = read {
            damage.push(Damage { pack, reason });
        }
    }
    Ok(damage)
}

/// What is wrong with a pack, if anything is.
async fn read_one(repository: &Repository, pack: &Arc<PackEntry>) -> Result<Option<String>, RepositoryError> {
    let bytes = match repository.fetch(pack, &(0..pack.size)).await {
        Ok(bytes) => bytes,
        Err(error @ RepositoryError::Damaged { .. }) => return Ok(Some(error.to_string())),
        Err(RepositoryError::Store(error)) if error.kind == ErrorKind::NotFound => {
            return Ok(Some("it is missing".to_owned()));
        }
        Err(RepositoryError::Store(error)) if error.kind == ErrorKind::Corrupt => {
            return Ok(Some(error.to_string()));
        }
        Err(error) => return Err(error),
    };
    let (keyring, id, expected) = (repository.keyring().clone(), repository.id(), pack.clone());
    let verified = tokio::task::spawn_blocking(move || -> Result<(), FormatError> {
        let mut found = verify_pack(&bytes, &keyring, id, &mut [Vec::new()])?;
        found.folder = expected.folder;
        if found.object != expected.object {
            return Err(FormatError::Damaged("its bytes do not have the hash that its name says"));
        }
        match found == *expected {
            true => Ok(()),
            false => Err(FormatError::Damaged("it holds other chunks than its record says")),
        }
    });
    let verified = verified.await.map_err(|error| RepositoryError::Internal(error.to_string()))?;
    Ok(verified.err().map(|reason| reason.to_string()))
}
