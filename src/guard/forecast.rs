//! How long so many requests will take, and what is left afterwards: the same arithmetic that lets
//! each request pass, run ahead of time.

use super::account::{Account, spacing_ms, window_ms};
use super::limits::Limits;
use super::line::Moment;
use super::request::Purpose;
use crate::model::time::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// The simulation goes no farther: what takes more requests is told by proportion.
const MOST_REQUESTS: u64 = 200_000;

/// What a run needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Need {
    /// Requests of all methods.
    pub requests: u64,
    /// Bytes of objects sent.
    pub up: u64,
    /// Bytes of objects received.
    pub down: u64,
    /// How long sending and working take by themselves.
    pub work: Duration,
}

/// When a run will be done, and what it leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forecast {
    /// Windows of the request budget that it touches; 1 where nobody counts.
    pub windows: u64,
    /// Time without a request because the budget is used.
    pub waiting: Duration,
    /// When it will be done.
    pub done: Timestamp,
    /// Requests that may be sent at once now.
    pub requests_now: Option<u64>,
    /// Bytes that may be sent in this month afterwards; none where that is not limited.
    pub upload_left: Option<u64>,
    /// Bytes that may be received in this month afterwards.
    pub download_left: Option<u64>,
    /// The bytes fit into what is left of this month.
    pub fits_month: bool,
}

/// Lets requests pass in thought, one after the other.
struct Simulation {
    allowed: Option<usize>,
    leaves: VecDeque<i64>,
    window: i64,
    spacing: i64,
    now: i64,
}

impl Simulation {
    fn new(account: &Account, now: Moment, limits: &Limits, purpose: Purpose) -> Self {
        let mut account = account.clone();
        account.bring_to(now, limits);
        let closed = account.closed_until().unwrap_or(now.ms);
        Self {
            allowed: limits.requests_for(purpose).map(|allowed| allowed as usize),
            leaves: account.leaves(now, limits).into(),
            window: window_ms(limits),
            spacing: spacing_ms(limits),
            now: now.ms.max(closed),
        }
    }

    /// How long the next request waits, in milliseconds.
    fn wait(&mut self) -> i64 {
        while self.leaves.front().is_some_and(|leaves| *leaves <= self.now) {
            self.leaves.pop_front();
        }
        let Some(allowed) = self.allowed else { return 0 };
        let over = self.leaves.len().checked_sub(allowed);
        over.and_then(|over| self.leaves.get(over)).map_or(0, |leaves| (leaves - self.now).max(0))
    }

    /// Sends a request after `wait` that takes `took` until its answer.
    fn send(&mut self, wait: i64, took: i64) {
        self.now = self.now.saturating_add(wait).saturating_add(took.max(self.spacing));
        if self.allowed.is_some() {
            self.leaves.push_back(self.now.saturating_add(self.window));
        }
    }
}

/// When `need` will be done if it begins now.
pub fn forecast(account: &Account, now: Moment, limits: &Limits, purpose: Purpose, need: Need) -> Forecast {
    let mut simulation = Simulation::new(account, now, limits, purpose);
    let requests_now = limits.requests_for(purpose).map(|allowed| {
        let counted = simulation.leaves.iter().filter(|leaves| **leaves > now.ms).count();
        u64::from(allowed).saturating_sub(counted as u64)
    });
    let steps = need.requests.min(MOST_REQUESTS);
    let work_ms = i64::try_from(need.work.as_millis()).unwrap_or(i64::MAX / 4);
    let took = work_ms / i64::try_from(steps.max(1)).unwrap_or(1);
    let (begin, mut waiting) = (simulation.now, simulation.now - now.ms);
    for _ in 0..steps {
        let wait = simulation.wait();
        waiting = waiting.saturating_add(wait);
        simulation.send(wait, took);
    }
    let share = need.requests.max(1) as f64 / steps.max(1) as f64;
    let total = begin.saturating_add((simulation.now.saturating_sub(begin) as f64 * share) as i64);
    let windows = match waiting > begin.saturating_sub(now.ms) {
        true => {
            1 + total.saturating_sub(now.ms).max(0).unsigned_abs() / simulation.window.max(1).unsigned_abs()
        }
        false => 1,
    };
    let (up, down) = account.month(now);
    let left = |most: Option<u64>, used: u64| most.map(|most| most.saturating_sub(used));
    let (upload, download) = (left(limits.upload_per_month, up), left(limits.download_for(purpose), down));
    let fits = |left: Option<u64>, need: u64| left.is_none_or(|left| need <= left);
    Forecast {
        windows,
        waiting: Duration::from_millis(waiting.max(0).unsigned_abs()),
        done: now.at(total.max(now.ms.saturating_add(work_ms))),
        requests_now,
        upload_left: upload.map(|left| left.saturating_sub(need.up)),
        download_left: download.map(|left| left.saturating_sub(need.down)),
        fits_month: fits(upload, need.up) && fits(download, need.down),
    }
}

/// How many requests can be sent until `until`; none where nobody counts.
pub fn requests_until(
    account: &Account,
    now: Moment,
    limits: &Limits,
    purpose: Purpose,
    until: Timestamp,
) -> Option<u64> {
    limits.requests?;
    let end = now.ms.saturating_add(until.millis().saturating_sub(now.wall_ms));
    let mut simulation = Simulation::new(account, now, limits, purpose);
    Some(count(&mut simulation, |simulation, wait| simulation.now.saturating_add(wait) <= end))
}

/// How many requests can be sent before one would have to wait longer than `longest`; none if that
/// never happens.
pub fn requests_without_long_wait(
    account: &Account,
    now: Moment,
    limits: &Limits,
    purpose: Purpose,
    longest: Duration,
) -> Option<u64> {
    limits.requests?;
    let longest = i64::try_from(longest.as_millis()).unwrap_or(i64::MAX);
    let mut simulation = Simulation::new(account, now, limits, purpose);
    if simulation.now.saturating_sub(now.ms) > longest {
        return Some(0);
    }
    let possible = count(&mut simulation, |_, wait| wait <= longest);
    Some(possible).filter(|possible| *possible < MOST_REQUESTS)
}

fn count(simulation: &mut Simulation, mut may: impl FnMut(&Simulation, i64) -> bool) -> u64 {
    let mut counted = 0;
    while counted < MOST_REQUESTS {
        let wait = simulation.wait();
        if !may(simulation, wait) {
            break;
        }
        simulation.send(wait, 0);
        counted += 1;
    }
    counted
}

#[cfg(test)]
mod tests {
    use super::super::limits::Profile;
    use super::*;

    const NOW: Moment = Moment { wall_ms: 1_800_000_000_000, boot: 1, ms: 5_000_000 };

    fn fresh(requests: u64) -> Forecast {
        let need = Need { requests, up: 600 << 20, ..Need::default() };
        forecast(&Account::default(), NOW, &Profile::NutstoreFree.limits(), Purpose::Other, need)
    }

    #[test]
    fn seven_hundred_requests_take_two_windows() {
        let small = fresh(540);
        assert_eq!((small.windows, small.waiting), (1, Duration::ZERO));
        let large = fresh(700);
        assert_eq!(large.windows, 2);
        // 540 take 216 s by pacing; the first leaves the window 1801 s after its answer.
        assert!(large.waiting > Duration::from_secs(1500) && large.waiting < Duration::from_secs(1801));
        assert!(large.fits_month);
        assert_eq!(large.upload_left, Some(1_000_000_000 - (600 << 20)));
    }

    #[test]
    fn nobody_counts_nothing_waits() {
        let need = Need { requests: 1_000_000, work: Duration::from_secs(60), ..Need::default() };
        let told = forecast(&Account::default(), NOW, &Limits::none(), Purpose::Other, need);
        assert_eq!((told.windows, told.waiting, told.requests_now), (1, Duration::ZERO, None));
        assert!(told.fits_month && told.done.millis() > NOW.wall_ms + 50_000);
    }

    #[test]
    fn the_budget_until_a_time_and_without_a_long_wait() {
        let (account, limits) = (Account::default(), Profile::NutstoreFree.limits());
        let until = |s: i64| Timestamp::from_millis(NOW.wall_ms + s * 1000);
        let ask = |s| requests_until(&account, NOW, &limits, Purpose::Other, until(s));
        assert_eq!(ask(-5), Some(0));
        assert_eq!(ask(1700), Some(540));
        assert!(ask(1801 + 300).is_some_and(|requests| requests > 600));
        let patient =
            |s| requests_without_long_wait(&account, NOW, &limits, Purpose::Other, Duration::from_secs(s));
        assert_eq!(patient(60), Some(540));
        assert_eq!(patient(7200), None);
    }
}
