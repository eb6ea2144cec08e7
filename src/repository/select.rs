//! Which snapshot somebody means.

use super::snapshots::SnapshotInfo;
use super::{Repository, RepositoryError};
use crate::format::record::SnapshotState;
use crate::model::set::SetId;
use crate::model::time::Timestamp;
use std::collections::HashSet;

/// A wish for one snapshot.
#[derive(Debug, Clone, Default)]
pub struct Selector {
    /// The id or the beginning of one; none for the latest.
    pub id: Option<String>,
    /// Only of the set with this name.
    pub set: Option<String>,
    /// Only of this host.
    pub host: Option<String>,
    /// This machine, which is meant where several hosts have a set of that name.
    pub this_host: String,
    /// The newest at or before this time.
    pub at: Option<Timestamp>,
}

/// The snapshot that is meant.
#[derive(Debug, Clone)]
pub struct Selected {
    /// It.
    pub snapshot: SnapshotInfo,
    /// Where it is not whole: the newest one before it that is, if there is one.
    pub last_whole: Option<SnapshotInfo>,
    /// Other sets that have snapshots too, where nobody said which one is meant.
    pub other_sets: usize,
}

impl Repository {
    /// Finds the snapshot among those that are known.
    pub fn select(&self, selector: &Selector) -> Result<Selected, RepositoryError> {
        let all = self.snapshots()?;
        let snapshot = match &selector.id {
            Some(id) => by_id(&all, id, selector)?,
            None => latest(&all, selector)?,
        };
        let other_sets = match (&selector.id, &selector.set) {
            (None, None) => {
                let meant = |set: &&SetId| {
                    !SetId::is_own(&set.name)
                        && selector.host.as_ref().is_none_or(|host| set.host == *host)
                        && **set != snapshot.head.set
                };
                all.iter().map(|info| &info.head.set).filter(meant).collect::<HashSet<_>>().len()
            }
            _ => 0,
        };
        let whole = |info: &&SnapshotInfo| info.head.state == SnapshotState::Whole;
        let last_whole = if whole(&&snapshot) {
            None
        } else {
            let same_set = |info: &&SnapshotInfo| info.head.set == snapshot.head.set;
            let before = |info: &&SnapshotInfo| info.time_ms <= snapshot.time_ms;
            all.iter().rev().filter(same_set).filter(before).find(whole).cloned()
        };
        Ok(Selected { snapshot, last_whole, other_sets })
    }
}

fn by_id(all: &[SnapshotInfo], id: &str, selector: &Selector) -> Result<SnapshotInfo, RepositoryError> {
    let wanted = id.to_ascii_lowercase();
    let found: Vec<_> = all.iter().filter(|info| info.id.to_string().starts_with(&wanted)).collect();
    let refuse = |text: String| Err(RepositoryError::Selection(text));
    match found.as_slice() {
        _ if wanted.is_empty() => {
            refuse("an empty snapshot id: give an id, its beginning, or `latest`".into())
        }
        [] => refuse(format!("no snapshot `{id}`: `filbert snapshots` lists those there are")),
        [one] => expect_asked(one, selector).map(|()| (*one).clone()),
        several => {
            let mut ids: Vec<_> = several.iter().map(|info| info.id.to_string()[..12].to_owned()).collect();
            let count = ids.len();
            ids.truncate(5);
            refuse(format!("`{id}` begins {count} snapshots ({}): give more digits", ids.join(", ")))
        }
    }
}

/// An id says which snapshot; a set or host beside it must not be another one's.
fn expect_asked(found: &SnapshotInfo, selector: &Selector) -> Result<(), RepositoryError> {
    let SetId { host, name } = &found.head.set;
    for (what, asked, is) in [("set", &selector.set, name), ("host", &selector.host, host)] {
        if let Some(asked) = asked.as_ref().filter(|asked| *asked != is) {
            return Err(RepositoryError::Selection(format!(
                "snapshot {} is of set `{name}` of host `{host}`, not of {what} `{asked}`: leave --{what} out, or choose \
                 with `latest`",
                found.id.short()
            )));
        }
    }
    Ok(())
}

fn latest(all: &[SnapshotInfo], selector: &Selector) -> Result<SnapshotInfo, RepositoryError> {
    let refuse = |text: String| Err(RepositoryError::Selection(text));
    // Safety snapshots and plans are never the latest state, unless they are asked for.
    let of_set = |info: &&SnapshotInfo| {
        let name = &info.head.set.name;
        selector.set.as_ref().map_or(!SetId::is_own(name), |set| name == set)
            && selector.host.as_ref().is_none_or(|host| info.head.set.host == *host)
    };
    let mut found: Vec<_> = all.iter().filter(of_set).collect();
    if found.is_empty() {
        let of = match (&selector.set, &selector.host) {
            (Some(set), Some(host)) => format!(" of set `{set}` of host `{host}`"),
            (Some(set), None) => format!(" of set `{set}`"),
            (None, Some(host)) => format!(" of host `{host}`"),
            (None, None) => String::new(),
        };
        return refuse(format!("no snapshot{of}: `filbert snapshots` lists those there are"));
    }
    if selector.set.is_some() && selector.host.is_none() {
        let mut hosts: Vec<_> = found.iter().map(|info| info.head.set.host.as_str()).collect();
        hosts.sort_unstable();
        hosts.dedup();
        if hosts.contains(&selector.this_host.as_str()) {
            found.retain(|info| info.head.set.host == selector.this_host);
        } else if hosts.len() > 1 {
            return refuse(format!(
                "several hosts have a set of this name ({}): say which with --host",
                hosts.join(", ")
            ));
        }
    }
    let at_ms = selector.at.map(Timestamp::millis);
    let in_time = found.iter().rev().find(|info| at_ms.is_none_or(|at| info.time_ms <= at));
    match (in_time, selector.at, found.first()) {
        (Some(info), ..) => Ok((**info).clone()),
        (None, Some(at), Some(first)) => refuse(format!(
            "no snapshot at or before {}: the oldest one is of {}",
            at.rfc3339(),
            Timestamp::from_millis(first.time_ms).rfc3339()
        )),
        _ => refuse("no snapshot".into()),
    }
}
