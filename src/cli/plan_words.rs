//! A plan in words and as JSON.

use super::render::{Requests, counted, local_time, requests, rfc3339, size};
use super::session::Session;
use crate::backup::BackupPlan;
use crate::check::CheckPlan;
use crate::format::record::SnapshotKind;
use crate::guard::Forecast;
use crate::model::set::SetId;
use crate::recovery::RestorePlan;
use crate::repository::snapshots::SnapshotInfo;
use crate::store::{Quota, TrafficCount};
use serde::Serialize;

/// What all plans tell.
pub(super) struct Told {
    /// What the run will cost.
    pub cost: TrafficCount,
    /// What the planning cost.
    pub spent: TrafficCount,
    /// When the run will be done.
    pub forecast: Forecast,
    /// The room at the server, where it was asked and told.
    pub quota: Option<Quota>,
}

#[derive(Serialize)]
struct Common {
    requests: Requests,
    bytes_sent: u64,
    bytes_received: u64,
    windows: u64,
    waiting_ms: u64,
    done: String,
    requests_now: Option<u64>,
    upload_left: Option<u64>,
    download_left: Option<u64>,
    fits_month: bool,
    spent: Requests,
    duration_ms: u64,
}

#[derive(Serialize)]
struct OfBackup<'a> {
    r#type: &'static str,
    command: &'static str,
    set: &'a str,
    host: &'a str,
    kind: SnapshotKind,
    files_new: u64,
    files_changed: u64,
    files_unmodified: u64,
    files_removed: u64,
    exact: bool,
    content_bytes: u64,
    sampled_bytes: u64,
    new_bytes: u64,
    packs: u64,
    problems: u64,
    upload_rate: Option<u64>,
    quota_available: Option<u64>,
    quota_used: Option<u64>,
    quota_left: Option<u64>,
    fits_quota: Option<bool>,
    #[serde(flatten)]
    common: Common,
}

#[derive(Serialize)]
struct OfRestore {
    r#type: &'static str,
    command: &'static str,
    snapshot: String,
    files: u64,
    bytes: u64,
    files_written: u64,
    files_already_right: u64,
    left_alone: u64,
    problems: u64,
    #[serde(flatten)]
    common: Common,
}

#[derive(Serialize)]
struct OfCheck {
    r#type: &'static str,
    command: &'static str,
    snapshots: u64,
    packs: u64,
    packs_read: u64,
    problems: u64,
    #[serde(flatten)]
    common: Common,
}

pub(super) fn backup(session: &Session, set: &SetId, plan: &BackupPlan, told: &Told) {
    let (output, tally) = (session.output, &plan.tally);
    let available = told.quota.and_then(|quota| quota.available);
    if output.json {
        return output.json(&OfBackup {
            r#type: "plan",
            command: "backup",
            set: &set.name,
            host: &set.host,
            kind: plan.kind,
            files_new: tally.files_new,
            files_changed: tally.files_changed,
            files_unmodified: tally.files_unmodified,
            files_removed: tally.files_removed,
            exact: plan.is_exact(),
            content_bytes: plan.content_bytes,
            sampled_bytes: plan.sampled_bytes,
            new_bytes: plan.new_bytes,
            packs: plan.packs,
            problems: plan.problem_count,
            upload_rate: plan.upload_rate,
            quota_available: available,
            quota_used: told.quota.and_then(|quota| quota.used),
            quota_left: available.map(|available| available.saturating_sub(told.cost.bytes_up)),
            fits_quota: available.map(|available| told.cost.bytes_up <= available),
            common: common(session, told),
        });
    }
    output.summary(&format!("plan for a backup of set {}:", set.name));
    output.summary(&format!(
        "  files: {} new, {} changed, {} unmodified, {} removed; {} to read, {} of that new in {}",
        tally.files_new,
        tally.files_changed,
        tally.files_unmodified,
        tally.files_removed,
        size(plan.content_bytes),
        size(plan.new_bytes),
        counted(plan.packs, "pack")
    ));
    if !plan.is_exact() {
        output.summary(&format!("  estimated from {} of it", size(plan.sampled_bytes)));
    }
    costs(session, told);
    if plan.upload_rate.is_none() && told.cost.bytes_up > 0 {
        output.summary("  (the time leaves out sending: how fast the line is shows with the first backup)");
    }
    match available {
        None => output.summary("  room at the server: it does not tell"),
        Some(available) => match available.checked_sub(told.cost.bytes_up) {
            Some(left) => output.summary(&format!("  room at the server afterwards: {}", size(left))),
            None => output.warn(&format!(
                "this does not fit: {} are free at the server, and {} are to be sent",
                size(available),
                size(told.cost.bytes_up)
            )),
        },
    }
    spent(session, told);
}

pub(super) fn restore(session: &Session, snapshot: &SnapshotInfo, plan: &RestorePlan, told: &Told) {
    let (output, outcome) = (session.output, &plan.outcome);
    if output.json {
        return output.json(&OfRestore {
            r#type: "plan",
            command: "restore",
            snapshot: snapshot.id.to_string(),
            files: outcome.files,
            bytes: outcome.bytes,
            files_written: outcome.files_written,
            files_already_right: outcome.files_already_right,
            left_alone: outcome.left_alone,
            problems: outcome.problem_count,
            common: common(session, told),
        });
    }
    let (id, time) = (snapshot.id.short(), local_time(snapshot.time_ms));
    output.summary(&format!("plan for a restore of snapshot {id} of {time}:"));
    output.summary(&format!(
        "  {}, {}: {} to write, {} right already, {} in the way",
        counted(outcome.files, "file"),
        size(outcome.bytes),
        outcome.files_written,
        outcome.files_already_right,
        outcome.left_alone
    ));
    costs(session, told);
    spent(session, told);
}

pub(super) fn check(session: &Session, plan: &CheckPlan, told: &Told) {
    let output = session.output;
    if output.json {
        return output.json(&OfCheck {
            r#type: "plan",
            command: "check",
            snapshots: plan.snapshots,
            packs: plan.packs,
            packs_read: plan.packs_read,
            problems: plan.problems.len() as u64,
            common: common(session, told),
        });
    }
    output.summary(&format!(
        "plan for a check of {} and {}, {} of them read:",
        counted(plan.snapshots, "snapshot"),
        counted(plan.packs, "pack"),
        plan.packs_read
    ));
    costs(session, told);
    spent(session, told);
}

fn common(session: &Session, told: &Told) -> Common {
    let forecast = &told.forecast;
    Common {
        requests: Requests(told.cost.clone()),
        bytes_sent: told.cost.bytes_up,
        bytes_received: told.cost.bytes_down,
        windows: forecast.windows,
        waiting_ms: u64::try_from(forecast.waiting.as_millis()).unwrap_or(u64::MAX),
        done: rfc3339(forecast.done.millis()),
        requests_now: forecast.requests_now,
        upload_left: forecast.upload_left,
        download_left: forecast.download_left,
        fits_month: forecast.fits_month,
        spent: Requests(told.spent.clone()),
        duration_ms: session.duration_ms(),
    }
}

/// Requests, bytes, windows, the end, and what is left of the month.
fn costs(session: &Session, told: &Told) {
    let (output, forecast) = (session.output, &told.forecast);
    output.summary(&format!("  {}", requests(&told.cost)));
    output.summary(&format!("  sends {}, receives {}", size(told.cost.bytes_up), size(told.cost.bytes_down)));
    match forecast.requests_now {
        Some(free) => output.summary(&format!(
            "  windows of the budget: {} ({} free now)",
            forecast.windows,
            counted(free, "request")
        )),
        None => output.summary("  nobody counts requests there"),
    }
    output.summary(&format!("  done about {} if it begins now", local_time(forecast.done.millis())));
    let left: Vec<_> = [(forecast.upload_left, "up"), (forecast.download_left, "down")]
        .into_iter()
        .filter_map(|(left, word)| Some(format!("{} {word}", size(left?))))
        .collect();
    if !left.is_empty() {
        output.summary(&format!("  left of this month afterwards: {}", left.join(", ")));
    }
    if !forecast.fits_month {
        output.warn("this does not fit into what is left of this month's traffic");
    }
}

fn spent(session: &Session, told: &Told) {
    session.output.summary(&format!(
        "planning took {}, {:.1} s",
        requests(&told.spent),
        session.started.elapsed().as_secs_f64()
    ));
}
