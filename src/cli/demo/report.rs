//! Tells a newcomer what the demo does, step by step, and what each step costs.

use super::super::output::Output;
use super::super::render::{counted, size};
use super::server::Account;
use crate::backup::BackupOutcome;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

/// Differences told one by one.
const MOST_TOLD: usize = 20;

pub(super) struct Report {
    output: Output,
    began: Instant,
    last: Instant,
    steps: Vec<Step>,
}

#[derive(Serialize)]
struct Step {
    what: String,
    result: String,
    requests: Option<BTreeMap<String, u64>>,
    duration_ms: u64,
}

#[derive(Serialize)]
struct Summary<'a> {
    r#type: &'static str,
    matched: bool,
    steps: &'a [Step],
    bytes_stored: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<Account>,
    duration_ms: u64,
}

impl Report {
    pub fn new(output: Output) -> Self {
        Self { output, began: Instant::now(), last: Instant::now(), steps: Vec::new() }
    }

    pub fn opening(&mut self, place: &Path, url: &str, introduction: Option<&str>) {
        self.tell("filbert demo: all of this really happens, over WebDAV, with random passwords.");
        self.tell(&format!("Server {url}; files in {} (removed at the end)", place.display()));
        if let Some(text) = introduction {
            self.tell(text);
        }
        self.tell("");
        self.last = Instant::now();
    }

    pub fn step(&mut self, what: &str, result: &str, requests: Option<BTreeMap<String, u64>>) {
        let took = self.last.elapsed();
        self.tell(&format!("{:>2}. {what}  [{:.2} s]", self.steps.len() + 1, took.as_secs_f64()));
        if !result.is_empty() {
            self.tell(&format!("    {result}"));
        }
        if let Some(requests) = &requests {
            self.tell(&format!("    the server saw {}", request_words(requests)));
        }
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.steps.push(Step { what: what.to_owned(), result: result.to_owned(), requests, duration_ms });
        self.last = Instant::now();
    }

    /// What was waited for belongs to no step.
    pub fn resume(&mut self) {
        self.last = Instant::now();
    }

    pub fn differences(&self, differences: &[String]) {
        for difference in differences.iter().take(MOST_TOLD) {
            self.output.error(difference);
        }
        if differences.len() > MOST_TOLD {
            self.output.error(&format!("and {} more", differences.len() - MOST_TOLD));
        }
    }

    pub fn closing(&self, matched: bool, bytes_stored: u64, account: Option<Account>) {
        let took = self.began.elapsed();
        if self.output.json {
            self.output.json(&Summary {
                r#type: "summary",
                matched,
                steps: &self.steps,
                bytes_stored,
                account,
                duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            });
            return;
        }
        self.tell("");
        self.tell(&format!(
            "On the server, all encrypted: {}. Took {:.1} s.",
            size(bytes_stored),
            took.as_secs_f64()
        ));
        if let Some(account) = &account {
            self.tell(&format!("The server's account: {}.", account.words()));
        }
        if matched {
            self.tell("Both states came back byte for byte.");
        } else {
            self.output.error("what came back is not what was backed up; please report this");
        }
    }

    fn tell(&self, text: &str) {
        if self.output.json {
            self.output.note(text);
        } else {
            self.output.summary(text);
        }
    }
}

/// What a backup did, in words.
pub(super) fn backup_words(outcome: &BackupOutcome) -> String {
    let tally = &outcome.tally;
    format!(
        "{} new, {} changed, {} unmodified, {} removed; read {}, sent {}",
        tally.files_new,
        tally.files_changed,
        tally.files_unmodified,
        tally.files_removed,
        size(outcome.bytes_read),
        size(outcome.traffic.bytes_up)
    )
}

/// Requests by method, in words.
pub(super) fn request_words(requests: &BTreeMap<String, u64>) -> String {
    let each: Vec<_> = requests.iter().map(|(method, count)| format!("{count} {method}")).collect();
    format!("{} ({})", counted(requests.values().sum(), "request"), each.join(", "))
}
