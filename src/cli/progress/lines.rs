//! A line now and then, for logs.

use super::super::output::Output;
use super::count::{Count, items_word, stage_words};
use crate::progress::Event;
use bytesize::ByteSize;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_secs(10);

pub(super) struct Lines {
    output: Output,
    state: Mutex<State>,
}

struct State {
    count: Count,
    stage_began: Instant,
    last: Instant,
}

impl Lines {
    pub fn new(output: Output) -> Self {
        let (stage_began, last) = (Instant::now(), Instant::now());
        Self { output, state: Mutex::new(State { count: Count::default(), stage_began, last }) }
    }

    pub fn event(&self, event: &Event<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = state.count.take(event);
        if begins {
            state.stage_began = Instant::now();
            state.last = state.stage_began;
            self.output.note(&opening(&state.count));
        } else if state.last.elapsed() >= PAUSE {
            state.last = Instant::now();
            self.output.note(&standing(&state.count, state.stage_began.elapsed()));
        }
    }

    pub fn expect(&self, files: u64, bytes: u64) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).count.expect(files, bytes);
    }
}

fn opening(count: &Count) -> String {
    let mut line = count.stage.map_or("working", stage_words).to_owned();
    if let (Some(files), Some(bytes)) = (count.files_total, count.bytes_total) {
        line.push_str(&format!(": {files} {}, {}", items_word(count.stage), ByteSize(bytes)));
    }
    line
}

fn standing(count: &Count, elapsed: Duration) -> String {
    let stage = count.stage.map_or("working", stage_words);
    let items = items_word(count.stage);
    let mut line = format!("{stage}: {} {items}, {}", count.files, ByteSize(count.bytes));
    let rate = count.bytes as f64 / elapsed.as_secs_f64().max(0.001);
    if let Some(total) = count.bytes_total.filter(|total| *total > 0) {
        let share = 100 * count.bytes.min(total) / total;
        line.push_str(&format!(" of {} ({share} %)", ByteSize(total)));
        if rate >= 1.0 {
            let left = Duration::from_secs((total.saturating_sub(count.bytes) as f64 / rate) as u64);
            line.push_str(&format!(", {} left", humantime::format_duration(left)));
        }
    }
    line.push_str(&format!(", {}/s", ByteSize(rate as u64)));
    if count.sent > 0 {
        line.push_str(&format!(", {} sent", ByteSize(count.sent)));
    }
    if count.received > 0 {
        line.push_str(&format!(", {} received", ByteSize(count.received)));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Stage;

    #[test]
    fn a_line_has_share_rate_and_time_left() {
        let count = Count {
            stage: Some(Stage::Restoring),
            files: 3,
            bytes: 25 << 20,
            bytes_total: Some(100 << 20),
            ..Count::default()
        };
        let line = standing(&count, Duration::from_secs(5));
        assert_eq!(line, "restoring: 3 files, 25.0 MiB of 100.0 MiB (25 %), 15s left, 5.0 MiB/s");
    }
}
