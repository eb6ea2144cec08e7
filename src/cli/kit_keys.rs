//! `filbert kit --list` and `--end`: the recovery keys in force, and ending those of kits that are lost.

use super::args::KitArguments;
use super::error::CliError;
use super::exit::Exit;
use super::render::{Requests, counted, requests, table};
use super::session::{Opened, Session};
use crate::model::path::display_bytes;
use crate::model::secret::SecretText;
use crate::repository::recovery_keys::{Ending, RecoverySlot};
use serde::Serialize;

/// The word for all keys that were surely never proven.
const UNPROVEN: &str = "unproven";

#[derive(Serialize)]
struct Key {
    id: String,
    made: String,
    may_be_proven: bool,
    given: bool,
}

#[derive(Serialize)]
struct Listed {
    r#type: &'static str,
    repository: String,
    keys: Vec<Key>,
    requests: Requests,
    duration_ms: u64,
}

#[derive(Serialize)]
struct EndedSummary {
    r#type: &'static str,
    repository: String,
    ended: Vec<Key>,
    keys: Vec<Key>,
    files_left: Vec<String>,
    requests: Requests,
    duration_ms: u64,
}

impl From<&RecoverySlot> for Key {
    fn from(slot: &RecoverySlot) -> Self {
        let RecoverySlot { id, made, may_be_proven, is_own } = slot.clone();
        Self { id, made: display_bytes(made.as_bytes()).into_owned(), may_be_proven, given: is_own }
    }
}

pub(super) async fn list(session: &Session) -> Result<Exit, CliError> {
    let (opened, secret) = open(session).await?;
    let slots = session.interrupt.or(opened.repository.recovery_keys(&secret)).await?;
    session.display.finish();
    let keys: Vec<Key> = slots.iter().map(Key::from).collect();
    let (repository, traffic) = (opened.repository.id(), opened.store.traffic());
    let output = session.output;
    if output.json {
        output.json(&Listed {
            r#type: "summary",
            repository: repository.to_string(),
            keys,
            requests: Requests(traffic),
            duration_ms: session.duration_ms(),
        });
        return Ok(Exit::Done);
    }
    if keys.is_empty() {
        output.note(&format!(
            "no recovery key opens repository {}: `filbert kit --out PATH` makes a kit",
            repository.short()
        ));
        return Ok(Exit::Done);
    }
    let row = |key: Key| {
        let proven = if key.may_be_proven { "unknown" } else { "no" };
        let given = if key.given { "the key that you gave" } else { "" };
        vec![key.id, key.made, proven.to_owned(), given.to_owned()]
    };
    let rows: Vec<_> = keys.into_iter().map(row).collect();
    table(&["Key", "Made", "Proven", ""], &[], &rows).iter().for_each(|line| output.line(line));
    output.note(
        "proving a key ends those made before it, so all but the oldest were never proven as the newest",
    );
    Ok(Exit::Done)
}

pub(super) async fn end(session: &Session, wish: &KitArguments) -> Result<Exit, CliError> {
    let ending = ending(wish)?;
    let (opened, secret) = open(session).await?;
    let done = session.interrupt.or(opened.repository.end_recovery_keys(&secret, &ending)).await?;
    session.display.finish();
    let output = session.output;
    for (name, reason) in &done.left {
        output.warn(&format!(
            "{name} still opens with a recovery key that ended and could not be removed ({reason}): run this again, or \
             remove that file"
        ));
    }
    let exit = if done.left.is_empty() { Exit::Done } else { Exit::NotAll };
    let traffic = opened.store.traffic();
    if output.json {
        output.json(&EndedSummary {
            r#type: "summary",
            repository: opened.repository.id().to_string(),
            ended: done.ended.iter().map(Key::from).collect(),
            keys: done.kept.iter().map(Key::from).collect(),
            files_left: done.left.into_iter().map(|(name, _)| name).collect(),
            requests: Requests(traffic),
            duration_ms: session.duration_ms(),
        });
        return Ok(exit);
    }
    for key in done.ended.iter().map(Key::from) {
        output.summary(&format!("ended {}, made {}", key.id, key.made));
    }
    output.summary(&format!(
        "{} ended, {} left ({})",
        counted(done.ended.len() as u64, "recovery key"),
        done.kept.len(),
        requests(&traffic)
    ));
    Ok(exit)
}

/// What is to end, by the words of the command line.
fn ending(wish: &KitArguments) -> Result<Ending, CliError> {
    let is_word = |word: &String| word.eq_ignore_ascii_case(UNPROVEN);
    if !wish.end.iter().any(is_word) {
        return Ok(Ending::Named { ids: wish.end.clone(), even_proven: wish.even_proven });
    }
    if wish.end.len() > 1 || wish.even_proven {
        return Err(CliError::Usage(format!(
            "`--end {UNPROVEN}` stands alone: it ends all keys that were never proven, and no other"
        )));
    }
    Ok(Ending::Unproven)
}

/// The repository, and the password or key that opened it.
async fn open(session: &Session) -> Result<(Opened, SecretText), CliError> {
    let ready = session.prepare(None, false)?;
    session.interrupt.listen(session.output);
    let secret = ready.password.clone();
    Ok((session.open_ready(ready).await?, secret))
}
