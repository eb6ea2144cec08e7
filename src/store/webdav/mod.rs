//! A store on a WebDAV server, made for servers as they are: every answer is checked, nothing is
//! believed that was not asked for, and each request is counted.

mod agent;
mod answer;
mod body;
mod failure;
mod fault;
mod folders;
mod href;
mod link;
mod listing;
mod multistatus;
mod options;
mod part;
mod passage;
mod range;
mod redirect;
mod request;
mod retry_after;
mod session;

pub use options::{Auth, WebdavOptions, WebdavOptionsError};

use super::path::{check, check_object};
use super::{ErrorKind, Gate, Listing, Pieces, Quota, Store, StoreError, TrafficCount};
use crate::model::clock::Clock;
use answer::Answer;
use async_trait::async_trait;
use bytes::Bytes;
use options::Base;
use part::{Holds, Part};
use request::{Request, Verb};
use session::Session;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Objects on a WebDAV server.
///
/// Every HTTP request is counted, those of redirects and login challenges included. Not seen, and
/// so not counted: a request that the connection pool sends again because a kept connection had
/// been closed before a byte of it went out.
///
/// Digest signs the path without the query (reqwest_dav's way): a server that both checks that
/// and lists in pages refuses the second page, and the listing fails.
pub struct WebdavStore {
    base: Base,
    session: Session,
}

impl WebdavStore {
    /// A store at the address in `options`. Nothing is sent yet. `clock` turns a `Retry-After`
    /// into a time.
    pub fn new(options: &WebdavOptions, clock: Arc<dyn Clock>) -> Result<Self, WebdavOptionsError> {
        let base = Base::check(options)?;
        let session = Session::new(options, &base, clock)?;
        Ok(Self { base, session })
    }

    /// Lets every request pass `gate`.
    pub fn guarded_by(mut self, gate: Arc<dyn Gate>) -> Self {
        self.session.gate = gate;
        self
    }

    fn folder(&self, action: &str, path: &str) -> Result<String, StoreError> {
        check(action, path)?;
        Ok(self.base.folder(path))
    }

    fn object(&self, action: &str, path: &str) -> Result<String, StoreError> {
        check_object(action, path)?;
        Ok(self.base.object(path))
    }

    /// The answer to a plain GET.
    async fn whole(&self, path: &str) -> Result<Answer<'_>, StoreError> {
        let request = Request::new(Verb::Get, self.object("GET", path)?);
        let answer = self.session.ask(&request).await?;
        match answer.status().as_u16() {
            200 => Ok(answer),
            odd => {
                let detail = format!("the server answered {odd} to a plain GET");
                Err(answer.error(ErrorKind::Corrupt, detail))
            }
        }
    }
}

impl fmt::Debug for WebdavStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebdavStore").field("address", &self.address()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for WebdavStore {
    async fn list(&self, folder: &str) -> Result<Listing, StoreError> {
        listing::list(&self.session, &self.folder("PROPFIND", folder)?).await
    }

    async fn get(&self, path: &str, limit: u64) -> Result<Bytes, StoreError> {
        self.whole(path).await?.body(limit).await
    }

    async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes, StoreError> {
        range::open(&self.session, &self.object("GET", path)?, range).await?.collect().await
    }

    async fn read(
        &self,
        path: &str,
        range: Range<u64>,
        size: u64,
    ) -> Result<Box<dyn Pieces + '_>, StoreError> {
        let part = match range == (0..size) {
            true => Part::new(self.whole(path).await?, Holds::TheObject, 0, size)?,
            false => range::open(&self.session, &self.object("GET", path)?, range).await?,
        };
        Ok(Box::new(part))
    }

    async fn size(&self, path: &str) -> Result<u64, StoreError> {
        let target = self.object("HEAD", path)?;
        let request = Request::new(Verb::Head, &*target);
        let answer = self.session.exchange(&request).await?;
        match (answer.status().as_u16(), answer.told_length()) {
            (200, Some(length)) => return Ok(length),
            (200 | 204 | 405 | 501, _) => {}
            _ => return Err(failure::refused(answer, &*self.session.clock).await),
        }
        // The gate must not take it for a request that is still under way.
        drop(answer);
        let entry = listing::look(&self.session, &target).await?;
        let error = |kind, detail| StoreError::new(kind, self.session.action(&request), detail);
        if entry.is_folder {
            return Err(error(ErrorKind::NotFound, "it is a folder"));
        }
        entry.size.ok_or_else(|| error(ErrorKind::Permanent, "the server does not tell the size"))
    }

    async fn put_new(&self, path: &str, body: Bytes) -> Result<(), StoreError> {
        let request = Request::new(Verb::Put, self.object("PUT", path)?)
            .header("content-type", "application/octet-stream")
            .body(body);
        let mut answer = self.session.ask(&request).await?;
        answer.finish().await;
        match answer.status().as_u16() {
            200 | 201 | 204 => Ok(()),
            202 => Err(answer.error(ErrorKind::Unknown, "the server answered 202: not stored yet")),
            odd => Err(answer.error(ErrorKind::Permanent, format!("the server answered {odd} to an upload"))),
        }
    }

    async fn delete(&self, path: &str) -> Result<(), StoreError> {
        let request = Request::new(Verb::Delete, self.object("DELETE", path)?);
        match self.session.ask(&request).await {
            Ok(answer) if answer.status().as_u16() == 207 => {
                Err(answer.error(ErrorKind::Permanent, "the server could not delete all of it"))
            }
            Ok(mut answer) => {
                answer.finish().await;
                Ok(())
            }
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn ensure_folder(&self, path: &str) -> Result<(), StoreError> {
        let folder = self.folder("MKCOL", path)?;
        if path.is_empty() {
            folders::ensure_root(&self.session, &self.base).await
        } else {
            folders::ensure(&self.session, &folder).await
        }
    }

    async fn quota(&self) -> Result<Option<Quota>, StoreError> {
        listing::quota(&self.session, &self.folder("PROPFIND", "")?).await
    }

    fn traffic(&self) -> TrafficCount {
        self.session.traffic.count()
    }

    fn moved(&self) -> u64 {
        self.session.uploads.bytes()
    }

    fn address(&self) -> String {
        format!("{}{}", self.session.origin, self.base.folder("").trim_start_matches('/'))
    }
}
