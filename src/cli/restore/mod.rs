//! `filbert restore` and `filbert rollback`: a snapshot back into a folder, or to where it came from.

mod list;
mod summary;

pub(super) use list::run as list;

use super::args::{RestoreArguments, RollbackArguments};
use super::environment;
use super::error::CliError;
use super::exit::Exit;
use super::session::{Opened, Session};
use super::which;
use crate::disaster::SafetyBackup;
use crate::model::path::EntryPath;
use crate::recovery::{
    Destination, RecoveryError, RecoveryService, RestoreOptions, RestoreSession, RestoreSessions, RestoreWish,
};
use crate::repository::snapshots::SnapshotInfo;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use summary::Ended;

pub(super) async fn run(session: &Session, wish: RestoreArguments) -> Result<Exit, CliError> {
    let opened = open(session).await?;
    if wish.dry_run {
        let has_net = wish.in_place && !wish.no_safety;
        let options = RestoreOptions { dry_run: true, ..options(session, &opened, wish)? };
        return look(session, &opened, options, has_net).await;
    }
    let sessions = sessions(session, &opened);
    let started = match &wish.resume {
        Some(id) => sessions.resume(id, wish.verify, session.display.clone())?,
        None => {
            let (wish, _) = self::wish(session, &opened, wish)?;
            sessions.start(wish, session.display.clone())?
        }
    };
    finish(session, &opened, started).await
}

pub(super) async fn roll_back(session: &Session, wish: &RollbackArguments) -> Result<Exit, CliError> {
    let opened = open(session).await?;
    let sessions = sessions(session, &opened);
    if wish.dry_run {
        return look(session, &opened, sessions.look_back(&wish.session)?, true).await;
    }
    let started = sessions.roll_back(&wish.session, wish.verify, session.display.clone())?;
    finish(session, &opened, started).await
}

async fn open(session: &Session) -> Result<Opened, CliError> {
    let (opened, problems) = session.open_up_to_date().await?;
    problems.iter().for_each(|problem| session.display.problem(problem));
    Ok(opened)
}

pub(super) fn sessions(session: &Session, opened: &Opened) -> RestoreSessions {
    let net = SafetyBackup::new(opened.repository.clone(), environment::host(), opened.writer());
    RestoreSessions {
        net: Some(Arc::new(net)),
        skip: opened.destination.own_folders(),
        threads: environment::threads(),
        cancel: session.interrupt.cancel.clone(),
        ..RestoreSessions::new(opened.repository.clone())
    }
}

/// Tells what a restore would do.
async fn look(
    session: &Session,
    opened: &Opened,
    options: RestoreOptions,
    has_net: bool,
) -> Result<Exit, CliError> {
    let (snapshot, overwrite) = (options.snapshot.clone(), options.overwrite);
    let service = RecoveryService::new(opened.repository.clone());
    let outcome = service.run(options, session.display.clone()).await;
    session.display.finish();
    let outcome = session.interrupt.instead(outcome)?;
    outcome.problems.iter().for_each(|problem| session.display.problem(problem));
    let mut traffic = outcome.traffic.clone();
    if opened.guard.is_none() {
        // Nothing is asked of a folder of this machine.
        traffic.requests.clear();
    }
    let none = Ended::of(&snapshot, &outcome, traffic);
    Ended { overwrite, has_net, ..none }.tell(session);
    Ok(if outcome.is_whole() { Exit::Done } else { Exit::NotAll })
}

/// Waits for a restore and tells what came of it.
async fn finish(session: &Session, opened: &Opened, started: RestoreSession) -> Result<Exit, CliError> {
    let id = started.id().to_owned();
    let started_id = id.clone();
    if session.output.json {
        session.output.json(&Begun { r#type: "session", session: &id });
    }
    let ended = started.wait().await;
    session.display.finish();
    if ended.as_ref().is_err_and(RecoveryError::is_worth_resuming) {
        session.output.note(&format!("`filbert restore --resume {id}` goes on from there"));
    }
    let ended = session.interrupt.instead(ended)?;
    let (outcome, traffic) = (&ended.outcome, opened.store.traffic());
    outcome.problems.iter().for_each(|problem| session.display.problem(problem));
    let record = opened.repository.state().restore(&id).map_err(crate::repository::RepositoryError::from)?;
    let snapshots = opened.repository.snapshots()?;
    let restored = record.as_ref().and_then(|record| record.snapshot);
    let Some(snapshot) = snapshots.iter().find(|snapshot| Some(snapshot.id) == restored) else {
        return Err(CliError::Usage(format!("restore {id} is not remembered any more")));
    };
    let undoes = record.as_ref().and_then(|record| record.undoes.as_deref());
    let wish = record.as_ref().map(|record| sessions(session, opened).wish_of(record)).transpose()?;
    let overwrite = wish.is_some_and(|wish| wish.overwrite);
    let (id, safety) = (Some(&id[..]), ended.safety);
    Ended { id, safety, undoes, overwrite, ..Ended::of(snapshot, outcome, traffic) }.tell(session);
    if outcome.disk_full {
        session.output.error(&format!(
            "the disk of the target is full: make room, then `filbert restore --resume {}`; what is right stays",
            started_id
        ));
        return Ok(Exit::Failed);
    }
    Ok(if outcome.is_whole() { Exit::Done } else { Exit::NotAll })
}

/// What is asked for, and of which snapshot.
pub(super) fn options(
    session: &Session,
    opened: &Opened,
    arguments: RestoreArguments,
) -> Result<RestoreOptions, CliError> {
    let (wish, snapshot) = wish(session, opened, arguments)?;
    Ok(RestoreOptions {
        skip: opened.destination.own_folders(),
        threads: environment::threads(),
        cancel: session.interrupt.cancel.clone(),
        ..wish.options(snapshot)
    })
}

fn wish(
    session: &Session,
    opened: &Opened,
    arguments: RestoreArguments,
) -> Result<(RestoreWish, SnapshotInfo), CliError> {
    let snapshot = which::chosen(session, opened, &arguments.chosen()?)?;
    let destination = match &arguments.target {
        Some(target) => {
            let target = session.current_dir.join(target);
            warn_of_source(session, &snapshot, &target, arguments.overwrite);
            Destination::Folder(target)
        }
        None => {
            let map = |(from, to): &(PathBuf, PathBuf)| {
                let bad = |error| CliError::Usage(format!("--map {}: {error}", from.display()));
                Ok((EntryPath::from_path(from).map_err(bad)?, session.current_dir.join(to)))
            };
            let maps = arguments.maps.iter().map(map).collect::<Result<_, CliError>>()?;
            Destination::Original { maps }
        }
    };
    let wish = RestoreWish {
        includes: arguments.patterns.includes,
        excludes: arguments.patterns.excludes,
        overwrite: arguments.overwrite || arguments.in_place,
        delete: arguments.delete,
        verify: arguments.verify,
        ignore_free_space: arguments.ignore_free_space,
        safety: arguments.in_place && !arguments.no_safety,
        ..RestoreWish::new(snapshot.id, destination)
    };
    Ok((wish, snapshot))
}

fn warn_of_source(session: &Session, snapshot: &SnapshotInfo, target: &Path, overwrite: bool) {
    let Some(source) = source_around(snapshot, target) else { return };
    if real(target).is_some_and(|target| target == source) {
        if overwrite {
            session.output.warn(&format!(
                "{} is what was backed up, and what --overwrite replaces there is not kept: --in-place keeps it",
                target.display()
            ));
        }
    } else {
        session.output.warn(&format!(
            "{} lies in {}, which is backed up: the next backup takes what is restored as well",
            target.display(),
            source.display()
        ));
    }
}

/// The source on this machine that `target` is, or lies in.
fn source_around(snapshot: &SnapshotInfo, target: &Path) -> Option<PathBuf> {
    let head = &snapshot.head;
    let real = real(target)?;
    let sources = head.sources.iter().filter(|source| source.is_folder);
    sources
        .filter_map(|source| Some(source.entry_path().ok()?.as_path().to_owned()))
        .find(|source| head.set.host == environment::host() && real.starts_with(source))
}

/// The path without links, as far as it is there.
fn real(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    path.ancestors().find_map(|above| {
        let (real, below) = (above.canonicalize().ok()?, path.strip_prefix(above).ok()?);
        Some(if below.as_os_str().is_empty() { real } else { real.join(below) })
    })
}

/// Told first of all, so that it is known however the restore ends.
#[derive(Serialize)]
struct Begun<'b> {
    r#type: &'static str,
    session: &'b str,
}
