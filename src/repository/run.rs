//! A run that writes. The packs that it sends are its own until a record introduces them: no
//! other run counts on them, and if this one dies, the next one takes them over.

use super::{KnownPack, Repository, RepositoryError};
use crate::state::lock::Lock;

/// A run at work. Other processes see that it lives by its lock.
#[derive(Debug)]
pub struct Run {
    id: i64,
    _lock: Lock,
}

impl Run {
    /// Its number in the local state.
    pub(super) fn id(&self) -> i64 {
        self.id
    }
}

fn lock_name(id: i64) -> String {
    format!("run {id}")
}

impl Repository {
    /// Begins a run.
    pub fn begin_run(&self) -> Result<Run, RepositoryError> {
        let id = (self.random_number()? >> 1).max(1) as i64;
        let lock = self.state().try_lock(&lock_name(id))?;
        let lock = lock.ok_or_else(|| RepositoryError::Busy("a run of this number".to_owned()))?;
        Ok(Run { id, _lock: lock.used_once() })
    }

    /// Takes over the packs of runs that ended without a record.
    pub fn take_over_leftovers(&self, run: &Run) -> Result<Vec<KnownPack>, RepositoryError> {
        let others: Vec<i64> = self.state().read("find broken-off runs", |connection| {
            connection
                .prepare_cached("SELECT DISTINCT run FROM packs WHERE recorded = 0 AND run <> ?1")?
                .query_map([run.id], |row| row.get(0))?
                .collect()
        })?;
        for other in others {
            // Its lock can be had only if it does not live any more.
            let lock = if other == 0 { None } else { self.state().try_lock(&lock_name(other))? };
            if other == 0 || lock.is_some() {
                self.state().write("take over packs", |transaction| {
                    let sql = "UPDATE packs SET run = ?1 WHERE recorded = 0 AND run = ?2";
                    transaction.execute(sql, (run.id, other)).map(drop)
                })?;
            }
            drop(lock.map(Lock::used_once));
        }
        Ok(self.packs_of_run(run)?)
    }
}
