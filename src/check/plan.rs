//! What a check will cost, before it is made: from what the local state knows of the log and packs.

use super::{CheckOptions, CheckService, ReadData, data};
use crate::progress::Problem;
use crate::repository::decide;
use crate::repository::{Repository, RepositoryError};
use crate::state::meta::Meta;
use crate::store::TrafficCount;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// What a check will come to.
#[derive(Debug, Clone)]
pub struct CheckPlan {
    /// Requests and bytes that it will take.
    pub cost: TrafficCount,
    /// Snapshots that it will look at.
    pub snapshots: u64,
    /// Packs that it will look for.
    pub packs: u64,
    /// Packs that it will read. Where this is a share of them their bytes are a mean.
    pub packs_read: u64,
    /// What the look at the log showed.
    pub problems: Vec<Problem>,
}

impl CheckService {
    /// Looks at the log, and finds out what [`Self::run`] with these options will cost.
    pub async fn plan(&self, options: &CheckOptions) -> Result<CheckPlan, RepositoryError> {
        let repository = &self.repository;
        let problems = repository.catch_up().await?;
        let packs = repository.recorded_packs()?;
        let snapshots = repository.snapshots()?;
        let (cost, looked_at) = repository.cost_of_look()?;
        let mut plan = CheckPlan {
            cost,
            snapshots: snapshots.len() as u64,
            packs: packs.len() as u64,
            packs_read: 0,
            problems,
        };
        let records = repository.known_records()?;
        // The root has the descriptor and two folders.
        add_listing(&mut plan.cost, 3);
        // What the look lists is not listed again.
        let others = records.iter().map(|(folder, _)| *folder).filter(|folder| !looked_at.contains(folder));
        by_folder(others, &mut plan.cost);
        by_folder(packs.iter().map(|pack| pack.folder), &mut plan.cost);

        let all_bytes = packs.iter().map(|pack| pack.size).sum::<u64>();
        let (read, bytes) = match options.read_data {
            ReadData::Nothing => (0, 0),
            ReadData::Everything => (packs.len(), all_bytes),
            ReadData::Share(percent) => {
                let read = data::sample_size(packs.len(), percent);
                (read, (all_bytes as f64 * read as f64 / packs.len().max(1) as f64) as u64)
            }
        };
        plan.packs_read = read as u64;
        plan.cost.add("GET", plan.packs_read);
        plan.cost.bytes_down = plan.cost.bytes_down.saturating_add(bytes);
        if options.read_data == ReadData::Everything {
            reading_again(repository, &mut plan.cost)?;
        }
        let (mut lists, mut fetched) = (HashSet::new(), BTreeSet::new());
        for snapshot in snapshots.iter().filter(|snapshot| lists.insert((snapshot.base, snapshot.delta))) {
            plan.cost.add_all(&repository.cost_of_entries(snapshot, &mut fetched).await?);
        }
        Ok(plan)
    }
}

/// The descriptor and every record once more.
fn reading_again(repository: &Repository, cost: &mut TrafficCount) -> Result<(), RepositoryError> {
    let mut bytes = repository.state().meta(Meta::Descriptor)?.map_or(0, |bytes| bytes.len() as u64);
    let records = repository.known_records()?;
    for (_, name) in &records {
        let size = repository.known_record(&name.object)?.and_then(|(_, _, size)| size);
        bytes = bytes.saturating_add(size.unwrap_or(0));
    }
    cost.add("GET", 1 + records.len() as u64);
    cost.bytes_down = cost.bytes_down.saturating_add(bytes);
    Ok(())
}

/// One listing for each numbered folder of these objects.
fn by_folder(folders: impl Iterator<Item = u32>, cost: &mut TrafficCount) {
    let mut objects: BTreeMap<u32, u64> = BTreeMap::new();
    folders.for_each(|folder| *objects.entry(folder).or_default() += 1);
    objects.into_values().for_each(|objects| add_listing(cost, objects));
}

fn add_listing(cost: &mut TrafficCount, objects: u64) {
    let (requests, bytes) = decide::listing(objects);
    cost.add("PROPFIND", requests);
    cost.bytes_down = cost.bytes_down.saturating_add(bytes);
}
