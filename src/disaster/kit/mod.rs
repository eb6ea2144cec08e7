//! The recovery kit: a page and a text with all that opens a repository on an empty machine, but for
//! the password of the server.

mod authority;
mod content;
mod error;
mod files;
mod page;
mod text;

pub use authority::{Authority, Certificate};
pub use content::{KeyPlace, Kit, LastRecord, SetLine};
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
    /// What else reaches the server.
    pub connection: Connection,
    /// The program, such as `filbert 0.1.0`.
    pub program: String,
}

/// What a machine that has only address and user must be told to reach the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connection {
    /// How the server is shown the password, where it is not found out: `basic` or `digest`.
    pub auth: Option<String>,
    /// The address is plain http to another machine.
    pub allow_http: bool,
    /// Certificates in PEM form that the server's own is checked against as well.
    pub ca_pem: Option<Vec<u8>>,
}

/// A kit that lies on the disk and opens the repository.
#[derive(Debug, Clone)]
pub struct KitMade {
    /// The page.
    pub html: PathBuf,
    /// The text.
    pub txt: PathBuf,
    /// The name of its key among those in force.
    pub key: String,
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
    kit.place = Some(KeyPlace { id: added.id.clone(), generation: added.generation });
    files.write(&page::render(&kit)?, &text::render(&kit))?;
    let (html, txt) = files.publish()?;
    Ok(KitMade { html, txt, key: added.id, generation: added.generation, older: added.older })
}
