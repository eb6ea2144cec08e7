//! Tries again what may pass, waits where a server says so, and settles lost answers of uploads
//! by looking: the one place that knows how patient filbert is.

mod reading;

use super::{ErrorKind, Listing, Pieces, Quota, Repeats, SharedStore, Store, StoreError, TrafficCount};
use crate::model::cancel::Cancel;
use crate::model::clock::Clock;
use crate::model::time::Timestamp;
use crate::progress::{Event, Observer, Silent};
use async_trait::async_trait;
use bytes::Bytes;
use reading::Reading;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How many bytes of an upload's end are compared after its answer was lost.
const TAIL_BYTES: u64 = 1024;

/// Waits shorter than this are not told to the observer, whoever waits.
pub(crate) const WORTH_TELLING: Duration = Duration::from_secs(2);

/// How patient to be.
#[derive(Debug, Clone)]
pub struct RetryOptions {
    /// Attempts of one operation, the first included. Waits of a throttle do not count.
    pub attempts: u32,
    /// A network or a server that fails is tried for at least so long, however many attempts that
    /// takes: the limit on time without progress.
    pub patience: Duration,
    /// The pause after the first failure; doubled after each further one, with jitter.
    pub base_delay: Duration,
    /// The longest such pause.
    pub max_delay: Duration,
    /// The first pause after a throttle that names no time; doubled after each further one.
    pub throttle_delay: Duration,
    /// How long one operation waits for throttles in all.
    pub max_throttle_wait: Duration,
    /// These credentials worked before, so that a refusal may pass.
    pub credentials_worked: bool,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self {
            attempts: 5,
            patience: Duration::ZERO,
            base_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(60),
            throttle_delay: Duration::from_secs(30),
            max_throttle_wait: Duration::from_secs(40 * 60),
            credentials_worked: false,
        }
    }
}

/// A store that tries again.
pub struct Retrying {
    store: SharedStore,
    options: RetryOptions,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    cancel: Cancel,
    worked: AtomicBool,
    broken: AtomicU64,
    throttled: AtomicU64,
}

/// What is left of the patience for one operation.
struct Patience {
    failures: u32,
    /// When the failures in a row began, in milliseconds that nobody can set.
    since_ms: Option<i64>,
    throttles: u32,
    throttled: Duration,
}

impl Retrying {
    /// `store`, tried again by `options`.
    pub fn new(store: SharedStore, options: RetryOptions, clock: Arc<dyn Clock>) -> Self {
        let worked = AtomicBool::new(options.credentials_worked);
        Self {
            store,
            options,
            clock,
            observer: Arc::new(Silent),
            cancel: Cancel::default(),
            worked,
            broken: AtomicU64::new(0),
            throttled: AtomicU64::new(0),
        }
    }

    /// Tells `observer` of waits of seconds and more.
    pub fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Waits no longer when `cancel` is set.
    pub fn stopped_by(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        self
    }

    /// Whether any operation succeeded, so that the credentials are known to be right.
    pub fn credentials_worked(&self) -> bool {
        self.worked.load(Ordering::Relaxed)
    }

    fn note_success(&self) {
        self.worked.store(true, Ordering::Relaxed);
    }

    /// Waits before another attempt, or hands the error back when patience is at its end.
    async fn pause(
        &self,
        patience: &mut Patience,
        error: StoreError,
        corrupt_may_pass: bool,
    ) -> Result<(), StoreError> {
        let wait = match error.kind {
            ErrorKind::Throttled(until) => self.throttle_wait(patience, until),
            ErrorKind::Unauthorised if self.credentials_worked() => {
                self.failure_wait(patience, 4, Duration::ZERO)
            }
            ErrorKind::Corrupt if !corrupt_may_pass => None,
            kind if kind.is_worth_retrying() => {
                self.failure_wait(patience, self.options.attempts, self.options.patience)
            }
            _ => None,
        };
        let Some(wait) = wait else { return Err(error) };
        if wait >= WORTH_TELLING {
            let until = later(self.clock.now(), wait);
            self.observer.event(Event::Waiting { until, reason: &error.to_string() });
        }
        tokio::select! {
            () = self.clock.sleep(wait) => Ok(()),
            () = self.cancel.cancelled() => Err(error),
        }
    }

    fn failure_wait(&self, patience: &mut Patience, attempts: u32, longest: Duration) -> Option<Duration> {
        patience.failures += 1;
        let now_ms = self.clock.uptime().map_or_else(|| self.clock.now().millis(), |up| up.millis);
        let tried_ms = now_ms.saturating_sub(*patience.since_ms.get_or_insert(now_ms));
        let long_enough = u128::from(tried_ms.max(0).unsigned_abs()) >= longest.as_millis();
        if patience.failures >= attempts.min(self.options.attempts) && long_enough {
            return None;
        }
        let doubled = doubled(self.options.base_delay, patience.failures - 1);
        Some(with_jitter(doubled.min(self.options.max_delay)))
    }

    fn throttle_wait(&self, patience: &mut Patience, until: Option<Timestamp>) -> Option<Duration> {
        let wait = match until {
            Some(until) => {
                let millis = until.millis().saturating_sub(self.clock.now().millis());
                // A time already past must not become a loop without pauses.
                Duration::from_millis(millis.try_into().unwrap_or(0)).max(self.options.base_delay)
            }
            None => with_jitter(doubled(self.options.throttle_delay, patience.throttles)),
        };
        let left = self.options.max_throttle_wait.saturating_sub(patience.throttled);
        if wait > left && (until.is_some() || left.is_zero()) {
            return None;
        }
        // A throttle is an answer: time without one begins anew.
        patience.since_ms = None;
        patience.throttles += 1;
        patience.throttled += wait.min(left);
        Some(wait.min(left))
    }

    async fn repeat<T, F>(
        &self,
        corrupt_may_pass: bool,
        attempt: impl Fn() -> F + Send,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>> + Send,
    {
        let mut patience = Patience::new();
        loop {
            match attempt().await {
                Ok(done) => {
                    self.note_success();
                    return Ok(done);
                }
                Err(error) => self.pause(&mut patience, error, corrupt_may_pass).await?,
            }
        }
    }

    /// Whether the object is there with this length and this end. Names are hashes of the bytes,
    /// so that what could be there is this body, whole or cut.
    async fn is_there(&self, path: &str, body: &Bytes) -> Result<bool, StoreError> {
        let length = body.len() as u64;
        match self.size(path).await {
            Ok(size) if size == length => {}
            Ok(_) => return Ok(false),
            Err(error) if error.is_not_found() => return Ok(false),
            Err(error) => return Err(error),
        }
        let start = length.saturating_sub(TAIL_BYTES);
        match self.get_range(path, start..length).await {
            Ok(tail) => Ok(body.ends_with(&tail) && tail.len() as u64 == length - start),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Patience {
    fn new() -> Self {
        Self { failures: 0, since_ms: None, throttles: 0, throttled: Duration::ZERO }
    }

    /// Some of it succeeded: the failures in a row are over.
    fn has_progress(&mut self) {
        (self.failures, self.since_ms) = (0, None);
    }
}

/// Whether an object is looked for after so many lost answers to its upload. Always at first; later
/// two uploads of three follow the one before at once: on a line that lets each third request
/// through the looks would get through and the uploads never.
fn is_looked_for(losses: u32) -> bool {
    losses <= 2 || losses % 3 == 2
}

fn doubled(base: Duration, times: u32) -> Duration {
    base.saturating_mul(2_u32.saturating_pow(times))
}

/// Between three quarters and the whole, so that machines that failed together do not come back
/// together.
fn with_jitter(wait: Duration) -> Duration {
    let dice = getrandom::u32().unwrap_or(u32::MAX);
    wait.mul_f64(0.75 + 0.25 * f64::from(dice) / f64::from(u32::MAX))
}

fn later(now: Timestamp, wait: Duration) -> Timestamp {
    Timestamp::from_millis(now.millis().saturating_add(wait.as_millis().try_into().unwrap_or(i64::MAX)))
}

impl fmt::Debug for Retrying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retrying").field("store", &self.store).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for Retrying {
    async fn list(&self, folder: &str) -> Result<Listing, StoreError> {
        self.repeat(false, || self.store.list(folder)).await
    }

    async fn get(&self, path: &str, limit: u64) -> Result<Bytes, StoreError> {
        self.repeat(true, || self.store.get(path, limit)).await
    }

    async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.repeat(true, || self.store.get_range(path, range.clone())).await
    }

    async fn read(
        &self,
        path: &str,
        range: Range<u64>,
        size: u64,
    ) -> Result<Box<dyn Pieces + '_>, StoreError> {
        Ok(Box::new(Reading::new(self, path, range, size)))
    }

    async fn size(&self, path: &str) -> Result<u64, StoreError> {
        self.repeat(false, || self.store.size(path)).await
    }

    async fn put_new(&self, path: &str, body: Bytes) -> Result<(), StoreError> {
        let mut patience = Patience::new();
        let mut losses = 0;
        loop {
            let Err(error) = self.store.put_new(path, body.clone()).await else { break };
            let lost = error.kind == ErrorKind::Unknown;
            losses += u32::from(lost);
            match error.kind {
                ErrorKind::Throttled(_) => self.throttled.fetch_add(1, Ordering::Relaxed),
                kind if kind.is_worth_retrying() => self.broken.fetch_add(1, Ordering::Relaxed),
                _ => 0,
            };
            let last = error.clone();
            if let Err(given_up) = self.pause(&mut patience, error, false).await {
                if !lost || !self.is_there(path, &body).await.unwrap_or(false) {
                    return Err(given_up);
                }
                break;
            }
            // The look comes after the pause: a server may still be storing what it got. One that
            // fails for good tells less than the upload's own error.
            if lost && is_looked_for(losses) && self.is_there(path, &body).await.map_err(|_| last)? {
                break;
            }
        }
        self.note_success();
        Ok(())
    }

    async fn delete(&self, path: &str) -> Result<(), StoreError> {
        self.repeat(false, || self.store.delete(path)).await
    }

    async fn ensure_folder(&self, path: &str) -> Result<(), StoreError> {
        self.repeat(false, || self.store.ensure_folder(path)).await
    }

    async fn quota(&self) -> Result<Option<Quota>, StoreError> {
        self.repeat(false, || self.store.quota()).await
    }

    fn traffic(&self) -> TrafficCount {
        self.store.traffic()
    }

    fn repeats(&self) -> Repeats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Repeats { broken: count(&self.broken), throttled: count(&self.throttled) }
    }

    fn moved(&self) -> u64 {
        self.store.moved()
    }

    fn address(&self) -> String {
        self.store.address()
    }
}
