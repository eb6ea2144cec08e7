//! `filbert ls`: what is in a snapshot.

use super::args::LsArguments;
use super::error::CliError;
use super::exit::Exit;
use super::render::local_time;
use super::session::Session;
use super::which;
use crate::browse::{WantedPath, relative};
use crate::model::entry::{Entry, Node};
use crate::model::path::display_bytes;
use crate::repository::snapshots::unless_local;
use chrono::{DateTime, SecondsFormat};
use serde::Serialize;
use std::os::unix::ffi::OsStrExt;

#[derive(Serialize)]
struct Line<'a> {
    /// Relative to the shown root.
    path: String,
    /// The bytes in hex where the path is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    r#type: &'static str,
    size: u64,
    mode: String,
    mtime: String,
    uid: u32,
    gid: u32,
    links: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<std::borrow::Cow<'a, str>>,
}

pub(super) async fn run(session: &Session, wish: &LsArguments) -> Result<Exit, CliError> {
    let (opened, problems) = session.open_up_to_date().await?;
    for problem in problems {
        session.output.warn(&format!("{}: {}", problem.subject, problem.message));
    }
    let snapshot = which::chosen(session, &opened, &wish.chosen)?;
    let root = snapshot.root();
    let entries = session.interrupt.or(opened.repository.entries(&snapshot)).await?;
    let wanted = wish.path.as_ref().map(|path| WantedPath::new(path.as_bytes(), root.as_ref()));
    session.display.finish();

    let (mut shown, mut refused) = (0_u64, 0_u64);
    for entry in entries.iter() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                session.output.warn(&unless_local(error)?.to_string());
                refused += 1;
                continue;
            }
        };
        let path = relative(&entry.path, root.as_ref());
        if path.is_empty() || wanted.as_ref().is_some_and(|wanted| !wanted.holds(path)) {
            continue;
        }
        if session.output.json {
            let json = serde_json::to_string(&Line::of(&entry, path));
            let json = json.map_err(|error| CliError::failed("write JSON", error))?;
            session.output.line(&format!("{}{json}", if shown == 0 { "[" } else { "," }));
        } else {
            session.output.line(&if wish.long { long(&entry, path) } else { short(&entry, path) });
        }
        shown += 1;
    }
    if session.output.json {
        session.output.line(if shown == 0 { "[]" } else { "]" });
    }
    if shown == 0 && wanted.as_ref().is_some_and(|wanted| !wanted.is_root()) {
        return Err(CliError::Failed(format!(
            "no such path in snapshot {id}: `filbert ls {id}` shows what is in it",
            id = snapshot.id.short()
        )));
    }
    Ok(if refused > 0 { Exit::Failed } else { Exit::Done })
}

impl<'a> Line<'a> {
    fn of(entry: &'a Entry, path: &[u8]) -> Self {
        let mtime = entry.meta.mtime;
        let time = DateTime::from_timestamp(mtime.seconds, mtime.nanos.min(999_999_999));
        Self {
            path: String::from_utf8_lossy(path).into_owned(),
            path_hex: std::str::from_utf8(path).is_err().then(|| hex::encode(path)),
            r#type: type_word(&entry.node),
            size: entry.node.size(),
            mode: format!("{:04o}", entry.meta.mode),
            mtime: time.map_or_else(
                || format!("@{}", mtime.seconds),
                |time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true),
            ),
            uid: entry.meta.uid,
            gid: entry.meta.gid,
            links: entry.meta.links,
            target: match &entry.node {
                Node::Symlink(target) => Some(String::from_utf8_lossy(target)),
                _ => None,
            },
        }
    }
}

fn type_word(node: &Node) -> &'static str {
    match node {
        Node::File(_) => "file",
        Node::Folder => "folder",
        Node::Symlink(_) => "symlink",
        Node::Fifo => "fifo",
        Node::Socket => "socket",
        Node::CharDevice(_) => "char_device",
        Node::BlockDevice(_) => "block_device",
    }
}

fn short(entry: &Entry, path: &[u8]) -> String {
    let slash = if matches!(entry.node, Node::Folder) { "/" } else { "" };
    format!("{}{slash}", display_bytes(path))
}

fn long(entry: &Entry, path: &[u8]) -> String {
    let letter = match entry.node {
        Node::File(_) => '-',
        Node::Folder => 'd',
        Node::Symlink(_) => 'l',
        Node::Fifo => 'p',
        Node::Socket => 's',
        Node::CharDevice(_) => 'c',
        Node::BlockDevice(_) => 'b',
    };
    let arrow = match &entry.node {
        Node::Symlink(target) => format!(" -> {}", display_bytes(target)),
        _ => String::new(),
    };
    format!(
        "{letter}{} {:>5} {:>5} {:>12} {} {}{arrow}",
        permissions(entry.meta.mode),
        entry.meta.uid,
        entry.meta.gid,
        entry.node.size(),
        local_time(entry.meta.mtime.millis()),
        short(entry, path)
    )
}

/// `rwxr-xr-x`, with `s` and `t` where they stand.
fn permissions(mode: u32) -> String {
    let mut text = String::with_capacity(9);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (bits & 1 != 0, mode & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_read_as_those_of_ls() {
        assert_eq!(permissions(0o755), "rwxr-xr-x");
        assert_eq!(permissions(0o4644), "rwSr--r--");
        assert_eq!(permissions(0o1777), "rwxrwxrwt");
    }
}
