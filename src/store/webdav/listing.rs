//! Asks for listings, page by page, until the server says that there is no further one.

use super::super::{ErrorKind, Listing, Quota, StoreError};
use super::answer::Answer;
use super::href::{children, components};
use super::link::next_page;
use super::multistatus::{Multistatus, PROPFIND_BODY, QUOTA_BODY, RawEntry, Unreadable, parse};
use super::request::{Request, Verb};
use super::retry_after::http_date_ms;
use super::session::Session;
use std::collections::HashSet;

/// The most bytes of one page, and of all pages of a folder.
const PAGE_BYTES: u64 = 32 * 1024 * 1024;
const LISTING_BYTES: u64 = 64 * 1024 * 1024;

const MAX_PAGES: usize = 1000;

fn propfind(target: &str, depth: &'static str, body: &'static str) -> Request {
    Request::new(Verb::Propfind, target)
        .header("depth", depth)
        .header("content-type", "application/xml; charset=utf-8")
        .body(body)
}

/// Everything in a folder.
pub(super) async fn list(session: &Session, folder: &str) -> Result<Listing, StoreError> {
    let mut listing = Listing::default();
    let mut seen = HashSet::new();
    let mut pages = HashSet::new();
    let mut bytes_left = LISTING_BYTES;
    let mut target = folder.to_owned();
    loop {
        let request = propfind(&target, "1", PROPFIND_BODY);
        let mut answer = session.ask(&request).await?;
        let page = read(&mut answer, &mut bytes_left).await?;
        let asked = components(answer.url.path())
            .ok_or_else(|| answer.error(ErrorKind::Permanent, "the folder's own address is no text"))?;
        let (entries, skipped) = children(&asked, page.entries, &mut seen);
        listing.entries.extend(entries);
        listing.skipped += page.skipped + skipped;
        listing.server_time_ms = listing.server_time_ms.or(answer.header("date").and_then(http_date_ms));
        let next = next_page(&answer.url, answer.response.headers())
            .map_err(|why| answer.error(ErrorKind::Corrupt, why))?;
        let Some(next) = next else { return Ok(listing) };
        pages.insert(target);
        target = next.path().to_owned();
        if let Some(query) = next.query() {
            target = format!("{target}?{query}");
        }
        if pages.contains(&target) || pages.len() >= MAX_PAGES {
            return Err(answer.error(ErrorKind::Corrupt, "the pages of the listing have no end"));
        }
    }
}

/// The entry of one object or folder.
pub(super) async fn look(session: &Session, target: &str) -> Result<RawEntry, StoreError> {
    let request = propfind(target, "0", PROPFIND_BODY);
    let mut answer = session.ask(&request).await?;
    let page = read(&mut answer, &mut PAGE_BYTES.clone()).await?;
    // Some servers answer with what is inside as well; the thing itself comes first.
    page.entries
        .into_iter()
        .next()
        .ok_or_else(|| answer.error(ErrorKind::Corrupt, "the answer describes nothing"))
}

/// What a folder's server says of the room that is left, if it says anything.
pub(super) async fn quota(session: &Session, folder: &str) -> Result<Option<Quota>, StoreError> {
    let request = propfind(folder, "0", QUOTA_BODY);
    let mut answer = session.ask(&request).await?;
    let page = read(&mut answer, &mut PAGE_BYTES.clone()).await?;
    let told = page.entries.into_iter().next().map(|entry| entry.quota);
    Ok(told.filter(|told| *told != Quota::default()))
}

async fn read(answer: &mut Answer<'_>, bytes_left: &mut u64) -> Result<Multistatus, StoreError> {
    let body = answer.body(PAGE_BYTES.min(*bytes_left)).await?;
    *bytes_left = bytes_left.saturating_sub(body.len() as u64);
    parse(&String::from_utf8_lossy(&body)).map_err(|why| match why {
        Unreadable::NotAListing => {
            let detail = format!(
                "the server answered {} with something that is no WebDAV listing{}; check the address",
                answer.status().as_u16(),
                answer.web_page_hint()
            );
            answer.error(ErrorKind::NotWebdav, detail)
        }
        Unreadable::Broken(why) => {
            answer.error(ErrorKind::Corrupt, format!("the listing is damaged: {}", super::fault::shown(&why)))
        }
    })
}
