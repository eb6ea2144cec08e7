//! Proof that packs lie on the remote whole: by listing their folder, or by asking for each,
//! whichever takes fewer requests.

use super::{KnownPack, Repository, RepositoryError};
use crate::format::names;
use crate::model::id::ObjectId;
use crate::state::meta::Meta;
use std::collections::BTreeMap;

/// Drives that list in pages show so many objects in one: 750 entries, the folder itself among them.
pub(super) const PAGE: u64 = 749;

/// Whether a listing takes fewer requests than one for each of `packs`, where the folder holds
/// about `objects`.
pub(super) fn listing_pays(packs: usize, objects: u64) -> bool {
    packs as u64 > objects.div_ceil(PAGE).max(1)
}

impl Repository {
    /// Which of these packs are not on the remote whole. A pack that a listing does not show is
    /// asked for itself.
    pub async fn unproven_packs(&self, packs: &[KnownPack]) -> Result<Vec<ObjectId>, RepositoryError> {
        self.unproven(packs.iter().map(|pack| (pack.folder, pack.object, pack.size))).await
    }

    /// The same by numbered folder, name and size.
    pub(super) async fn unproven(
        &self,
        packs: impl Iterator<Item = (u32, ObjectId, u64)>,
    ) -> Result<Vec<ObjectId>, RepositoryError> {
        let mut by_folder: BTreeMap<u32, Vec<(ObjectId, u64)>> = BTreeMap::new();
        for (folder, object, size) in packs {
            by_folder.entry(folder).or_default().push((object, size));
        }
        let mut unproven = Vec::new();
        for (folder, packs) in by_folder {
            let mut sizes: BTreeMap<String, Option<u64>> = BTreeMap::new();
            if listing_pays(packs.len(), self.objects_about(folder)?) {
                match self.store().list(&names::folder(names::PACKS, folder)).await {
                    Ok(listing) => {
                        // The number of the folder above that of the objects, 32 bits each.
                        let count = listing.entries.len().min(u32::MAX as usize) as i64;
                        self.state().put_meta_number(Meta::PackListing, (i64::from(folder) << 32) | count)?;
                        sizes = listing.entries.into_iter().map(|entry| (entry.name, entry.size)).collect();
                    }
                    Err(error) if error.is_not_found() => {
                        unproven.extend(packs.iter().map(|(object, _)| object));
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            for (object, known) in packs {
                if sizes.get(&object.to_string()).copied().flatten() == Some(known) {
                    continue;
                }
                match self.store().size(&names::pack(folder, &object)).await {
                    Ok(size) if size == known => {}
                    Ok(_) => unproven.push(object),
                    Err(error) if error.is_not_found() => unproven.push(object),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(unproven)
    }

    /// About how many objects a pack folder holds: those known, or those that were last listed,
    /// which others may have put there.
    pub(super) fn objects_about(&self, folder: u32) -> Result<u64, RepositoryError> {
        let listed = self.state().meta_number(Meta::PackListing)?.unwrap_or(0);
        let listed = if listed >> 32 == i64::from(folder) { (listed & 0xffff_ffff) as u64 } else { 0 };
        Ok(self.packs_in_folder(folder)?.max(listed))
    }
}

#[cfg(test)]
mod tests {
    use super::listing_pays;

    #[test]
    fn what_takes_fewer_requests_is_chosen() {
        for (packs, objects, pays) in
            [(1, 1, false), (2, 0, true), (2, 749, true), (2, 750, false), (3, 1498, true), (3, 1499, false)]
        {
            assert_eq!(listing_pays(packs, objects), pays, "{packs} of {objects}");
        }
    }
}
