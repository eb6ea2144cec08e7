//! Plans and reports, told.

use crate::cli::render::{counted, local_time, size, table};
use crate::cli::session::Session;
use crate::disaster::plans::{DrillKind, DrillReport, StepState, duration};
use crate::model::path::display_bytes;
use crate::model::plan::{OnFailure, PlanStep, RecoveryPlan};
use serde::Serialize;

#[derive(Serialize)]
struct Summary<'r> {
    r#type: &'static str,
    good: bool,
    recovery_ms: Option<u64>,
    data_age_ms: Option<i64>,
    proven: u64,
    #[serde(flatten)]
    report: &'r DrillReport,
}

fn shown(text: &str) -> String {
    display_bytes(text.as_bytes()).into_owned()
}

/// A report.
pub(super) fn report(session: &Session, report: &DrillReport) {
    let output = session.output;
    if output.json {
        return output.json(&summary(report));
    }
    lines(report).iter().for_each(|line| output.line(line));
    let steps = counted(report.steps.len() as u64, "step");
    if report.is_good() {
        output.summary(&format!("{} of plan {}: {steps}, all good", kind(report), shown(&report.plan)));
    } else {
        let bad = report.steps.iter().filter(|step| step.state != StepState::Good).count();
        output.warn(&format!("{} of plan {}: {bad} of {steps} not good", kind(report), shown(&report.plan)));
    }
    let mut told = Vec::new();
    if let Some(time) = report.recovery_ms() {
        told.push(format!("recovery time {}", duration(time)));
    }
    if let Some(age) = report.data_age_ms() {
        told.push(format!("oldest data {} old", duration(age.unsigned_abs())));
    }
    if report.kind != DrillKind::Test {
        told.push(format!("{} proven", counted(report.proven(), "thing")));
    }
    output.summary(&told.join(", "));
}

fn summary(report: &DrillReport) -> Summary<'_> {
    Summary {
        r#type: "summary",
        good: report.is_good(),
        recovery_ms: report.recovery_ms(),
        data_age_ms: report.data_age_ms(),
        proven: report.proven(),
        report,
    }
}

fn lines(report: &DrillReport) -> Vec<String> {
    let rows: Vec<_> = report
        .steps
        .iter()
        .enumerate()
        .map(|(number, step)| {
            let files = match step.sample {
                Some((files, _)) => format!("{files} of {}", step.files),
                None => step.files.to_string(),
            };
            vec![
                (number + 1).to_string(),
                shown(&step.set),
                state(step.state).to_owned(),
                step.data_age_ms.map_or(String::new(), |age| duration(age.unsigned_abs())),
                files,
                size(step.bytes),
                step.requests.to_string(),
                size(step.received),
                duration(step.duration_ms),
                shown(&step.target),
            ]
        })
        .collect();
    let head = ["", "Set", "State", "Age", "Files", "Size", "Requests", "Received", "Took", "To"];
    let mut lines = table(&head, &[0, 4, 5, 6, 7, 8], &rows);
    for (number, step) in report.steps.iter().enumerate() {
        for problem in &step.problems {
            lines.push(format!("step {}: {}: {}", number + 1, shown(&problem.subject), problem.message));
        }
        let more = step.problem_count.saturating_sub(step.problems.len() as u64);
        if more > 0 {
            lines.push(format!("step {}: {more} more problems", number + 1));
        }
    }
    lines
}

/// A plan and its steps.
pub(super) fn plan(name: &str, plan: &RecoveryPlan) -> Vec<String> {
    let mut lines = vec![format!("{}: {}", shown(name), shown(&plan.description))];
    for (number, step) in plan.steps.iter().enumerate() {
        lines.push(format!("{:3}. {}", number + 1, step_words(step)));
        let mut more = |what: &str, text: &str| lines.push(format!("     {what} {}", shown(text)));
        step.include.iter().for_each(|glob| more("only", glob));
        step.exclude.iter().for_each(|glob| more("without", glob));
        if let Some(command) = &step.prove {
            more("proven by", command);
        }
        if step.on_failure == OnFailure::Continue {
            lines.push("     goes on if it fails".to_owned());
        }
    }
    if plan.verify {
        lines.push("  everything is read once more and compared".to_owned());
    }
    if let Some(command) = &plan.notify {
        lines.push(format!("  told to {}", shown(command)));
    }
    lines
}

fn step_words(step: &PlanStep) -> String {
    if let Some(inner) = &step.plan {
        return format!("all steps of the plan {}", shown(inner));
    }
    let set = shown(step.set.as_deref().unwrap_or_default());
    let set = step.host.as_ref().map_or(set.clone(), |host| format!("{set} of {}", shown(host)));
    match (&step.target, &step.map) {
        (Some(folder), _) => format!("{set} to {}", folder.display()),
        (None, Some(maps)) if !maps.is_empty() => {
            let maps = maps.iter().map(|(from, to)| format!("{} to {}", from.display(), to.display()));
            format!("{set} in place, {}", maps.collect::<Vec<_>>().join(", "))
        }
        _ => format!("{set} in place"),
    }
}

/// One line for each of some reports.
pub(super) fn history(session: &Session, reports: &[DrillReport]) {
    if session.output.json {
        return reports.iter().for_each(|report| session.output.json(&summary(report)));
    }
    let rows: Vec<_> = reports
        .iter()
        .map(|report| {
            let good = match (report.is_good(), report.ended_ms) {
                (true, _) => "good",
                (false, Some(_)) => "not good",
                (false, None) => "broken off",
            };
            vec![
                report.id.clone(),
                local_time(report.began_ms),
                shown(&report.plan),
                kind(report).to_owned(),
                good.to_owned(),
                report.recovery_ms().map_or(String::new(), duration),
                report.data_age_ms().map_or(String::new(), |age| duration(age.unsigned_abs())),
                report.proven().to_string(),
            ]
        })
        .collect();
    let head = ["Id", "Began", "Plan", "What", "Result", "Recovery time", "Data age", "Proven"];
    table(&head, &[7], &rows).iter().for_each(|line| session.output.line(line));
}

fn kind(report: &DrillReport) -> &'static str {
    match report.kind {
        DrillKind::Test => "test",
        DrillKind::Rehearsal => "rehearsal",
        DrillKind::Run => "run",
    }
}

fn state(state: StepState) -> &'static str {
    match state {
        StepState::Waiting => "not begun",
        StepState::Begun => "broken off",
        StepState::Good => "good",
        StepState::Failed => "failed",
    }
}
