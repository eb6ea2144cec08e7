//! Looking at the remote log: which records are there.

use super::{GRACE_MS, Repository, RepositoryError, decide};
use crate::format::names::{self, RecordKind, RecordName};
use crate::state::meta::{self, Meta};
use crate::store::Listing;
use rusqlite::{OptionalExtension, Transaction};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// So many folders that are all full are believed at once.
const MOST_FOLDERS: usize = 10_000;

/// Numbers of folders that are further apart than this are not believed.
const MOST_GAP: u32 = 1000;
/// So many records that a listing lacks are asked for themselves.
const ASKED_FOR: usize = 4;

/// What a look at the log showed.
#[derive(Debug, Default)]
pub struct Look {
    /// Size of each record listed, by name.
    listed: BTreeMap<RecordName, Option<u64>>,
    /// The numbered folders that were listed.
    folders: Vec<u32>,
    /// Numbered folder and name of records that were there before and are not any more.
    pub missing: Vec<(u32, RecordName)>,
}

impl Look {
    /// Whether the record is listed with this size.
    pub fn shows(&self, name: &RecordName, size: u64) -> bool {
        self.listed.get(name).copied().flatten() == Some(size)
    }

    /// The records in a numbered folder and their sizes; none if it was not listed.
    pub fn records_in(&self, folder: u32) -> Option<BTreeMap<String, Option<u64>>> {
        // A record lies in one folder, so those of others do no harm.
        let named = || self.listed.iter().map(|(name, size)| (name.to_string(), *size)).collect();
        self.folders.contains(&folder).then(named)
    }
}

/// The folders of the log that a listing of the root showed as the repository was opened, for the first
/// look to begin with.
#[derive(Debug, Clone, Default)]
pub(super) struct ListedLog(Arc<Mutex<Option<Vec<u32>>>>);

impl ListedLog {
    pub(super) fn set(&self, folders: Vec<u32>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(folders);
    }

    /// Once, for it grows old.
    fn take(&self) -> Option<Vec<u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Numbered folder, name and size of a record.
type KnownRecord = (u32, RecordName, Option<u64>);

/// A numbered folder of the log and the records in it.
struct Folder {
    number: u32,
    records: Vec<(RecordName, Option<u64>)>,
    /// It is there.
    exists: bool,
}

impl Folder {
    fn missing(number: u32) -> Self {
        Self { number, records: Vec::new(), exists: false }
    }
}

impl Repository {
    /// Lists the part of the log that may have changed, and notes what is there.
    pub async fn look(&self) -> Result<Look, RepositoryError> {
        let mut folders = self.list_log().await?;
        let mut missing = self.missing_from(&folders)?;
        if !missing.is_empty() {
            // One listing proves no loss. What was lost may be more than what was looked at.
            folders = self.list_known_folders().await?;
            missing = self.really_missing(self.missing_from(&folders)?).await?;
        }
        let now = self.now_ms();
        self.state().write("note what the log holds", |transaction| {
            for folder in &folders {
                // What was never read and is gone again was never whole.
                transaction
                    .prepare_cached("DELETE FROM records WHERE known = 0 AND folder = ?1")?
                    .execute([folder.number])?;
                for (name, size) in &folder.records {
                    note(transaction, name, folder.number, *size)?;
                }
            }
            let newest = folders.iter().filter(|folder| folder.exists).max_by_key(|folder| folder.number);
            let (number, fill) = newest.map_or((0, 0), |folder| (folder.number, folder.records.len()));
            meta::put_number(transaction, Meta::LogFolder, i64::from(number))?;
            meta::put_number(transaction, Meta::LogFill, fill as i64)?;
            meta::put_number(transaction, Meta::LastLook, now)
        })?;
        let numbers = folders.iter().map(|folder| folder.number).collect();
        let listed = folders.into_iter().flat_map(|folder| folder.records).collect();
        Ok(Look { listed, folders: numbers, missing })
    }

    /// All folders that known records are in, and those begun since.
    async fn list_known_folders(&self) -> Result<Vec<Folder>, RepositoryError> {
        let mut folders = self.list_log().await?;
        for (number, _) in self.known_records()? {
            if folders.iter().all(|folder| folder.number != number) {
                let listed = self.list_folder(number).await?;
                folders.push(listed.unwrap_or_else(|| Folder::missing(number)));
            }
        }
        Ok(folders)
    }

    /// Some servers list what they cached: a few of the records are asked for themselves.
    async fn really_missing(
        &self,
        mut missing: Vec<(u32, RecordName)>,
    ) -> Result<Vec<(u32, RecordName)>, RepositoryError> {
        for at in (0..missing.len().min(ASKED_FOR)).rev() {
            let (folder, name) = missing[at];
            let known = self.record_size(&name)?;
            match self.store().size(&name.path(folder)).await {
                Ok(size) if known.is_none_or(|known| known == size) => drop(missing.remove(at)),
                Ok(_) => {}
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(missing)
    }

    fn record_size(&self, name: &RecordName) -> Result<Option<u64>, RepositoryError> {
        let size: Option<Option<i64>> = self.state().read("find a record's size", |connection| {
            connection
                .prepare_cached("SELECT size FROM records WHERE object = ?1")?
                .query_row([&name.object.as_bytes()[..]], |row| row.get(0))
                .optional()
        })?;
        Ok(size.flatten().map(|size| size as u64))
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
        Ok(self.records_in(&folders)?.into_iter().map(|(folder, name, _)| (folder, name)).collect())
    }

    /// Numbered folder and name of the newest snapshot that a listing showed.
    pub(super) fn newest_listed_snapshot(&self) -> Result<Option<(u32, RecordName)>, RepositoryError> {
        let row: Option<(u32, i64, Vec<u8>)> =
            self.state().read("find the newest snapshot", |connection| {
                let sql = "SELECT folder, time_ms, object FROM records WHERE kind = 'snapshot'
                       ORDER BY time_ms DESC, object DESC LIMIT 1";
                let mut select = connection.prepare_cached(sql)?;
                select.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()
            })?;
        let named = |(folder, time, object): (u32, i64, Vec<u8>)| {
            Some((folder, record_name(time, "snapshot", &object)?))
        };
        Ok(row.and_then(named))
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
        let mut folders = self.list_on_from(first).await?;
        if folders.is_empty() {
            folders.push(Folder::missing(first));
        }
        let bound = self.young_bound()?;
        let young = folders.first().is_none_or(|folder| all_after(&folder.records, bound));
        if let Some(before) = first.checked_sub(1).filter(|_| young) {
            folders.push(self.list_folder(before).await?.unwrap_or_else(|| Folder::missing(before)));
        }
        Ok(folders)
    }

    /// This folder and, while they are full, those after it.
    async fn list_on_from(&self, first: u32) -> Result<Vec<Folder>, RepositoryError> {
        let mut folders = Vec::new();
        for number in (first..=u32::MAX).take(MOST_FOLDERS) {
            let Some(folder) = self.list_folder(number).await? else { break };
            let full = decide::is_full(folder.records.len() as u64);
            folders.push(folder);
            if !full {
                break;
            }
        }
        Ok(folders)
    }

    /// All folders back to one that is older than the newest checkpoint and the grace time.
    async fn list_back_to_checkpoint(&self) -> Result<Vec<Folder>, RepositoryError> {
        let mut numbers = match self.listed_log.take() {
            Some(numbers) => numbers,
            None => match self.store().list("").await {
                Err(error) if error.is_not_found() => Vec::new(),
                listing => log_folders(&listing?),
            },
        };
        numbers.sort_unstable();
        // Folders fill up in turn: a number far out of turn is none of ours.
        let near = numbers.windows(2).take_while(|two| two[1] - two[0] <= MOST_GAP).count();
        numbers.truncate(near + 1);
        let bound = self.young_bound()?;
        let (mut covered, mut behind_checkpoint) = (false, false);
        let mut is_enough = |folder: &Folder| {
            behind_checkpoint |= covered;
            covered |= folder.records.iter().any(|(name, _)| name.kind == RecordKind::Checkpoint);
            behind_checkpoint && !all_after(&folder.records, bound)
        };
        // Some may have been begun since the root was listed.
        let mut folders = match numbers.pop() {
            Some(newest) => self.list_on_from(newest).await?,
            None => Vec::new(),
        };
        folders.reverse();
        let mut enough = folders.iter().fold(false, |_, folder| is_enough(folder));
        while let Some(number) = numbers.pop().filter(|_| !enough) {
            let Some(folder) = self.list_folder(number).await? else { continue };
            enough = is_enough(&folder);
            folders.push(folder);
        }
        Ok(folders)
    }

    /// Records written after this may have been unknown to somebody when we looked last.
    pub(super) fn young_bound(&self) -> Result<i64, RepositoryError> {
        let last = self.state().meta_number(Meta::LastLook)?;
        let now = self.now_ms();
        Ok(last.map_or(now, |last| last.min(now)) - GRACE_MS)
    }

    async fn list_folder(&self, number: u32) -> Result<Option<Folder>, RepositoryError> {
        match self.store().list(&names::log_folder(number)).await {
            Ok(listing) => Ok(Some(Folder { number, records: records(&listing), exists: true })),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Records known to be in the listed folders that the listing does not show, or not whole.
    fn missing_from(&self, folders: &[Folder]) -> Result<Vec<(u32, RecordName)>, RepositoryError> {
        let shown: BTreeMap<_, _> = folders.iter().flat_map(|folder| &folder.records).copied().collect();
        let numbers: Vec<u32> = folders.iter().map(|folder| folder.number).collect();
        let stands = |name: &RecordName, known: Option<u64>| match shown.get(name) {
            Some(size) => size.is_none() || known.is_none() || *size == known,
            None => false,
        };
        let known = self.records_in(&numbers)?;
        let gone = known.into_iter().filter(|(_, name, size)| !stands(name, *size));
        Ok(gone.map(|(folder, name, _)| (folder, name)).collect())
    }

    /// Numbered folder, name and, where it is known, size of the records in these folders.
    fn records_in(&self, folders: &[u32]) -> Result<Vec<KnownRecord>, RepositoryError> {
        type Row = (u32, i64, String, Vec<u8>, Option<i64>);
        let rows: Vec<Row> = self.state().read("list known records", |connection| {
            let sql = "SELECT folder, time_ms, kind, object, size FROM records
                       WHERE folder = ?1 AND known = 1";
            let mut select = connection.prepare_cached(sql)?;
            let mut rows = Vec::new();
            for folder in folders {
                let found = select.query_map([folder], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
                })?;
                rows.extend(found.collect::<rusqlite::Result<Vec<_>>>()?);
            }
            Ok(rows)
        })?;
        let known = |(folder, time, kind, object, size): Row| {
            Some((folder, record_name(time, &kind, &object)?, size.map(|size| size as u64)))
        };
        Ok(rows.into_iter().filter_map(known).collect())
    }
}

/// The numbers of the log's folders in a listing of the root.
pub(super) fn log_folders(listing: &Listing) -> Vec<u32> {
    let folders = listing.entries.iter().filter(|entry| entry.is_folder);
    folders.filter_map(|entry| names::parse_log_folder(&entry.name)).collect()
}

fn all_after(records: &[(RecordName, Option<u64>)], bound_ms: i64) -> bool {
    records.iter().all(|(name, _)| name.time_ms as i64 > bound_ms)
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
               ON CONFLICT DO UPDATE SET folder = ?4,
               size = CASE WHEN known = 1 AND size IS NOT NULL THEN size ELSE coalesce(?5, size) END";
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
