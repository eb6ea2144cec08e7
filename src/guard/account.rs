//! What is known of an account at a server, and the arithmetic on it: which requests still count in
//! the window, how much of the month is used, what refusals taught. Values only; the ledger keeps
//! them, and hands each process the same.

use super::limits::Limits;
use super::line::Moment;
use super::login::{Credentials, Login, Logins, Salt};
use super::months::Months;
use super::rate::RequestRate;
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

/// An account at a server. Times are milliseconds on the [`Moment`] line. What is kept does not
/// depend on the limits of who asks: several may know the account by different ones.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Account {
    /// When it was last changed: the line and the clock then.
    boot: i64,
    seen_ms: i64,
    seen_wall_ms: i64,
    /// The longest window that anybody counts by; 0 where nobody counts.
    keep_ms: i64,
    /// When requests were answered, and how many; in order.
    used: Vec<(i64, u32)>,
    /// Requests without an answer: number, and when they were let pass.
    flying: Vec<(u64, i64)>,
    passes: u64,
    /// The earliest beginning of the next request.
    not_before_ms: i64,
    closed: Option<Closed>,
    refusals: u32,
    /// The last request that had passed when the last refusal was noted: what began before says
    /// nothing new.
    refused_at: u64,
    salt: Option<Salt>,
    logins: Logins,
    months: Months,
    /// The server says that the month is used up; by the clock.
    no_uploads_until_wall_ms: i64,
    no_downloads_until_wall_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Closed {
    until_ms: i64,
    /// A request looks whether it is open again.
    looking: bool,
    /// Only these credentials were refused; others may be right.
    #[serde(default)]
    of: Option<Login>,
}

impl Closed {
    fn concerns(&self, login: Login) -> bool {
        self.of.is_none_or(|of| of == login)
    }
}

impl Account {
    /// What this ledger calls `credentials`. `salt` is kept if there is none yet.
    pub fn login(&mut self, credentials: &Credentials, salt: [u8; 16]) -> Login {
        credentials.login(self.salt.get_or_insert(salt))
    }

    /// Whether these credentials are known to work.
    pub fn knows(&self, login: Login) -> bool {
        self.logins.knows(login)
    }

    /// Bytes sent and received in this month.
    pub fn month(&self, now: Moment) -> (u64, u64) {
        self.months.used(now)
    }

    /// Whether the server itself says that no more may be sent in this month.
    pub fn uploads_are_used_up(&self, now: Moment) -> bool {
        self.no_uploads_until_wall_ms > now.wall_ms
    }

    /// Until when the server is left alone, if it is.
    pub fn closed_until(&self) -> Option<i64> {
        self.closed.as_ref().map(|closed| closed.until_ms)
    }

    /// When each request that counts now leaves the window of `limits`, on the line, in order.
    pub fn leaves(&self, now: Moment, limits: &Limits) -> Vec<i64> {
        let window = window_ms(limits);
        let answered = self.used.iter().flat_map(|&(at, count)| std::iter::repeat_n(at, count as usize));
        let flying = self.flying.iter().map(|flight| flight.1.saturating_add(UNANSWERED_MS));
        let leaves = answered.chain(flying).map(|at| at.saturating_add(window));
        let mut leaves: Vec<i64> = leaves.filter(|leaves| *leaves > now.ms).collect();
        leaves.sort_unstable();
        leaves
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
            self.closed.iter_mut().for_each(|closed| moved(&mut closed.until_ms));
            self.months.shift(shift);
        }
        (self.boot, self.seen_ms, self.seen_wall_ms) = (now.boot, now.ms, now.wall_ms);
        if limits.requests.is_some() {
            self.keep_ms = self.keep_ms.max(window_ms(limits));
        }
        self.keep_ms = self.keep_ms.clamp(0, RequestRate::LONGEST_MS);
        // Nothing was answered later than now, nobody asked more than the most that is allowed.
        let (since, mut room) = (now.ms.saturating_sub(self.keep_ms), RequestRate::MOST);
        let latest = now.ms.saturating_add(self.grain());
        self.used.iter_mut().for_each(|used| used.0 = used.0.min(latest));
        self.used.retain(|used| used.0 > since);
        for used in self.used.iter_mut().rev() {
            used.1 = used.1.min(room);
            room -= used.1;
        }
        self.flying.iter_mut().for_each(|flight| flight.1 = flight.1.min(now.ms));
        self.flying.retain(|flight| flight.1.saturating_add(UNANSWERED_MS) > since);
        self.not_before_ms = self.not_before_ms.min(now.ms.saturating_add(spacing_ms(limits)));
        if let Some(closed) = &mut self.closed {
            closed.until_ms = closed.until_ms.min(now.ms.saturating_add(LONGEST_CLOSED_MS));
        }
        self.refused_at = self.refused_at.min(self.passes);
        self.months.bring_to(now);
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
        let concerning = self.closed.as_ref().filter(|closed| closed.concerns(ask.login));
        if let Some(closed) = concerning.filter(|closed| closed.until_ms > now.ms) {
            let why = match (closed.looking, closed.of) {
                (true, _) => Wait::Look,
                (false, Some(_)) => Wait::Denied,
                (false, None) => Wait::Closed,
            };
            return Admission::Wait { until_ms: closed.until_ms, why };
        }
        // After a refusal one goes at a time, until one is taken.
        let tried =
            |flight: &&(u64, i64)| flight.0 > self.refused_at && flight.1.saturating_add(LOOK_MS) > now.ms;
        if let Some(trying) = self.flying.iter().filter(|_| self.refusals > 0).find(tried) {
            return Admission::Wait { until_ms: trying.1.saturating_add(LOOK_MS), why: Wait::Look };
        }
        if let Some(allowed) = limits.requests_for(ask.purpose) {
            let leaves = self.leaves(now, limits);
            if let Some(over) = leaves.len().checked_sub(allowed as usize) {
                let until_ms = leaves.get(over).copied().unwrap_or(now.ms);
                return Admission::Wait { until_ms, why: Wait::Budget };
            }
        }
        if self.not_before_ms > now.ms {
            return Admission::Wait { until_ms: self.not_before_ms, why: Wait::Pacing };
        }
        if let Some(closed) = self.closed.as_mut().filter(|closed| closed.concerns(ask.login)) {
            (closed.until_ms, closed.looking) = (now.ms.saturating_add(LOOK_MS), true);
        }
        self.not_before_ms = now.ms.saturating_add(spacing_ms(limits));
        self.passes = self.passes.wrapping_add(1);
        if self.keep_ms > 0 {
            self.flying.push((self.passes, now.ms));
        }
        self.months.note(now, signed(ask.up), 0);
        Admission::Go(self.passes)
    }

    fn used_up(&self, now: Moment, limits: &Limits, ask: Ask) -> Option<Admission> {
        let (up, down) = self.month(now);
        let (uploads, over, told) = if ask.up > 0 {
            let over = limits.upload_per_month.is_some_and(|most| up.saturating_add(ask.up) > most);
            (true, over, self.no_uploads_until_wall_ms)
        } else if ask.fetches {
            let over = limits.download_for(ask.purpose).is_some_and(|most| down >= most);
            (false, over, self.no_downloads_until_wall_ms)
        } else {
            return None;
        };
        let by_server = !over && told > now.wall_ms;
        let until_wall_ms = if over { now.next_month_ms() } else { told };
        (over || by_server).then_some(Admission::UsedUp { uploads, by_server, until_wall_ms })
    }

    /// Notes how a request ended. Answers until when the server is left alone now, if it refused.
    /// `jitter`, 0 to 1, keeps machines apart that share an account.
    pub fn leave(&mut self, now: Moment, limits: &Limits, ended: Ended, jitter: f64) -> Option<i64> {
        let Ended { pass, login, up, down, verdict } = ended;
        self.flying.retain(|flight| flight.0 != pass);
        if self.keep_ms > 0 {
            self.note_used(now.ms);
        }
        // What was refused is not counted as sent.
        let given_back = if verdict.is_refusal() { signed(up) } else { 0 };
        self.months.note(now, -given_back, signed(down));
        let half_window = window_ms(limits) / 2;
        let half_window = half_window + (half_window as f64 * JITTER * jitter.clamp(0.0, 1.0)) as i64;
        let is_news = pass > self.refused_at;
        match verdict {
            Verdict::Accepted => {
                if is_news || !self.logins.knows(login) {
                    self.logins.accepted(login);
                }
                if is_news {
                    (self.refusals, self.closed) = (0, None);
                }
                None
            }
            Verdict::Answered => {
                if is_news {
                    (self.refusals, self.closed) = (0, None);
                }
                None
            }
            Verdict::Neutral => None,
            Verdict::UsedUp { uploads } => {
                let until = now.next_month_ms().min(now.wall_ms.saturating_add(LONGEST_CLOSED_MS));
                match uploads {
                    true => self.no_uploads_until_wall_ms = until,
                    false => self.no_downloads_until_wall_ms = until,
                }
                None
            }
            Verdict::Throttled(None) if !is_news => self.closed_until(),
            Verdict::Throttled(told) => {
                self.refused_at = self.passes;
                Some(self.close(now, told.unwrap_or(half_window).max(1000), None))
            }
            // A wrong password says nothing of the account, and must not keep the right one waiting.
            Verdict::Denied if !self.logins.knows(login) => {
                self.end_look(now, pass, login);
                None
            }
            Verdict::Refused | Verdict::Denied if !is_news => self.closed_until(),
            Verdict::Refused => {
                self.logins.end_rows();
                self.refused(now, half_window, None)
            }
            Verdict::Denied => {
                let denials = self.logins.denied(login).unwrap_or(0);
                if denials >= DENIALS {
                    self.logins.forget(login);
                    (self.refusals, self.closed) = (0, None);
                    return None;
                }
                // If all refusals in this row were of it, others may be taken.
                self.refused(now, half_window, (denials > self.refusals).then_some(login))
            }
        }
    }

    /// The next one may look, if it was this one that looked.
    fn end_look(&mut self, now: Moment, pass: u64, login: Login) {
        let looked = |closed: &&mut Closed| closed.looking && closed.concerns(login);
        if pass > self.refused_at
            && let Some(closed) = self.closed.as_mut().filter(looked)
        {
            (closed.until_ms, closed.looking) = (now.ms, false);
        }
    }

    fn refused(&mut self, now: Moment, half_window: i64, of: Option<Login>) -> Option<i64> {
        self.refused_at = self.passes;
        self.refusals = self.refusals.saturating_add(1);
        let closes = self.refusals >= IN_A_ROW || self.closed.is_some();
        closes.then(|| self.close(now, half_window, of))
    }

    fn close(&mut self, now: Moment, for_ms: i64, of: Option<Login>) -> i64 {
        let until_ms = now.ms.saturating_add(for_ms.clamp(0, LONGEST_CLOSED_MS));
        // Of several refusals that come together the latest time counts; a look that was refused
        // begins a new time.
        let until_ms = match &self.closed {
            Some(closed) if !closed.looking => until_ms.max(closed.until_ms),
            _ => until_ms,
        };
        // What was closed to all, or to others, is closed to all.
        let of = of.filter(|_| self.closed.as_ref().is_none_or(|closed| closed.of == of));
        self.closed = Some(Closed { until_ms, looking: false, of });
        until_ms
    }

    fn grain(&self) -> i64 {
        (self.keep_ms / GROUPS).max(1)
    }

    /// Groups answers by their time rounded up: later than it was, never earlier.
    fn note_used(&mut self, at_ms: i64) {
        let grain = self.grain();
        let rounded = at_ms.saturating_add(grain - 1).div_euclid(grain).saturating_mul(grain);
        match self.used.last_mut() {
            Some(last) if last.0 >= rounded => last.1 = last.1.saturating_add(1),
            _ => self.used.push((rounded, 1)),
        }
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

pub(super) fn window_ms(limits: &Limits) -> i64 {
    limits.requests.map_or(GUESSED_WINDOW_MS, |rate| rate.window_ms())
}

pub(super) fn spacing_ms(limits: &Limits) -> i64 {
    i64::try_from(limits.spacing.as_millis()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests;
