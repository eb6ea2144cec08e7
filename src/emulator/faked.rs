//! What Nutstore answers without doing anything: OPTIONS, locks that keep nobody out, properties
//! that are not stored.

use super::address;
use super::answer::Reply;
use http::{StatusCode, header};

pub(super) fn options() -> Reply {
    let methods = "OPTIONS, GET, HEAD, PUT, DELETE, MKCOL, MOVE, COPY, PROPFIND, PROPPATCH, LOCK, UNLOCK";
    let dav = header::HeaderName::from_static("dav");
    Reply::empty(StatusCode::OK).with(dav, "1, 2").with(header::ALLOW, methods)
}

/// A lock that keeps nobody out.
pub(super) fn lock() -> Reply {
    let token = "opaquelocktoken:00000000-0000-0000-0000-000000000000";
    let text = format!(
        "<d:prop xmlns:d=\"DAV:\"><d:lockdiscovery><d:activelock><d:locktype><d:write/></d:locktype>\
         <d:locktoken><d:href>{token}</d:href></d:locktoken></d:activelock></d:lockdiscovery></d:prop>"
    );
    let name = header::HeaderName::from_static("lock-token");
    Reply::xml(StatusCode::OK, text).with(name, format!("<{token}>"))
}

pub(super) fn proppatch(path: &[String]) -> Reply {
    let href = address::href(path);
    let text = format!(
        "<d:multistatus xmlns:d=\"DAV:\"><d:response><d:href>{href}</d:href><d:propstat><d:prop/>\
         <d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>"
    );
    Reply::xml(StatusCode::MULTI_STATUS, text)
}
