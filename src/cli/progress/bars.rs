//! A bar on a terminal, with rate and estimated time where the total is known.

use super::count::{Count, items_word, stage_words};
use crate::progress::Event;
use bytesize::ByteSize;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const WITH_TOTAL: &str =
    "{spinner} {prefix} [{bar:16}] {bytes}/{total_bytes}  {binary_bytes_per_sec}  ETA {eta}  {wide_msg}";
const WITHOUT_TOTAL: &str = "{spinner} {prefix}  {bytes}  {binary_bytes_per_sec}  {wide_msg}";
const REDRAW: Duration = Duration::from_millis(120);

pub(super) struct Bars {
    state: Mutex<State>,
}

struct State {
    count: Count,
    bar: ProgressBar,
    drawn: Instant,
    /// Nothing is sent until then: when that is over, and how it is written.
    waiting: Option<(Instant, String)>,
}

impl Bars {
    pub fn new() -> Self {
        let (count, bar, drawn) = (Count::default(), ProgressBar::hidden(), Instant::now());
        Self { state: Mutex::new(State { count, bar, drawn, waiting: None }) }
    }

    /// Nothing is sent for so long, until a time that is written so.
    pub fn wait(&self, time: Duration, until: String) {
        let mut state = self.lock();
        state.waiting = Some((Instant::now() + time, until));
        state.bar.set_message(message(&state));
    }

    pub fn event(&self, event: &Event<'_>) {
        let mut state = self.lock();
        if state.count.take(event) {
            state.bar.finish_and_clear();
            state.bar = new_bar(&state.count);
        } else if state.drawn.elapsed() < REDRAW {
            // Events come by the hundred thousand.
            return;
        }
        state.drawn = Instant::now();
        state.bar.set_position(state.count.bytes);
        state.bar.set_message(message(&state));
    }

    pub fn expect(&self, files: u64, bytes: u64) {
        let mut state = self.lock();
        if state.count.expect(files, bytes) {
            state.bar.set_length(bytes);
            state.bar.set_style(style(WITH_TOTAL));
        }
    }

    /// Runs `write` while the bar is off the screen.
    pub fn above(&self, write: impl FnOnce()) {
        let bar = self.lock().bar.clone();
        bar.suspend(write);
    }

    pub fn finish(&self) {
        self.lock().bar.finish_and_clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn new_bar(count: &Count) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(count.bytes_total, ProgressDrawTarget::stderr());
    let template = if count.bytes_total.is_some() { WITH_TOTAL } else { WITHOUT_TOTAL };
    bar.set_style(style(template));
    bar.set_prefix(count.stage.map_or("", stage_words));
    bar.enable_steady_tick(REDRAW);
    bar
}

/// The templates are constants; a default bar is better than none.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn message(state: &State) -> String {
    let count = &state.count;
    let items = items_word(count.stage);
    let mut words = match count.files_total {
        Some(total) => format!("{}/{total} {items}", count.files),
        None => format!("{} {items}", count.files),
    };
    for (bytes, word) in [(count.sent, "sent"), (count.received, "received")] {
        if bytes > 0 {
            words.push_str(&format!(", {} {word}", ByteSize(bytes)));
        }
    }
    match &state.waiting {
        Some((over, until)) if *over > Instant::now() => format!("waiting until {until}; {words}"),
        _ => words,
    }
}
