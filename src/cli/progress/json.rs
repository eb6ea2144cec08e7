//! Progress and problems for programs: an object a line, not more than two a second.

use super::super::output::Output;
use super::count::{Count, stage_key};
use crate::progress::{Event, Problem};
use serde::Serialize;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(500);

pub(super) struct JsonLines {
    output: Output,
    state: Mutex<State>,
}

struct State {
    count: Count,
    last: Option<Instant>,
    finished: bool,
}

#[derive(Serialize)]
struct ProgressLine {
    r#type: &'static str,
    stage: Option<&'static str>,
    files: u64,
    files_total: Option<u64>,
    bytes: u64,
    bytes_total: Option<u64>,
    bytes_sent: u64,
    bytes_received: u64,
}

#[derive(Serialize)]
struct WaitingLine<'a> {
    r#type: &'static str,
    until: String,
    reason: &'a str,
}

#[derive(Serialize)]
struct ProblemLine<'a> {
    r#type: &'static str,
    subject: &'a str,
    message: &'a str,
}

impl JsonLines {
    pub fn new(output: Output) -> Self {
        Self { output, state: Mutex::new(State { count: Count::default(), last: None, finished: false }) }
    }

    pub fn event(&self, event: &Event<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.count.take(event);
        if let Event::Waiting { until, reason } = event {
            self.output.json(&WaitingLine { r#type: "waiting", until: until.rfc3339(), reason });
            return;
        }
        if state.finished || state.last.is_some_and(|last| last.elapsed() < PAUSE) {
            return;
        }
        state.last = Some(Instant::now());
        let count = state.count;
        self.output.json(&ProgressLine {
            r#type: "progress",
            stage: count.stage.map(stage_key),
            files: count.files,
            files_total: count.files_total,
            bytes: count.bytes,
            bytes_total: count.bytes_total,
            bytes_sent: count.sent,
            bytes_received: count.received,
        });
    }

    pub fn problem(&self, problem: &Problem) {
        let (subject, message) = (problem.subject.as_str(), problem.message.as_str());
        self.output.json(&ProblemLine { r#type: "problem", subject, message });
    }

    /// No progress after the summary.
    pub fn finish(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).finished = true;
    }
}
