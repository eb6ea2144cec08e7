//! Is everything there, with the right size? By listings; an object that a listing does not
//! show is asked for itself, for one listing proves no loss.

use super::CheckOutcome;
use super::packs::{LackingPack, by_folder, lacking_in, listed};
use super::suffering::Damage;
use crate::format::descriptor::MAX_DESCRIPTOR_BYTES;
use crate::format::names;
use crate::model::amount::counted;
use crate::progress::Problem;
use crate::repository::log::Look;
use crate::repository::{KnownPack, Repository, RepositoryError};
use crate::state::meta::Meta;
use crate::store::ErrorKind;
use std::collections::{BTreeMap, BTreeSet};

/// Goes through the listings of descriptor, records and packs. What `look` has listed is not asked
/// for again.
pub(super) async fn check(
    repository: &Repository,
    packs: &[KnownPack],
    look: &Look,
    outcome: &mut CheckOutcome,
) -> Result<Vec<Damage>, RepositoryError> {
    let root = repository.store().list("").await?;
    let descriptor = repository.descriptor_name()?;
    let known_size = repository.state().meta(Meta::Descriptor)?.map(|bytes| bytes.len() as u64);
    let reason = match root.entries.iter().find(|entry| entry.name == descriptor) {
        None if repository.is_succeeded(&root).await? => None,
        None => Some("it is not there"),
        Some(entry) if entry.size.is_some() && entry.size != known_size => Some("it has another size"),
        Some(_) => None,
    };
    if let Some(reason) = reason {
        outcome.problems.push(descriptor_problem(descriptor, reason));
    }
    records(repository, look, outcome).await?;

    let mut damage = Vec::new();
    let unrecorded: BTreeSet<_> =
        repository.unrecorded_packs()?.iter().map(|pack| pack.object.to_string()).collect();
    for (folder, packs) in by_folder(packs) {
        let path = names::folder(names::PACKS, folder);
        let mut listed = listed(repository, &path).await?;
        for LackingPack { pack, reason } in lacking_in(repository, &packs, &listed).await? {
            damage.push(Damage { pack: repository.pack(pack.number)?, reason });
        }
        for pack in packs {
            listed.remove(&pack.object.to_string());
        }
        let own = listed.keys().filter(|name| unrecorded.contains(*name)).count();
        if own > 0 {
            outcome.notices.push(format!(
                "{} in {path} left by a run of this machine that was broken off: the next backup goes on from there",
                counted(own as u64, "pack")
            ));
        }
        if listed.len() > own {
            outcome.notices.push(format!(
                "{} in {path} named by no record, perhaps of a run elsewhere that is not done or was broken off",
                counted((listed.len() - own) as u64, "object")
            ));
        }
    }
    Ok(damage)
}

fn descriptor_problem(descriptor: String, reason: &str) -> Problem {
    let message = format!(
        "{reason}: without this descriptor no empty machine can open the repository; put it back from this \
         machine's state or another copy"
    );
    Problem::new(descriptor, message)
}

async fn records(
    repository: &Repository,
    look: &Look,
    outcome: &mut CheckOutcome,
) -> Result<(), RepositoryError> {
    let mut by_folder: BTreeMap<u32, Vec<names::RecordName>> = BTreeMap::new();
    for (folder, name) in repository.known_records()? {
        by_folder.entry(folder).or_default().push(name);
    }
    for (folder, known) in by_folder {
        let listed = match look.records_in(folder) {
            Some(listed) => listed,
            None => listed(repository, &names::log_folder(folder)).await?,
        };
        for name in known {
            // The size is known of records whose bytes are kept here; what a listing said before
            // may have been said of a cut one.
            let kept = repository.state().object(&name.object)?.map(|bytes| bytes.len() as u64);
            let fits = |size: u64| kept.is_none_or(|kept| kept == size);
            if listed.get(&name.to_string()).is_some_and(|size| size.is_none_or(fits)) {
                continue;
            }
            let path = name.path(folder);
            let reason = match repository.store().size(&path).await {
                Ok(size) if fits(size) => continue,
                Ok(size) => format!("this record has {size} bytes instead of {}", kept.unwrap_or_default()),
                Err(error) if error.is_not_found() => "this record is missing".to_owned(),
                Err(error) => return Err(error.into()),
            };
            if !outcome.problems.iter().any(|problem| problem.subject == path) {
                outcome.problems.push(Problem::new(path, reason));
            }
        }
    }
    Ok(())
}

/// Reads the descriptor and every record again from the remote. `told` are the objects whose
/// damage is known.
pub(super) async fn read_again(
    repository: &Repository,
    told: &BTreeSet<String>,
) -> Result<Vec<Problem>, RepositoryError> {
    let mut problems = Vec::new();
    let descriptor = repository.descriptor_name()?;
    let known = repository.state().meta(Meta::Descriptor)?;
    match repository.store().get(&descriptor, MAX_DESCRIPTOR_BYTES).await {
        _ if told.contains(&descriptor) => {}
        Ok(bytes) if known.as_deref() == Some(&bytes[..]) => {}
        Ok(_) => problems.push(descriptor_problem(descriptor, "its bytes are not those that its name says")),
        // A missing one is told by the listings.
        Err(error) if error.is_not_found() => {}
        Err(error) if error.kind == ErrorKind::Corrupt => {
            problems.push(descriptor_problem(descriptor, &error.to_string()));
        }
        Err(error) => return Err(error.into()),
    }
    for (folder, name) in repository.known_records()? {
        match repository.reread_record(folder, &name).await {
            _ if told.contains(&name.path(folder)) => {}
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
