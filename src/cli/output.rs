//! The only place that writes: results to standard output, everything else to standard error.
#![allow(clippy::print_stderr)]

use serde::Serialize;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Part of a result was lost. There is one standard output, whoever holds an [`Output`].
static LOST: AtomicBool = AtomicBool::new(false);

/// Where words go.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Output {
    /// Results are JSON.
    pub json: bool,
    /// Only problems and what was asked for.
    pub quiet: bool,
    /// Each file.
    pub verbose: bool,
}

impl Output {
    /// A line of a result. Who reads may stop reading (`| head`): then the rest is nobody's.
    pub fn line(self, text: &str) {
        let mut out = io::stdout().lock();
        self.written(writeln!(out, "{text}").and_then(|()| out.flush()));
    }

    /// Notes how a result was written. That it could not be is told once, and shows in the exit code.
    pub fn written(self, result: io::Result<()>) {
        if let Err(error) = result
            && error.kind() != ErrorKind::BrokenPipe
            && !LOST.swap(true, Ordering::Relaxed)
        {
            self.error(&format!("cannot write the result to standard output: {error}"));
        }
    }

    /// Whether part of a result could not be written.
    pub fn lost_something() -> bool {
        LOST.load(Ordering::Relaxed)
    }

    /// A value as one line of JSON.
    pub fn json(self, value: &impl Serialize) {
        match serde_json::to_string(value) {
            Ok(text) => self.line(&text),
            Err(error) => self.error(&format!("cannot write JSON: {error}")),
        }
    }

    /// A result for people, who did not ask for silence.
    pub fn summary(self, text: &str) {
        if !self.quiet && !self.json {
            self.line(text);
        }
    }

    /// Something worth knowing.
    pub fn note(self, text: &str) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }

    /// Something that may need an act.
    pub fn warn(self, text: &str) {
        eprintln!("warning: {text}");
    }

    /// Why it ends.
    pub fn error(self, text: &str) {
        eprintln!("error: {text}");
    }
}
