//! Publish, then look: a record is put and counts only when the log shows it whole. Until that
//! is settled its bytes are kept and no other record follows.

use super::catalog::{ingest_record, ingest_snapshot};
use super::checkpoint::note_standing;
use super::index::{self, Origin};
use super::{Cancel, Repository, RepositoryError, decide};
use crate::format::FormatError;
use crate::format::names::{self, RecordName};
use crate::format::record::{Body, Head, Record, Snapshot, object_id};
use crate::model::amount::counted;
use crate::model::entropy::random_bytes;
use crate::model::id::{ObjectId, WriterId};
use crate::state::journal::Pending;
use crate::state::lock::Lock;
use crate::state::meta::Meta;
use crate::store::ErrorKind;
use bytes::Bytes;
use std::time::Duration;

/// A record that does not show is put so often in all.
const ATTEMPTS: usize = 3;
const PROGRAM: &str = concat!("filbert ", env!("CARGO_PKG_VERSION"));

/// The right to publish.
pub(super) struct Publishing {
    _lock: Lock,
}

impl Repository {
    /// Publishes a snapshot that introduces these packs, and returns its id. `doubt` is the state's
    /// count of doubts when it was found out what need not be sent.
    pub async fn publish_snapshot(
        &self,
        snapshot: Snapshot,
        introduced: &[ObjectId],
        doubt: i64,
        cancel: &Cancel,
    ) -> Result<ObjectId, RepositoryError> {
        let publishing = self.publishing_lock(cancel).await?;
        let newest = self.newest_of(&snapshot.head.set.host, &snapshot.head.set.name)?;
        let not_before = newest.map_or(0, |newest| newest.time_ms + 1);
        let body = Body::Snapshot(Box::new(snapshot));
        let published = self.publish(&publishing, body, introduced, not_before).await?;
        if self.state().meta_number(Meta::Doubt)?.unwrap_or(0) != doubt {
            // Another run of this machine found that something is gone meanwhile.
            return Err(RepositoryError::HistoryGone("objects".to_owned()));
        }
        Ok(published.object)
    }

    /// Publishes a record that says `body` and introduces these packs. Its time is not before
    /// `not_before_ms`, so that a clock that was set back does not hide it.
    pub(super) async fn publish(
        &self,
        publishing: &Publishing,
        body: Body,
        introduced: &[ObjectId],
        not_before_ms: i64,
    ) -> Result<RecordName, RepositoryError> {
        self.settle_locked(publishing).await?;
        if self.look_is_due()? {
            self.look().await?;
        }
        let record = self.new_record(self.writer()?, body, not_before_ms)?;
        let bytes = record
            .seal(self.keyring(), self.id(), self.salt()?)
            .map_err(|reason| RepositoryError::damaged("a new record", reason))?;
        let name = RecordName { time_ms: record.time_ms, kind: record.kind(), object: object_id(&bytes) };
        // Bad memory is found now and not on the day of the restore.
        let read_back = Record::open(&bytes, &name, self.keyring(), self.id());
        if read_back.as_ref() != Ok(&record) {
            let reason = FormatError::Damaged("it reads back as another one");
            return Err(RepositoryError::damaged("a new record", read_back.err().unwrap_or(reason)));
        }
        let folder = self.folder_for_record().await?;
        let pending = Pending { name: name.to_string(), folder, bytes };
        self.state().put_pending(&pending)?;
        self.put_and_look(&pending, &name).await?;
        self.note_published(&pending, &name, &record, introduced)?;
        Ok(name)
    }

    /// A record of `writer` that says `body`, after all that is known.
    pub(super) fn new_record(
        &self,
        writer: WriterId,
        body: Body,
        not_before_ms: i64,
    ) -> Result<Record, RepositoryError> {
        let heads = self.known_heads()?;
        let own = heads.iter().find(|(head, ..)| *head == writer);
        Ok(Record {
            writer,
            sequence: own.map_or(1, |(_, sequence, _)| sequence + 1),
            previous: own.map(|(.., object)| *object),
            heads: heads
                .iter()
                .map(|&(writer, sequence, record)| Head { writer, sequence, record })
                .collect(),
            time_ms: self.now_ms().max(not_before_ms).max(0) as u64,
            program: PROGRAM.to_owned(),
            body,
        })
    }

    /// Settles a record whose publishing was broken off: it stands already, or its bytes are put
    /// again.
    pub async fn settle(&self, cancel: &Cancel) -> Result<(), RepositoryError> {
        if self.state().pending()?.is_none() {
            return Ok(());
        }
        let publishing = self.publishing_lock(cancel).await?;
        self.settle_locked(&publishing).await
    }

    async fn settle_locked(&self, _publishing: &Publishing) -> Result<(), RepositoryError> {
        let Some(mut pending) = self.state().pending()? else { return Ok(()) };
        let opened = RecordName::parse(&pending.name).and_then(|name| {
            let record = Record::open(&pending.bytes, &name, self.keyring(), self.id()).ok()?;
            Some((name, record))
        });
        let Some((name, record)) = opened else {
            // It can only have been spoilt on this disk; what it introduced is still unrecorded.
            return Ok(self.state().clear_pending(&pending.name)?);
        };
        let look = self.look().await?;
        if !look.shows(&name, pending.bytes.len() as u64)
            && !self.stands(&name.path(pending.folder), pending.bytes.len() as u64).await?
        {
            if !self.packs_stand(&record).await? {
                // It never showed, so nobody misses it; what still lies there is gone on from.
                return Ok(self.state().clear_pending(&pending.name)?);
            }
            // The others may have gone on to another folder since.
            pending.folder = self.folder_for_record().await?;
            self.put_and_look(&pending, &name).await?;
        }
        let (index, origin) = match &record.body {
            Body::Snapshot(snapshot) => (&snapshot.index, Origin::Record(name.object)),
            Body::Checkpoint(checkpoint) => (&checkpoint.index, Origin::Checkpoint(name.object)),
        };
        self.take_packs(&pending.name, index, origin).await?;
        self.note_published(&pending, &name, &record, &[])
    }

    /// Whether the packs that a record lists are on the remote whole.
    async fn packs_stand(&self, record: &Record) -> Result<bool, RepositoryError> {
        let index = match &record.body {
            Body::Snapshot(snapshot) => &snapshot.index,
            Body::Checkpoint(checkpoint) => &checkpoint.index,
        };
        let packs = index.inline_packs().map_err(|reason| RepositoryError::damaged("the journal", reason))?;
        let named = packs.iter().map(|pack| (pack.folder, pack.object, pack.size));
        Ok(self.unproven(named).await?.is_empty())
    }

    async fn put_and_look(&self, pending: &Pending, name: &RecordName) -> Result<(), RepositoryError> {
        let body = Bytes::from(pending.bytes.clone());
        let path = name.path(pending.folder);
        let size = body.len() as u64;
        for attempt in 0..ATTEMPTS {
            match self.store().put_new(&path, body.clone()).await {
                Err(error) if error.kind == ErrorKind::TooLarge && attempt == 0 => {
                    // It was never there, and the same bytes would be refused for ever.
                    self.note_refused(size)?;
                    self.state().clear_pending(&pending.name)?;
                    return Err(RepositoryError::ObjectTooLarge { size, reason: error.to_string() });
                }
                Err(error) if error.is_not_found() => {
                    self.descriptor_stands().await?;
                    self.store().ensure_folder(&names::log_folder(pending.folder)).await?;
                    self.store().put_new(&path, body.clone()).await?;
                }
                result => result?,
            }
            let look = self.look().await?;
            if !look.missing.is_empty() {
                self.mend_records(&look.missing).await?;
                return Err(RepositoryError::HistoryGone(counted(look.missing.len() as u64, "record")));
            }
            if look.shows(name, size) || self.stands(&path, size).await? {
                return Ok(());
            }
        }
        let symptom = "it does not show, or not whole".to_owned();
        Err(RepositoryError::NotStanding { object: path, symptom })
    }

    /// Some servers list what they cached: the object itself is asked before it counts as lost.
    async fn stands(&self, path: &str, size: u64) -> Result<bool, RepositoryError> {
        match self.store().size(path).await {
            Ok(found) => Ok(found == size),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn note_published(
        &self,
        pending: &Pending,
        name: &RecordName,
        record: &Record,
        introduced: &[ObjectId],
    ) -> Result<(), RepositoryError> {
        self.state().write("note a published record", |transaction| {
            let (folder, size) = (pending.folder, Some(pending.bytes.len() as u64));
            super::log::note(transaction, name, folder, size)?;
            let origin = match &record.body {
                Body::Snapshot(snapshot) => {
                    ingest_snapshot(transaction, name, folder, record, snapshot)?;
                    Origin::Record(name.object)
                }
                Body::Checkpoint(checkpoint) => {
                    ingest_record(transaction, name, folder, record)?;
                    note_standing(transaction, folder, name, checkpoint)?;
                    Origin::Checkpoint(name.object)
                }
            };
            index::introduce(transaction, introduced, origin)?;
            transaction.execute("DELETE FROM pending WHERE name = ?1", [&pending.name]).map(drop)
        })?;
        Ok(self.state().put_object(&name.object, &pending.bytes)?)
    }

    fn writer(&self) -> Result<WriterId, RepositoryError> {
        if let Some(known) = self.state().meta(Meta::Writer)?.and_then(|bytes| WriterId::from_slice(&bytes)) {
            return Ok(known);
        }
        let writer = WriterId(random_bytes(&*self.means.entropy)?);
        self.state().put_meta(Meta::Writer, writer.as_bytes())?;
        Ok(writer)
    }

    async fn folder_for_record(&self) -> Result<u32, RepositoryError> {
        let folder = self.state().meta_number(Meta::LogFolder)?.unwrap_or(0) as u32;
        let fill = self.state().meta_number(Meta::LogFill)?.unwrap_or(0) as u64;
        let (folder, is_new) = decide::record_folder(folder, fill);
        if is_new {
            let path = names::log_folder(folder);
            match self.store().ensure_folder(&path).await {
                Err(error) if error.is_not_found() => {
                    self.descriptor_stands().await?;
                    self.store().ensure_folder(&path).await?;
                }
                made => made?,
            }
        }
        Ok(folder)
    }

    /// Waits for the right to publish: one record of this machine at a time. Who has it may itself wait
    /// for the budget.
    pub(super) async fn publishing_lock(&self, cancel: &Cancel) -> Result<Publishing, RepositoryError> {
        loop {
            if let Some(lock) = self.state().try_lock("publish")? {
                return Ok(Publishing { _lock: lock });
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
                () = cancel.cancelled() => return Err(RepositoryError::Cancelled),
            }
        }
    }
}
