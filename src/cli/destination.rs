//! From flags, variables and settings to one repository to talk to: checked, with whole paths, and
//! nothing sent yet.

use super::args::{AuthKind, GlobalArguments};
use super::environment;
use super::error::CliError;
use super::secret::Wanted;
use crate::config::{AuthSetting, Place, RepositorySettings, Settings, choose_repository, parse_pack_size};
use crate::disaster::kit::Connection;
use crate::guard::{Guard, Limits, Profile};
use crate::model::clock::SystemClock;
use crate::repository::writer::Choice;
use crate::store::{Auth, FolderStore, SharedStore, WebdavOptions, WebdavStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A repository that is meant.
#[derive(Debug, Clone)]
pub(super) struct Destination {
    /// Where it is.
    pub place: Place,
    /// The folder of its local state.
    pub state: PathBuf,
    /// The folder of all local states, which no backup takes.
    pub state_root: PathBuf,
    /// The encryption password.
    pub password: Wanted,
    /// Bytes of a pack, if somebody said so.
    pub pack_bytes: Option<usize>,
    /// The level of compression.
    pub level: Choice<i32>,
    /// Packs on their way at the same time.
    pub uploads: Choice<usize>,
    webdav_password: Wanted,
    webdav_user: Option<String>,
    auth: Auth,
    allow_http: bool,
    ca_file: Option<PathBuf>,
    section: Option<RepositorySettings>,
}

impl Destination {
    /// The repository that `arguments` mean, or else set `set`, or else the settings.
    pub fn resolve(
        arguments: &GlobalArguments,
        settings: &Settings,
        set: Option<&str>,
        current_dir: &Path,
    ) -> Result<Self, CliError> {
        let word = arguments.repository.as_deref().filter(|word| !word.is_empty());
        let (place, section) = choose_repository(word, set, settings, current_dir)?;
        let section = section.cloned();
        let of_section = section.as_ref();
        let named_state = arguments.state_dir.clone().filter(|path| !path.as_os_str().is_empty());
        let state_root = named_state
            .map(|path| current_dir.join(path))
            .or_else(|| of_section.and_then(|section| section.state_dir.clone()))
            .or_else(environment::state_folder)
            .ok_or_else(|| {
                CliError::Usage("no home folder to keep the local state in: name a --state-dir".to_owned())
            })?;
        let webdav_user = arguments.webdav_user.clone().filter(|user| !user.is_empty());
        let webdav_user = webdav_user.or_else(|| of_section.and_then(|section| section.webdav_user.clone()));
        let size = of_section.and_then(|section| section.pack_size.as_deref());
        let size = size.map(parse_pack_size).transpose();
        let size = size.map_err(|error| CliError::Usage(error.to_string()))?;
        Ok(Self {
            state: state_root.join(state_name(&place, webdav_user.as_deref())),
            state_root,
            password: Wanted {
                what: "encryption password",
                variable: "FILBERT_PASSWORD",
                file: of_section.and_then(|section| section.password_file.clone()),
                command: of_section.and_then(|section| section.password_command.clone()),
            },
            webdav_password: Wanted {
                what: "WebDAV password",
                variable: "FILBERT_WEBDAV_PASSWORD",
                file: of_section.and_then(|section| section.webdav_password_file.clone()),
                command: of_section.and_then(|section| section.webdav_password_command.clone()),
            },
            pack_bytes: arguments.pack_size.map(|size| size.0).or(size),
            level: arguments
                .compression
                .or(of_section.and_then(|section| section.compression))
                .map_or(Choice::Auto, |level| level.0),
            uploads: arguments
                .uploads
                .or(of_section.and_then(|section| section.uploads))
                .map_or(Choice::Auto, |uploads| uploads.0),
            auth: match arguments.webdav_auth {
                Some(AuthKind::Auto) => Auth::Auto,
                Some(AuthKind::Basic) => Auth::Basic,
                Some(AuthKind::Digest) => Auth::Digest,
                None => match of_section.map(|section| section.auth).unwrap_or_default() {
                    AuthSetting::Auto => Auth::Auto,
                    AuthSetting::Basic => Auth::Basic,
                    AuthSetting::Digest => Auth::Digest,
                },
            },
            allow_http: arguments.allow_http || of_section.is_some_and(|section| section.allow_http),
            ca_file: arguments
                .ca_file
                .clone()
                .filter(|file| !file.as_os_str().is_empty())
                .map(|file| current_dir.join(file))
                .or_else(|| of_section.and_then(|section| section.ca_file.clone())),
            place,
            webdav_user,
            section,
        })
    }

    /// The user on the server.
    pub fn user(&self) -> Option<&str> {
        self.webdav_user.as_deref().filter(|_| matches!(self.place, Place::Url(_)))
    }

    /// The account at a server and what it allows; none for a local folder. All repositories of a
    /// user on a server are on one account.
    pub fn account(&self) -> Result<Option<(String, Limits)>, CliError> {
        let Place::Url(url) = &self.place else { return Ok(None) };
        let Ok(url) = url::Url::parse(url.trim()) else { return Ok(None) };
        let host = url.host_str().unwrap_or_default();
        let limits = match &self.section {
            Some(section) => section.limits(host).map_err(|error| CliError::Usage(error.to_string()))?,
            None => Profile::of_host(host).limits(),
        };
        let user = self.webdav_user.as_deref().unwrap_or_default();
        let name = blake3::hash(format!("{user}\n{}", url.origin().ascii_serialization()).as_bytes());
        Ok(Some((name.to_hex()[..16].to_owned(), limits)))
    }

    /// The longest wait for the budget that the settings allow.
    pub fn longest_wait(&self) -> Result<Option<Duration>, CliError> {
        let section = self.section.as_ref();
        let longest = section.map_or(Ok(None), |section| section.longest_wait());
        longest.map_err(|error| CliError::Usage(error.to_string()))
    }

    /// The store there, guarded. May ask for the WebDAV password; sends nothing.
    pub fn store(&self, guard: Option<Arc<Guard>>) -> Result<SharedStore, CliError> {
        let url = match &self.place {
            Place::Folder(folder) => return Ok(Arc::new(FolderStore::new(folder))),
            Place::Url(url) => url,
        };
        let mut options = WebdavOptions {
            auth: self.auth,
            allow_http: self.allow_http,
            ca_pem: self.ca_pem()?,
            ..WebdavOptions::new(url)
        };
        match &self.webdav_user {
            Some(user) => {
                // A wrong address is told before somebody types a password for it.
                WebdavStore::new(&options, Arc::new(SystemClock))?;
                options = options.with_credentials(user, self.webdav_password.get(false)?);
            }
            None if self.webdav_password.look_up()?.is_some() => {
                WebdavStore::new(&options, Arc::new(SystemClock))?;
                return Err(CliError::Usage(
                    "there is a WebDAV password and no user: name the user with --webdav-user or \
                     FILBERT_WEBDAV_USER"
                        .to_owned(),
                ));
            }
            None => {}
        }
        let store = WebdavStore::new(&options, Arc::new(SystemClock))?;
        Ok(match guard {
            Some(guard) => Arc::new(store.guarded_by(guard)),
            None => Arc::new(store),
        })
    }

    /// What reaches the server beside address and user; nothing for a local folder.
    pub fn connection(&self) -> Result<Connection, CliError> {
        let Place::Url(url) = &self.place else { return Ok(Connection::default()) };
        let auth = match self.auth {
            Auth::Auto => None,
            Auth::Basic => Some("basic".to_owned()),
            Auth::Digest => Some("digest".to_owned()),
        };
        let is_http = url.trim().get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http:"));
        Ok(Connection { auth, allow_http: self.allow_http && is_http, ca_pem: self.ca_pem()? })
    }

    fn ca_pem(&self) -> Result<Option<Vec<u8>>, CliError> {
        let Some(file) = &self.ca_file else { return Ok(None) };
        let failed = |error| CliError::failed(format!("read the certificates in {}", file.display()), error);
        std::fs::read(file).map(Some).map_err(failed)
    }

    /// Folders that no backup takes: local states, and the repository itself where it is local.
    pub fn own_folders(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.state_root.clone()];
        if let Place::Folder(folder) = &self.place {
            folders.push(folder.clone());
        }
        folders
    }
}

/// The folder name of a repository's state. The user belongs to it: on many servers the same
/// address leads each user to a drive of their own.
fn state_name(place: &Place, user: Option<&str>) -> String {
    let address = match place {
        Place::Url(url) => {
            let parsed = url::Url::parse(url.trim()).map_or_else(|_| url.clone(), |url| url.to_string());
            format!("{}\n{}", user.unwrap_or_default(), parsed.trim_end_matches('/')).into_bytes()
        }
        Place::Folder(folder) => {
            use std::os::unix::ffi::OsStrExt;
            environment::real_path(folder).as_os_str().as_bytes().to_vec()
        }
    };
    blake3::hash(&address).to_hex()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_repository_has_one_state_however_its_address_is_written() {
        let of = |url: &str, user| state_name(&Place::Url(url.to_owned()), user);
        assert_eq!(of("https://Host/dav", None), of("https://host:443/dav/", None));
        assert_ne!(of("https://host/dav", Some("a")), of("https://host/dav", Some("b")));
        assert_ne!(of("https://host/dav", None), of("https://host/dav2", None));
        let folder = |path: &str| state_name(&Place::Folder(path.into()), Some("whoever"));
        assert_eq!(folder("/usr/./no-such"), folder("/usr/lib/../no-such"));
    }
}
