//! The packs that a plan needs: whether they are there, and which files suffer where one is not.

use super::report::{PacksLooked, StepReport};
use super::steps::Prepared;
use super::{PlanService, PlansError};
use crate::check::PackListings;
use crate::format::names;
use crate::model::amount::counted;
use crate::model::entry::{Node, Piece};
use crate::progress::Problem;
use crate::recovery::{RestoreOptions, selected_entries};
use crate::repository::{KnownPack, Repository};
use std::collections::{BTreeMap, BTreeSet};

/// Packs that were looked for in this test.
pub(super) struct NeededPacks {
    by_path: BTreeMap<String, KnownPack>,
    looked: BTreeSet<String>,
    listings: PackListings,
    /// Why, by number.
    lacking: BTreeMap<i64, String>,
    requests: u64,
}

/// The files that need a bad pack.
#[derive(Default)]
struct Suffering {
    first: String,
    count: u64,
}

impl NeededPacks {
    pub(super) fn new(repository: &Repository) -> Result<Self, PlansError> {
        let path = |pack: KnownPack| (names::pack(pack.folder, &pack.object), pack);
        Ok(Self {
            by_path: repository.recorded_packs()?.into_iter().map(path).collect(),
            looked: BTreeSet::new(),
            listings: PackListings::default(),
            lacking: BTreeMap::new(),
            requests: 0,
        })
    }

    /// Looks for the packs at `paths` that were not looked for yet. Those that are missing or cut are
    /// noted in the local state, as a check does, and used last from then on. Answers whether any is.
    pub(super) async fn look<'p>(
        &mut self,
        repository: &Repository,
        paths: impl Iterator<Item = &'p String>,
    ) -> Result<bool, PlansError> {
        let new: Vec<&String> = paths.filter(|path| !self.looked.contains(*path)).collect();
        let packs: Vec<_> = new.iter().filter_map(|path| self.by_path.get(*path).copied()).collect();
        self.looked.extend(new.into_iter().cloned());
        let before = repository.store().traffic();
        let lacking = self.listings.lacking(repository, &packs).await?;
        self.requests += repository.store().traffic().since(&before).total();
        let bad: Vec<_> = lacking.iter().map(|lacking| lacking.pack.object).collect();
        repository.note_bad_packs(&[], &bad)?;
        self.lacking.extend(lacking.into_iter().map(|lacking| (lacking.pack.number, lacking.reason)));
        Ok(!bad.is_empty())
    }

    /// What the report says of it.
    pub(super) fn found(&self) -> PacksLooked {
        let (packs, lacking) = (self.looked.len() as u64, self.lacking.len() as u64);
        PacksLooked { packs, lacking, requests: self.requests }
    }
}

impl PlanService {
    /// Tells which files of a step need a pack that is bad: one of those that were looked for, or one
    /// that was found bad before.
    pub(super) async fn tell_suffering(
        &self,
        prepared: &Prepared,
        options: &RestoreOptions,
        packs: &NeededPacks,
        report: &mut StepReport,
    ) -> Result<(), PlansError> {
        let repository = &self.repository;
        let mut suffering: BTreeMap<i64, Suffering> = BTreeMap::new();
        let entries = repository.entries(&prepared.snapshot).await?;
        selected_entries(options, &entries, |entry| {
            let Node::File(content) = &entry.node else { return Ok(()) };
            let chunk = |piece: &Piece| match piece {
                Piece::Chunk(id) => Some(*id),
                Piece::Hole(_) => None,
            };
            let ids: Vec<_> = content.pieces.iter().filter_map(chunk).collect();
            let places = repository.places(&ids)?.into_iter().flatten();
            let bad: BTreeSet<_> = places.filter(|place| place.bad).map(|place| place.pack).collect();
            for pack in bad {
                let of_pack = suffering.entry(pack).or_default();
                if of_pack.count == 0 {
                    of_pack.first = entry.path.display();
                }
                of_pack.count += 1;
            }
            Ok(())
        })?;
        for (number, Suffering { first, count }) in suffering {
            let pack = repository.pack(number)?;
            let reason = self.reason(packs, number);
            let files = counted(count, "file");
            let message =
                format!("{reason}; {files} of this step cannot come back whole, the first: {first}");
            report.take_problems(&[Problem::new(names::pack(pack.folder, &pack.object), message)], 1);
        }
        Ok(())
    }

    fn reason<'r>(&self, packs: &'r NeededPacks, number: i64) -> &'r str {
        let known = "this pack was found missing or damaged before (`filbert check --read-data` looks again)";
        packs.lacking.get(&number).map_or(known, String::as_str)
    }
}
