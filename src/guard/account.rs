//! What is known of an account at a server, and the arithmetic on it: which requests still count in
//! the window, how much of the month is used, what refusals taught. Values only; the ledger keeps
//! them, and hands each process the same.

use super::limits::Limits;
use super::line::Moment;
use super::request::{Admission, Ask, Ended, Verdict, Wait};
use serde::{Deserialize, Serialize};

/// A request whose answer nobody noted, because the process died, counts so much longer.
const UNANSWERED_MS: i64 = 10 * 60_000;
/// So many refusals in a row are a closed window.
const IN_A_ROW: u32 = 3;
/// After so many refusals of the password in a row it is believed to be wrong, though it worked once.
const DENIALS: u32 = IN_A_ROW + 2;
/// The window that is guessed where none is known.
const GUESSED_WINDOW_MS: i64 = 30 * 60_000;
/// After a closed window one request looks whether it is open; the others wait for its answer, but
/// not longer than this.
const LOOK_MS: i64 = 2 * 60_000;
/// The longest time that a window is closed, whatever a server says.
const LONGEST_CLOSED_MS: i64 = 24 * 3_600_000;
/// Machines that share an account come back so far apart at most, as a share of the wait.
const JITTER: f64 = 0.02;
/// The requests of a window are kept in about so many groups.
const GROUPS: i64 = 2000;
/// Months that are remembered.
const MONTHS: usize = 24;

/// An account at a server. Times are milliseconds on the [`Moment`] line.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Account {
    /// When it was last changed: the line and the clock then.
    boot: i64,
    seen_ms: i64,
    seen_wall_ms: i64,
    /// When answered requests leave the window, and how many; in order.
    used: Vec<(i64, u32)>,
    /// Requests without an answer: number, and when they leave the window if it never comes.
    flying: Vec<(u64, i64)>,
    passes: u64,
    /// The earliest beginning of the next request.
    not_before_ms: i64,
    closed: Option<Closed>,
    refusals: u32,
    /// Refusals in a row that were all of the password.
    denials: u32,
    worked: bool,
    months: Vec<Month>,
    /// The server says that the month is used up; by the clock.
    no_uploads_until_wall_ms: i64,
    no_downloads_until_wall_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Closed {
    until_ms: i64,
    /// A request looks whether it is open again.
    looking: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Month {
    number: i32,
    up: u64,
    down: u64,
}

impl Account {
    /// Whether these credentials ever worked.
    pub fn worked(&self) -> bool {
        self.worked
    }

    /// Bytes sent and received in this month. Months that are not yet come count too: the clock was
    /// wrong, now or then.
    pub fn month(&self, now: Moment) -> (u64, u64) {
        let number = now.month();
        let counted = self.months.iter().filter(|month| month.number >= number);
        counted.fold((0, 0), |(up, down), month| (up + month.up, down + month.down))
    }

    /// Until when the server is left alone, if it is.
    pub fn closed_until(&self) -> Option<i64> {
        self.closed.as_ref().map(|closed| closed.until_ms)
    }

    /// When each request that counts now leaves the window, on the line, in order.
    pub fn leaves(&self) -> Vec<i64> {
        let answered = self.used.iter().flat_map(|&(at, count)| std::iter::repeat_n(at, count as usize));
        let mut all: Vec<i64> = answered.chain(self.flying.iter().map(|flight| flight.1)).collect();
        all.sort_unstable();
        all
    }

    /// Brings all times to `now`: forgets what no longer counts, and carries the rest over a start of
    /// the machine or a clock that was set. A clock set back stops no one's time: what was to come in
    /// ten minutes comes in ten minutes.
    pub fn bring_to(&mut self, now: Moment, limits: &Limits) {
        if self.boot != now.boot || now.ms < self.seen_ms {
            let elapsed = now.wall_ms.saturating_sub(self.seen_wall_ms).max(0);
            let shift = now.ms.saturating_sub(self.seen_ms).saturating_sub(elapsed);
            let moved = |time: &mut i64| *time = time.saturating_add(shift);
            self.used.iter_mut().for_each(|used| moved(&mut used.0));
            self.flying.iter_mut().for_each(|flight| moved(&mut flight.1));
            moved(&mut self.not_before_ms);
            if let Some(closed) = &mut self.closed {
                moved(&mut closed.until_ms);
            }
        }
        (self.boot, self.seen_ms, self.seen_wall_ms) = (now.boot, now.ms, now.wall_ms);
        let window = window_ms(limits);
        // Nothing that this window can know is farther away.
        let (answered, unanswered) = (now.ms.saturating_add(window), window.saturating_add(UNANSWERED_MS));
        self.used.iter_mut().for_each(|used| used.0 = used.0.min(answered));
        self.flying.iter_mut().for_each(|flight| flight.1 = flight.1.min(now.ms.saturating_add(unanswered)));
        self.used.retain(|used| used.0 > now.ms);
        self.flying.retain(|flight| flight.1 > now.ms);
        self.not_before_ms = self.not_before_ms.min(now.ms.saturating_add(spacing_ms(limits)));
        if let Some(closed) = &mut self.closed {
            closed.until_ms = closed.until_ms.min(now.ms.saturating_add(LONGEST_CLOSED_MS));
        }
        let mut room = limits.requests.map_or(0, |rate| rate.requests);
        for used in &mut self.used {
            used.1 = used.1.min(room);
            room -= used.1;
        }
        // A day at most: what the server said last month holds no longer, and the clock may lie.
        let a_day_on = now.wall_ms.saturating_add(LONGEST_CLOSED_MS);
        for until in [&mut self.no_uploads_until_wall_ms, &mut self.no_downloads_until_wall_ms] {
            *until = (*until).min(a_day_on);
        }
    }

    /// Lets a request pass and notes it, or tells what it waits for. Call [`Self::bring_to`] before.
    pub fn enter(&mut self, now: Moment, limits: &Limits, ask: Ask) -> Admission {
        if let Some(used_up) = self.used_up(now, limits, ask) {
            return used_up;
        }
        if let Some(closed) = &mut self.closed {
            if closed.until_ms > now.ms {
                let why = if closed.looking { Wait::Look } else { Wait::Closed };
                return Admission::Wait { until_ms: closed.until_ms, why };
            }
            (closed.until_ms, closed.looking) = (now.ms.saturating_add(LOOK_MS), true);
        }
        if let Some(allowed) = limits.requests_for(ask.purpose) {
            let leaves = self.leaves();
            if let Some(over) = leaves.len().checked_sub(allowed as usize) {
                let until_ms = leaves.get(over).copied().unwrap_or(now.ms);
                return Admission::Wait { until_ms, why: Wait::Budget };
            }
        }
        if self.not_before_ms > now.ms {
            return Admission::Wait { until_ms: self.not_before_ms, why: Wait::Pacing };
        }
        self.not_before_ms = now.ms.saturating_add(spacing_ms(limits));
        self.passes = self.passes.wrapping_add(1);
        let leaves = now.ms.saturating_add(window_ms(limits)).saturating_add(UNANSWERED_MS);
        if limits.requests.is_some() {
            self.flying.push((self.passes, leaves));
        }
        self.this_month(now).up += ask.up;
        Admission::Go(self.passes)
    }

    fn used_up(&self, now: Moment, limits: &Limits, ask: Ask) -> Option<Admission> {
        let (up, down) = self.month(now);
        let over_up = limits.upload_per_month.is_some_and(|most| up.saturating_add(ask.up) > most);
        let over_down = limits.download_for(ask.purpose).is_some_and(|most| down >= most);
        let next_month = now.next_month_ms();
        let until = |over: bool, told: i64| {
            if over { Some(next_month) } else { Some(told).filter(|&t| t > now.wall_ms) }
        };
        let used_up = |uploads| move |until_wall_ms| Admission::UsedUp { uploads, until_wall_ms };
        if ask.up > 0 {
            return until(over_up, self.no_uploads_until_wall_ms).map(used_up(true));
        }
        let told = until(over_down, self.no_downloads_until_wall_ms).filter(|_| ask.fetches);
        told.map(used_up(false))
    }

    /// Notes how a request ended. Answers until when the server is left alone now, if it refused.
    /// `jitter`, 0 to 1, keeps machines apart that share an account.
    pub fn leave(&mut self, now: Moment, limits: &Limits, ended: Ended, jitter: f64) -> Option<i64> {
        let Ended { pass, up, down, verdict } = ended;
        let before = self.flying.len();
        self.flying.retain(|flight| flight.0 != pass);
        if self.flying.len() < before {
            self.note_used(now.ms.saturating_add(window_ms(limits)), limits);
        }
        if down > 0 {
            self.this_month(now).down += down;
        }
        if !matches!(verdict, Verdict::Accepted | Verdict::Lost) {
            // What was refused is not counted as sent.
            let month = self.this_month(now);
            month.up = month.up.saturating_sub(up);
        }
        let half_window = window_ms(limits) / 2;
        let half_window = half_window + (half_window as f64 * JITTER * jitter.clamp(0.0, 1.0)) as i64;
        match verdict {
            Verdict::Accepted => {
                (self.refusals, self.denials, self.worked, self.closed) = (0, 0, true, None);
                None
            }
            Verdict::Lost => None,
            Verdict::UsedUp { uploads } => {
                let until = now.next_month_ms().min(now.wall_ms.saturating_add(LONGEST_CLOSED_MS));
                match uploads {
                    true => self.no_uploads_until_wall_ms = until,
                    false => self.no_downloads_until_wall_ms = until,
                }
                None
            }
            Verdict::Throttled(told) => Some(self.close(now, told.unwrap_or(half_window).max(1000))),
            Verdict::Refused => {
                self.denials = 0;
                self.refused(now, half_window)
            }
            Verdict::Denied if !self.worked => None,
            Verdict::Denied => {
                // Those that were on their way when the window closed say nothing new.
                let is_late = self.closed.as_ref().is_some_and(|closed| !closed.looking);
                self.denials = self.denials.saturating_add(u32::from(!is_late));
                if self.denials >= DENIALS {
                    (self.refusals, self.denials, self.worked, self.closed) = (0, 0, false, None);
                    return None;
                }
                self.refused(now, half_window)
            }
        }
    }

    fn refused(&mut self, now: Moment, half_window: i64) -> Option<i64> {
        self.refusals = self.refusals.saturating_add(1);
        let closes = self.refusals >= IN_A_ROW || self.closed.is_some();
        closes.then(|| self.close(now, half_window))
    }

    fn close(&mut self, now: Moment, for_ms: i64) -> i64 {
        let until_ms = now.ms.saturating_add(for_ms.clamp(0, LONGEST_CLOSED_MS));
        // Of several refusals that come together the latest time counts; a look that was refused
        // begins a new time.
        let until_ms = match &self.closed {
            Some(closed) if !closed.looking => until_ms.max(closed.until_ms),
            _ => until_ms,
        };
        self.closed = Some(Closed { until_ms, looking: false });
        until_ms
    }

    fn note_used(&mut self, leaves: i64, limits: &Limits) {
        let grain = window_ms(limits) / GROUPS;
        match self.used.last_mut() {
            // Later than it was, never earlier.
            Some(last) if leaves.saturating_sub(last.0) <= grain => {
                *last = (last.0.max(leaves), last.1.saturating_add(1));
            }
            _ => self.used.push((leaves, 1)),
        }
    }

    fn this_month(&mut self, now: Moment) -> &mut Month {
        let number = now.month();
        let at = self.months.iter().position(|month| month.number == number).unwrap_or_else(|| {
            if self.months.len() >= MONTHS {
                self.months.remove(0);
            }
            self.months.push(Month { number, up: 0, down: 0 });
            self.months.len() - 1
        });
        &mut self.months[at]
    }
}

pub(super) fn window_ms(limits: &Limits) -> i64 {
    limits.requests.map_or(GUESSED_WINDOW_MS, |rate| rate.window_ms())
}

pub(super) fn spacing_ms(limits: &Limits) -> i64 {
    i64::try_from(limits.spacing.as_millis()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests;
