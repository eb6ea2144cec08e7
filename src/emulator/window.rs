//! The arithmetic of "so many requests in any span of so long": what is admitted and what is left.

use super::options::Rate;
use std::collections::VecDeque;

/// The requests that still count.
#[derive(Debug)]
pub(super) struct SlidingWindow {
    rate: Rate,
    refusals_prolong: bool,
    /// Milliseconds, in order.
    counted: VecDeque<i64>,
}

impl SlidingWindow {
    pub fn new(rate: Rate, refusals_prolong: bool) -> Self {
        Self { rate, refusals_prolong, counted: VecDeque::new() }
    }

    /// Whether a request at `now_ms` is admitted; it counts then.
    pub fn admit(&mut self, now_ms: i64) -> bool {
        let admitted = self.left(now_ms) > 0;
        if admitted || self.refusals_prolong {
            self.counted.push_back(now_ms);
        }
        admitted
    }

    /// How many more would be admitted at `now_ms`.
    pub fn left(&mut self, now_ms: i64) -> u64 {
        let span_ms = i64::try_from(self.rate.within.as_millis()).unwrap_or(i64::MAX);
        while self.counted.front().is_some_and(|at| now_ms.saturating_sub(*at) >= span_ms) {
            self.counted.pop_front();
        }
        self.rate.requests.saturating_sub(self.counted.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn window(requests: u64, within_ms: u64, refusals_prolong: bool) -> SlidingWindow {
        SlidingWindow::new(Rate { requests, within: Duration::from_millis(within_ms) }, refusals_prolong)
    }

    #[test]
    fn no_span_ever_holds_more_than_the_rate() {
        let mut window = window(3, 100, false);
        let admitted: Vec<i64> = (0..1000).step_by(7).filter(|now| window.admit(*now)).collect();
        for span in admitted.windows(4) {
            assert!(span[3] - span[0] >= 100, "{span:?}");
        }
        // And it is not stricter than that: as soon as one falls out, the next comes in.
        assert_eq!(admitted[..7], [0, 7, 14, 105, 112, 119, 210]);
    }

    #[test]
    fn refusals_count_only_where_they_should() {
        let (mut mild, mut strict) = (window(1, 100, false), window(1, 100, true));
        for (now, by_mild, by_strict) in [(0, true, true), (60, false, false), (120, true, false)] {
            assert_eq!((mild.admit(now), strict.admit(now)), (by_mild, by_strict), "{now}");
        }
        assert!(strict.admit(220));
    }

    #[test]
    fn what_is_left_comes_back_with_time() {
        let mut window = window(2, 100, false);
        assert_eq!(window.left(0), 2);
        assert!(window.admit(0) && window.admit(50));
        assert_eq!([window.left(99), window.left(100), window.left(150)], [0, 1, 2]);
    }

    #[test]
    fn requests_400_ms_apart_are_no_burst() {
        let rate = super::super::Limits::nutstore_free().burst.unwrap();
        let mut burst = SlidingWindow::new(rate, false);
        assert!((0..100).all(|n| burst.admit(n * 400)));
        assert!(!(0..4).all(|n| burst.admit(100_000 + n * 200)));
    }
}
