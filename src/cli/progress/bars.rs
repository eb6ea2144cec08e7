//! A bar on a terminal, with rate and estimated time where the total is known.

use super::count::{Count, stage_words};
use crate::progress::Event;
use bytesize::ByteSize;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const WITH_TOTAL: &str =
    "{spinner} {prefix} [{bar:25}] {bytes}/{total_bytes}  {binary_bytes_per_sec}  ETA {eta}  {msg}";
const WITHOUT_TOTAL: &str = "{spinner} {prefix}  {bytes}  {binary_bytes_per_sec}  {msg}";
const REDRAW: Duration = Duration::from_millis(120);

pub(super) struct Bars {
    state: Mutex<(Count, ProgressBar)>,
}

impl Bars {
    pub fn new() -> Self {
        Self { state: Mutex::new((Count::default(), ProgressBar::hidden())) }
    }

    pub fn event(&self, event: &Event<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, bar) = &mut *state;
        if count.take(event) {
            bar.finish_and_clear();
            *bar = new_bar(count);
        }
        bar.set_position(count.bytes);
        match event {
            Event::Advanced { .. } | Event::Transferred { .. } => bar.set_message(message(count)),
            _ => {}
        }
    }

    /// Runs `write` while the bar is off the screen.
    pub fn above(&self, write: impl FnOnce()) {
        let bar = self.state.lock().unwrap_or_else(PoisonError::into_inner).1.clone();
        bar.suspend(write);
    }

    pub fn finish(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1.finish_and_clear();
    }
}

fn new_bar(count: &Count) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(count.bytes_total, ProgressDrawTarget::stderr());
    let template = if count.bytes_total.is_some() { WITH_TOTAL } else { WITHOUT_TOTAL };
    // The templates are constants; a default bar is better than none.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style);
    bar.set_prefix(count.stage.map_or("", stage_words));
    bar.enable_steady_tick(REDRAW);
    bar
}

fn message(count: &Count) -> String {
    let mut words = match count.files_total {
        Some(total) => format!("{}/{total} files", count.files),
        None => format!("{} files", count.files),
    };
    for (bytes, word) in [(count.sent, "sent"), (count.received, "received")] {
        if bytes > 0 {
            words.push_str(&format!(", {} {word}", ByteSize(bytes)));
        }
    }
    words
}
