//! What changes the drive: PUT, MKCOL, DELETE, MOVE and COPY, each with Nutstore's own refusals.

use super::answer::Reply;
use super::options::Limits;
use super::read::nothing;
use super::tree::{Missing, Node, Tree};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};

/// The longest name of a top-level folder, in characters.
const TOP_NAME_CHARS: usize = 32;

pub(super) fn put(
    tree: &mut Tree,
    path: &[String],
    headers: &HeaderMap,
    body: Bytes,
    limits: &Limits,
    now_ms: i64,
) -> Reply {
    if path.len() < 2 {
        return Reply::not_found();
    }
    let before = match tree.find(path) {
        Ok(Node::Folder(_)) => return Reply::duplicate(),
        Ok(Node::Object(object)) => Some((object.etag.clone(), object.bytes.len() as u64)),
        Err(Missing::Itself) => None,
        Err(missing) => return nothing(missing),
    };
    // The raw text is compared; `If-None-Match` is not looked at.
    if let Some(wanted) = headers.get(header::IF_MATCH)
        && before.as_ref().is_none_or(|(etag, _)| etag.as_bytes() != wanted.as_bytes())
    {
        return Reply::exception(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", "another etag");
    }
    if let Some(allowed) = limits.storage_bytes {
        let old = before.as_ref().map_or(0, |(_, bytes)| *bytes);
        if tree.stored_bytes() - old + body.len() as u64 > allowed {
            return Reply::drive_full();
        }
    }
    match tree.put(path, body, now_ms) {
        Ok(true) => Reply::empty(StatusCode::CREATED),
        Ok(false) => Reply::empty(StatusCode::NO_CONTENT),
        Err(missing) => nothing(missing),
    }
}

pub(super) fn mkcol(tree: &mut Tree, path: &[String], now_ms: i64) -> Reply {
    match path {
        [] => return Reply::forbidden("this folder is the drive itself"),
        [top] if top.chars().count() > TOP_NAME_CHARS => {
            return Reply::forbidden("the name of a top-level folder is too long");
        }
        _ => {}
    }
    if tree.find(path).is_ok() {
        return Reply::existed();
    }
    match tree.make_folder(path, now_ms) {
        Ok(()) => Reply::empty(StatusCode::CREATED),
        Err(missing) => nothing(missing),
    }
}

pub(super) fn delete(tree: &mut Tree, path: &[String]) -> Reply {
    if path.is_empty() {
        return Reply::forbidden("this folder is the drive itself");
    }
    match tree.find(path).map(|_| ()) {
        Ok(()) => {}
        Err(missing) => return nothing(missing),
    }
    match tree.change(path, None) {
        Ok(_) => Reply::empty(StatusCode::NO_CONTENT),
        Err(missing) => nothing(missing),
    }
}

/// MOVE, or COPY where the original is kept. Nothing is ever overwritten.
pub(super) fn transfer(tree: &mut Tree, from: &[String], to: &[String], keep: bool) -> Reply {
    if from.is_empty() || to.starts_with(from) && to.len() > from.len() {
        return Reply::forbidden("a folder cannot be put into itself");
    }
    let node = match tree.find(from) {
        Ok(node) => node.clone(),
        Err(missing) => return nothing(missing),
    };
    if tree.find(to).is_ok() {
        return Reply::duplicate();
    }
    if matches!(node, Node::Object(_)) && to.len() < 2 {
        return Reply::not_found();
    }
    match tree.change(to, Some(node)) {
        Ok(_) if keep => {}
        // It was found above.
        Ok(_) => drop(tree.change(from, None)),
        Err(missing) => return nothing(missing),
    }
    Reply::empty(StatusCode::CREATED)
}
