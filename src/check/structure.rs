//! Is everything there, with the right size? By listings; an object that a listing does not
//! show is asked for itself, for one listing proves no loss.

use super::CheckOutcome;
use super::suffering::Damage;
use crate::format::names;
use crate::format::pack::PackEntry;
use crate::progress::Problem;
use crate::repository::{Repository, RepositoryError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// All packs that records introduce.
pub(super) fn packs(repository: &Repository) -> Result<Vec<Arc<PackEntry>>, RepositoryError> {
    repository.recorded_packs()?.into_iter().map(|number| repository.pack(number)).collect()
}

/// Goes through the listings of descriptor, records and packs.
pub(super) async fn check(
    repository: &Repository,
    packs: &[Arc<PackEntry>],
    outcome: &mut CheckOutcome,
) -> Result<Vec<Damage>, RepositoryError> {
    let root = repository.store().list("").await?;
    let descriptor = repository.descriptor_name()?;
    if !root.entries.iter().any(|entry| entry.name == descriptor) {
        let message = "the descriptor is not there: without it no empty machine can open the repository; \
                       put it back from this machine's state or another copy";
        outcome.problems.push(Problem::new(descriptor, message));
    }
    records(repository, outcome).await?;

    let mut damage = Vec::new();
    let mut by_folder: BTreeMap<u32, Vec<&Arc<PackEntry>>> = BTreeMap::new();
    packs.iter().for_each(|pack| by_folder.entry(pack.folder).or_default().push(pack));
    let unrecorded: BTreeSet<_> =
        repository.unrecorded_packs()?.iter().map(|pack| pack.object.to_string()).collect();
    for (folder, packs) in by_folder {
        let path = names::folder(names::PACKS, folder);
        let mut listed: BTreeMap<String, Option<u64>> = match repository.store().list(&path).await {
            Ok(listing) => listing.entries.into_iter().map(|entry| (entry.name, entry.size)).collect(),
            Err(error) if error.is_not_found() => BTreeMap::new(),
            Err(error) => return Err(error.into()),
        };
        for pack in packs {
            let size = listed.remove(&pack.object.to_string()).flatten();
            if size == Some(pack.size) {
                continue;
            }
            match repository.store().size(&names::pack(folder, &pack.object)).await {
                Ok(size) if size == pack.size => {}
                Ok(size) => {
                    let reason = format!("it has {size} bytes instead of {}", pack.size);
                    damage.push(Damage { pack: pack.clone(), reason });
                }
                Err(error) if error.is_not_found() => {
                    damage.push(Damage { pack: pack.clone(), reason: "it is missing".to_owned() });
                }
                Err(error) => return Err(error.into()),
            }
        }
        let own = listed.keys().filter(|name| unrecorded.contains(*name)).count();
        if own > 0 {
            outcome.notices.push(format!(
                "{own} packs in {path} are of a run of this machine that was broken off: the next backup \
                 goes on from them"
            ));
        }
        if listed.len() > own {
            outcome.notices.push(format!(
                "{} objects in {path} are named by no record: they may be of a run elsewhere that is not \
                 done or was broken off",
                listed.len() - own
            ));
        }
    }
    Ok(damage)
}

async fn records(repository: &Repository, outcome: &mut CheckOutcome) -> Result<(), RepositoryError> {
    let mut by_folder: BTreeMap<u32, Vec<names::RecordName>> = BTreeMap::new();
    for (folder, name) in repository.known_records()? {
        by_folder.entry(folder).or_default().push(name);
    }
    for (folder, known) in by_folder {
        let path = names::folder(names::LOG, folder);
        let listed: BTreeSet<String> = match repository.store().list(&path).await {
            Ok(listing) => listing.entries.into_iter().map(|entry| entry.name).collect(),
            Err(error) if error.is_not_found() => BTreeSet::new(),
            Err(error) => return Err(error.into()),
        };
        for name in known {
            if listed.contains(&name.to_string()) {
                continue;
            }
            let path = name.path(folder);
            match repository.store().size(&path).await {
                Ok(_) => {}
                Err(error) if error.is_not_found() => {
                    let told = outcome.problems.iter().any(|problem| problem.subject == path);
                    if !told {
                        outcome.problems.push(Problem::new(path, "this record is missing"));
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// Reads every record again from the remote.
pub(super) async fn read_records(repository: &Repository) -> Result<Vec<Problem>, RepositoryError> {
    let mut problems = Vec::new();
    for (folder, name) in repository.known_records()? {
        match repository.reread_record(folder, &name).await {
            Ok(()) => {}
            // A missing one is told by the listings.
            Err(RepositoryError::Store(error)) if error.is_not_found() => {}
            Err(error @ RepositoryError::Damaged { .. }) => {
                problems.push(Problem::new(name.path(folder), error.to_string()));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(problems)
}
