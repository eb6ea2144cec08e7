//! `filbert restore`: a snapshot back into a folder.

use super::args::RestoreArguments;
use super::environment;
use super::error::CliError;
use super::exit::Exit;
use super::render::{MissingCount, Requests, counted, local_time, requests, size};
use super::session::{Opened, Session};
use super::which;
use crate::recovery::{RecoveryService, RestoreOptions, RestoreOutcome, Verified};
use crate::repository::snapshots::SnapshotInfo;
use crate::store::TrafficCount;
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Serialize)]
struct Summary {
    r#type: &'static str,
    snapshot: String,
    files: u64,
    bytes: u64,
    files_written: u64,
    files_replaced: u64,
    files_already_right: u64,
    left_alone: u64,
    problems: u64,
    missing: MissingCount,
    /// After `--verify`.
    verified: Option<VerifiedCount>,
    bytes_received: u64,
    requests: Requests,
    duration_ms: u64,
    dry_run: bool,
    /// Of a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    packs: Option<Vec<PackUse>>,
}

#[derive(Serialize)]
struct PackUse {
    path: String,
    bytes: u64,
}

#[derive(Serialize)]
struct VerifiedCount {
    passed: u64,
    failed: u64,
}

pub(super) async fn run(session: &Session, wish: RestoreArguments) -> Result<Exit, CliError> {
    let (opened, problems) = session.open_up_to_date().await?;
    for problem in &problems {
        session.display.problem(problem);
    }
    let dry_run = wish.dry_run;
    let options = options(session, &opened, wish)?;
    let snapshot = options.snapshot.clone();
    let service = RecoveryService::new(opened.repository.clone());
    let outcome = service.run(options, session.display.clone()).await;
    session.display.finish();
    let outcome = session.interrupt.instead(outcome)?;
    for problem in &outcome.problems {
        session.display.problem(problem);
    }
    // Of a dry run the service tells what the restore would take.
    let traffic = if dry_run { outcome.traffic.clone() } else { opened.store.traffic() };
    if session.output.json {
        session.output.json(&Summary {
            r#type: "summary",
            snapshot: snapshot.id.to_string(),
            files: outcome.files,
            bytes: outcome.bytes,
            files_written: outcome.files_written,
            files_replaced: outcome.files_replaced,
            files_already_right: outcome.files_already_right,
            left_alone: outcome.left_alone,
            problems: outcome.problem_count,
            missing: (&snapshot.head.missing).into(),
            verified: outcome.verified.map(|Verified { passed, failed }| VerifiedCount { passed, failed }),
            bytes_received: traffic.bytes_down,
            requests: Requests(traffic),
            duration_ms: session.duration_ms(),
            dry_run,
            packs: dry_run.then(|| packs_of(&outcome)),
        });
    } else {
        tell(session, &snapshot, &outcome, &traffic, dry_run);
    }
    if outcome.disk_full {
        session
            .output
            .error("the disk of the target is full: make room and restore again; what is right stays");
        return Ok(Exit::Failed);
    }
    Ok(if outcome.left_alone > 0 || outcome.problem_count > 0 { Exit::NotAll } else { Exit::Done })
}

/// What is asked for, and of which snapshot.
pub(super) fn options(
    session: &Session,
    opened: &Opened,
    wish: RestoreArguments,
) -> Result<RestoreOptions, CliError> {
    let snapshot = which::chosen(session, opened, &wish.chosen)?;
    let target = session.current_dir.join(&wish.target);
    if let Some(source) = source_around(&snapshot, &target) {
        session.output.warn(&format!(
            "{} lies in {}, which is backed up: the next backup takes what is restored as well",
            target.display(),
            source.display()
        ));
    }
    Ok(RestoreOptions {
        snapshot,
        target,
        includes: wish.patterns.includes,
        excludes: wish.patterns.excludes,
        overwrite: wish.overwrite,
        ignore_free_space: wish.ignore_free_space,
        verify: wish.verify,
        dry_run: wish.dry_run,
        threads: environment::threads(),
        cancel: session.interrupt.cancel.clone(),
    })
}

fn packs_of(outcome: &RestoreOutcome) -> Vec<PackUse> {
    let packs = outcome.packs.iter();
    packs.map(|(path, bytes)| PackUse { path: path.clone(), bytes: *bytes }).collect()
}

/// The source on this machine that `target` lies in, without being that source itself.
fn source_around(snapshot: &SnapshotInfo, target: &Path) -> Option<PathBuf> {
    let head = &snapshot.head;
    let target = std::path::absolute(target).ok()?;
    let real = target.ancestors().find_map(|above| {
        let real = above.canonicalize().ok()?;
        Some(real.join(target.strip_prefix(above).ok()?))
    })?;
    let sources = head.sources.iter().filter(|source| source.is_folder);
    sources
        .filter_map(|source| Some(source.entry_path().ok()?.as_path().to_owned()))
        .find(|source| head.set.host == environment::host() && real.starts_with(source) && real != *source)
}

fn tell(
    session: &Session,
    snapshot: &SnapshotInfo,
    outcome: &RestoreOutcome,
    traffic: &TrafficCount,
    dry_run: bool,
) {
    let output = session.output;
    let (id, time) = (snapshot.id.short(), local_time(snapshot.time_ms));
    let (done, received) =
        if dry_run { ("would restore", "would receive") } else { ("restored", "received") };
    output.summary(&format!(
        "{done} snapshot {id} of {time}: {}, {} ({} written, {} of them in place of others, {} right already)",
        counted(outcome.files, "file"),
        size(outcome.bytes),
        outcome.files_written,
        outcome.files_replaced,
        outcome.files_already_right
    ));
    if dry_run {
        output.summary(&format!("from {}", counted(outcome.packs.len() as u64, "pack")));
        for PackUse { path, bytes } in packs_of(outcome).iter().filter(|_| output.verbose) {
            output.summary(&format!("  {path}  {}", size(*bytes)));
        }
    }
    output.summary(&format!(
        "{received} {} in {}, {:.1} s",
        size(traffic.bytes_down),
        requests(traffic),
        session.started.elapsed().as_secs_f64()
    ));
    if let Some(Verified { passed, failed }) = outcome.verified {
        let bad = if failed > 0 { format!(", {failed} not") } else { String::new() };
        output.summary(&format!("read again and compared: {passed} as in the snapshot{bad}"));
    }
    let missing = &snapshot.head.missing;
    if missing.files > 0 {
        output.summary(&format!(
            "the snapshot is partial: it lacks the newest state of {} ({})",
            counted(missing.files, "file"),
            size(missing.bytes)
        ));
    }
    if outcome.left_alone > 0 {
        output.warn(&format!(
            "{} in the way and different, left alone: --overwrite replaces them",
            counted(outcome.left_alone, "thing")
        ));
    }
    // What was left alone is among the problems.
    let others = outcome.problem_count.saturating_sub(outcome.left_alone);
    if others > 0 {
        output.warn(&format!("{} (see above)", counted(others, "problem")));
    }
}
