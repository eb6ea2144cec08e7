//! Which files suffer from damaged packs; and whether every list of files can be read and every
//! chunk that it names is known.

use super::{CheckOptions, CheckOutcome};
use crate::format::names;
use crate::format::pack::PackEntry;
use crate::model::entry::{Node, Piece};
use crate::model::id::ChunkId;
use crate::progress::Problem;
use crate::repository::snapshots::{SnapshotInfo, unless_local};
use crate::repository::{Repository, RepositoryError};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Files named for each damaged object.
const NAMED: usize = 5;

/// A pack that is missing, cut or spoilt.
pub(super) struct Damage {
    pub(super) pack: Arc<PackEntry>,
    pub(super) reason: String,
}

#[derive(Default)]
struct Suffering {
    files: BTreeSet<String>,
    more: u64,
    snapshots: BTreeSet<String>,
}

impl Suffering {
    fn add(&mut self, file: String, snapshot: &SnapshotInfo) {
        self.snapshots.insert(snapshot.id.short());
        if self.files.contains(&file) {
            return;
        }
        match self.files.len() < NAMED {
            true => {
                self.files.insert(file);
            }
            false => self.more += 1,
        }
    }

    fn told(&self) -> String {
        if self.files.is_empty() {
            return "no file of a known snapshot needs it".to_owned();
        }
        let files = self.files.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = if self.more > 0 { format!(" and {} more", self.more) } else { String::new() };
        let snapshots = self.snapshots.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        format!("these files suffer: {files}{more} (in snapshots {snapshots})")
    }
}

/// Goes through all lists of files, each stored one once, and tells what suffers.
pub(super) async fn tell(
    repository: &Repository,
    damage: &[Damage],
    options: &CheckOptions,
    outcome: &mut CheckOutcome,
) -> Result<(), RepositoryError> {
    let mut bad: HashMap<ChunkId, usize> = HashMap::new();
    for (number, damage) in damage.iter().enumerate() {
        let chunks = damage.pack.index.frames.iter().flat_map(|frame| &frame.chunks);
        bad.extend(chunks.map(|chunk| (chunk.id, number)));
    }
    let mut suffering: Vec<Suffering> = damage.iter().map(|_| Suffering::default()).collect();
    let mut unknown: BTreeMap<ChunkId, Suffering> = BTreeMap::new();
    let snapshots = repository.snapshots()?;
    outcome.snapshots = snapshots.len() as u64;
    let mut seen = HashSet::new();
    for snapshot in &snapshots {
        if options.cancel.is_cancelled() {
            return Err(RepositoryError::Cancelled);
        }
        if !seen.insert((snapshot.base, snapshot.delta)) {
            continue;
        }
        let unreadable = |reason: String| {
            let subject = format!("snapshot {}", snapshot.id.short());
            Problem::new(subject, format!("its list of files cannot be read: {reason}"))
        };
        let entries = match repository.entries(snapshot).await {
            Ok(entries) => entries,
            Err(RepositoryError::Store(error)) if !error.is_not_found() => return Err(error.into()),
            Err(error @ RepositoryError::State(_)) => return Err(error),
            Err(error) => {
                outcome.problems.push(unreadable(error.to_string()));
                continue;
            }
        };
        for entry in entries.iter() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    outcome.problems.push(unreadable(unless_local(error)?.to_string()));
                    continue;
                }
            };
            let Node::File(content) = &entry.node else { continue };
            let ids: Vec<ChunkId> = content.pieces.iter().filter_map(chunk_of).collect();
            for (place, id) in repository.places(&ids)?.into_iter().zip(&ids) {
                match (bad.get(id), place) {
                    // Another pack has it as well.
                    (Some(_), Some(place)) if !place.bad => {}
                    (Some(number), _) => suffering[*number].add(entry.path.display(), snapshot),
                    (None, Some(_)) => {}
                    (None, None) => unknown.entry(*id).or_default().add(entry.path.display(), snapshot),
                }
            }
        }
    }
    for (damage, suffering) in damage.iter().zip(&suffering) {
        let path = names::pack(damage.pack.folder, &damage.pack.object);
        outcome.problems.push(Problem::new(path, format!("{}; {}", damage.reason, suffering.told())));
    }
    for (id, suffering) in &unknown {
        let message = format!("no known pack has it; {}", suffering.told());
        outcome.problems.push(Problem::new(format!("chunk {id}"), message));
    }
    Ok(())
}

fn chunk_of(piece: &Piece) -> Option<ChunkId> {
    match piece {
        Piece::Chunk(id) => Some(*id),
        Piece::Hole(_) => None,
    }
}
