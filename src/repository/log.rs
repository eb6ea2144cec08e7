//! Looking at the remote log: which records are there.

use super::{GRACE_MS, Repository, RepositoryError};
use crate::format::names::{self, FOLDER_FILL, RecordKind, RecordName};
use crate::state::meta::{self, Meta};
use crate::store::Listing;
use rusqlite::Transaction;
use std::collections::BTreeMap;

/// What a look at the log showed.
#[derive(Debug, Default)]
pub struct Look {
    /// Size of each record listed, by name.
    listed: BTreeMap<RecordName, Option<u64>>,
    /// Records that were there before, by their paths, and are not any more.
    pub missing: Vec<String>,
}

impl Look {
    /// Whether the record is listed, as far as told with this size.
    pub fn shows(&self, name: &RecordName, size: u64) -> bool {
        self.listed.get(name).is_some_and(|listed| listed.is_none_or(|listed| listed == size))
    }
}

/// A numbered folder of the log and the records in it.
type Folder = (u32, Vec<(RecordName, Option<u64>)>);

impl Repository {
    /// Lists the part of the log that may have changed, and notes what is there.
    pub async fn look(&self) -> Result<Look, RepositoryError> {
        let mut folders = self.list_log().await?;
        let mut missing = self.missing_from(&folders)?;
        if !missing.is_empty() {
            // One listing proves no loss.
            folders = self.list_log().await?;
            missing = self.missing_from(&folders)?;
        }
        let now = self.now_ms();
        self.state().write("note what the log holds", |transaction| {
            for (folder, records) in &folders {
                for (name, size) in records {
                    note(transaction, name, *folder, *size)?;
                }
            }
            if let Some((newest, records)) = folders.iter().max_by_key(|(folder, _)| *folder) {
                meta::put_number(transaction, Meta::LogFolder, i64::from(*newest))?;
                meta::put_number(transaction, Meta::LogFill, records.len() as i64)?;
            }
            meta::put_number(transaction, Meta::LastLook, now)
        })?;
        let listed = folders.into_iter().flat_map(|(_, records)| records).collect();
        Ok(Look { listed, missing })
    }

    /// Whether the last look is so old that one looks before starting.
    pub fn look_is_due(&self) -> Result<bool, RepositoryError> {
        let last = self.state().meta_number(Meta::LastLook)?;
        let now = self.now_ms();
        Ok(last.is_none_or(|last| now - last > GRACE_MS / 2 || last > now))
    }

    /// Numbered folder and name of every record that is known to be in the log.
    pub fn known_records(&self) -> Result<Vec<(u32, RecordName)>, RepositoryError> {
        let folders: Vec<u32> = self.state().read("list log folders", |connection| {
            connection
                .prepare_cached("SELECT DISTINCT folder FROM records ORDER BY folder")?
                .query_map([], |row| row.get(0))?
                .collect()
        })?;
        self.records_in(&folders)
    }

    async fn list_log(&self) -> Result<Vec<Folder>, RepositoryError> {
        match self.state().meta_number(Meta::LogFolder)? {
            Some(folder) => self.list_from(folder as u32).await,
            None => self.list_back_to_checkpoint().await,
        }
    }

    /// The folder that filled up when we looked last and those begun since; the one before too
    /// while the newest is young, for a slow machine may still write there.
    async fn list_from(&self, first: u32) -> Result<Vec<Folder>, RepositoryError> {
        let mut folders = Vec::new();
        let mut number = first;
        while let Some(folder) = self.list_folder(number).await? {
            let full = folder.1.len() as u64 >= FOLDER_FILL;
            folders.push(folder);
            if !full {
                break;
            }
            number += 1;
        }
        let young = folders.first().is_none_or(|(_, records)| self.all_young(records));
        if let Some(before) = first.checked_sub(1).filter(|_| young) {
            folders.extend(self.list_folder(before).await?);
        }
        Ok(folders)
    }

    async fn list_back_to_checkpoint(&self) -> Result<Vec<Folder>, RepositoryError> {
        let listing = self.store().list(names::LOG).await?;
        let mut numbers: Vec<_> = listing
            .entries
            .iter()
            .filter(|entry| entry.is_folder)
            .filter_map(|entry| names::parse_folder(&entry.name))
            .collect();
        numbers.sort_unstable();
        let mut folders: Vec<Folder> = Vec::new();
        let mut covered = false;
        for number in numbers.into_iter().rev() {
            let Some(folder) = self.list_folder(number).await? else { continue };
            covered |= folder.1.iter().any(|(name, _)| name.kind == RecordKind::Checkpoint);
            let young = self.all_young(&folder.1);
            folders.push(folder);
            if covered && !young {
                break;
            }
        }
        if folders.is_empty() {
            folders.push((0, Vec::new()));
        }
        Ok(folders)
    }

    async fn list_folder(&self, number: u32) -> Result<Option<Folder>, RepositoryError> {
        match self.store().list(&names::folder(names::LOG, number)).await {
            Ok(listing) => Ok(Some((number, records(&listing)))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn all_young(&self, records: &[(RecordName, Option<u64>)]) -> bool {
        let bound = self.now_ms() - GRACE_MS;
        records.iter().all(|(name, _)| name.time_ms as i64 > bound)
    }

    /// Records known to be in the listed folders that the listing does not show.
    fn missing_from(&self, folders: &[Folder]) -> Result<Vec<String>, RepositoryError> {
        let shown: BTreeMap<_, _> = folders.iter().flat_map(|(_, records)| records).copied().collect();
        let numbers: Vec<u32> = match self.state().meta_number(Meta::LogFolder)? {
            Some(number) if folders.is_empty() => vec![number as u32],
            _ => folders.iter().map(|(number, _)| *number).collect(),
        };
        let known = self.records_in(&numbers)?;
        let gone = known.into_iter().filter(|(_, name)| !shown.contains_key(name));
        Ok(gone.map(|(folder, name)| name.path(folder)).collect())
    }

    fn records_in(&self, folders: &[u32]) -> Result<Vec<(u32, RecordName)>, RepositoryError> {
        let rows: Vec<(u32, i64, String, Vec<u8>)> =
            self.state().read("list known records", |connection| {
                let mut select = connection
                    .prepare_cached("SELECT folder, time_ms, kind, object FROM records WHERE folder = ?1")?;
                let mut rows = Vec::new();
                for folder in folders {
                    let found = select.query_map([folder], |row| {
                        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                    })?;
                    rows.extend(found.collect::<rusqlite::Result<Vec<_>>>()?);
                }
                Ok(rows)
            })?;
        Ok(rows
            .into_iter()
            .filter_map(|(folder, time, kind, object)| Some((folder, record_name(time, &kind, &object)?)))
            .collect())
    }
}

/// The record names in a listing; anything else there is none of ours.
fn records(listing: &Listing) -> Vec<(RecordName, Option<u64>)> {
    listing
        .entries
        .iter()
        .filter(|entry| !entry.is_folder)
        .filter_map(|entry| Some((RecordName::parse(&entry.name)?, entry.size)))
        .collect()
}

/// Notes that a record is on the remote.
pub(super) fn note(
    transaction: &Transaction<'_>,
    name: &RecordName,
    folder: u32,
    size: Option<u64>,
) -> rusqlite::Result<()> {
    let sql =
        "INSERT INTO records (object, time_ms, kind, folder, size, known) VALUES (?1, ?2, ?3, ?4, ?5, 0)
               ON CONFLICT DO UPDATE SET folder = ?4, size = coalesce(?5, size)";
    transaction
        .prepare_cached(sql)?
        .execute((
            &name.object.as_bytes()[..],
            name.time_ms as i64,
            kind_word(name.kind),
            folder,
            size.map(|size| size as i64),
        ))
        .map(drop)
}

/// The name of a record from its row.
pub(super) fn record_name(time_ms: i64, kind: &str, object: &[u8]) -> Option<RecordName> {
    let kind = match kind {
        "checkpoint" => RecordKind::Checkpoint,
        _ => RecordKind::Snapshot,
    };
    Some(RecordName {
        time_ms: time_ms as u64,
        kind,
        object: crate::model::id::ObjectId::from_slice(object)?,
    })
}

pub(super) fn kind_word(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Snapshot => "snapshot",
        RecordKind::Checkpoint => "checkpoint",
    }
}
