//! The only place that writes: results to standard output, everything else to standard error.
#![allow(clippy::print_stderr)]

use serde::Serialize;
use std::io::{ErrorKind, Write};

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
        let mut out = std::io::stdout().lock();
        match writeln!(out, "{text}").and_then(|()| out.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                self.warn(&format!("cannot write to standard output: {error}"));
            }
            _ => {}
        }
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
