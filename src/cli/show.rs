//! `filbert show`: all that is known of a snapshot.

use super::args::ShowArguments;
use super::error::CliError;
use super::exit::Exit;
use super::render::{counted, local_time, missing_names, size};
use super::session::Session;
use super::snapshots::{Line, kind_word};
use super::which::{self, state_word};
use crate::model::path::display_bytes;
use crate::progress::Problem;
use crate::repository::snapshots::SnapshotInfo;
use serde::Serialize;

/// So many problems are told to people; JSON has all that the record has.
const TOLD: usize = 100;

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    line: Line<'a>,
    /// At most [`MAX_PROBLEMS`](crate::format::record::snapshot::MAX_PROBLEMS).
    problem_list: &'a [Problem],
    missing_names: &'a [String],
}

pub(super) async fn run(session: &Session, wish: &ShowArguments) -> Result<Exit, CliError> {
    let (opened, problems) = session.open_up_to_date().await?;
    for problem in problems {
        session.output.warn(&format!("{}: {}", problem.subject, problem.message));
    }
    let snapshot = which::chosen(session, &opened, &wish.chosen)?;
    session.display.finish();
    if session.output.json {
        let head = &snapshot.head;
        session.output.json(&Shown {
            line: Line::of(&snapshot),
            problem_list: &head.problems,
            missing_names: &head.missing.names,
        });
    } else {
        lines(&snapshot).iter().for_each(|line| session.output.line(line));
    }
    Ok(Exit::Done)
}

fn lines(snapshot: &SnapshotInfo) -> Vec<String> {
    let (head, tally) = (&snapshot.head, &snapshot.head.tally);
    let shown = |text: &str| display_bytes(text.as_bytes()).into_owned();
    let mut lines = vec![
        format!("snapshot     {}", snapshot.id),
        format!("time         {}", local_time(snapshot.time_ms)),
        format!("set          {} of {}", shown(&head.set.name), shown(&head.set.host)),
        format!("kind         {}, {}", kind_word(head.kind), state_word(head.state)),
        format!("holds        {}, {}", counted(tally.files, "file"), size(tally.bytes)),
        format!("added        {}", size(tally.bytes_added)),
    ];
    lines.extend(head.sources.iter().map(|source| format!("source       {}", display_bytes(&source.path))));
    if !head.tags.is_empty() {
        lines.push(format!("tags         {}", shown(&head.tags.join(", "))));
    }
    if let Some(description) = &head.description {
        lines.push(format!("description  {}", shown(description)));
    }
    if head.problem_count > 0 {
        lines.push(format!("problems     {}", head.problem_count));
        let named = head.problems.iter().take(TOLD);
        lines.extend(
            named.map(|problem| format!("  {}: {}", shown(&problem.subject), shown(&problem.message))),
        );
        let rest = head.problem_count.saturating_sub(head.problems.len().min(TOLD) as u64);
        if rest > 0 {
            lines.push(format!("  and {}", counted(rest, "more problem")));
        }
    }
    lines.extend(missing_names(&head.missing));
    lines
}
