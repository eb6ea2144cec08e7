//! Listings in pages, and the ways they go wrong.

use super::address::{encoded, href};
use super::answer::Reply;
use super::faults::ListingFault;
use super::read::{http_date, nothing};
use super::tree::{Folder, Node, Object, Tree};
use bytes::Bytes;
use http::{StatusCode, header};
use percent_encoding::percent_decode_str;
use std::fmt::Write;
use std::ops::Bound;

/// A PROPFIND.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    pub path: &'a [String],
    pub query: Option<&'a str>,
    /// Only the thing itself, not what is inside.
    pub itself_only: bool,
    /// `http://host:port`, for the address of the next page.
    pub origin: &'a str,
    /// Entries of a page, the folder itself included.
    pub page_entries: Option<usize>,
    /// Bytes used and bytes free, where they are asked for and told.
    pub quota: Option<(u64, u64)>,
    pub fault: Option<ListingFault>,
}

pub(super) fn answer(tree: &Tree, question: Question<'_>) -> Reply {
    let before;
    let tree = match question.fault {
        Some(ListingFault::Stale(changes)) => {
            before = tree.before(changes);
            &before
        }
        _ => tree,
    };
    let node = match tree.find(question.path) {
        Ok(node) => node,
        Err(missing) => return nothing(missing),
    };
    let mut listing = Text::new();
    listing.entry(&href(question.path), node, question.quota, None);
    let link = match node {
        Node::Folder(folder) if !question.itself_only => page(&mut listing, folder, &question),
        _ => None,
    };
    let reply = Reply::xml(StatusCode::MULTI_STATUS, listing.end());
    match link {
        Some(query) => {
            let address = format!("{}{}?{query}", question.origin, href(question.path));
            reply.with(header::LINK, format!("<{address}>; rel=\"next\""))
        }
        None => reply,
    }
}

/// Writes the children of the page asked for, and answers the query of the next one.
fn page(listing: &mut Text, folder: &Folder, question: &Question<'_>) -> Option<String> {
    let fault = question.fault;
    let mark = parameter(question.query, "mk").unwrap_or_default();
    let huge = matches!(fault, Some(ListingFault::Huge(_)));
    // The folder takes one place.
    let most = question.page_entries.filter(|_| !huge).map_or(usize::MAX, |most| most.max(2) - 1);
    let rest = |mark: &str| {
        folder.children.range::<str, _>((Bound::Excluded(mark), Bound::Unbounded)).map(|(name, _)| name)
    };
    let base = href(question.path);
    let names: Vec<&String> = rest(&mark).take(most).collect();
    for (place, name) in names.iter().enumerate() {
        let node = &folder.children[*name];
        let bad = fault.filter(|_| place == 0);
        listing.entry(&format!("{base}/{}", encoded(name)), node, None, bad);
    }
    if let Some(ListingFault::Huge(count)) = fault {
        let object = Object { bytes: Bytes::from_static(b"x"), modified_ms: 0, etag: "0".to_owned() };
        let node = Node::Object(object);
        (0..count).for_each(|n| listing.entry(&format!("{base}/generated-{n:06}"), &node, None, None));
    }
    // The mark of the page after `mark`, if there is one.
    let after = |mark: &str| {
        let last = rest(mark).take(most).last()?;
        rest(last).next().map(|_| last.clone())
    };
    let next = match fault {
        Some(ListingFault::Loop) => return Some(question.query.unwrap_or_default().to_owned()),
        Some(ListingFault::RepeatPage) => {
            let again = parameter(question.query, "again").and_then(|n| n.parse().ok()).unwrap_or(0_u64) + 1;
            return Some(format!("mk={}&again={again}", encoded(&mark)));
        }
        Some(ListingFault::MissPage) => after(&after(&mark)?)?,
        _ => after(&mark)?,
    };
    Some(format!("mk={}", encoded(&next)))
}

/// A parameter of a query, decoded.
fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.filter(|(own, _)| *own == name).map(|(_, value)| value).next()?;
    percent_decode_str(value).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// A multistatus in the making.
struct Text(String);

impl Text {
    fn new() -> Self {
        Self(
            "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>\n<d:multistatus xmlns:d=\"DAV:\" \
             xmlns:s=\"http://ns.jianguoyun.com\">"
                .to_owned(),
        )
    }

    fn entry(&mut self, href: &str, node: &Node, quota: Option<(u64, u64)>, fault: Option<ListingFault>) {
        let href = if fault == Some(ListingFault::BadHref) { "/dav/%ff%zz" } else { href };
        let bad_size = fault == Some(ListingFault::BadSize);
        let (properties, modified_ms) = match node {
            Node::Folder(folder) => {
                let mut text = "<d:getetag></d:getetag><d:getcontenttype>httpd/unix-directory\
                                </d:getcontenttype><d:getcontentlength>0</d:getcontentlength>\
                                <d:resourcetype><d:collection/></d:resourcetype>"
                    .to_owned();
                if let Some((used, free)) = quota {
                    // Writing into a String cannot fail.
                    let _ = write!(
                        text,
                        "<d:quota-used-bytes>{used}</d:quota-used-bytes>\
                         <d:quota-available-bytes>{free}</d:quota-available-bytes>"
                    );
                }
                (text, folder.modified_ms)
            }
            Node::Object(object) => {
                let size = if bad_size { "plenty".to_owned() } else { object.bytes.len().to_string() };
                let text = format!(
                    "<d:getetag>{}</d:getetag><d:getcontenttype>application/octet-stream</d:getcontenttype>\
                     <d:getcontentlength>{size}</d:getcontentlength><d:resourcetype/>",
                    object.etag
                );
                (text, object.modified_ms)
            }
        };
        let _ = write!(
            self.0,
            "<d:response><d:href>{href}</d:href><d:propstat><d:prop>{properties}<d:getlastmodified>{}\
             </d:getlastmodified></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>",
            http_date(modified_ms)
        );
    }

    fn end(mut self) -> String {
        self.0.push_str("</d:multistatus>");
        self.0
    }
}
