//! What is judged before anything is looked at: the burst, then the window. And the traffic of a
//! month, which is judged once the size is known.

use super::options::Limits;
use super::window::SlidingWindow;
use crate::model::clock::Clock;
use crate::model::time::Timestamp;
use chrono::Datelike;
use std::time::Duration;

/// Which limit of requests turned a request away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Too many at once.
    Burst,
    /// Too many in the window, or the window was closed by a fault.
    Window,
}

/// A time that does not jump when somebody sets the clock: a server has a clock of its own.
pub(super) fn steady_ms(clock: &dyn Clock) -> i64 {
    clock.uptime().map_or_else(|| clock.now().millis(), |up| up.millis)
}

#[derive(Debug)]
pub(super) struct Gate {
    burst: Option<SlidingWindow>,
    window: Option<SlidingWindow>,
    closed_until_ms: i64,
}

impl Gate {
    pub fn new(limits: &Limits) -> Self {
        let burst = limits.burst.map(|rate| SlidingWindow::new(rate, false));
        let window = limits.window.map(|rate| SlidingWindow::new(rate, limits.refusals_prolong));
        Self { burst, window, closed_until_ms: i64::MIN }
    }

    /// Lets a request pass, or says why not. What is a burst never reaches the window.
    pub fn judge(&mut self, now_ms: i64) -> Option<Refusal> {
        if self.burst.as_mut().is_some_and(|burst| !burst.admit(now_ms)) {
            return Some(Refusal::Burst);
        }
        let closed = now_ms < self.closed_until_ms;
        if closed || self.window.as_mut().is_some_and(|window| !window.admit(now_ms)) {
            return Some(Refusal::Window);
        }
        None
    }

    /// Refuses everything for so long.
    pub fn close(&mut self, now_ms: i64, time: Duration) {
        self.closed_until_ms = now_ms.saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
    }

    /// How many requests the window would take now; `None` without a window.
    pub fn left(&mut self, now_ms: i64) -> Option<u64> {
        let closed = now_ms < self.closed_until_ms;
        self.window.as_mut().map(|window| if closed { 0 } else { window.left(now_ms) })
    }
}

/// The traffic of objects in the month at hand.
#[derive(Debug, Default)]
pub(super) struct Month {
    number: i32,
    up: u64,
    down: u64,
}

impl Month {
    /// Takes an upload into account, unless it does not fit.
    pub fn upload(&mut self, now: Timestamp, bytes: u64, allowed: Option<u64>) -> bool {
        self.turn(now);
        add(&mut self.up, bytes, allowed)
    }

    /// Takes a download into account, unless it does not fit.
    pub fn download(&mut self, now: Timestamp, bytes: u64, allowed: Option<u64>) -> bool {
        self.turn(now);
        add(&mut self.down, bytes, allowed)
    }

    fn turn(&mut self, now: Timestamp) {
        let day = chrono::DateTime::from_timestamp(now.seconds, 0).unwrap_or_default();
        let number = day.year() * 12 + day.month0() as i32;
        if number != self.number {
            *self = Self { number, ..Self::default() };
        }
    }
}

fn add(used: &mut u64, bytes: u64, allowed: Option<u64>) -> bool {
    let sum = used.saturating_add(bytes);
    let fits = allowed.is_none_or(|allowed| sum <= allowed);
    if fits {
        *used = sum;
    }
    fits
}

#[cfg(test)]
mod tests {
    use super::super::options::Rate;
    use super::*;

    #[test]
    fn bursts_are_judged_first_and_cost_nothing_of_the_window() {
        let rate = |requests, seconds| Some(Rate { requests, within: Duration::from_secs(seconds) });
        let mut gate = Gate::new(&Limits { burst: rate(2, 1), window: rate(3, 100), ..Limits::none() });
        let judged: Vec<_> = [0, 0, 0, 1000, 1000, 1000].map(|now| gate.judge(now)).to_vec();
        let (burst, window) = (Some(Refusal::Burst), Some(Refusal::Window));
        assert_eq!(judged, [None, None, burst, None, window, burst]);
        assert_eq!(gate.left(1000), Some(0));
        assert_eq!(gate.left(100_000), Some(2));
        gate.close(100_000, Duration::from_secs(10));
        assert_eq!((gate.left(109_999), gate.left(110_000)), (Some(0), Some(3)));
    }

    #[test]
    fn a_new_month_brings_new_traffic() {
        let mut month = Month::default();
        let last_of_january = Timestamp::new(1_769_903_999, 0);
        let first_of_february = Timestamp::new(1_769_904_000, 0);
        assert!(month.upload(last_of_january, 60, Some(100)));
        assert!(!month.upload(last_of_january, 41, Some(100)));
        assert!(month.upload(last_of_january, 40, Some(100)));
        assert!(month.download(last_of_january, 100, Some(100)));
        assert!(!month.download(last_of_january, 1, Some(100)));
        assert!(month.upload(first_of_february, 100, Some(100)));
        assert!(month.download(first_of_february, 1, Some(100)));
    }
}
