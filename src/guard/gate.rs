//! The guard at work: it lets each request pass by the ledger, waits where it must, says until
//! when, and notes how each request ended.

use super::Limits;
use super::account::Account;
use super::forecast::{requests_until, requests_without_long_wait};
use super::line::Moment;
use super::login::{Credentials, Login};
use super::request::{Admission, Ask, Ended, Purpose, Verdict, Wait};
use crate::model::cancel::Cancel;
use crate::model::clock::Clock;
use crate::model::time::Timestamp;
use crate::progress::{Event, Observer, Silent};
use crate::state::{Ledger, StateError};
use crate::store::retry::WORTH_TELLING;
use crate::store::{End, ErrorKind, Gate, Outgoing, Pass, Refusal, StoreError};
use async_trait::async_trait;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A wait looks after so long whether the others have made room, or somebody set the clock.
const SLICE: Duration = Duration::from_secs(10);
/// The same for who waits for another's look, which takes as long as a request.
const LOOK_SLICE: Duration = Duration::from_millis(500);

/// What a guard is handed.
pub struct GuardOptions {
    /// What the account allows.
    pub limits: Limits,
    /// Which account: the same for all repositories on it.
    pub account: String,
    /// What its requests bear.
    pub credentials: Credentials,
    /// What the requests are for.
    pub purpose: Purpose,
    /// No wait for the budget or a closed window may be longer.
    pub max_wait: Option<Duration>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who is told of waits.
    pub observer: Arc<dyn Observer>,
    /// A wish to stop.
    pub cancel: Cancel,
}

impl GuardOptions {
    /// For `account` with `limits` and no credentials, with nobody told.
    pub fn new(account: impl Into<String>, limits: Limits, clock: Arc<dyn Clock>) -> Self {
        Self {
            limits,
            account: account.into(),
            credentials: Credentials::none(),
            purpose: Purpose::Other,
            max_wait: None,
            clock,
            observer: Arc::new(Silent),
            cancel: Cancel::default(),
        }
    }
}

/// Guards an account.
pub struct Guard {
    ledger: Arc<Ledger>,
    options: GuardOptions,
    /// One request of this process waits, the others wait behind it.
    turn: tokio::sync::Mutex<()>,
    /// What the server said when it refused last.
    said: Mutex<Option<String>>,
}

impl Guard {
    /// A guard by what `ledger` knows.
    pub fn new(ledger: Arc<Ledger>, options: GuardOptions) -> Self {
        Self { ledger, options, turn: tokio::sync::Mutex::default(), said: Mutex::default() }
    }

    /// What the account allows.
    pub fn limits(&self) -> &Limits {
        &self.options.limits
    }

    /// What its requests are for.
    pub fn purpose(&self) -> Purpose {
        self.options.purpose
    }

    /// What is known of the account, and the moment for which that holds.
    pub fn account(&self) -> Result<(Account, Moment), StateError> {
        let now = Moment::now(&*self.options.clock);
        let mut account = parse(self.ledger.read(&self.options.account)?);
        account.bring_to(now, &self.options.limits);
        Ok((account, now))
    }

    /// Whether its credentials are known to work.
    pub fn credentials_worked(&self) -> Result<bool, StateError> {
        let (mut account, _) = self.account()?;
        let login = account.login(&self.options.credentials, [0; 16]);
        Ok(account.knows(login))
    }

    /// How much of this month's allowance to send is left, in bytes.
    pub fn upload_left(&self) -> Result<Option<u64>, StateError> {
        let (account, now) = self.account()?;
        if account.uploads_are_used_up(now) {
            return Ok(Some(0));
        }
        let (used, _) = account.month(now);
        Ok(self.options.limits.upload_per_month.map(|most| most.saturating_sub(used)))
    }

    /// How many requests can be sent until `until` and before one has to wait longer than may be
    /// waited; none where that is without end.
    pub fn requests_left(&self, until: Option<Timestamp>) -> Result<Option<u64>, StateError> {
        let ((account, now), options) = (self.account()?, &self.options);
        let (limits, purpose) = (&options.limits, options.purpose);
        let in_time = until.and_then(|until| requests_until(&account, now, limits, purpose, until));
        let patient = options
            .max_wait
            .and_then(|longest| requests_without_long_wait(&account, now, limits, purpose, longest));
        Ok([in_time, patient].into_iter().flatten().min())
    }

    /// Changes the account as of now; `change` is told by what name it knows the credentials.
    fn change<T>(&self, change: impl FnOnce(&mut Account, Moment, Login) -> T) -> Result<T, StateError> {
        // Without random bytes hashes are as those of others: no matter for what they are.
        let mut salt = [0; 16];
        let _ = getrandom::fill(&mut salt);
        self.ledger.change(&self.options.account, |data| {
            let mut account = parse(data);
            // Read inside: who waited for the lock must not come with an old time.
            let now = Moment::now(&*self.options.clock);
            account.bring_to(now, &self.options.limits);
            let login = account.login(&self.options.credentials, salt);
            let value = change(&mut account, now, login);
            (serde_json::to_vec(&account).unwrap_or_default(), value)
        })
    }

    fn verdict(&self, request: &Outgoing<'_>, refusal: Refusal<'_>) -> Verdict {
        match refusal.kind {
            ErrorKind::Throttled(until) => {
                let now = self.options.clock.now();
                Verdict::Throttled(until.map(|until| until.millis().saturating_sub(now.millis())))
            }
            ErrorKind::TrafficUsedUp => Verdict::UsedUp { uploads: request.up > 0 },
            ErrorKind::Unauthorised => Verdict::Denied,
            ErrorKind::Transient if refusal.status == 503 => Verdict::Refused,
            ErrorKind::Transient => Verdict::Neutral,
            _ => Verdict::Answered,
        }
    }

    fn reason(&self, why: Wait) -> String {
        match (why, self.options.limits.requests) {
            (Wait::Closed | Wait::Look, _) => {
                let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
                said.clone().unwrap_or_else(|| "the server refused another filbert".to_owned())
            }
            (Wait::Denied, _) => {
                "the server refuses the password that worked before, as some do with one who asks too often; if it \
                 was changed, stop this and give the new one"
                    .to_owned()
            }
            (Wait::Budget | Wait::Pacing, Some(rate)) => format!("the budget of {rate} is used"),
            (Wait::Budget | Wait::Pacing, None) => "requests are spaced".to_owned(),
        }
    }

    fn wait_error(&self, request: &Outgoing<'_>, until: Timestamp, why: Wait) -> StoreError {
        let reason = match why {
            Wait::Closed | Wait::Look => "the server refused and is left alone",
            Wait::Denied => "the server refused the password, which worked before, and is left alone",
            Wait::Budget | Wait::Pacing => "the request budget is used",
        };
        let detail = format!(
            "{reason} until {}, which is longer than may be waited (--max-wait); run the same command again then, \
             it goes on from here",
            until.rfc3339()
        );
        StoreError::new(ErrorKind::Throttled(Some(until)), request.action, detail)
    }
}

fn parse(data: Option<Vec<u8>>) -> Account {
    // What cannot be read was written by nobody we know: begin anew.
    data.and_then(|data| serde_json::from_slice(&data).ok()).unwrap_or_default()
}

fn used_up_error(request: &Outgoing<'_>, uploads: bool, by_server: bool, until_wall_ms: i64) -> StoreError {
    let (what, setting) = match uploads {
        true => ("sent", "upload_per_month"),
        false => ("received", "download_per_month"),
    };
    let until = Timestamp::from_millis(until_wall_ms).rfc3339();
    let detail = match by_server {
        true => format!(
            "the server said that no more may be {what} in this month; it is asked again after {until}, once a day"
        ),
        false => format!(
            "the bytes that may be {what} in this month are used up: go on after {until}, or raise `{setting}` in \
             the settings if the account allows more"
        ),
    };
    StoreError::new(ErrorKind::TrafficUsedUp, request.action, detail)
}

fn ledger_error(request: &Outgoing<'_>, error: &StateError) -> StoreError {
    // Another process that holds the ledger lets go of it.
    let kind = if error.is_busy() { ErrorKind::Transient } else { ErrorKind::Permanent };
    StoreError::new(kind, request.action, format!("not sent, for it cannot be counted: {error}"))
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("limits", &self.options.limits).finish_non_exhaustive()
    }
}

#[async_trait]
impl Gate for Guard {
    async fn enter(&self, request: &Outgoing<'_>) -> Result<Pass, StoreError> {
        let (purpose, fetches) = (self.options.purpose, request.method == "GET");
        let _turn = self.turn.lock().await;
        let mut told_ms = i64::MIN;
        loop {
            let entered = self.change(|account, now, login| {
                let ask = Ask { purpose, login, up: request.up, fetches };
                (account.enter(now, &self.options.limits, ask), now)
            });
            let (admission, now) = entered.map_err(|error| ledger_error(request, &error))?;
            let (until_ms, why) = match admission {
                Admission::Go(pass) => return Ok(Pass(pass)),
                Admission::UsedUp { uploads, by_server, until_wall_ms } => {
                    return Err(used_up_error(request, uploads, by_server, until_wall_ms));
                }
                Admission::Wait { until_ms, why } => (until_ms, why),
            };
            let wait = Duration::from_millis(until_ms.saturating_sub(now.ms).max(1).unsigned_abs());
            let may_be_long = matches!(why, Wait::Budget | Wait::Closed | Wait::Denied);
            if may_be_long && self.options.max_wait.is_some_and(|longest| wait > longest) {
                return Err(self.wait_error(request, now.at(until_ms), why));
            }
            let worth_telling = wait >= WORTH_TELLING && why != Wait::Look;
            if worth_telling && until_ms.abs_diff(told_ms) > 1000 {
                told_ms = until_ms;
                let reason = self.reason(why);
                self.options.observer.event(Event::Waiting { until: now.at(until_ms), reason: &reason });
            }
            let slice = if why == Wait::Look { LOOK_SLICE } else { SLICE };
            tokio::select! {
                () = self.options.clock.sleep(wait.min(slice)) => {}
                () = self.options.cancel.cancelled() => {
                    return Err(StoreError::new(ErrorKind::Permanent, request.action, "interrupted while waiting"));
                }
            }
        }
    }

    fn refused(&self, pass: Pass, request: &Outgoing<'_>, refusal: Refusal<'_>) -> Option<Timestamp> {
        let jitter = f64::from(getrandom::u32().unwrap_or(0)) / f64::from(u32::MAX);
        let verdict = self.verdict(request, refusal);
        if verdict.is_refusal() {
            *self.said.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal.detail.to_owned());
        }
        let noted = self.change(|account, now, login| {
            let ended = Ended { pass: pass.0, login, up: request.up, down: 0, verdict };
            let closed = account.leave(now, &self.options.limits, ended, jitter);
            closed.map(|until_ms| now.at(until_ms))
        });
        // What cannot be noted now is noticed by the next request.
        noted.ok().flatten()
    }

    fn left(&self, pass: Pass, down: u64, end: End) {
        let verdict = match end {
            End::Done => Verdict::Accepted,
            End::Unknown => Verdict::Neutral,
        };
        let noted = self.change(|account, now, login| {
            let ended = Ended { pass: pass.0, login, up: 0, down, verdict };
            account.leave(now, &self.options.limits, ended, 0.0)
        });
        // What cannot be noted now is noticed by the next request.
        let _ = noted;
    }
}
