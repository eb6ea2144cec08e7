//! What it costs to read lists of files, as far as the local state can tell without asking.

use super::snapshots::SnapshotInfo;
use super::{Repository, RepositoryError};
use crate::format::names::RecordName;
use crate::format::record::{Body, ManifestRef, Stream};
use crate::model::id::ObjectId;
use crate::store::TrafficCount;
use rusqlite::OptionalExtension;
use std::collections::BTreeSet;

impl Repository {
    /// What [`Self::entries`] of a snapshot asks of the server. `fetched` are the records that an
    /// earlier step of the run fetches and keeps; those that this one fetches are added.
    ///
    /// Of a record that is not at hand the size is known, and not whether its list of files travels
    /// in packs: that is left out.
    pub async fn cost_of_entries(
        &self,
        snapshot: &SnapshotInfo,
        fetched: &mut BTreeSet<ObjectId>,
    ) -> Result<TrafficCount, RepositoryError> {
        let mut cost = TrafficCount::default();
        for object in [Some(snapshot.base), snapshot.delta].into_iter().flatten() {
            let Some((folder, name, size)) = self.known_record(&object)? else { continue };
            if self.state().object(&object)?.is_none() {
                if fetched.insert(object) {
                    cost.add("GET", 1);
                    cost.bytes_down = cost.bytes_down.saturating_add(size.unwrap_or(0));
                }
                continue;
            }
            let Ok(record) = self.fetch_record(folder, &name).await else { continue };
            let Body::Snapshot(snapshot) = record.body else { continue };
            let (ManifestRef::Base(Stream::Chunks(ids))
            | ManifestRef::Delta { stream: Stream::Chunks(ids), .. }) = snapshot.manifest
            else {
                continue;
            };
            for (_, fetch) in self.chunk_fetches(&ids)? {
                cost.add("GET", 1);
                cost.bytes_down = cost.bytes_down.saturating_add(fetch.range.end - fetch.range.start);
            }
        }
        Ok(cost)
    }

    /// Numbered folder, name and, where it is known, size of a record.
    pub fn known_record(
        &self,
        object: &ObjectId,
    ) -> Result<Option<(u32, RecordName, Option<u64>)>, RepositoryError> {
        type Row = (i64, String, u32, Option<i64>);
        let row: Option<Row> = self.state().read("find a record", |connection| {
            connection
                .prepare_cached("SELECT time_ms, kind, folder, size FROM records WHERE object = ?1")?
                .query_row([&object.as_bytes()[..]], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                })
                .optional()
        })?;
        Ok(row.and_then(|(time, kind, folder, size)| {
            let name = super::log::record_name(time, &kind, object.as_bytes())?;
            Some((folder, name, size.map(|size| size as u64)))
        }))
    }
}
