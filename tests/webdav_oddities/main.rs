//! What servers do that no standard foresees, played word by word over real sockets.

#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

#[path = "../support/mod.rs"]
mod support;

mod addresses;
mod folders;
mod listings;
mod logins;
mod patience;
mod reading;
mod redirects;
mod writing;

use bytes::Bytes;
use filbert::model::clock::ManualClock;
use filbert::model::time::Timestamp;
use filbert::store::{
    Auth, ErrorKind, RetryOptions, Retrying, Store, StoreError, WebdavOptions, WebdavOptionsError,
    WebdavStore,
};
use std::sync::Arc;
use std::time::Duration;
use support::scripted::{Scripted, answer, play};
use support::{PASSWORD, USER, dav};

const NOW: Timestamp = Timestamp { seconds: 1_000_000, nanos: 0 };

fn options(url: &str) -> WebdavOptions {
    WebdavOptions {
        // Not reached but by the tests of it.
        no_progress_timeout: Duration::from_secs(20),
        ..WebdavOptions::new(url).with_credentials(USER, PASSWORD.into())
    }
}

fn store_at(url: &str) -> WebdavStore {
    WebdavStore::new(&options(url), Arc::new(ManualClock::at(NOW))).unwrap()
}

async fn played<const N: usize>(answers: [String; N]) -> (Scripted, WebdavStore) {
    let server = play(answers.into()).await;
    let store = store_at(&server.url);
    (server, store)
}

fn multistatus(hrefs: &[&str]) -> String {
    let entries: String = hrefs
        .iter()
        .map(|href| {
            let kind = if href.ends_with('/') { "<d:collection/>" } else { "" };
            format!(
                "<d:response><d:href>{href}</d:href><d:propstat><d:prop><d:resourcetype>{kind}\
                 </d:resourcetype><d:getcontentlength>4</d:getcontentlength></d:prop>\
                 <d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"
            )
        })
        .collect();
    format!("<?xml version=\"1.0\"?><d:multistatus xmlns:d=\"DAV:\">{entries}</d:multistatus>")
}

fn page(headers: &str, hrefs: &[&str]) -> String {
    answer("207 Multi-Status", headers, &multistatus(hrefs))
}

fn exception(status: &str, name: &str) -> String {
    let body = format!(
        "<?xml version=\"1.0\"?><d:error xmlns:d=\"DAV:\" xmlns:s=\"http://ns.jianguoyun.com\">\
         <s:exception>{name}</s:exception><s:message>the message</s:message></d:error>"
    );
    answer(status, "", &body)
}

fn ok(body: &str) -> String {
    answer("200 OK", "", body)
}

fn names(listing: &filbert::store::Listing) -> Vec<&str> {
    listing.entries.iter().map(|entry| entry.name.as_str()).collect()
}

fn kind<T: std::fmt::Debug>(result: Result<T, StoreError>) -> ErrorKind {
    result.unwrap_err().kind
}
