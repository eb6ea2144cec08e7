//! Plans and reports, told.

use crate::cli::render::{counted, local_time, size, table};
use crate::cli::session::Session;
use crate::disaster::plans::{
    DrillKind, DrillReport, RecoveryTime, StepState, ToldReport, duration, notes, packs_words, recovery_words,
};
use crate::model::path::display_bytes;
use crate::model::plan::{OnFailure, PlanStep, RecoveryPlan};
use serde::Serialize;
use std::borrow::Cow;

/// A line of `dr history`.
#[derive(Serialize)]
struct Past<'r> {
    state: &'static str,
    #[serde(flatten)]
    report: ToldReport<'r>,
}

fn shown(text: &str) -> String {
    display_bytes(text.as_bytes()).into_owned()
}

/// A report.
pub(super) fn report(session: &Session, report: &DrillReport) {
    let output = session.output;
    if output.json {
        return output.json(&ToldReport::from(report));
    }
    lines(report).iter().for_each(|line| output.line(line));
    let steps = counted(report.steps.len() as u64, "step");
    if report.is_good() {
        output.summary(&format!("{} of plan {}: {steps}, all good", kind(report), shown(&report.plan)));
    } else {
        let bad = report.bad_steps();
        output.warn(&format!("{} of plan {}: {bad} of {steps} not good", kind(report), shown(&report.plan)));
    }
    let mut told = Vec::new();
    if report.recovery_time() != RecoveryTime::Untried {
        told.push(format!("recovery time: {}", recovery_words(report)));
    }
    if let Some(age) = report.data_age_ms() {
        told.push(format!("oldest data: {} old", duration(age.unsigned_abs())));
    }
    if report.kind != DrillKind::Test {
        told.push(format!("proven: {}", counted(report.proven(), "thing")));
    }
    if let Some(looked) = report.looked {
        told.push(format!("packs: {}", packs_words(looked)));
    }
    told.iter().for_each(|line| output.summary(line));
    if report.kind == DrillKind::Run && !report.is_good() {
        output.note(&way_on(&report.plan));
    }
}

/// How a run that is not at its end goes on.
pub(super) fn way_on(plan: &str) -> String {
    let plain = plan.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter));
    let word =
        if plain { Cow::Borrowed(plan) } else { Cow::Owned(format!("'{}'", plan.replace('\'', "'\\''"))) };
    format!("`filbert dr run {} --resume` goes on at the first step that is not good", shown(&word))
}

fn lines(report: &DrillReport) -> Vec<String> {
    let rows: Vec<_> = report
        .steps
        .iter()
        .enumerate()
        .map(|(number, step)| {
            let files = match step.sample {
                Some(sample) => format!("{} of {}", sample.files, step.files),
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
                duration(step.restore_ms),
                step.proof.as_ref().map_or(String::new(), |_| duration(step.prove_ms)),
                shown(&step.target),
            ]
        })
        .collect();
    let head =
        ["", "set", "state", "age", "files", "size", "requests", "received", "restoring", "proving", "to"];
    let mut lines = table(&head, &[0, 4, 5, 6, 7, 8, 9], &rows);
    for (number, step) in report.steps.iter().enumerate() {
        lines.extend(notes(step).iter().map(|note| format!("step {}: {}", number + 1, shown(note))));
        for problem in &step.problems {
            lines.push(format!("step {}: {}: {}", number + 1, shown(&problem.subject), problem.message));
        }
        let more = step.problem_count.saturating_sub(step.problems.len() as u64);
        if more > 0 {
            lines.push(format!("step {}: {} more", number + 1, counted(more, "problem")));
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
        if let Some(limit) = step.prove_timeout {
            more("within", &humantime::format_duration(limit).to_string());
        }
        if step.overwrite {
            lines.push("     replaces what is in the way".to_owned());
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

/// One line for each of some reports; `under_way` says which of them are.
pub(super) fn history(session: &Session, reports: &[DrillReport], under_way: &[bool]) {
    let output = session.output;
    let reports = || reports.iter().zip(under_way);
    if output.json {
        let past = |(report, under_way)| Past { state: state_of(report, under_way), report: report.into() };
        return reports().map(past).for_each(|past| output.json(&past));
    }
    let row = |(report, under_way): (&DrillReport, &bool)| {
        let recovery = match report.recovery_time() {
            RecoveryTime::Measured(time) => duration(time),
            RecoveryTime::Estimated(time) => format!("about {}", duration(time)),
            RecoveryTime::Unknown => "unknown".to_owned(),
            RecoveryTime::NotRecovered => "not recovered".to_owned(),
            RecoveryTime::Untried => String::new(),
        };
        vec![
            report.id.clone(),
            local_time(report.began_ms),
            shown(&report.plan),
            kind(report).to_owned(),
            state_of(report, under_way).to_owned(),
            recovery,
            report.data_age_ms().map_or(String::new(), |age| duration(age.unsigned_abs())),
            report.proven().to_string(),
        ]
    };
    let rows: Vec<_> = reports().map(row).collect();
    if rows.is_empty() {
        let none =
            "nothing was tested, rehearsed or run on this machine yet: begin with `filbert dr test PLAN`";
        return output.note(none);
    }
    let head = ["id", "began", "plan", "what", "state", "recovery time", "data age", "proven"];
    table(&head, &[7], &rows).iter().for_each(|line| output.line(line));
}

fn state_of(report: &DrillReport, under_way: &bool) -> &'static str {
    match (report.ended_ms, report.is_good()) {
        (None, _) if *under_way => "under way",
        (None, _) => "broken off",
        (Some(_), true) => "good",
        (Some(_), false) => "not good",
    }
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
