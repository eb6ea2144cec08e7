//! `filbert check`: is everything there, and whole?

use super::args::CheckArguments;
use super::error::CliError;
use super::exit::Exit;
use super::render::{Requests, counted, requests, size};
use super::session::Session;
use crate::check::{CheckOptions, CheckOutcome, CheckService, ReadData};
use crate::store::TrafficCount;
use serde::Serialize;

#[derive(Serialize)]
struct Summary {
    r#type: &'static str,
    snapshots: u64,
    packs: u64,
    packs_read: u64,
    bytes_read: u64,
    problems: u64,
    notices: Vec<String>,
    bytes_received: u64,
    requests: Requests,
    duration_ms: u64,
}

pub(super) async fn run(session: &Session, wish: &CheckArguments) -> Result<Exit, CliError> {
    let opened = session.open(None).await?;
    let options = options(session, wish);
    let service = CheckService::new(opened.repository.clone());
    let outcome = service.run(options, session.display.clone()).await;
    session.display.finish();
    let outcome = session.interrupt.instead(outcome)?;
    for problem in &outcome.problems {
        session.display.problem(problem);
    }
    let sound = outcome.problems.is_empty();
    let traffic = opened.store.traffic();
    if session.output.json {
        session.output.json(&Summary {
            r#type: "summary",
            snapshots: outcome.snapshots,
            packs: outcome.packs,
            packs_read: outcome.packs_read,
            bytes_read: outcome.bytes_read,
            problems: outcome.problems.len() as u64,
            notices: outcome.notices,
            bytes_received: traffic.bytes_down,
            requests: Requests(traffic),
            duration_ms: session.duration_ms(),
        });
    } else {
        tell(session, &outcome, &traffic);
    }
    Ok(if sound { Exit::Done } else { Exit::Failed })
}

/// What is asked for.
pub(super) fn options(session: &Session, wish: &CheckArguments) -> CheckOptions {
    let read_data = match (wish.read_data, wish.read_data_subset) {
        (true, _) => ReadData::Everything,
        (false, Some(share)) => ReadData::Share(share.0),
        (false, None) => ReadData::Nothing,
    };
    CheckOptions { read_data, cancel: session.interrupt.cancel.clone() }
}

fn tell(session: &Session, outcome: &CheckOutcome, traffic: &TrafficCount) {
    let output = session.output;
    for notice in &outcome.notices {
        output.note(notice);
    }
    let read = match outcome.packs_read {
        0 => "no data read (--read-data reads it)".to_owned(),
        packs => format!("{} read, {}", counted(packs, "pack"), size(outcome.bytes_read)),
    };
    output.summary(&format!(
        "checked {} and {}: {read}",
        counted(outcome.snapshots, "snapshot"),
        counted(outcome.packs, "pack")
    ));
    output.summary(&format!("{}, {:.1} s", requests(traffic), session.started.elapsed().as_secs_f64()));
    match outcome.problems.len() as u64 {
        0 => output.summary("no problems found"),
        count => output.error(&format!("{} found (see above)", counted(count, "problem"))),
    }
}
