//! The recovery kit: a page and a text with all that opens a repository on an empty machine, but for
//! the password of the server.

mod content;
mod error;
mod files;
mod page;
mod text;

pub use content::{Kit, LastRecord, SetLine};
pub use error::KitError;

use crate::model::secret::SecretText;
use crate::repository::Repository;
use files::KitFiles;
use std::path::PathBuf;

/// What can be said of a kit that is to be made.
#[derive(Debug, Clone)]
pub struct KitOptions {
    /// Where to: `.html` and `.txt` are added to it.
    pub out: PathBuf,
    /// The address, without user and password.
    pub address: String,
    /// The user on the server.
    pub user: Option<String>,
    /// The program, such as `filbert 0.1.0`.
    pub program: String,
}

/// A kit that lies on the disk and opens the repository.
#[derive(Debug, Clone)]
pub struct KitMade {
    /// The page.
    pub html: PathBuf,
    /// The text.
    pub txt: PathBuf,
    /// The generation of the descriptor that has its key.
    pub generation: u32,
    /// Older recovery keys, which open as well until this one is proven.
    pub older: usize,
}

/// Makes a kit for a repository whose log was looked at. `secret` is a password or an older recovery
/// key. The files get their names only when the new key was seen to open the repository: a slot
/// without a kit does no harm, a kit without a slot would.
pub async fn make(
    repository: &Repository,
    secret: &SecretText,
    options: &KitOptions,
) -> Result<KitMade, KitError> {
    let mut files = KitFiles::begin(&options.out)?;
    let key = repository.new_recovery_key()?;
    let mut kit = Kit::of(repository, &key, options)?;
    // Written beforehand too, so that a full disk is found while nothing was sent.
    files.write(&page::render(&kit)?, &text::render(&kit))?;
    let added = repository.add_recovery_slot(secret, &key).await?;
    kit.generation = Some(added.generation);
    files.write(&page::render(&kit)?, &text::render(&kit))?;
    let (html, txt) = files.publish()?;
    Ok(KitMade { html, txt, generation: added.generation, older: added.older })
}
