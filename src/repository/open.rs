//! Making a repository, and opening one.

use super::descriptors::{Current, Found, listed, put_whole};
use super::log::ListedLog;
use super::{Means, Repository, RepositoryError};
use crate::format::descriptor::{Descriptor, InitOptions};
use crate::format::keys::Keyring;
use crate::format::names;
use crate::format::recovery_key::RecoveryKey;
use crate::format::unlock::Secret;
use crate::model::secret::SecretText;
use crate::state::meta::Meta;
use bytes::Bytes;
use std::sync::Arc;

impl Repository {
    /// Makes a repository in an empty or missing folder.
    pub async fn init(
        means: Means,
        password: &SecretText,
        options: InitOptions,
    ) -> Result<Self, RepositoryError> {
        let address = means.store.address();
        if RecoveryKey::is_meant_by(password.expose()) {
            return Err(RepositoryError::Options(
                "a password that begins like a recovery key would be taken for one: choose another"
                    .to_owned(),
            ));
        }
        match means.store.list("").await {
            Ok(listing) if !listed(&listing).is_empty() => {
                return Err(RepositoryError::AlreadyThere(address));
            }
            Ok(_) => {}
            Err(error) if error.is_not_found() => means.store.ensure_folder("").await?,
            Err(error) => return Err(error.into()),
        }
        let (descriptor, keyring) =
            Descriptor::create(password, options, means.clock.now(), &*means.entropy)?;
        let bytes = Bytes::from(
            descriptor.to_bytes().map_err(|reason| RepositoryError::damaged("the descriptor", reason))?,
        );
        let name = descriptor.file_name(&bytes);
        means.store.ensure_folder(names::PACKS).await?;
        let listing = put_whole(&means, &name, bytes.clone()).await?;
        if listed(&listing).len() > 1 {
            return Err(RepositoryError::SeveralDescriptors(address));
        }
        means.state.clear()?;
        means.state.put_meta_number(Meta::LogFolder, 0)?;
        means.state.put_meta_number(Meta::LastLook, means.clock.now().millis())?;
        Self::remember(means, &Found { name, bytes, descriptor }, keyring)
    }

    /// Opens the repository with a password or a recovery key. Asks the store only where the local
    /// state does not know it.
    pub async fn open(means: Means, secret: &SecretText) -> Result<Self, RepositoryError> {
        let secret = Secret::given(secret);
        if let (Some(bytes), Some(name)) =
            (means.state.meta(Meta::Descriptor)?, means.state.meta(Meta::DescriptorName)?)
        {
            let kept = Found::read(&String::from_utf8_lossy(&name), bytes.into())?;
            if let Some(unlocked) = kept.unlock(&secret).await? {
                return Self::remember(means, &kept, unlocked.keyring);
            }
            // The keys may have been changed by another machine: only the remote knows.
        }
        let Current { opened, unlocked, log, .. } = Current::open(&means, &secret).await?;
        let repository = Self::remember(means, &opened, unlocked.keyring)?;
        repository.listed_log.set(log);
        Ok(repository)
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

    pub(super) fn remember(means: Means, found: &Found, keyring: Keyring) -> Result<Self, RepositoryError> {
        let Found { name, bytes, descriptor } = found;
        let known = means.state.meta(Meta::Descriptor)?;
        if known.as_deref() != Some(&bytes[..]) {
            let same_repository = known
                .and_then(|known| Descriptor::from_bytes(&known).ok())
                .is_some_and(|known| known.repository == descriptor.repository);
            if !same_repository && means.state.meta(Meta::DescriptorName)?.is_some() {
                means.state.clear()?;
            }
            means.state.put_meta(Meta::DescriptorName, name.as_bytes())?;
            means.state.put_meta(Meta::Descriptor, bytes)?;
        }
        let (descriptor, keyring) = (Arc::new(descriptor.clone()), Arc::new(keyring));
        Ok(Self { means, descriptor, keyring, listed_log: ListedLog::default() })
    }
}
