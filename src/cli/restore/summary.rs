//! What a restore came to, told.

use crate::cli::output::Output;
use crate::cli::render::{MissingCount, Requests, counted, local_time, requests, size};
use crate::cli::session::Session;
use crate::model::id::ObjectId;
use crate::recovery::{RestoreCounts, RestoreOutcome, Verified};
use crate::repository::snapshots::SnapshotInfo;
use crate::store::TrafficCount;
use serde::Serialize;

/// A restore that ended, or that was only looked at.
pub(super) struct Ended<'e> {
    /// The restore's id; none of a dry run.
    pub(super) id: Option<&'e str>,
    pub(super) snapshot: &'e SnapshotInfo,
    pub(super) outcome: &'e RestoreOutcome,
    pub(super) traffic: TrafficCount,
    pub(super) safety: Option<ObjectId>,
    /// The restore that it takes back.
    pub(super) undoes: Option<&'e str>,
    /// It was asked to replace what is in the way.
    pub(super) overwrite: bool,
    /// Of a dry run: the restore would keep what it replaces.
    pub(super) has_net: bool,
}

#[derive(Serialize)]
struct Summary<'e> {
    r#type: &'static str,
    /// None of a dry run.
    session: Option<&'e str>,
    snapshot: String,
    /// What was there before, where that was kept.
    safety_snapshot: Option<String>,
    #[serde(flatten)]
    counts: RestoreCounts,
    missing: MissingCount,
    /// After `--verify`.
    verified: Option<VerifiedCount>,
    requests: Requests,
    duration_ms: u64,
    dry_run: bool,
    /// Of a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    packs: Option<Vec<PackUse<'e>>>,
}

#[derive(Serialize)]
struct PackUse<'e> {
    path: &'e str,
    bytes: u64,
}

#[derive(Serialize)]
struct VerifiedCount {
    passed: u64,
    failed: u64,
}

impl<'e> Ended<'e> {
    /// One of which nothing more is known.
    pub(super) fn of(snapshot: &'e SnapshotInfo, outcome: &'e RestoreOutcome, traffic: TrafficCount) -> Self {
        let (id, safety, undoes) = (None, None, None);
        Self { id, snapshot, outcome, traffic, safety, undoes, overwrite: false, has_net: false }
    }

    pub(super) fn tell(&self, session: &Session) {
        match session.output.json {
            true => session.output.json(&self.summary(session)),
            false => self.words(session),
        }
    }

    fn is_dry_run(&self) -> bool {
        self.id.is_none()
    }

    fn packs(&self) -> Vec<PackUse<'_>> {
        self.outcome.packs.iter().map(|(path, bytes)| PackUse { path, bytes: *bytes }).collect()
    }

    fn summary(&self, session: &Session) -> Summary<'_> {
        let Ended { id, snapshot, outcome, traffic, safety, .. } = self;
        Summary {
            r#type: "summary",
            session: *id,
            snapshot: snapshot.id.to_string(),
            safety_snapshot: safety.map(|id| id.to_string()),
            counts: RestoreCounts { bytes_received: traffic.bytes_down, ..outcome.counts() },
            missing: (&snapshot.head.missing).into(),
            verified: outcome.verified.map(|Verified { passed, failed }| VerifiedCount { passed, failed }),
            requests: Requests(traffic.clone()),
            duration_ms: session.duration_ms(),
            dry_run: self.is_dry_run(),
            packs: self.is_dry_run().then(|| self.packs()),
        }
    }

    fn words(&self, session: &Session) {
        let (output, outcome) = (session.output, self.outcome);
        let (id, time) = (self.snapshot.id.short(), local_time(self.snapshot.time_ms));
        let (done, received, removed) = match self.is_dry_run() {
            true => ("would restore", "would receive", "would remove"),
            false => ("restored", "received", "removed"),
        };
        if let Some(undone) = self.undoes {
            output.summary(&format!("took restore {undone} back, with what was kept before it"));
        }
        let session_id = self.id.map_or(String::new(), |id| format!(" (restore {id})"));
        let set_right = match outcome.metadata_set {
            0 => String::new(),
            count => format!("{count} of another owner, mode, time or attribute set right, "),
        };
        output.summary(&format!(
            "{done} snapshot {id} of {time}{session_id}: {}, {} ({} written, {} of them in place of others, {set_right}\
             {} right already)",
            counted(outcome.files, "file"),
            size(outcome.bytes),
            outcome.files_written,
            outcome.files_replaced,
            outcome.files_already_right
        ));
        if outcome.removed > 0 {
            let things = counted(outcome.removed, "thing");
            output.summary(&format!("{removed} {things} that should not be there"));
        }
        if self.is_dry_run() && self.has_net {
            output
                .summary("not counted: the safety snapshot before it, which may send what would be replaced");
        }
        if self.is_dry_run() {
            output.summary(&format!("from {}", counted(outcome.packs.len() as u64, "pack")));
            for PackUse { path, bytes } in self.packs().iter().filter(|_| output.verbose) {
                output.summary(&format!("  {path}  {}", size(*bytes)));
            }
        }
        let here = match outcome.bytes_found_here {
            0 => String::new(),
            bytes => format!(" ({} more lay in older states of the files)", size(bytes)),
        };
        output.summary(&format!(
            "{received} {}{here} in {}, {:.1} s",
            size(self.traffic.bytes_down),
            requests(&self.traffic),
            session.started.elapsed().as_secs_f64()
        ));
        if let Some(Verified { passed, failed }) = outcome.verified {
            let bad = if failed > 0 { format!(", {failed} not") } else { String::new() };
            let passed = counted(passed, "file");
            output.summary(&format!("read again and compared: {passed} as in the snapshot{bad}"));
        }
        if let (Some(session), Some(safety)) = (self.id, self.safety) {
            output.summary(&format!(
                "what was there before is kept in snapshot {}: `filbert rollback {session}` brings it back",
                safety.short()
            ));
        }
        self.shortcomings(output);
    }

    fn shortcomings(&self, output: Output) {
        let (missing, outcome) = (&self.snapshot.head.missing, self.outcome);
        if missing.files > 0 {
            output.summary(&format!(
                "the snapshot is partial: it lacks the newest state of {} ({})",
                counted(missing.files, "file"),
                size(missing.bytes)
            ));
        }
        if outcome.left_alone > 0 {
            let how = if self.overwrite { "" } else { ": --overwrite replaces what may be replaced" };
            let things = counted(outcome.left_alone, "thing");
            output.warn(&format!("{things} in the way and different, left alone{how}"));
        }
        if outcome.files_lost > 0 {
            output.warn(&format!(
                "of {} the server lacks parts, or has them damaged; somebody may have pruned the snapshot: \
                 `filbert check` names what suffers, and a backup of a machine that still has the content sends it again",
                counted(outcome.files_lost, "file")
            ));
        }
        // What was left alone is among the problems.
        let others = outcome.problem_count.saturating_sub(outcome.left_alone);
        if others > 0 {
            output.warn(&format!("{} (see above)", counted(others, "problem")));
        }
        if let Some(id) = self.id.filter(|_| outcome.problem_count > 0 && !outcome.disk_full) {
            output.note(&format!(
                "once that is mended, `filbert restore --resume {id}` restores what is missing"
            ));
        }
    }
}
