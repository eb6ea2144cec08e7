//! `filbert diff`: what lies between two snapshots.

use super::args::DiffArguments;
use super::error::CliError;
use super::exit::Exit;
use super::render::{counted, size};
use super::session::Session;
use super::which;
use crate::browse::{DiffTally, Difference, DifferenceKind, diff};
use crate::model::path::display_bytes;
use serde::Serialize;

#[derive(Serialize)]
struct Line {
    r#type: &'static str,
    path: String,
    /// The bytes in hex where the path is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    change: &'static str,
    size_before: Option<u64>,
    size_after: Option<u64>,
}

#[derive(Serialize)]
struct Summary {
    r#type: &'static str,
    before: String,
    after: String,
    added: u64,
    removed: u64,
    changed: u64,
    metadata: u64,
    bytes_added: u64,
    bytes_removed: u64,
    unreadable: u64,
}

pub(super) async fn run(session: &Session, wish: &DiffArguments) -> Result<Exit, CliError> {
    let (opened, problems) = session.open_up_to_date().await?;
    for problem in problems {
        session.output.warn(&format!("{}: {}", problem.subject, problem.message));
    }
    let choose = |word: &str| which::choose(session, &opened, word, &wish.set, None);
    let (before, after) = (choose(&wish.before)?, choose(&wish.after)?);
    session.display.finish();
    let tell = |difference: Difference| {
        if difference.kind == DifferenceKind::Metadata && !wish.metadata {
            return;
        }
        if session.output.json {
            session.output.json(&Line::of(&difference));
        } else {
            session.output.line(&line(&difference));
        }
    };
    let tally = session.interrupt.or(diff(&opened.repository, &before, &after, tell)).await?;
    if session.output.json {
        let (before, after) = (before.id.to_string(), after.id.to_string());
        session.output.json(&Summary::of(&tally, before, after));
    } else {
        session.output.note(&told(&tally));
    }
    Ok(if tally.unreadable > 0 { Exit::NotAll } else { Exit::Done })
}

fn line(difference: &Difference) -> String {
    let letter = match difference.kind {
        DifferenceKind::Added => '+',
        DifferenceKind::Removed => '-',
        DifferenceKind::Content => 'M',
        DifferenceKind::Type => 'T',
        DifferenceKind::Metadata => 'U',
    };
    let slash = if difference.is_folder { "/" } else { "" };
    let sizes = match (difference.kind, difference.size_before, difference.size_after) {
        (DifferenceKind::Content, Some(before), Some(after)) if before != after => {
            format!("  ({} to {})", size(before), size(after))
        }
        _ => String::new(),
    };
    format!("{letter} {}{slash}{sizes}", display_bytes(&difference.path))
}

fn told(tally: &DiffTally) -> String {
    let metadata = match tally.metadata {
        0 => String::new(),
        some => format!(", {some} in metadata alone (U)"),
    };
    let unreadable = match tally.unreadable {
        0 => String::new(),
        some => format!("; {} could not be read", counted(some, "item")),
    };
    format!(
        "{} added (+), {} removed (-), {} changed (M, T){metadata}; {} came, {} went{unreadable}",
        tally.added,
        tally.removed,
        tally.changed,
        size(tally.bytes_added),
        size(tally.bytes_removed)
    )
}

impl Line {
    fn of(difference: &Difference) -> Self {
        Self {
            r#type: "difference",
            path: String::from_utf8_lossy(&difference.path).into_owned(),
            path_hex: std::str::from_utf8(&difference.path).is_err().then(|| hex::encode(&difference.path)),
            change: match difference.kind {
                DifferenceKind::Added => "added",
                DifferenceKind::Removed => "removed",
                DifferenceKind::Content => "content",
                DifferenceKind::Type => "type",
                DifferenceKind::Metadata => "metadata",
            },
            size_before: difference.size_before,
            size_after: difference.size_after,
        }
    }
}

impl Summary {
    fn of(tally: &DiffTally, before: String, after: String) -> Self {
        Self {
            r#type: "summary",
            before,
            after,
            added: tally.added,
            removed: tally.removed,
            changed: tally.changed,
            metadata: tally.metadata,
            bytes_added: tally.bytes_added,
            bytes_removed: tally.bytes_removed,
            unreadable: tally.unreadable,
        }
    }
}
