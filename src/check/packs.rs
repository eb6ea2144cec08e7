//! Which packs are missing or cut: by listings of their folders. A pack that a listing does not show
//! is asked for itself, for one listing proves no loss.

use crate::format::names;
use crate::model::amount::counted;
use crate::repository::{KnownPack, Repository, RepositoryError};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Names and sizes of what a folder holds.
pub(super) type Listed = BTreeMap<String, Option<u64>>;

/// A pack that is missing or cut.
#[derive(Debug, Clone)]
pub struct LackingPack {
    /// It.
    pub pack: KnownPack,
    /// What is wrong with it.
    pub reason: String,
}

/// Listings of folders of packs, each made once.
#[derive(Debug, Default)]
pub struct PackListings(BTreeMap<u32, Listed>);

impl PackListings {
    /// Those of `packs` that are missing or cut. Takes a listing for each folder that was not listed
    /// yet, and a request for each pack that its listing lacks.
    pub async fn lacking(
        &mut self,
        repository: &Repository,
        packs: &[KnownPack],
    ) -> Result<Vec<LackingPack>, RepositoryError> {
        let mut lacking = Vec::new();
        for (folder, packs) in by_folder(packs) {
            let listed = match self.0.entry(folder) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    new.insert(listed(repository, &names::folder(names::PACKS, folder)).await?)
                }
            };
            lacking.extend(lacking_in(repository, &packs, listed).await?);
        }
        Ok(lacking)
    }
}

/// `packs` by the numbered folder that they lie in.
pub(super) fn by_folder(packs: &[KnownPack]) -> BTreeMap<u32, Vec<KnownPack>> {
    let mut by_folder: BTreeMap<u32, Vec<KnownPack>> = BTreeMap::new();
    packs.iter().for_each(|pack| by_folder.entry(pack.folder).or_default().push(*pack));
    by_folder
}

/// Those of `packs`, all of one folder, that are missing or cut, by the listing of that folder.
pub(super) async fn lacking_in(
    repository: &Repository,
    packs: &[KnownPack],
    listed: &Listed,
) -> Result<Vec<LackingPack>, RepositoryError> {
    let mut lacking = Vec::new();
    for pack in packs {
        if listed.get(&pack.object.to_string()).copied().flatten() == Some(pack.size) {
            continue;
        }
        let reason = match repository.store().size(&names::pack(pack.folder, &pack.object)).await {
            Ok(size) if size == pack.size => continue,
            Ok(size) => format!("it has {} instead of {}", counted(size, "byte"), pack.size),
            Err(error) if error.is_not_found() => "it is missing".to_owned(),
            Err(error) => return Err(error.into()),
        };
        lacking.push(LackingPack { pack: *pack, reason });
    }
    Ok(lacking)
}

/// Names and sizes of what a folder holds: nothing, if it is missing.
pub(super) async fn listed(repository: &Repository, folder: &str) -> Result<Listed, RepositoryError> {
    match repository.store().list(folder).await {
        Ok(listing) => Ok(listing.entries.into_iter().map(|entry| (entry.name, entry.size)).collect()),
        Err(error) if error.is_not_found() => Ok(Listed::new()),
        Err(error) => Err(error.into()),
    }
}
