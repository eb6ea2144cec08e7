//! Names that the file system of a target takes for one another, such as `A` and `a`: of two such names
//! in a snapshot the second must not take the place of the first.

use super::places::{At, Spot};
use crate::files::place::{PlaceError, Target};
use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// What is told of a name that something else answers to.
pub(super) const OTHER_NAME: &str = "this file system takes its name for that of something else there, as \
                                     with names in other letters: left alone; restore it to another folder";
/// What is told of things below a folder with such a name.
pub(super) const BELOW_OTHER_NAME: &str = "not restored: this file system takes the name of a folder above it \
                                           for that of another folder; restore it to another folder";

/// Knows how names are spelt in the folders that are gone through.
#[derive(Default)]
pub(super) struct Spellings {
    /// The folder of the last name and those above it that were asked about.
    folders: Vec<Folder>,
    hasher: RandomState,
    /// The last folder that another one answers for.
    clash: Option<Spot>,
}

struct Folder {
    spot: Spot,
    /// Hashes with a key of this run's own: nobody can make two names meet.
    names: HashSet<u64>,
}

impl Spellings {
    /// Whether what was found at `at` has just this name, and does not merely answer to it.
    ///
    /// # Errors
    /// The path is bad, or something that is no folder lies above it.
    pub(super) fn is_spelt_so(&mut self, target: &Target, at: At<'_>) -> Result<bool, PlaceError> {
        let end = at.relative.iter().rposition(|byte| *byte == b'/');
        let (above, name) = match end {
            Some(end) => (&at.relative[..end], &at.relative[end + 1..]),
            None => (&[][..], at.relative),
        };
        while self.folders.last().is_some_and(|folder| !at.is_below(&folder.spot)) {
            self.folders.pop();
        }
        let hash = self.hasher.hash_one(name);
        let of_folder = |folder: &Folder| folder.spot.place == at.place && folder.spot.relative == above;
        if self.folders.last().is_some_and(|folder| of_folder(folder) && folder.names.contains(&hash)) {
            return Ok(true);
        }
        // Not listed yet, or made since.
        let Some(names) = target.names_beside(at.relative)? else { return Ok(true) };
        let names: HashSet<u64> = names.iter().map(|name| self.hasher.hash_one(&name[..])).collect();
        let is_there = names.contains(&hash);
        self.folders.retain(|folder| !of_folder(folder));
        let spot = Spot { place: at.place, relative: above.to_vec() };
        self.folders.push(Folder { spot, names });
        Ok(is_there)
    }

    /// Another folder answers for this one.
    pub(super) fn clashes(&mut self, folder: At<'_>) {
        self.clash = Some(folder.to_spot());
    }

    /// Whether this lies below a folder that another one answers for.
    pub(super) fn is_below_clash(&self, at: At<'_>) -> bool {
        self.clash.as_ref().is_some_and(|clash| at.is_below(clash))
    }
}
