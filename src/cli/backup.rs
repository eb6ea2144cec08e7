//! `filbert backup`: one set, or all sets of the settings one after another.

use super::args::BackupArguments;
use super::destination::Destination;
use super::dr;
use super::environment;
use super::error::CliError;
use super::estimate;
use super::exit::Exit;
use super::limits;
use super::render::{MissingCount, Requests, counted, missing_names, requests, size};
use super::session::{Opened, Ready, Session};
use super::told;
use super::which::state_word;
use crate::backup::{BackupError, BackupOptions, BackupOutcome, BackupService, Begun};
use crate::config::SetSettings;
use crate::format::record::{SnapshotKind, SnapshotState};
use crate::model::set::SetId;
use crate::store::TrafficCount;
use serde::Serialize;
use std::time::Instant;

#[derive(Serialize)]
struct Summary<'a> {
    r#type: &'static str,
    set: &'a str,
    host: &'a str,
    snapshot: Option<String>,
    kind: SnapshotKind,
    state: &'static str,
    files_new: u64,
    files_changed: u64,
    files_unmodified: u64,
    files_removed: u64,
    bytes_read: u64,
    databases: u64,
    databases_as_they_lie: u64,
    bytes_added: u64,
    bytes_sent: u64,
    bytes_received: u64,
    requests: Requests,
    problems: u64,
    missing: MissingCount,
    duration_ms: u64,
    dry_run: bool,
}

pub(super) async fn run(session: &Session, wish: &BackupArguments) -> Result<Exit, CliError> {
    let mut opened = Vec::new();
    let ended = sets(session, wish, &mut opened).await;
    // A run with limits may spend nothing that was not asked for.
    let may_spend =
        !wish.dry_run && wish.max_requests.is_none() && wish.max_upload.is_none() && wish.stop_at.is_none();
    if may_spend && ended.is_ok() && !session.interrupt.cancel.is_cancelled() {
        for opened in &opened {
            dr::keep(session, opened).await;
        }
    }
    ended
}

async fn sets(session: &Session, wish: &BackupArguments, opened: &mut Vec<Opened>) -> Result<Exit, CliError> {
    if let Some(name) = &wish.set {
        return one_set(session, wish, name, opened).await;
    }
    expect_sets(session)?;
    let mut exit = Exit::Done;
    let mut sets: Vec<_> = session.settings.sets.iter().collect();
    sets.sort_by_key(|(_, set)| std::cmp::Reverse(set.priority));
    for (number, (name, _)) in sets.into_iter().enumerate() {
        session.output.note(&format!("set {name}:"));
        let ended = one_set(session, wish, name, opened).await;
        let ended = match ended {
            // The sets before it took what there was.
            Err(CliError::Backup(BackupError::LimitsTooSmall)) if number > 0 => {
                session.output.warn(&format!(
                    "set {name} is left out: the limits of this run are used up; the next run goes on"
                ));
                Exit::NotAll
            }
            ended => ended.unwrap_or_else(|error| told(session.output, &error)),
        };
        exit = exit.worse(ended);
        if session.interrupt.cancel.is_cancelled() {
            return Ok(exit.worse(Exit::Interrupted));
        }
    }
    Ok(exit)
}

/// Refuses where neither the command line nor the settings name a set.
pub(super) fn expect_sets(session: &Session) -> Result<(), CliError> {
    if !session.settings.sets.is_empty() {
        return Ok(());
    }
    Err(CliError::Usage(
        "nothing to back up: give a set and its folders (`filbert backup FOLDER --set NAME`), or \
         describe sets in the settings ([sets.NAME] with `sources`)"
            .to_owned(),
    ))
}

async fn one_set(
    session: &Session,
    wish: &BackupArguments,
    name: &str,
    all: &mut Vec<Opened>,
) -> Result<Exit, CliError> {
    if SetId::is_own(name) {
        return Err(CliError::Usage(format!("`{name}` is a set of filbert's own: choose another name")));
    }
    let started = Instant::now();
    let begin = |ready: &Ready| Begun::start(&options(session, wish, name, &ready.destination), &ready.means);
    let (opened, before, begun) = open_beside(session, name, all, begin).await?;
    let limits = limits::left(wish, all, opened.guard.as_deref())?;
    let options = options(session, wish, name, &opened.destination);
    let options = BackupOptions { limits, writer: opened.writer(), ..options };
    let set = options.set.clone();
    let service = BackupService::new(opened.repository.clone()).going_on(begun.flatten());
    let estimate = estimate::start(&opened, &options, &session.display);
    let outcome = service.run(options, session.display.clone()).await;
    drop(estimate);
    session.display.finish();
    let outcome = session.interrupt.instead(outcome)?;
    for problem in &outcome.problems {
        session.display.problem(problem);
    }
    let traffic = opened.store.traffic().since(&before);
    if session.output.json {
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        session.output.json(&summary(&set, &outcome, traffic, duration_ms, wish.dry_run));
    } else {
        tell(session, &set, &outcome, &traffic, started, wish.dry_run);
    }
    let whole = outcome.state == SnapshotState::Whole && outcome.problem_count == 0;
    Ok(if whole { Exit::Done } else { Exit::NotAll })
}

/// The repository of set `name`, and what its store had done before. Sets of one repository share
/// it, and its key derivation; the first one pays for the opening.
pub(super) async fn open(
    session: &Session,
    name: &str,
    all: &mut Vec<Opened>,
) -> Result<(Opened, TrafficCount), CliError> {
    let (opened, before, _) = open_beside(session, name, all, |_| ()).await?;
    Ok((opened, before))
}

/// As [`open`], and starts what can go on beside the key derivation, if there is one.
async fn open_beside<T>(
    session: &Session,
    name: &str,
    all: &mut Vec<Opened>,
    begin: impl FnOnce(&Ready) -> T,
) -> Result<(Opened, TrafficCount, Option<T>), CliError> {
    let meant =
        Destination::resolve(&session.arguments, &session.settings, Some(name), &session.current_dir)?;
    if let Some(known) = all.iter().find(|known| known.destination.state == meant.state) {
        return Ok((known.clone(), known.store.traffic(), None));
    }
    let (opened, begun) = session.open_beside(Some(name), begin).await?;
    all.push(opened.clone());
    Ok((opened, TrafficCount::default(), Some(begun)))
}

/// The command line first, then the settings; patterns and tags of both.
pub(super) fn options(
    session: &Session,
    wish: &BackupArguments,
    name: &str,
    destination: &Destination,
) -> BackupOptions {
    let none = SetSettings::default();
    let set = session.settings.set(name).unwrap_or(&none);
    let joined = |settings: &[String], given: &[String]| [settings, given].concat();
    let sources = if wish.paths.is_empty() { set.sources.clone() } else { wish.paths.clone() };
    let host = wish.host.clone().unwrap_or_else(environment::host);
    BackupOptions {
        includes: joined(&set.include, &wish.patterns.includes),
        excludes: joined(&set.exclude, &wish.patterns.excludes),
        full: wish.full,
        dry_run: wish.dry_run,
        one_file_system: wish.one_file_system || set.one_file_system,
        ignore_inode: wish.ignore_inode || set.ignore_inode,
        exclude_caches: !wish.no_cachedir_tag,
        databases: !wish.no_sqlite && set.sqlite.unwrap_or(true),
        skip: destination.own_folders(),
        tags: joined(&set.tags, &wish.tags),
        description: wish.description.clone().or_else(|| set.description.clone()),
        cancel: session.interrupt.cancel.clone(),
        ..BackupOptions::new(SetId::new(host, name), sources, session.current_dir.clone())
    }
}

fn summary<'a>(
    set: &'a SetId,
    outcome: &BackupOutcome,
    traffic: TrafficCount,
    duration_ms: u64,
    dry_run: bool,
) -> Summary<'a> {
    Summary {
        r#type: "summary",
        set: &set.name,
        host: &set.host,
        snapshot: outcome.snapshot.map(|id| id.to_string()),
        kind: outcome.kind,
        state: state_word(outcome.state),
        files_new: outcome.tally.files_new,
        files_changed: outcome.tally.files_changed,
        files_unmodified: outcome.tally.files_unmodified,
        files_removed: outcome.tally.files_removed,
        bytes_read: outcome.bytes_read,
        databases: outcome.databases,
        databases_as_they_lie: outcome.databases_as_they_lie,
        bytes_added: outcome.tally.bytes_added,
        bytes_sent: traffic.bytes_up,
        bytes_received: traffic.bytes_down,
        requests: Requests(traffic),
        problems: outcome.problem_count,
        missing: (&outcome.missing).into(),
        duration_ms,
        dry_run,
    }
}

fn tell(
    session: &Session,
    set: &SetId,
    outcome: &BackupOutcome,
    traffic: &TrafficCount,
    started: Instant,
    dry_run: bool,
) {
    let (output, tally) = (session.output, &outcome.tally);
    output.summary(&match &outcome.snapshot {
        Some(id) => format!("snapshot {} of set {}", id.short(), set.name),
        None => format!("dry run of set {}: nothing was sent", set.name),
    });
    output.summary(&format!(
        "  files: {} new, {} changed, {} unmodified, {} removed; {} in all",
        tally.files_new,
        tally.files_changed,
        tally.files_unmodified,
        tally.files_removed,
        size(tally.bytes)
    ));
    if outcome.databases > 0 {
        let databases = counted(outcome.databases, "database");
        output.summary(&format!("  copied {databases} in use"));
    }
    let new = if dry_run {
        format!("{} new", size(tally.bytes_added))
    } else {
        format!("{} sent", size(traffic.bytes_up))
    };
    output.summary(&format!(
        "  {} read, {new}, {}, {:.1} s",
        size(outcome.bytes_read),
        requests(traffic),
        started.elapsed().as_secs_f64()
    ));
    if outcome.missing.files > 0 {
        output.warn(&format!(
            "{} ({}) did not fit the limits of this run: the snapshot is partial, and the next run goes on",
            counted(outcome.missing.files, "file"),
            size(outcome.missing.bytes)
        ));
        missing_names(&outcome.missing).iter().for_each(|line| output.note(line));
    }
    let state = state_word(outcome.state);
    if outcome.databases_as_they_lie > 0 {
        output.warn(&format!(
            "{} in use could not be copied (see above): stored as the files lie there, which may be of two moments, so \
             that they may not open when they are restored; the snapshot is {state}",
            counted(outcome.databases_as_they_lie, "database")
        ));
    }
    let others = outcome.problem_count.saturating_sub(outcome.databases_as_they_lie);
    if others > 0 {
        let items = counted(others, "item");
        output.warn(&format!("{items} could not be backed up (see above); the snapshot is {state}"));
    }
}
