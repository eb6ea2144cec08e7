//! Unlocking a descriptor: which slots a secret is tried on, and the next generation that who
//! unlocked it may write.

use super::FormatError;
use super::descriptor::{Descriptor, MAX_SLOTS};
use super::keys::Keyring;
use super::recovery_key::{KeyFault, RecoveryKey};
use super::slot::{Slot, SlotKind, WrapError};
use crate::model::entropy::{Entropy, random_bytes};
use crate::model::secret::{SecretKey, SecretText};
use crate::model::time::Timestamp;
use std::collections::HashSet;

/// What somebody gives to open a repository.
#[derive(Debug, Clone)]
pub enum Secret {
    /// A password.
    Password(SecretText),
    /// A recovery key.
    RecoveryKey(RecoveryKey),
    /// What was meant as a recovery key, with what is wrong with it; unless it is a password after all.
    Doubtful(SecretText, KeyFault),
}

impl Secret {
    /// What a text is that somebody gave as a password: one that begins as a recovery key does is one.
    pub fn given(text: &SecretText) -> Self {
        if !RecoveryKey::is_meant_by(text.expose()) {
            return Secret::Password(text.clone());
        }
        match RecoveryKey::parse(text.expose()) {
            Ok(key) => Secret::RecoveryKey(key),
            Err(fault) => Secret::Doubtful(text.clone(), fault),
        }
    }

    /// The kind of slot it may open, and the bytes to try.
    fn key(&self) -> (SlotKind, &[u8]) {
        match self {
            Secret::Password(text) | Secret::Doubtful(text, _) => {
                (SlotKind::Password, text.expose().as_bytes())
            }
            Secret::RecoveryKey(key) => (SlotKind::Recovery, key.expose()),
        }
    }
}

/// What an unlocked descriptor gives.
#[derive(Debug, Clone)]
pub struct Unlocked {
    /// The keys of the repository.
    pub keyring: Keyring,
    /// Which slot opened.
    pub slot: usize,
    master: SecretKey,
}

impl Descriptor {
    /// Unlocks with a secret; none if no slot of its kind takes it.
    pub fn unlock_with(&self, secret: &Secret) -> Result<Option<Unlocked>, FormatError> {
        let (kind, bytes) = secret.key();
        // A slot that is spoilt or absurd must not keep the others from being tried.
        let (mut refused, mut tried) = (None, false);
        for (number, slot) in self.slots.iter().enumerate().filter(|(_, slot)| slot.kind == kind) {
            match slot.unwrap(bytes, &self.repository) {
                Ok(Some(master)) => {
                    let keyring = self.open_keyring(&master)?;
                    return Ok(Some(Unlocked { keyring, slot: number, master }));
                }
                Ok(None) => tried = true,
                Err(reason) => refused = Some(reason),
            }
        }
        refused.filter(|_| !tried).map_or(Ok(None), Err)
    }

    /// The descriptor of generation `generation` with these slots, and the same keys.
    pub fn successor(
        &self,
        unlocked: &Unlocked,
        generation: u32,
        slots: Vec<Slot>,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Descriptor, WrapError> {
        if slots.len() > MAX_SLOTS {
            return Err(FormatError::TooMuch(format!("{} key slots", slots.len())).into());
        }
        // Sealed anew under a salt of its own, so that no two machines ever write the same bytes: who
        // takes back its own file must not take another's.
        let mut next = Descriptor {
            generation,
            created: now.rfc3339(),
            slots,
            keyring_salt: random_bytes(entropy)?,
            ..self.clone()
        };
        next.seal(&unlocked.master, &unlocked.keyring)?;
        Ok(next)
    }
}

impl Unlocked {
    /// A slot that `key` opens, at the cost of the one that `descriptor` was opened by.
    pub fn recovery_slot(
        &self,
        descriptor: &Descriptor,
        key: &RecoveryKey,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Slot, WrapError> {
        let opened_by = descriptor.slots.get(self.slot);
        let cost =
            opened_by.ok_or(FormatError::Damaged("a descriptor without the slot that opened it"))?.argon2id;
        let (kind, repository) = (SlotKind::Recovery, &descriptor.repository);
        Slot::wrap(&self.master, key.expose(), kind, now.rfc3339(), cost, repository, entropy)
    }

    /// Whether who made `descriptor` had the master key.
    pub fn vouches_for(&self, descriptor: &Descriptor) -> bool {
        descriptor.open_keyring(&self.master).is_ok()
    }
}

/// All slots of descriptors of one generation, each once, in their order.
pub fn union(descriptors: &[&Descriptor]) -> Vec<Slot> {
    let mut seen = HashSet::new();
    let slots = descriptors.iter().flat_map(|descriptor| &descriptor.slots);
    slots.filter(|slot| seen.insert(slot.salt)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::descriptor::InitOptions;
    use crate::format::slot::KdfCost;
    use crate::model::entropy::SystemEntropy;

    const NOW: Timestamp = Timestamp { seconds: 1_790_000_000, nanos: 0 };

    fn password(text: &str) -> Secret {
        Secret::given(&text.into())
    }

    /// Generation 0 with a password, and generation 1 with a recovery slot as well.
    fn made() -> (Descriptor, Descriptor, RecoveryKey) {
        let options = InitOptions { cost: KdfCost::FOR_TESTS, ..InitOptions::default() };
        let (first, _) = Descriptor::create(&"right".into(), options, NOW, &SystemEntropy).unwrap();
        let key = RecoveryKey::generate(&SystemEntropy).unwrap();
        let unlocked = first.unlock_with(&password("right")).unwrap().unwrap();
        let slot = unlocked.recovery_slot(&first, &key, NOW, &SystemEntropy).unwrap();
        let slots = [first.slots.clone(), vec![slot]].concat();
        let second = first.successor(&unlocked, 1, slots, NOW, &SystemEntropy).unwrap();
        (first, second, key)
    }

    #[test]
    fn the_next_generation_opens_by_both_and_has_the_same_keys() {
        let (first, second, key) = made();
        let read = Descriptor::from_bytes(&second.to_bytes().unwrap()).unwrap();
        let keyring = first.unlock(&"right".into()).unwrap();
        assert_eq!(read.unlock(&"right".into()).unwrap(), keyring);
        let unlocked = read.unlock_with(&Secret::given(&key.text())).unwrap().unwrap();
        assert_eq!((Some(unlocked.keyring.clone()), unlocked.slot), (keyring, 1));
        assert!(unlocked.vouches_for(&first) && unlocked.vouches_for(&read));
        assert_eq!(first.unlock_with(&Secret::RecoveryKey(key)).unwrap().map(|_| ()), None);
    }

    #[test]
    fn two_generations_made_of_one_are_never_the_same_bytes() {
        let (first, _, _) = made();
        let unlocked = first.unlock_with(&password("right")).unwrap().unwrap();
        let next = || first.successor(&unlocked, 1, first.slots.clone(), NOW, &SystemEntropy).unwrap();
        assert_ne!(next().to_bytes(), next().to_bytes());
    }

    #[test]
    fn a_slot_of_another_kind_is_not_tried() {
        let (_, mut second, key) = made();
        for slot in &mut second.slots {
            slot.kind = SlotKind::Password;
        }
        assert_eq!(second.unlock_with(&Secret::RecoveryKey(key)).unwrap().map(|_| ()), None);
    }

    #[test]
    fn a_slot_that_was_taken_out_or_put_elsewhere_is_noticed() {
        let (_, second, key) = made();
        let swapped = Descriptor { slots: second.slots.iter().rev().cloned().collect(), ..second.clone() };
        assert!(swapped.unlock_with(&password("right")).is_err());
        let fewer = Descriptor { slots: second.slots[1..].to_vec(), ..second };
        assert!(fewer.unlock_with(&Secret::RecoveryKey(key)).is_err());
    }

    #[test]
    fn seventeen_slots_are_not_written() {
        let (first, _, _) = made();
        let unlocked = first.unlock_with(&password("right")).unwrap().unwrap();
        let slots = vec![first.slots[0].clone(); MAX_SLOTS + 1];
        assert!(first.successor(&unlocked, 1, slots, NOW, &SystemEntropy).is_err());
    }

    #[test]
    fn a_password_that_begins_like_a_key_is_still_tried() {
        let text = "filbert1-and-a-long-phrase-that-is-no-key";
        let options = InitOptions { cost: KdfCost::FOR_TESTS, ..InitOptions::default() };
        let (descriptor, _) = Descriptor::create(&text.into(), options, NOW, &SystemEntropy).unwrap();
        let secret = password(text);
        assert!(matches!(secret, Secret::Doubtful(..)));
        assert!(descriptor.unlock_with(&secret).unwrap().is_some());
    }
}
