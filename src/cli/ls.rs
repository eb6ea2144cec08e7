//! `filbert ls`: what is in a snapshot.

use super::args::LsArguments;
use super::error::CliError;
use super::exit::Exit;
use super::render::local_time;
use super::session::Session;
use super::which;
use crate::model::entry::{Entry, Node};
use crate::model::path::{EntryPath, display_bytes};
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
    let snapshot = which::choose(session, &opened, &wish.snapshot, &wish.set, None)?;
    let root = which::root_of(&snapshot);
    let entries = session.interrupt.or(opened.repository.entries(&snapshot)).await?;
    let wanted = wish.path.as_ref().map(|path| Wanted::new(path.as_bytes(), root.as_ref()));
    session.display.finish();

    let (mut shown, mut refused) = (0_u64, 0_u64);
    for entry in entries.iter() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                session.output.warn(&error.to_string());
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
    if shown == 0 && wanted.as_ref().is_some_and(|wanted| !wanted.0.is_empty()) {
        return Err(CliError::Failed(format!(
            "no such path in snapshot {id}: `filbert ls {id}` shows what is in it",
            id = snapshot.id.short()
        )));
    }
    Ok(if refused > 0 { Exit::Failed } else { Exit::Done })
}

fn relative<'e>(path: &'e EntryPath, root: Option<&EntryPath>) -> &'e [u8] {
    root.and_then(|root| path.below(root)).unwrap_or(path.as_bytes())
}

/// The folder or file that is asked for, relative to the shown root, without slashes at the ends.
struct Wanted(Vec<u8>);

impl Wanted {
    /// `given` is as shown, or a whole path.
    fn new(given: &[u8], root: Option<&EntryPath>) -> Self {
        let mut path = given;
        while let Some(rest) = path.strip_suffix(b"/") {
            path = rest;
        }
        if given.starts_with(b"/") {
            let whole = EntryPath::new(path.to_vec()).ok();
            let below = whole.as_ref().zip(root).and_then(|(path, root)| path.below(root));
            return Self(below.unwrap_or(path).to_vec());
        }
        while let Some(rest) = path.strip_prefix(b"./") {
            path = rest;
        }
        Self(if path == b"." { Vec::new() } else { path.to_vec() })
    }

    fn holds(&self, path: &[u8]) -> bool {
        match path.strip_prefix(self.0.as_slice()) {
            Some(rest) => self.0.is_empty() || rest.is_empty() || rest.starts_with(b"/"),
            None => false,
        }
    }
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
    fn a_wanted_folder_holds_itself_and_what_is_below() {
        let root = EntryPath::new(b"/home/me".to_vec()).unwrap();
        for given in ["a/b", "./a/b/", "/home/me/a/b"] {
            let wanted = Wanted::new(given.as_bytes(), Some(&root));
            assert!(wanted.holds(b"a/b") && wanted.holds(b"a/b/c"), "{given}");
            assert!(!wanted.holds(b"a/bc") && !wanted.holds(b"a"), "{given}");
        }
        for all in [".", "/home/me", "/home/me/"] {
            assert!(Wanted::new(all.as_bytes(), Some(&root)).holds(b"x"), "{all}");
        }
        assert!(!Wanted::new(b"/elsewhere", Some(&root)).holds(b"x"));
    }

    #[test]
    fn permissions_read_as_those_of_ls() {
        assert_eq!(permissions(0o755), "rwxr-xr-x");
        assert_eq!(permissions(0o4644), "rwSr--r--");
        assert_eq!(permissions(0o1777), "rwxrwxrwt");
    }
}
