//! The descriptors at the root of a repository, and which of them is in force.
//!
//! None is ever replaced: a change of keys puts the next generation beside what is there. No server
//! keeps two machines from doing so at once, nor one from dying on the way. So:
//! - The highest generation of which one can be read is in force. What is cut is passed over.
//! - Where several of one generation stand, all are in force: somebody may have a key of each.
//! - Who put one and finds another of its generation or a later one takes its own back and begins
//!   anew. Both may do that, for what they began from still stands.
//! - Older ones are taken away only by who put one, saw no other, and read it back.

use super::fetch::get_right;
use super::log::log_folders;
use super::{Means, Repository, RepositoryError};
use crate::format::FormatError;
use crate::format::descriptor::{Descriptor, MAX_DESCRIPTOR_BYTES};
use crate::format::names;
use crate::format::unlock::{Secret, Unlocked};
use crate::state::meta::Meta;
use crate::store::{ErrorKind, Listing};
use bytes::Bytes;

/// A descriptor that does not show whole is put so often in all.
const ATTEMPTS: usize = 3;
/// So many files are read to find one that can be used.
const MOST_READ: usize = 32;

/// A descriptor whose bytes are those that its name says. Nothing in it is proven before it is unlocked.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub name: String,
    pub bytes: Bytes,
    pub descriptor: Descriptor,
}

/// Generation and name of each descriptor that a listing shows, the newest last.
pub(super) type Names = Vec<(u32, String)>;

/// What stands at the root: those in force, of one generation and one repository.
struct Standing {
    members: Vec<Found>,
    listed: Names,
    /// The folders of the log.
    log: Vec<u32>,
}

/// The descriptors in force, one of them unlocked.
pub(super) struct Current {
    /// The first that the secret opened.
    pub opened: Found,
    /// What that gave.
    pub unlocked: Unlocked,
    /// The others of its generation.
    pub others: Vec<Found>,
    /// All that is there.
    pub listed: Names,
    /// The folders of the log that were listed with them.
    pub log: Vec<u32>,
}

impl Found {
    /// Takes bytes as the descriptor `name`.
    pub fn read(name: &str, bytes: Bytes) -> Result<Self, RepositoryError> {
        let damaged = |reason| RepositoryError::damaged(name, reason);
        let descriptor = Descriptor::from_bytes(&bytes).map_err(damaged)?;
        let generation = names::parse_descriptor(name).map(|(generation, _)| generation);
        if !is_named(&bytes, name) || generation != Some(descriptor.generation) {
            return Err(damaged(FormatError::Damaged("its bytes are not those its name says")));
        }
        Ok(Self { name: name.to_owned(), bytes, descriptor })
    }

    /// The kept bytes where this one is known, else those on the remote.
    pub async fn fetch(means: &Means, name: &str) -> Result<Self, RepositoryError> {
        if means.state.meta(Meta::DescriptorName)?.as_deref() == Some(name.as_bytes())
            && let Some(kept) = means.state.meta(Meta::Descriptor)?
            && let Ok(found) = Self::read(name, kept.into())
        {
            return Ok(found);
        }
        Self::read_again(means, name).await
    }

    /// As it is on the remote.
    async fn read_again(means: &Means, name: &str) -> Result<Self, RepositoryError> {
        let is_right = |bytes: &[u8]| is_named(bytes, name);
        Self::read(name, get_right(&means.store, name, MAX_DESCRIPTOR_BYTES, is_right).await?)
    }

    /// The key derivation takes all the time it is meant to take, so it has a thread of its own.
    pub async fn unlock(&self, secret: &Secret) -> Result<Option<Unlocked>, RepositoryError> {
        let (secret, descriptor) = (secret.clone(), self.descriptor.clone());
        let unlocked = tokio::task::spawn_blocking(move || descriptor.unlock_with(&secret))
            .await
            .map_err(|error| RepositoryError::Internal(error.to_string()))?;
        unlocked.map_err(|reason| RepositoryError::damaged(&self.name, reason))
    }
}

impl Current {
    /// Opens what is in force on the remote.
    pub async fn open(means: &Means, secret: &Secret) -> Result<Self, RepositoryError> {
        let Standing { mut members, listed, log } = Standing::fetch(means).await?;
        let (mut refused, mut tried) = (None, false);
        for number in 0..members.len() {
            match members[number].unlock(secret).await {
                Ok(Some(unlocked)) => {
                    let opened = members.remove(number);
                    return Ok(Self { opened, unlocked, others: members, listed, log });
                }
                Ok(None) => tried = true,
                Err(error) => refused = Some(error),
            }
        }
        let wrong = || RepositoryError::refused(secret, means.store.address());
        Err(refused.filter(|_| !tried).unwrap_or_else(wrong))
    }

    /// The number of the next generation.
    pub fn next_generation(&self) -> Result<u32, RepositoryError> {
        let newest = self.listed.last().map_or(0, |(generation, _)| *generation);
        let too_much = || FormatError::TooMuch(format!("a generation after {newest}"));
        newest.checked_add(1).ok_or_else(|| RepositoryError::damaged("the descriptor", too_much()))
    }
}

impl Standing {
    /// Lists the root and reads what is in force.
    async fn fetch(means: &Means) -> Result<Self, RepositoryError> {
        let nothing = || RepositoryError::NoRepository(means.store.address());
        for _ in 0..ATTEMPTS {
            let listing = match means.store.list("").await {
                Err(error) if error.is_not_found() => return Err(nothing()),
                listing => listing?,
            };
            let listed = listed(&listing);
            if listed.is_empty() {
                return Err(nothing());
            }
            if let Some(members) = Self::read(means, &listed).await? {
                return Ok(Self { members, listed, log: log_folders(&listing) });
            }
            // What was listed is gone: somebody put a newer one and took the older away.
        }
        Err(nothing())
    }

    /// The newest generation of which something can be read; none where all that might be was taken away.
    async fn read(means: &Means, listed: &Names) -> Result<Option<Vec<Found>>, RepositoryError> {
        let (mut members, mut spoilt): (Vec<Found>, _) = (Vec::new(), None);
        for (generation, name) in listed.iter().rev().take(MOST_READ) {
            if members.first().is_some_and(|member| member.descriptor.generation != *generation) {
                break;
            }
            match Found::fetch(means, name).await {
                Ok(found) => members.push(found),
                Err(error @ RepositoryError::Damaged { reason: FormatError::Newer(_), .. }) => {
                    return Err(error);
                }
                Err(RepositoryError::Store(error)) if error.is_not_found() => {}
                Err(error) if error.spoils_only_itself() => spoilt = spoilt.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        let Some(first) = members.first() else { return spoilt.map_or(Ok(None), Err) };
        if members.iter().any(|member| member.descriptor.repository != first.descriptor.repository) {
            return Err(RepositoryError::SeveralDescriptors(means.store.address()));
        }
        Ok(Some(members))
    }
}

/// Puts a descriptor, looks, and reads it back; answers the listing as well. None, and nothing of it
/// left, where another one of its generation or a later one stands.
pub(super) async fn publish(
    means: &Means,
    descriptor: &Descriptor,
) -> Result<Option<(Found, Names)>, RepositoryError> {
    let bytes = Bytes::from(
        descriptor.to_bytes().map_err(|reason| RepositoryError::damaged("the descriptor", reason))?,
    );
    let name = descriptor.file_name(&bytes);
    let put = put_whole(means, &name, bytes).await;
    let stands = match put {
        Ok(listing) => {
            let listed = listed(&listing);
            let rivals =
                |(generation, other): &(u32, String)| *generation >= descriptor.generation && *other != name;
            if listed.iter().any(rivals) { None } else { Some(listed) }
        }
        Err(error @ RepositoryError::NotStanding { .. }) => {
            take_back(means, &name).await;
            return Err(error);
        }
        Err(error) => return Err(error),
    };
    let Some(listed) = stands else {
        take_back(means, &name).await;
        return Ok(None);
    };
    match Found::read_again(means, &name).await {
        Ok(found) => Ok(Some((found, listed))),
        Err(error) => {
            take_back(means, &name).await;
            Err(error)
        }
    }
}

/// Where this fails two of one generation stand, which does no harm.
async fn take_back(means: &Means, name: &str) {
    let _ = means.store.delete(name).await;
}

/// Puts a descriptor, and looks; again, the same bytes under the name that is their hash, where
/// it lies there cut. Answers the listing that shows it.
pub(super) async fn put_whole(means: &Means, name: &str, bytes: Bytes) -> Result<Listing, RepositoryError> {
    for _ in 0..ATTEMPTS {
        means.store.put_new(name, bytes.clone()).await?;
        let listing = means.store.list("").await?;
        let there = listing.entries.iter().find(|entry| entry.name == name);
        if there.is_some_and(|entry| entry.size.is_none_or(|size| size == bytes.len() as u64)) {
            return Ok(listing);
        }
    }
    let symptom = "the listing does not show it whole".to_owned();
    Err(RepositoryError::NotStanding { object: name.to_owned(), symptom })
}

/// Generation and name of each descriptor, the newest last.
pub(super) fn listed(listing: &Listing) -> Names {
    let mut found: Vec<_> = listing
        .entries
        .iter()
        .filter(|entry| !entry.is_folder)
        .filter_map(|entry| Some((names::parse_descriptor(&entry.name)?.0, entry.name.clone())))
        .collect();
    found.sort();
    found
}

/// Whether a descriptor's name is the hash of its bytes.
fn is_named(bytes: &[u8], name: &str) -> bool {
    let hash = names::parse_descriptor(name).map(|(_, hash)| hash);
    hash.is_some_and(|hash| blake3::hash(bytes) == blake3::Hash::from_bytes(hash.0))
}

impl Repository {
    /// Whether `listing`, of the root, shows a later descriptor of this repository than the known one:
    /// another machine changed the keys and took the older one away.
    pub async fn is_succeeded(&self, listing: &Listing) -> Result<bool, RepositoryError> {
        let known = names::parse_descriptor(&self.descriptor_name()?).map_or(0, |(generation, _)| generation);
        let later = listed(listing).into_iter().rev().filter(|(generation, _)| *generation > known);
        for (_, name) in later.take(MOST_READ) {
            match Found::fetch(&self.means, &name).await {
                Ok(found) if found.descriptor.repository == self.id() => return Ok(true),
                Ok(_) => {}
                Err(RepositoryError::Store(error)) if error.kind == ErrorKind::NotFound => {}
                Err(error) if error.spoils_only_itself() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }
}
