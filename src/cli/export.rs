//! `filbert export`: a snapshot as an archive.

use super::args::{ArchiveFormat, ExportArguments};
use super::error::CliError;
use super::exit::Exit;
use super::render::{Requests, counted, local_time, requests, size};
use super::session::Session;
use super::which;
use crate::browse::export::{ExportOptions, ExportOutcome, Format, export};
use serde::Serialize;
use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};

#[derive(Serialize)]
struct Summary {
    r#type: &'static str,
    snapshot: String,
    entries: u64,
    bytes: u64,
    problems: u64,
    requests: Requests,
    duration_ms: u64,
}

pub(super) async fn run(session: &Session, wish: ExportArguments) -> Result<Exit, CliError> {
    if wish.output.is_none() && (session.output.json || std::io::stdout().is_terminal()) {
        let why =
            if session.output.json { "--json takes standard output" } else { "a terminal takes no archive" };
        return Err(CliError::Usage(format!("{why}: name a file with --output")));
    }
    let (opened, problems) = session.open_up_to_date().await?;
    for problem in problems {
        session.output.warn(&format!("{}: {}", problem.subject, problem.message));
    }
    let snapshot = which::chosen(session, &opened, &wish.chosen)?;
    let options = ExportOptions {
        snapshot: snapshot.clone(),
        includes: wish.patterns.includes,
        excludes: wish.patterns.excludes,
        format: match wish.format {
            ArchiveFormat::Tar => Format::Tar,
            ArchiveFormat::Zip => Format::Zip,
        },
    };
    let place = wish.output.map(|output| session.current_dir.join(output));
    let out: Box<dyn Write + Send> = match &place {
        None => Box::new(std::io::stdout()),
        Some(place) => {
            let made = OpenOptions::new().write(true).create_new(true).open(place);
            Box::new(made.map_err(|error| CliError::failed(format!("write {}", place.display()), error))?)
        }
    };
    let exporting = export(&opened.repository, &options, out, &*session.display);
    let exported = session.interrupt.or(exporting).await;
    session.display.finish();
    let outcome = match exported {
        Err(CliError::Browse(error)) if place.is_none() && error.is_broken_pipe() => return Ok(Exit::Done),
        exported => ended(session, exported, place.as_deref())?,
    };
    let traffic = opened.store.traffic();
    if session.output.json {
        session.output.json(&Summary {
            r#type: "summary",
            snapshot: snapshot.id.to_string(),
            entries: outcome.entries,
            bytes: outcome.bytes,
            problems: outcome.problem_count,
            requests: Requests(traffic),
            duration_ms: session.duration_ms(),
        });
    } else {
        session.output.note(&format!(
            "exported snapshot {} of {}: {}, {}, {}",
            snapshot.id.short(),
            local_time(snapshot.time_ms),
            counted(outcome.entries, "entry"),
            size(outcome.bytes),
            requests(&traffic)
        ));
    }
    if outcome.problem_count > 0 {
        session.output.warn(&format!("{} left out, as told above", counted(outcome.problem_count, "item")));
        return Ok(Exit::NotAll);
    }
    Ok(Exit::Done)
}

/// What came of it. Half an archive is of no use: it is removed.
fn ended(
    session: &Session,
    exported: Result<ExportOutcome, CliError>,
    place: Option<&std::path::Path>,
) -> Result<ExportOutcome, CliError> {
    if let (Err(_), Some(place)) = (&exported, place)
        && let Err(error) = std::fs::remove_file(place)
    {
        session.output.warn(&format!("{} is not complete and cannot be removed: {error}", place.display()));
    }
    exported
}
