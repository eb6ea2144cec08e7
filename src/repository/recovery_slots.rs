//! Recovery keys of a repository: adding one, proving one, and ending those before it.

use super::descriptors::{Current, Found, Names, publish};
use super::recovery_keys::slot_id;
use super::{Means, Repository, RepositoryError};
use crate::format::descriptor::{Descriptor, MAX_SLOTS};
use crate::format::recovery_key::RecoveryKey;
use crate::format::slot::{Slot, SlotKind};
use crate::format::unlock::{Secret, Unlocked, union};
use crate::model::entropy::random_bytes;
use crate::model::secret::SecretText;
use crate::state::meta::Meta;
use std::collections::HashSet;
use std::time::Duration;

/// Where other machines change the keys at the same time it is tried so often.
pub(super) const ATTEMPTS: u32 = 8;
/// The first wait in between is at most so long; each is twice as long as the one before.
const WAIT_MS: u64 = 100;
/// So many older files are read to see whether they hold keys that ended.
const MOST_READ: usize = 32;

/// A recovery key that opens the repository now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// The name of the key among those in force.
    pub id: String,
    /// The generation of the descriptor that has it.
    pub generation: u32,
    /// Recovery keys that were there before and open as well.
    pub older: usize,
}

/// What became of the recovery keys before one that was proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Nothing: the key is not of the newest kit.
    NotTheNewest,
    /// They ended.
    Older {
        /// So many.
        count: usize,
        /// Older descriptors that still hold some and could not be taken away, with the reason.
        left: Vec<(String, String)>,
    },
}

impl Current {
    /// The one that opened, then the others that were made with the same master key.
    pub(super) fn genuine(&self) -> Vec<&Descriptor> {
        let others = self.others.iter().map(|found| &found.descriptor);
        let others = others.filter(|other| self.unlocked.vouches_for(other));
        std::iter::once(&self.opened.descriptor).chain(others).collect()
    }

    /// Whether it was this slot that opened.
    pub(super) fn is_own(&self, slot: &Slot) -> bool {
        self.opened.descriptor.slots.get(self.unlocked.slot).is_some_and(|own| own.salt == slot.salt)
    }

    /// Salts of the recovery slots older than the one that opened, and whether there is a newer one.
    /// Slots are in the order in which they were made; one that another machine made at the same time
    /// is neither.
    fn ages(&self) -> (HashSet<[u8; 32]>, bool) {
        let (mut older, mut newer) = (HashSet::new(), false);
        let Some(own) = self.opened.descriptor.slots.get(self.unlocked.slot) else { return (older, newer) };
        for descriptor in self.genuine() {
            let Some(place) = descriptor.slots.iter().position(|slot| slot.salt == own.salt) else {
                continue;
            };
            let recovery = descriptor.slots.iter().enumerate().filter(|(_, slot)| is_recovery(slot));
            for (number, slot) in recovery {
                newer |= number > place;
                older.extend((number < place).then_some(slot.salt));
            }
        }
        (older, newer)
    }

    /// Puts the next generation with these slots; none where another machine was faster.
    pub(super) async fn succeed(
        &self,
        means: &Means,
        slots: Vec<Slot>,
    ) -> Result<Option<(Found, Names)>, RepositoryError> {
        let (now, generation) = (means.clock.now(), self.next_generation()?);
        let next =
            self.opened.descriptor.successor(&self.unlocked, generation, slots, now, &*means.entropy)?;
        publish(means, &next).await
    }

    /// Whether an older file opens with a recovery key that is not in force any more.
    pub(super) async fn old_files_hold_ended_keys(&self, means: &Means) -> Result<bool, RepositoryError> {
        let in_force: HashSet<_> = union(&self.genuine()).iter().map(|slot| slot.salt).collect();
        let is_in_force =
            |name: &str| self.others.iter().chain([&self.opened]).any(|found| found.name == name);
        let others = self.listed.iter().rev().filter(|(_, name)| !is_in_force(name));
        for (_, name) in others.take(MOST_READ) {
            match Found::fetch(means, name).await {
                Ok(found) => {
                    let ended = |slot: &Slot| is_recovery(slot) && !in_force.contains(&slot.salt);
                    if found.descriptor.slots.iter().any(ended) {
                        return Ok(true);
                    }
                }
                Err(error) if error.spoils_only_itself() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }
}

pub(super) fn is_recovery(slot: &Slot) -> bool {
    slot.kind == SlotKind::Recovery
}

impl Repository {
    /// A new random recovery key, which opens nothing yet.
    pub fn new_recovery_key(&self) -> Result<RecoveryKey, RepositoryError> {
        Ok(RecoveryKey::generate(&*self.means.entropy)?)
    }

    /// Lets `key` open the repository too. `secret` is a password or an older recovery key. Done is
    /// reported only when the new descriptor stands on the remote and was opened with the key alone.
    pub async fn add_recovery_slot(
        &self,
        secret: &SecretText,
        key: &RecoveryKey,
    ) -> Result<Added, RepositoryError> {
        let secret = Secret::given(secret);
        let mut made: Option<Slot> = None;
        for attempt in 0..ATTEMPTS {
            let current = self.current_keys(&secret).await?;
            let slot = match made.take() {
                Some(slot) => slot,
                None => self.recovery_slot(&current.unlocked, &current.opened.descriptor, key).await?,
            };
            let mut slots = union(&current.genuine());
            // One that could not be taken back stands already.
            slots.retain(|other| other.salt != slot.salt);
            let older = slots.iter().filter(|slot| is_recovery(slot)).count();
            if slots.len() >= MAX_SLOTS {
                return Err(RepositoryError::Options(format!(
                    "all {MAX_SLOTS} key slots are taken, {older} of them by recovery kits, and no kit was made. If you \
                     have the newest kit, prove it with `filbert kit --check`, which ends the older ones. If it is \
                     lost, `filbert kit --end unproven` ends all kits that were never proven (`filbert kit --list` \
                     shows them)"
                )));
            }
            slots.push(slot.clone());
            if let Some((found, _)) = current.succeed(&self.means, slots).await? {
                prove(&found, &Secret::RecoveryKey(key.clone())).await?;
                self.know(&found)?;
                let (id, generation) = (slot_id(&slot), found.descriptor.generation);
                return Ok(Added { id, generation, older });
            }
            made = Some(slot);
            wait(&self.means, attempt).await?;
        }
        Err(contended(&self.means))
    }

    async fn recovery_slot(
        &self,
        unlocked: &Unlocked,
        descriptor: &Descriptor,
        key: &RecoveryKey,
    ) -> Result<Slot, RepositoryError> {
        let (unlocked, descriptor, key) = (unlocked.clone(), descriptor.clone(), key.clone());
        let (now, entropy) = (self.means.clock.now(), self.means.entropy.clone());
        let made =
            tokio::task::spawn_blocking(move || unlocked.recovery_slot(&descriptor, &key, now, &*entropy));
        Ok(made.await.map_err(|error| RepositoryError::Internal(error.to_string()))??)
    }

    pub(super) fn know(&self, found: &Found) -> Result<(), RepositoryError> {
        self.state().put_meta(Meta::DescriptorName, found.name.as_bytes())?;
        Ok(self.state().put_meta(Meta::Descriptor, &found.bytes)?)
    }
}

/// A recovery key that opened the repository, with nothing else at hand.
pub struct Proof {
    means: Means,
    key: RecoveryKey,
    current: Current,
    repository: Repository,
}

impl Proof {
    /// Opens the repository as it is on the remote with `key` alone. The state is to be an empty one.
    pub async fn new(means: Means, key: &RecoveryKey) -> Result<Self, RepositoryError> {
        let mut current = Current::open(&means, &Secret::RecoveryKey(key.clone())).await?;
        let keyring = current.unlocked.keyring.clone();
        let repository = Repository::remember(means.clone(), &current.opened, keyring)?;
        repository.listed_log.set(std::mem::take(&mut current.log));
        Ok(Self { means, key: key.clone(), current, repository })
    }

    /// What the key opened.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Ends the recovery keys that are older than the proven one, if none is newer: a next generation
    /// without them, and once that stands the files that still have them are taken away.
    pub async fn end_older(mut self) -> Result<Ended, RepositoryError> {
        for attempt in 0..ATTEMPTS {
            let secret = Secret::RecoveryKey(self.key.clone());
            let (older, newer) = self.current.ages();
            if newer {
                return Ok(Ended::NotTheNewest);
            }
            let alone = self.current.others.is_empty();
            if older.is_empty() && alone && !self.current.old_files_hold_ended_keys(&self.means).await? {
                return Ok(Ended::Older { count: 0, left: Vec::new() });
            }
            let mut slots = union(&self.current.genuine());
            slots.retain(|slot| !older.contains(&slot.salt));
            // The file that the proven key opened comes first in the union, so that key is now the first: of
            // all others it is sure that they were not proven.
            if let Some((found, listed)) = self.current.succeed(&self.means, slots).await? {
                prove(&found, &secret).await?;
                let left = remove_before(&self.means, &found, listed).await;
                return Ok(Ended::Older { count: older.len(), left });
            }
            wait(&self.means, attempt).await?;
            self.current = Current::open(&self.means, &secret).await?;
        }
        Err(contended(&self.means))
    }
}

/// Takes the files of older generations away. Hazard: only after `found` was seen to stand alone,
/// and was opened.
pub(super) async fn remove_before(means: &Means, found: &Found, listed: Names) -> Vec<(String, String)> {
    let mut left = Vec::new();
    for (generation, name) in listed {
        if generation < found.descriptor.generation
            && let Err(error) = means.store.delete(&name).await
        {
            left.push((name, error.to_string()));
        }
    }
    left
}

/// Opens what was put with one secret alone.
pub(super) async fn prove(found: &Found, secret: &Secret) -> Result<(), RepositoryError> {
    match found.unlock(secret).await? {
        Some(_) => Ok(()),
        None => {
            let symptom = "the key that it was made for does not open it".to_owned();
            Err(RepositoryError::NotStanding { object: found.name.clone(), symptom })
        }
    }
}

/// A random wait, so that two machines that met do not meet again.
pub(super) async fn wait(means: &Means, attempt: u32) -> Result<(), RepositoryError> {
    let longest = WAIT_MS << attempt.min(ATTEMPTS);
    let millis = u64::from_le_bytes(random_bytes(&*means.entropy)?) % longest;
    means.clock.sleep(Duration::from_millis(millis)).await;
    Ok(())
}

pub(super) fn contended(means: &Means) -> RepositoryError {
    RepositoryError::Options(format!(
        "other machines change the keys of the repository at {} at the same time: run this again when they are done",
        means.store.address()
    ))
}
