//! Shows what services tell while they work: bars on a terminal, lines elsewhere, JSON for
//! programs.

mod bars;
mod count;
mod json;
mod lines;

use super::output::Output;
use crate::model::clock::{Clock, SystemClock};
use crate::model::time::Timestamp;
use crate::progress::{Event, Observer, Problem};
use bars::Bars;
use json::JsonLines;
use lines::Lines;
use std::collections::HashSet;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// An observer that shows.
pub(super) struct Display {
    output: Output,
    manner: Manner,
    shown: Mutex<HashSet<(String, String)>>,
    /// The end of the last wait that was told, in milliseconds since 1970.
    waiting_ms: AtomicI64,
}

enum Manner {
    Silent,
    Bars(Bars),
    Lines(Lines),
    Json(JsonLines),
}

/// Waits that end within so many milliseconds are one.
const SAME_WAIT_MS: u64 = 2_000;
/// So many problems are remembered as shown.
const MOST_REMEMBERED: usize = 10_000;

/// The display that fits where the output goes.
pub(super) fn display(output: Output) -> Display {
    let manner = if output.json {
        Manner::Json(JsonLines::new(output))
    } else if output.quiet {
        Manner::Silent
    } else if std::io::stderr().is_terminal() {
        Manner::Bars(Bars::new())
    } else {
        Manner::Lines(Lines::new(output))
    };
    Display { output, manner, shown: Mutex::default(), waiting_ms: AtomicI64::default() }
}

impl Display {
    /// Shows a problem, unless it was shown already: services tell problems while they work and
    /// again when they are done.
    pub fn problem(&self, problem: &Problem) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (problem.subject.clone(), problem.message.clone());
        if shown.contains(&key) {
            return;
        }
        if shown.len() < MOST_REMEMBERED {
            shown.insert(key);
        }
        drop(shown);
        match &self.manner {
            Manner::Json(json) => json.problem(problem),
            _ => self.above(|| self.output.warn(&format!("{}: {}", problem.subject, problem.message))),
        }
    }

    /// Whether somebody looks at totals while they wait.
    pub fn wants_totals(&self) -> bool {
        matches!(self.manner, Manner::Bars(_) | Manner::Lines(_))
    }

    /// How much the running backup will go through.
    pub fn expect(&self, files: u64, bytes: u64) {
        match &self.manner {
            Manner::Bars(bars) => bars.expect(files, bytes),
            Manner::Lines(lines) => lines.expect(files, bytes),
            Manner::Json(_) | Manner::Silent => {}
        }
    }

    /// Shows a wait. Several requests wait for the same time: it is told once.
    fn waiting(&self, event: &Event<'_>, until: Timestamp, reason: &str) {
        let told = self.waiting_ms.swap(until.millis(), Ordering::Relaxed);
        if told.abs_diff(until.millis()) < SAME_WAIT_MS {
            return;
        }
        let shown = super::render::local_time(until.millis());
        match &self.manner {
            Manner::Json(json) => json.event(event),
            _ => self.above(|| self.output.note(&format!("waiting until {shown}: {reason}"))),
        }
        if let Manner::Bars(bars) = &self.manner {
            let left = until.millis().saturating_sub(SystemClock.now().millis());
            bars.wait(Duration::from_millis(left.try_into().unwrap_or(0)), shown);
        }
    }

    /// Takes bars off the screen, so that a summary stands alone.
    pub fn finish(&self) {
        match &self.manner {
            Manner::Bars(bars) => bars.finish(),
            Manner::Json(json) => json.finish(),
            Manner::Lines(_) | Manner::Silent => {}
        }
    }

    fn above(&self, write: impl FnOnce()) {
        match &self.manner {
            Manner::Bars(bars) => bars.above(write),
            _ => write(),
        }
    }
}

impl Observer for Display {
    fn event(&self, event: Event<'_>) {
        match &event {
            Event::Problem(problem) => return self.problem(problem),
            Event::Notice(text) => return self.above(|| self.output.note(text)),
            Event::File { path, action } if self.output.verbose => {
                self.above(|| self.output.note(&format!("{}  {path}", count::action_word(*action))));
            }
            Event::DatabaseCopied { path } if self.output.verbose => {
                self.above(|| self.output.note(&format!("copied, for it is in use  {path}")));
            }
            Event::Waiting { until, reason } => return self.waiting(&event, *until, reason),
            _ => {}
        }
        match &self.manner {
            Manner::Silent => {}
            Manner::Bars(bars) => bars.event(&event),
            Manner::Lines(lines) => lines.event(&event),
            Manner::Json(json) => json.event(&event),
        }
    }
}
