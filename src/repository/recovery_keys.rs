//! The recovery keys in force: which there are, and ending some that are lost by name. Who does that
//! holds a password or another key, which is never ended, so nobody is locked out.

use super::descriptors::Current;
use super::recovery_slots::{ATTEMPTS, contended, is_recovery, prove, remove_before, wait};
use super::{Repository, RepositoryError};
use crate::format::FormatError;
use crate::format::slot::Slot;
use crate::format::unlock::{Secret, union};
use crate::model::secret::SecretText;
use std::collections::HashSet;

/// A recovery key that is in force, by what its slot tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoverySlot {
    /// Its name, which stands on its kit: eight hexadecimal digits.
    pub id: String,
    /// When it was made, RFC 3339.
    pub made: String,
    /// It is the oldest. All others are surely unproven: proving a key ends those before it.
    pub may_be_proven: bool,
    /// It is the key that was given.
    pub is_own: bool,
}

/// Which recovery keys to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// All that were surely never proven, but for the one that was given.
    Unproven,
    /// Those with these names.
    Named {
        /// The names.
        ids: Vec<String>,
        /// The one that may be proven too.
        even_proven: bool,
    },
}

/// What was ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedKeys {
    /// These open nothing any more.
    pub ended: Vec<RecoverySlot>,
    /// These do.
    pub kept: Vec<RecoverySlot>,
    /// Older descriptors that hold ended keys and could not be taken away, with the reason.
    pub left: Vec<(String, String)>,
}

/// The name of a slot's key.
pub(super) fn slot_id(slot: &Slot) -> String {
    hex::encode(slot.salt.first_chunk::<4>().unwrap_or(&[0; 4]))
}

/// The recovery keys of what is in force, the oldest first, each with its slot.
fn recovery_keys(current: &Current) -> Vec<(RecoverySlot, Slot)> {
    let slots = union(&current.genuine()).into_iter().filter(is_recovery).enumerate();
    slots
        .map(|(number, slot)| {
            let told = RecoverySlot {
                id: slot_id(&slot),
                made: slot.created.clone(),
                may_be_proven: number == 0,
                is_own: current.is_own(&slot),
            };
            (told, slot)
        })
        .collect()
}

impl Ending {
    /// Whether each of `keys` is to end.
    fn choose(&self, keys: &[(RecoverySlot, Slot)]) -> Result<Vec<bool>, RepositoryError> {
        let Ending::Named { ids, even_proven } = self else {
            return Ok(keys.iter().map(|(key, _)| !key.may_be_proven && !key.is_own).collect());
        };
        let is_meant = |key: &RecoverySlot| ids.iter().any(|id| id.eq_ignore_ascii_case(&key.id));
        if let Some(id) = ids.iter().find(|id| !keys.iter().any(|(key, _)| id.eq_ignore_ascii_case(&key.id)))
        {
            return Err(RepositoryError::Options(format!(
                "there is no recovery key `{id}`, or it ended before: nothing was changed; `filbert kit --list` shows \
                 those in force"
            )));
        }
        for (key, _) in keys.iter().filter(|(key, _)| is_meant(key)) {
            if key.is_own {
                return Err(RepositoryError::Options(format!(
                    "{} is the key that you gave, and a key does not end itself: nothing was changed; give the \
                     encryption password or the key of another kit",
                    key.id
                )));
            }
            if key.may_be_proven && !even_proven {
                return Err(RepositoryError::Options(format!(
                    "{} is the oldest recovery key and may be the one that was proven: nothing was changed; make a \
                     new kit and prove it, which ends this one, or say --even-proven",
                    key.id
                )));
            }
        }
        Ok(keys.iter().map(|(key, _)| is_meant(key)).collect())
    }
}

impl Repository {
    /// The recovery keys in force on the remote, the oldest first. `secret` is a password or one of them.
    pub async fn recovery_keys(&self, secret: &SecretText) -> Result<Vec<RecoverySlot>, RepositoryError> {
        let current = self.current_keys(&Secret::given(secret)).await?;
        Ok(recovery_keys(&current).into_iter().map(|(key, _)| key).collect())
    }

    /// Ends recovery keys: a next generation without them, and once that stands and was opened with
    /// `secret`, the files that still have them are taken away.
    pub async fn end_recovery_keys(
        &self,
        secret: &SecretText,
        ending: &Ending,
    ) -> Result<EndedKeys, RepositoryError> {
        let secret = Secret::given(secret);
        for attempt in 0..ATTEMPTS {
            let current = self.current_keys(&secret).await?;
            let keys = recovery_keys(&current);
            let chosen = ending.choose(&keys)?;
            let (ended, kept): (Vec<_>, Vec<_>) = keys.into_iter().zip(chosen).partition(|(_, ends)| *ends);
            let gone: HashSet<_> = ended.iter().map(|((_, slot), _)| slot.salt).collect();
            let told =
                |keys: Vec<((RecoverySlot, Slot), bool)>| keys.into_iter().map(|((key, _), _)| key).collect();
            let (ended, kept) = (told(ended), told(kept));
            if gone.is_empty() && !current.old_files_hold_ended_keys(&self.means).await? {
                return Ok(EndedKeys { ended, kept, left: Vec::new() });
            }
            let mut slots = union(&current.genuine());
            slots.retain(|slot| !gone.contains(&slot.salt));
            if let Some((found, listed)) = current.succeed(&self.means, slots).await? {
                prove(&found, &secret).await?;
                self.know(&found)?;
                let left = remove_before(&self.means, &found, listed).await;
                return Ok(EndedKeys { ended, kept, left });
            }
            wait(&self.means, attempt).await?;
        }
        Err(contended(&self.means))
    }

    /// What is in force on the remote, of this repository.
    pub(super) async fn current_keys(&self, secret: &Secret) -> Result<Current, RepositoryError> {
        let current = Current::open(&self.means, secret).await?;
        let opened = &current.opened;
        if opened.descriptor.repository != self.id() {
            return Err(RepositoryError::damaged(&opened.name, FormatError::OtherRepository));
        }
        Ok(current)
    }
}
