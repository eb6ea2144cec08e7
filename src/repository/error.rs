//! What can go wrong with a repository.

use crate::format::FormatError;
use crate::format::recovery_key::KeyFault;
use crate::format::slot::WrapError;
use crate::format::unlock::Secret;
use crate::model::entropy::EntropyError;
use crate::state::StateError;
use crate::store::{ErrorKind, StoreError};

/// A failure of a repository.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepositoryError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The local state failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// Nothing there.
    #[error("there is no filbert repository at {0}: check the address, or make one with `filbert init`")]
    NoRepository(String),
    /// Something there.
    #[error("there is a filbert repository at {0} already: use it, or choose another folder")]
    AlreadyThere(String),
    /// Two repositories in one folder.
    #[error(
        "there are several repository descriptors at {0}, made at the same time by two machines: \
         keep the one that your backups use and move the other file away"
    )]
    SeveralDescriptors(String),
    /// The password opens no slot.
    #[error(
        "the encryption password is wrong for the repository at {0} (the server's own password was \
         accepted)"
    )]
    WrongPassword(String),
    /// The recovery key opens no slot.
    #[error(
        "the recovery key is typed right and does not open the repository at {0}: it is of another repository, or it \
         ended, because a newer kit was proven or `filbert kit --end` named it; take the newest kit, or the encryption \
         password"
    )]
    WrongRecoveryKey(String),
    /// A mistake in a recovery key.
    #[error("this is no recovery key as it stands on the kit, nor a password of the repository: {0}")]
    MistypedRecoveryKey(KeyFault),
    /// An object cannot be read as what it should be.
    #[error("{object} cannot be used: {reason}")]
    Damaged {
        /// Its path on the remote, or what it is.
        object: String,
        /// Why.
        reason: FormatError,
    },
    /// A chunk that no known pack has.
    #[error("chunk {0} is in no known pack: run `filbert check` to see which files suffer")]
    MissingChunk(String),
    /// A snapshot that is not there, or a word that names several.
    #[error("{0}")]
    Selection(String),
    /// What was put does not show.
    #[error(
        "{object} was sent and accepted, but {symptom}: the server does not keep what it is given; \
         run the backup again, and if this repeats, use another server"
    )]
    NotStanding {
        /// Its path on the remote.
        object: String,
        /// What was seen instead.
        symptom: String,
    },
    /// Records that were there are not any more.
    #[error(
        "{0} that stood on the server before are not there any more, or not whole: it was emptied or set back \
         to an older state; run the backup again (it sends what is missing), then `filbert check`"
    )]
    HistoryGone(String),
    /// The server refuses an object of this size, and what is in it cannot be had smaller.
    #[error(
        "the server takes no object of {size} bytes ({reason}): raise its limit on the size of a request \
         (nginx: client_max_body_size, Apache: LimitRequestBody) to 2 MiB or more, or use another server"
    )]
    ObjectTooLarge {
        /// Its bytes.
        size: u64,
        /// What the server said.
        reason: String,
    },
    /// A wish that cannot be met.
    #[error("{0}")]
    Options(String),
    /// Somebody asked to stop.
    #[error("interrupted: what was sent is kept, the next run goes on from there")]
    Cancelled,
    /// Another process is at it.
    #[error("{0} is being backed up by another filbert right now: wait until that one is done")]
    Busy(String),
    /// A thread of this program ended in a panic or a queue broke.
    #[error("an internal part stopped: {0}; please report this")]
    Internal(String),
}

impl RepositoryError {
    /// Whether it is about one object, so that others can be had all the same.
    pub fn spoils_only_itself(&self) -> bool {
        match self {
            RepositoryError::Damaged { .. } | RepositoryError::MissingChunk(_) => true,
            RepositoryError::Store(error) => matches!(error.kind, ErrorKind::NotFound | ErrorKind::Corrupt),
            _ => false,
        }
    }

    /// `secret` opened nothing at `address`.
    pub(super) fn refused(secret: &Secret, address: String) -> Self {
        match secret {
            Secret::Password(_) => RepositoryError::WrongPassword(address),
            Secret::RecoveryKey(_) => RepositoryError::WrongRecoveryKey(address),
            Secret::Doubtful(_, fault) => RepositoryError::MistypedRecoveryKey(fault.clone()),
        }
    }

    /// `object` cannot be read because of `reason`.
    pub fn damaged(object: impl Into<String>, reason: FormatError) -> Self {
        RepositoryError::Damaged { object: object.into(), reason }
    }
}

impl From<WrapError> for RepositoryError {
    fn from(error: WrapError) -> Self {
        match error {
            WrapError::Entropy(error) => error.into(),
            WrapError::Format(reason) => RepositoryError::damaged("a new key slot", reason),
        }
    }
}
