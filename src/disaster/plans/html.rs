//! A report as a page: one file without scripts and without anything to be fetched.

use super::report::{DrillKind, DrillReport, RecoveryTime, StepReport, StepState};
use super::words::{duration, notes, packs_words, recovery_words};
use crate::disaster::escaped;
use crate::model::amount::counted;
use crate::model::path::display_bytes;
use crate::model::time::Timestamp;

const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Disaster-recovery report</title>
<style>
body { font: 11pt/1.4 sans-serif; color: #000; background: #fff; max-width: 60em; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse } th, td { text-align: left; padding: .2em 1em .2em 0; vertical-align: top }
.steps th, .steps td { border-bottom: 1px solid #bbb } td.n { text-align: right; font-variant-numeric: tabular-nums }
.good { color: #063 } .bad { color: #a00; font-weight: bold } pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0 }
</style></head><body>
"#;

/// The page.
pub fn page(report: &DrillReport) -> String {
    let mut page = String::from(HEAD);
    let text = |text: &str| escaped(&display_bytes(text.as_bytes()));
    let what = match report.kind {
        DrillKind::Test => "Test",
        DrillKind::Rehearsal => "Rehearsal",
        DrillKind::Run => "Run",
    };
    page.push_str(&format!(
        "<h1>{what} of the plan {}</h1>\n<p>{}</p>\n",
        text(&report.plan),
        text(&report.description)
    ));
    let verdict = match report.is_good() {
        true => "<p class=\"good\">Every step is good.</p>\n".to_owned(),
        false => {
            let steps = counted(report.steps.len() as u64, "step");
            format!("<p class=\"bad\">{} of {steps} not good.</p>\n", report.bad_steps())
        }
    };
    page.push_str(&verdict);
    page.push_str("<table>\n");
    let mut fact = |name: &str, value: String| {
        page.push_str(&format!("<tr><th>{name}</th><td>{}</td></tr>\n", escaped(&value)));
    };
    fact("began", Timestamp::from_millis(report.began_ms).rfc3339());
    if let Some(ended) = report.ended_ms {
        fact("ended", Timestamp::from_millis(ended).rfc3339());
    }
    match report.recovery_time() {
        RecoveryTime::Untried => {}
        _ => fact("recovery time", recovery_words(report)),
    }
    if let Some(age) = report.data_age_ms() {
        fact("age of the data", duration(age.unsigned_abs()));
    }
    if let Some(looked) = report.looked {
        fact("packs", packs_words(looked));
    }
    fact("proven", report.proven().to_string());
    fact("id", report.id.clone());
    page.push_str("</table>\n<h2>Steps</h2>\n<table class=\"steps\">\n<tr><th></th><th>set</th><th>to</th><th>state</th>\
                   <th>age</th><th>files</th><th>bytes</th><th>proven</th><th>requests</th><th>received</th><th>restoring</th><th>proving</th></tr>\n");
    for (number, step) in report.steps.iter().enumerate() {
        page.push_str(&row(number + 1, step));
    }
    page.push_str("</table>\n");
    for (number, step) in report.steps.iter().enumerate() {
        page.push_str(&details(number + 1, step));
    }
    page.push_str("</body></html>\n");
    page
}

fn row(number: usize, step: &StepReport) -> String {
    let (class, state) = state_of(step.state);
    let text = |text: &str| escaped(&display_bytes(text.as_bytes()));
    let age = step.data_age_ms.map_or(String::new(), |age| duration(age.unsigned_abs()));
    let files = match step.sample {
        Some(sample) => format!("{} of {}", sample.files, step.files),
        None => step.files.to_string(),
    };
    format!(
        "<tr><td>{number}</td><td>{}</td><td>{}</td><td class=\"{class}\">{state}</td><td>{age}</td><td class=\"n\">{files}</td>\
         <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
         <td class=\"n\">{}</td></tr>\n",
        text(&step.set),
        text(&step.target),
        step.bytes,
        step.proven,
        step.requests,
        step.received,
        duration(step.restore_ms),
        duration(step.prove_ms),
    )
}

fn details(number: usize, step: &StepReport) -> String {
    let mut details = String::new();
    for line in notes(step) {
        details.push_str(&format!("<p>Step {number}: {}</p>\n", escaped(&line)));
    }
    if let Some(proof) = &step.proof {
        let (class, said) = if proof.passed { ("good", "passed") } else { ("bad", "failed") };
        details.push_str(&format!(
            "<p>Step {number}, <code>{}</code>: <span class=\"{class}\">{said}</span></p>\n<pre>{}</pre>\n",
            escaped(&proof.command),
            escaped(&proof.output)
        ));
    }
    if step.problem_count > 0 {
        details
            .push_str(&format!("<h3>Step {number}: {}</h3>\n<ul>\n", counted(step.problem_count, "problem")));
        for problem in &step.problems {
            let subject = escaped(&display_bytes(problem.subject.as_bytes()));
            details.push_str(&format!("<li>{subject}: {}</li>\n", escaped(&problem.message)));
        }
        details.push_str("</ul>\n");
    }
    details
}

fn state_of(state: StepState) -> (&'static str, &'static str) {
    match state {
        StepState::Waiting => ("", "not begun"),
        StepState::Begun => ("bad", "broken off"),
        StepState::Good => ("good", "good"),
        StepState::Failed => ("bad", "failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disaster::plans::report::Proof;

    #[test]
    fn nothing_in_a_report_is_taken_for_markup() {
        let evil = "<script>alert('x')</script>";
        let mut step = StepReport::new(evil, evil.to_owned());
        step.proof = Some(Proof { command: evil.to_owned(), passed: false, output: evil.to_owned() });
        step.fail(evil, evil.to_owned());
        let report = DrillReport {
            id: "1".to_owned(),
            plan: evil.to_owned(),
            description: evil.to_owned(),
            kind: DrillKind::Rehearsal,
            began_ms: 0,
            ended_ms: Some(1),
            scratch: None,
            looked: None,
            steps: vec![step],
        };
        let page = page(&report);
        assert!(!page.contains("<script") && page.matches("&lt;script").count() >= 7, "{page}");
        assert!(page.contains("1 of 1 step not good"));
    }
}
