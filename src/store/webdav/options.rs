//! What a user sets to reach a WebDAV server, checked before the first request: a wrong setting
//! must not send a password somewhere.

use crate::model::secret::SecretText;
use std::time::Duration;
use url::{Host, Url};

/// How to reach a WebDAV server.
#[derive(Debug, Clone)]
pub struct WebdavOptions {
    /// The address of the folder that is the store's root, such as
    /// `https://dav.jianguoyun.com/dav/filbert`. It may be missing yet; its server not.
    pub url: String,
    /// The user name; none sends no credentials at all.
    pub user: Option<String>,
    /// The password: for Nutstore an app password.
    pub password: Option<SecretText>,
    /// How the password is shown to the server.
    pub auth: Auth,
    /// Certificates in PEM form to trust in addition to the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// Allows plain http to other machines, where anyone on the way can read the password.
    pub allow_http: bool,
    /// A request that moves no byte for so long is given up. There is no limit on the whole.
    /// What the system has taken of an upload counts as moved, and may be some megabytes ahead
    /// of the line: on slow ones a short time gives up uploads that live.
    pub no_progress_timeout: Duration,
}

/// How the password is shown to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Auth {
    /// Always Basic.
    Basic,
    /// Always Digest; asks for a challenge first.
    Digest,
    /// Basic at once; Digest from then on when the server refuses it and offers Digest only.
    #[default]
    Auto,
}

impl WebdavOptions {
    /// No credentials, https wanted, patience of 3 minutes (some servers store for minutes
    /// before they answer).
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            user: None,
            password: None,
            auth: Auth::Auto,
            ca_pem: None,
            allow_http: false,
            no_progress_timeout: Duration::from_secs(180),
        }
    }

    /// With a user name and password.
    pub fn with_credentials(mut self, user: impl Into<String>, password: SecretText) -> Self {
        self.user = Some(user.into());
        self.password = Some(password);
        self
    }
}

/// Settings that cannot work or would be dangerous. No message holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebdavOptionsError {
    /// Not an address at all.
    #[error("the WebDAV address is not a URL: {0}; write it like https://dav.example.org/folder")]
    NotAUrl(String),
    /// Another scheme than http and https.
    #[error("the WebDAV address begins with `{0}:`; it must begin with https:// (or http://)")]
    Scheme(String),
    /// A user name or password inside the address.
    #[error(
        "the WebDAV address holds a user name or password (before the `@`), where logs and process \
         lists would show it; take it out and give user and password by their own settings"
    )]
    CredentialsInUrl,
    /// A `?query` or `#fragment`.
    #[error("the WebDAV address ends in a `?` or `#` part; give the address of a folder without it")]
    QueryOrFragment,
    /// The path has a `.` or `..` that is encoded, or another part that no folder has.
    #[error("the path of the WebDAV address has a part that no folder can have: {0}")]
    Path(String),
    /// Plain http to another machine.
    #[error(
        "the WebDAV address begins with http://, so the password could be read on the way to {0}; \
         use https://, or allow plain http (allow_http) if you trust every network in between"
    )]
    PlainHttp(String),
    /// A password, but nobody to whom it belongs; or the other way round.
    #[error("give both a user name and a password, or neither")]
    HalfCredentials,
    /// A character that HTTP Basic cannot carry.
    #[error("the user name holds a `:` or a control character, which WebDAV servers cannot be told")]
    UserName,
    /// The certificates cannot be read.
    #[error("the CA certificates are not in PEM form: {0}")]
    CaPem(String),
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be started: {0}")]
    Client(String),
}

/// The checked address: an origin and the path of the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base {
    /// Scheme, host and port, with the path `/`.
    pub origin: Url,
    /// The components of the root's path, percent-encoded.
    pub segments: Vec<String>,
}

impl Base {
    pub fn check(options: &WebdavOptions) -> Result<Self, WebdavOptionsError> {
        let url = Url::parse(options.url.trim()).map_err(|e| WebdavOptionsError::NotAUrl(e.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(WebdavOptionsError::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(WebdavOptionsError::CredentialsInUrl);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(WebdavOptionsError::QueryOrFragment);
        }
        if url.scheme() == "http" && !options.allow_http && !is_loopback(&url) {
            return Err(WebdavOptionsError::PlainHttp(url.host_str().unwrap_or_default().to_owned()));
        }
        match (&options.user, &options.password) {
            (Some(user), Some(_)) if user.contains(|c: char| c == ':' || c.is_control()) => {
                return Err(WebdavOptionsError::UserName);
            }
            (Some(_), Some(_)) | (None, None) => {}
            _ => return Err(WebdavOptionsError::HalfCredentials),
        }
        let segments: Vec<String> =
            url.path().split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        if let Some(odd) = segments.iter().find(|part| part.to_ascii_lowercase().contains("%2f")) {
            return Err(WebdavOptionsError::Path(odd.clone()));
        }
        let mut origin = url;
        origin.set_path("/");
        Ok(Self { origin, segments })
    }

    /// The encoded path of the folder that the first `depth` components lead to: `/` at both ends.
    pub fn folder_above(&self, depth: usize) -> String {
        let mut path = String::from("/");
        for segment in self.segments.iter().take(depth) {
            path.push_str(segment);
            path.push('/');
        }
        path
    }

    /// The encoded path of a folder of the store: `/` at both ends, never doubled.
    pub fn folder(&self, path: &str) -> String {
        let root = self.folder_above(self.segments.len());
        if path.is_empty() { root } else { format!("{root}{path}/") }
    }

    /// The encoded path of an object of the store. The names of the contract need no encoding.
    pub fn object(&self, path: &str) -> String {
        format!("{}{path}", self.folder_above(self.segments.len()))
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str) -> Result<Base, WebdavOptionsError> {
        Base::check(&WebdavOptions::new(url))
    }

    #[test]
    fn dangerous_addresses_are_refused_without_showing_the_password() {
        let error = check("https://user:hunter2@host/dav").unwrap_err();
        assert_eq!(error, WebdavOptionsError::CredentialsInUrl);
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        assert!(matches!(check("http://dav.example.org/"), Err(WebdavOptionsError::PlainHttp(_))));
        assert!(matches!(check("ftp://host/"), Err(WebdavOptionsError::Scheme(_))));
        assert!(matches!(check("https://host/?a=b"), Err(WebdavOptionsError::QueryOrFragment)));
        assert!(matches!(check("https://host/#a"), Err(WebdavOptionsError::QueryOrFragment)));
        assert!(matches!(check("dav.example.org"), Err(WebdavOptionsError::NotAUrl(_))));
        let half = WebdavOptions { user: Some("me".into()), ..WebdavOptions::new("https://host") };
        assert_eq!(Base::check(&half), Err(WebdavOptionsError::HalfCredentials));
    }

    #[test]
    fn loopback_and_allowed_http_pass() {
        for url in ["http://127.0.0.1:80/", "http://localhost/x", "http://[::1]:8080"] {
            assert!(check(url).is_ok(), "{url}");
        }
        let allowed = WebdavOptions { allow_http: true, ..WebdavOptions::new("http://nas/dav") };
        assert!(Base::check(&allowed).is_ok());
    }

    #[test]
    fn paths_are_joined_without_double_slashes_and_encoded() {
        let base = check("https://host//dav/我的 坚果云//").unwrap();
        let root = "/dav/%E6%88%91%E7%9A%84%20%E5%9D%9A%E6%9E%9C%E4%BA%91/";
        assert_eq!(base.folder(""), root);
        assert_eq!(base.folder("packs/000"), format!("{root}packs/000/"));
        assert_eq!(base.object("packs/000/ab"), format!("{root}packs/000/ab"));
        assert_eq!(base.folder_above(1), "/dav/");
        assert_eq!(check("https://host").unwrap().object("a"), "/a");
    }
}
