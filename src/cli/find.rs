//! `filbert find`: which snapshots hold what matches a pattern, and when it changed.

use super::args::FindArguments;
use super::error::CliError;
use super::exit::Exit;
use super::render::{counted, local_time, rfc3339, size};
use super::session::Session;
use super::which;
use crate::browse::{Found, FoundVersion, find};
use crate::model::path::display_bytes;
use serde::Serialize;

#[derive(Serialize)]
struct Line<'a> {
    set: &'a str,
    host: &'a str,
    path: String,
    /// The bytes in hex where the path is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    versions: Vec<VersionLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gone_since: Option<String>,
}

#[derive(Serialize)]
struct VersionLine {
    size: u64,
    mtime: String,
    first: String,
    last: String,
    snapshots: Vec<String>,
}

pub(super) async fn run(session: &Session, wish: &FindArguments) -> Result<Exit, CliError> {
    let (opened, problems) = session.open_up_to_date().await?;
    for problem in problems {
        session.output.warn(&format!("{}: {}", problem.subject, problem.message));
    }
    let snapshots = which::some(opened.repository.snapshots()?, &wish.some);
    let found = session.interrupt.or(find(&opened.repository, &snapshots, &wish.pattern)).await;
    session.display.finish();
    let (found, unreadable) = found?;
    for (snapshot, error) in &unreadable {
        let id = snapshot.short();
        session.output.warn(&format!("snapshot {id} was not searched: {error}"));
    }
    if session.output.json {
        session.output.json(&found.iter().map(Line::of).collect::<Vec<_>>());
    } else {
        found.iter().flat_map(lines).for_each(|line| session.output.line(&line));
        let searched = counted(snapshots.len() as u64, "snapshot");
        session.output.note(&match found.len() {
            0 => format!("nothing matches in {searched}"),
            several => format!("{} in {searched}", counted(several as u64, "path")),
        });
    }
    Ok(if unreadable.is_empty() { Exit::Done } else { Exit::NotAll })
}

fn lines(found: &Found) -> Vec<String> {
    let folder = if found.versions.last().is_some_and(|version| version.is_folder) { "/" } else { "" };
    let set = display_bytes(found.set.to_string().as_bytes()).into_owned();
    let mut lines = vec![format!("{}{folder}  ({set})", display_bytes(&found.path))];
    lines.extend(found.versions.iter().map(|version| {
        format!(
            "  {:>10}  changed {}  in {}",
            size(version.size),
            local_time(version.mtime.millis()),
            span(version)
        )
    }));
    if let Some((snapshot, time_ms)) = &found.gone_since {
        lines.push(format!("  gone since snapshot {} of {}", snapshot.short(), local_time(*time_ms)));
    }
    lines
}

fn span(version: &FoundVersion) -> String {
    let told = |(id, time_ms): &(crate::model::id::ObjectId, i64)| {
        format!("{} of {}", id.short(), local_time(*time_ms))
    };
    match version.snapshots.as_slice() {
        [] => String::new(),
        [one] => told(one),
        [first, .., last] => {
            let snapshots = counted(version.snapshots.len() as u64, "snapshot");
            format!("{snapshots}, {} to {}", told(first), told(last))
        }
    }
}

impl<'a> Line<'a> {
    fn of(found: &'a Found) -> Self {
        Self {
            set: &found.set.name,
            host: &found.set.host,
            path: String::from_utf8_lossy(&found.path).into_owned(),
            path_hex: std::str::from_utf8(&found.path).is_err().then(|| hex::encode(&found.path)),
            versions: found.versions.iter().map(VersionLine::of).collect(),
            gone_since: found.gone_since.map(|(_, time_ms)| rfc3339(time_ms)),
        }
    }
}

impl VersionLine {
    fn of(version: &FoundVersion) -> Self {
        let time = |held: Option<&(_, i64)>| held.map_or_else(String::new, |(_, time_ms)| rfc3339(*time_ms));
        Self {
            size: version.size,
            mtime: rfc3339(version.mtime.millis()),
            first: time(version.snapshots.first()),
            last: time(version.snapshots.last()),
            snapshots: version.snapshots.iter().map(|(id, _)| id.to_string()).collect(),
        }
    }
}
