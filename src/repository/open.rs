//! Making a repository, and opening one.

use super::fetch::get_right;
use super::{Means, Repository, RepositoryError};
use crate::format::descriptor::{Descriptor, InitOptions, MAX_DESCRIPTOR_BYTES};
use crate::format::keys::Keyring;
use crate::format::names;
use crate::model::secret::SecretText;
use crate::state::meta::Meta;
use crate::store::Listing;
use bytes::Bytes;
use std::sync::Arc;

/// A descriptor that does not show whole is put so often in all.
const ATTEMPTS: usize = 3;

impl Repository {
    /// Makes a repository in an empty or missing folder.
    pub async fn init(
        means: Means,
        password: &SecretText,
        options: InitOptions,
    ) -> Result<Self, RepositoryError> {
        let address = means.store.address();
        match means.store.list("").await {
            Ok(listing) if !descriptors(&listing).is_empty() => {
                return Err(RepositoryError::AlreadyThere(address));
            }
            Ok(_) => {}
            Err(error) if error.is_not_found() => means.store.ensure_folder("").await?,
            Err(error) => return Err(error.into()),
        }
        let (descriptor, keyring) =
            Descriptor::create(password, options, means.clock.now(), &*means.entropy)?;
        let bytes =
            descriptor.to_bytes().map_err(|reason| RepositoryError::damaged("the descriptor", reason))?;
        let name = descriptor.file_name(&bytes);
        means.store.ensure_folder(names::LOG).await?;
        means.store.ensure_folder(names::PACKS).await?;
        let listing = put_descriptor(&means, &name, Bytes::from(bytes.clone())).await?;
        if descriptors(&listing).len() > 1 {
            return Err(RepositoryError::SeveralDescriptors(address));
        }
        means.state.clear()?;
        means.state.put_meta_number(Meta::LogFolder, 0)?;
        means.state.put_meta_number(Meta::LastLook, means.clock.now().millis())?;
        Self::remember(means, descriptor, keyring, &name, &bytes)
    }

    /// Opens the repository. Asks the store only where the local state does not know it.
    pub async fn open(means: Means, password: &SecretText) -> Result<Self, RepositoryError> {
        if let (Some(bytes), Some(name)) =
            (means.state.meta(Meta::Descriptor)?, means.state.meta(Meta::DescriptorName)?)
        {
            let name = String::from_utf8_lossy(&name).into_owned();
            if let Some((descriptor, keyring)) = unlock(&bytes, &name, password).await? {
                return Self::remember(means, descriptor, keyring, &name, &bytes);
            }
            // The password may have been changed by another machine: only the remote knows.
        }
        let address = means.store.address();
        let (name, bytes) = fetch_descriptor(&means).await?;
        match unlock(&bytes, &name, password).await? {
            Some((descriptor, keyring)) => Self::remember(means, descriptor, keyring, &name, &bytes),
            None => Err(RepositoryError::WrongPassword(address)),
        }
    }

    /// Whether the state knows the repository, so that opening asks the store nothing.
    pub fn is_known(means: &Means) -> Result<bool, RepositoryError> {
        Ok(means.state.meta(Meta::Descriptor)?.is_some())
    }

    /// The file name of the descriptor in force.
    pub fn descriptor_name(&self) -> Result<String, RepositoryError> {
        let name = self.state().meta(Meta::DescriptorName)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&name).into_owned())
    }

    fn remember(
        means: Means,
        descriptor: Descriptor,
        keyring: Keyring,
        name: &str,
        bytes: &[u8],
    ) -> Result<Self, RepositoryError> {
        let known = means.state.meta(Meta::Descriptor)?;
        if known.as_deref() != Some(bytes) {
            let same_repository = known
                .and_then(|known| Descriptor::from_bytes(&known).ok())
                .is_some_and(|known| known.repository == descriptor.repository);
            if !same_repository && means.state.meta(Meta::DescriptorName)?.is_some() {
                means.state.clear()?;
            }
            means.state.put_meta(Meta::DescriptorName, name.as_bytes())?;
            means.state.put_meta(Meta::Descriptor, bytes)?;
        }
        Ok(Self { means, descriptor: Arc::new(descriptor), keyring: Arc::new(keyring) })
    }
}

/// Puts the descriptor, and looks; again, the same bytes under the name that is their hash, where
/// it lies there cut. Answers the listing that shows it.
async fn put_descriptor(means: &Means, name: &str, bytes: Bytes) -> Result<Listing, RepositoryError> {
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

async fn fetch_descriptor(means: &Means) -> Result<(String, Bytes), RepositoryError> {
    let address = means.store.address();
    let listing = match means.store.list("").await {
        Err(error) if error.is_not_found() => return Err(RepositoryError::NoRepository(address)),
        listing => listing?,
    };
    let mut found = descriptors(&listing);
    let Some(newest) = found.pop() else { return Err(RepositoryError::NoRepository(address)) };
    if found.last().is_some_and(|other| other.0 == newest.0) {
        return Err(RepositoryError::SeveralDescriptors(address));
    }
    let is_right = |bytes: &[u8]| is_named(bytes, &newest.1);
    let bytes = get_right(&means.store, &newest.1, MAX_DESCRIPTOR_BYTES, is_right).await?;
    Ok((newest.1, bytes))
}

/// Generation and name of each descriptor, the newest last.
fn descriptors(listing: &Listing) -> Vec<(u32, String)> {
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

/// The key derivation takes all the time it is meant to take, so it has a thread of its own.
async fn unlock(
    bytes: &[u8],
    name: &str,
    password: &SecretText,
) -> Result<Option<(Descriptor, Keyring)>, RepositoryError> {
    let damaged = |reason| RepositoryError::damaged(name, reason);
    let descriptor = Descriptor::from_bytes(bytes).map_err(damaged)?;
    if !is_named(bytes, name) {
        let reason = crate::format::FormatError::Damaged("its bytes are not those its name says");
        return Err(damaged(reason));
    }
    let (password, for_thread) = (password.clone(), descriptor.clone());
    let unlocked = tokio::task::spawn_blocking(move || for_thread.unlock(&password))
        .await
        .map_err(|error| RepositoryError::Internal(error.to_string()))?;
    Ok(unlocked.map_err(damaged)?.map(|keyring| (descriptor, keyring)))
}
