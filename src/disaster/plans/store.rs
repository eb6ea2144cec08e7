//! Plans in the repository: sealed like all else, so that an empty machine has them. They are the one
//! file of a snapshot of a set of their own, and travel, are checked and are kept as any other.

use super::PlansError;
use crate::backup::{BackupOptions, BackupService};
use crate::browse::{self, relative};
use crate::format::record::SnapshotState;
use crate::model::entry::Node;
use crate::model::plan::{Plans, check_plans};
use crate::model::set::{PLANS_SET, SetId};
use crate::progress::Silent;
use crate::repository::snapshots::SnapshotInfo;
use crate::repository::writer::WriterOptions;
use crate::repository::{Cancel, Repository};
use crate::state::meta::Meta;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

/// Longer than this no plans are, whatever lies there.
const MOST_BYTES: u64 = 1 << 20;
const FILE: &str = "plans.json";

/// The plans of one machine, as the repository has them.
#[derive(Debug, Clone)]
pub struct StoredPlans {
    /// The machine.
    pub host: String,
    /// They.
    pub plans: Plans,
}

/// Keeps the plans of `host` in the repository, if they are others than those kept last. Answers
/// whether they were sent.
pub async fn keep_plans(
    repository: &Repository,
    plans: &Plans,
    host: &str,
    writer: WriterOptions,
    cancel: Cancel,
) -> Result<bool, PlansError> {
    let not_kept = |reason: String| PlansError::not_kept("the disaster-recovery plans", reason);
    let bytes = serde_json::to_vec_pretty(plans).map_err(|error| not_kept(error.to_string()))?;
    let (state, hash) = (repository.state(), *blake3::hash(&bytes).as_bytes());
    let Some(folder) = state.folder() else { return Ok(false) };
    let known = state.meta(Meta::Plans)?;
    if known.as_deref() == Some(&hash[..]) || known.is_none() && plans.is_empty() {
        return Ok(false);
    }
    let folder = folder.join("plans");
    let written = write_file(&folder, &bytes);
    let file = written.map_err(|error| not_kept(format!("{}: {error}", folder.display())))?;
    let options = BackupOptions {
        full: true,
        description: Some("disaster-recovery plans".to_owned()),
        writer,
        cancel,
        ..BackupOptions::new(SetId::new(host, PLANS_SET), vec![file], PathBuf::from("/"))
    };
    let outcome = BackupService::new(repository.clone()).run(options, Arc::new(Silent)).await?;
    if outcome.state != SnapshotState::Whole {
        let first = outcome.problems.first().map(|problem| problem.message.clone()).unwrap_or_default();
        return Err(not_kept(format!("their snapshot is not whole ({first}); the next backup tries again")));
    }
    state.put_meta(Meta::Plans, &hash)?;
    Ok(true)
}

fn write_file(folder: &std::path::Path, bytes: &[u8]) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let file = folder.canonicalize()?.join(FILE);
    std::fs::File::create(&file)?.write_all(bytes)?;
    Ok(file)
}

/// The newest plans of each machine that the repository has.
pub async fn stored_plans(repository: &Repository) -> Result<Vec<StoredPlans>, PlansError> {
    let mut newest: BTreeMap<String, SnapshotInfo> = BTreeMap::new();
    for snapshot in repository.snapshots()? {
        if snapshot.head.set.name == PLANS_SET {
            newest.insert(snapshot.head.set.host.clone(), snapshot);
        }
    }
    let mut stored = Vec::new();
    for (host, snapshot) in newest {
        let plans = read(repository, &snapshot).await?;
        stored.push(StoredPlans { host, plans });
    }
    Ok(stored)
}

async fn read(repository: &Repository, snapshot: &SnapshotInfo) -> Result<Plans, PlansError> {
    let unreadable =
        |reason: &str| PlansError::Unreadable(format!("snapshot {}: {reason}", snapshot.id.short()));
    let entries = repository.entries(snapshot).await?;
    let root = snapshot.root();
    let file = entries.iter().flatten().find(|entry| entry.path.name() == FILE.as_bytes());
    let file = file.ok_or_else(|| unreadable("there are no plans in it"))?;
    if !matches!(&file.node, Node::File(content) if content.size <= MOST_BYTES) {
        return Err(unreadable("its plans are too long"));
    }
    let mut bytes = Vec::new();
    browse::dump(repository, snapshot, relative(&file.path, root.as_ref()), &mut bytes).await?;
    let plans: Plans = serde_json::from_slice(&bytes).map_err(|error| unreadable(&error.to_string()))?;
    check_plans(&plans)?;
    Ok(plans)
}
