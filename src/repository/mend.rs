//! Records that stood on the remote and do not any more, or not whole. They are forgotten, so that
//! nothing is built on them, and the packs that they introduced are doubted: a run proves them and
//! introduces them anew before anybody counts on them again.

use super::{Repository, RepositoryError};
use crate::format::names::{RecordKind, RecordName};
use crate::state::meta::{self, Meta};

impl Repository {
    /// Forgets records that are gone. Fails if the whole repository is.
    pub async fn mend_records(&self, gone: &[(u32, RecordName)]) -> Result<(), RepositoryError> {
        if gone.is_empty() {
            return Ok(());
        }
        self.descriptor_stands().await?;
        gone.iter().try_for_each(|(_, name)| self.forget_record(name))
    }

    /// Asks for the descriptor: something that should be there is not. Without it the repository is
    /// another one now, or none; unless a later one stands, for another machine changed the keys. The kept
    /// descriptor stays: it may be the last copy of the keys.
    pub(super) async fn descriptor_stands(&self) -> Result<(), RepositoryError> {
        let name = self.descriptor_name()?;
        match self.store().size(&name).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => {
                let listing = self.store().list("").await;
                match listing {
                    Ok(listing) if self.is_succeeded(&listing).await? => Ok(()),
                    Err(error) if !error.is_not_found() => Err(error.into()),
                    _ => Err(RepositoryError::NoRepository(self.store().address())),
                }
            }
            Err(error) => Err(error.into()),
        }
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
            let sql = "UPDATE packs SET recorded = 0, run = 0, doubted = 1 WHERE record = ?1";
            transaction.prepare_cached(sql)?.execute([object])?;
            transaction.execute("DELETE FROM records WHERE object = ?1", [object])?;
            transaction.execute("DELETE FROM snapshots WHERE object = ?1", [object])?;
            if name.kind == RecordKind::Checkpoint {
                super::checkpoint::note_gone(transaction, name)?;
                // Which ones it covered is not known here; covering them again does no harm.
                transaction.execute("UPDATE records SET covered = 0", [])?;
            }
            meta::raise_doubt(transaction)
        })?;
        Ok(())
    }
}
