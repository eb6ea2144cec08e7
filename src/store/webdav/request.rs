//! A request as data, so that it can be sent again: after a challenge, after a redirect.

use bytes::Bytes;
use reqwest::Method;

/// The WebDAV methods that filbert uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Head,
    Put,
    Delete,
    Mkcol,
    Propfind,
}

impl Verb {
    pub fn name(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Head => "HEAD",
            Verb::Put => "PUT",
            Verb::Delete => "DELETE",
            Verb::Mkcol => "MKCOL",
            Verb::Propfind => "PROPFIND",
        }
    }

    pub fn method(self) -> Result<Method, http::method::InvalidMethod> {
        Method::from_bytes(self.name().as_bytes())
    }

    /// Whether a lost answer leaves open what the server did.
    pub fn changes_things(self) -> bool {
        matches!(self, Verb::Put | Verb::Delete | Verb::Mkcol)
    }
}

/// What to ask the server.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub verb: Verb,
    /// Encoded path, with the query of a further page.
    pub target: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<Bytes>,
}

impl Request {
    pub fn new(verb: Verb, target: impl Into<String>) -> Self {
        Self { verb, target: target.into(), headers: Vec::new(), body: None }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Some(body.into());
        self
    }
}
