//! Records that stood on the remote and do not any more. Those whose bytes are kept here are put
//! again, to their own names; the others are forgotten, so that nothing is built on them. Either
//! way the packs that they introduced must be proven before anybody counts on them again.

use super::{Repository, RepositoryError};
use crate::format::names::{self, RecordKind, RecordName};
use crate::state::meta::{self, Meta};
use bytes::Bytes;
use rusqlite::Transaction;

impl Repository {
    /// Puts records that are gone, or not whole, back or forgets them.
    pub async fn mend_records(&self, gone: &[(u32, RecordName)]) -> Result<(), RepositoryError> {
        for (folder, name) in gone {
            match self.state().object(&name.object)? {
                Some(bytes) => self.put_back(*folder, name, bytes.into()).await?,
                None => self.forget_record(name)?,
            }
        }
        Ok(())
    }

    async fn put_back(&self, folder: u32, name: &RecordName, bytes: Bytes) -> Result<(), RepositoryError> {
        let path = name.path(folder);
        match self.store().put_new(&path, bytes.clone()).await {
            Err(error) if error.is_not_found() => {
                self.store().ensure_folder(names::LOG).await?;
                self.store().ensure_folder(&names::folder(names::LOG, folder)).await?;
                self.store().put_new(&path, bytes).await?;
            }
            result => result?,
        }
        self.state().write("doubt the packs of a record", |transaction| {
            doubt_packs(transaction, name)?;
            meta::raise_doubt(transaction)
        })?;
        Ok(())
    }

    fn forget_record(&self, name: &RecordName) -> Result<(), RepositoryError> {
        self.state().write("forget a record that is gone", |transaction| {
            let object = &name.object.as_bytes()[..];
            let writer = meta::get(transaction, Meta::Writer)?;
            let sql = "SELECT 1 FROM records WHERE object = ?1 AND writer = ?2";
            if transaction.prepare_cached(sql)?.exists((object, &writer))? {
                // Its number must not be given twice: whoever saw it would see a fork.
                transaction.execute("DELETE FROM meta WHERE name = 'writer'", [])?;
            }
            doubt_packs(transaction, name)?;
            transaction.execute("DELETE FROM records WHERE object = ?1", [object])?;
            transaction.execute("DELETE FROM snapshots WHERE object = ?1", [object])?;
            if name.kind == RecordKind::Checkpoint {
                transaction.execute("DELETE FROM meta WHERE name = 'checkpoints'", [])?;
                transaction.execute("UPDATE records SET covered = 0", [])?;
            }
            meta::raise_doubt(transaction)
        })?;
        Ok(())
    }
}

/// The next run proves the packs of this record and introduces them anew.
fn doubt_packs(transaction: &Transaction<'_>, name: &RecordName) -> rusqlite::Result<()> {
    let sql = "UPDATE packs SET recorded = 0, record = NULL, run = 0 WHERE record = ?1";
    transaction.prepare_cached(sql)?.execute([&name.object.as_bytes()[..]]).map(drop)
}
