//! An answer being read: counted, bounded in size, and given up when it stops moving.

use super::super::room::room;
use super::super::{ErrorKind, Refusal, StoreError, Traffic};
use super::failure::chain;
use super::passage::Passage;
use super::request::{Request, Verb};
use super::session::Exchange;
use crate::model::time::Timestamp;
use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Response, StatusCode};
use std::time::Duration;
use url::Url;

/// How much room is taken before the bytes are there: a length told by a server is only a claim.
pub(super) const TRUSTED_BYTES: u64 = 64 * 1024 * 1024;

/// A longer rest is not worth reading for the sake of its connection.
const UNNEEDED_BYTES: usize = 64 * 1024;

pub(super) struct Answer<'a> {
    pub response: Response,
    /// The address that answered.
    pub url: Url,
    pub verb: Verb,
    pub action: String,
    no_progress: Duration,
    traffic: &'a Traffic,
    passage: Passage<'a>,
}

impl<'a> Answer<'a> {
    pub fn new(
        exchange: Exchange<'a>,
        request: &Request,
        action: String,
        no_progress: Duration,
        traffic: &'a Traffic,
    ) -> Self {
        let Exchange { response, url, passage } = exchange;
        Self { response, url, verb: request.verb, action, no_progress, traffic, passage }
    }

    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub fn header(&self, name: impl reqwest::header::AsHeaderName) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The length told in the header, also where no body follows.
    pub fn told_length(&self) -> Option<u64> {
        self.header(CONTENT_LENGTH)?.trim().parse().ok()
    }

    /// A hint for messages about data that is not what it should be.
    pub fn web_page_hint(&self) -> &'static str {
        match self.header(CONTENT_TYPE) {
            Some(kind) if kind.trim_start().starts_with("text/html") => {
                " (it is a web page: does the address belong to a WebDAV server?)"
            }
            _ => "",
        }
    }

    pub fn error(&self, kind: ErrorKind, detail: impl Into<String>) -> StoreError {
        StoreError::new(kind, &self.action, detail)
    }

    /// Tells the gate that the server refused. Answers until when it is to be left alone, if it is.
    pub fn tell_refusal(&mut self, kind: ErrorKind, detail: &str) -> Option<Timestamp> {
        let status = self.status().as_u16();
        self.passage.refused(&self.action, Refusal { status, kind, detail })
    }

    /// The next bytes of the body, `None` at its end.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, StoreError> {
        match tokio::time::timeout(self.no_progress, self.response.chunk()).await {
            Ok(Ok(piece)) => {
                let bytes = piece.as_ref().map_or(0, Bytes::len) as u64;
                self.traffic.received(bytes);
                self.passage.received(bytes);
                Ok(piece)
            }
            Ok(Err(error)) => {
                Err(self.error(ErrorKind::Transient, format!("the answer ended early: {}", chain(&error))))
            }
            Err(_) => {
                let detail =
                    format!("the answer stopped for {} s; check the network", self.no_progress.as_secs());
                Err(self.error(ErrorKind::Transient, detail))
            }
        }
    }

    /// The whole body, refused before more than `limit` bytes are held.
    pub async fn body(&mut self, limit: u64) -> Result<Bytes, StoreError> {
        let told = self.told_length();
        if told.is_some_and(|told| told > limit) {
            return Err(self.too_long(limit));
        }
        let mut whole = BytesMut::with_capacity(room(told.unwrap_or(0).min(TRUSTED_BYTES)));
        while let Some(piece) = self.piece().await? {
            if (whole.len() as u64).saturating_add(piece.len() as u64) > limit {
                return Err(self.too_long(limit));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    /// What there is of the body up to `limit` bytes, faults ignored: for messages.
    pub async fn start_of_body(&mut self, limit: usize) -> Bytes {
        let mut start = BytesMut::new();
        while start.len() < limit {
            let Ok(Some(piece)) = self.piece().await else { break };
            start.extend_from_slice(&piece);
        }
        start.truncate(limit);
        start.freeze()
    }

    /// Reads what nobody needs, so that the connection serves the next request.
    pub async fn finish(&mut self) {
        self.start_of_body(UNNEEDED_BYTES).await;
    }

    pub fn too_long(&self, limit: u64) -> StoreError {
        let detail = format!("longer than the {limit} bytes expected{}", self.web_page_hint());
        self.error(ErrorKind::Corrupt, detail)
    }
}
