//! The only place that reads the time. Everything else is handed a [`Clock`].

use super::time::Timestamp;
use async_trait::async_trait;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Tells the time of day, and waits.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now, by the machine's idea of it. It may jump, either way, when somebody sets the clock.
    fn now(&self) -> Timestamp;

    /// How long the machine is up, where that is known: it never jumps.
    fn uptime(&self) -> Option<Uptime> {
        None
    }

    /// Waits for so long by this clock.
    async fn sleep(&self, wait: Duration) {
        tokio::time::sleep(wait).await;
    }
}

/// How long a machine is up, time asleep included. Two of them can be compared if they are of
/// the same boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uptime {
    /// Tells one start of the machine from another.
    pub boot: i64,
    /// Milliseconds since that start.
    pub millis: i64,
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => Timestamp::new(since.as_secs() as i64, since.subsec_nanos()),
            Err(before) => Timestamp::from_millis(-(before.duration().as_millis() as i64)),
        }
    }

    fn uptime(&self) -> Option<Uptime> {
        let millis = millis_up()?;
        Some(Uptime { boot: boot_number()?, millis })
    }
}

/// A number drawn by the system at each start of the machine.
fn boot_number() -> Option<i64> {
    static NUMBER: std::sync::OnceLock<Option<i64>> = std::sync::OnceLock::new();
    *NUMBER.get_or_init(|| {
        let text = std::fs::read("/proc/sys/kernel/random/boot_id").ok()?;
        let hash = blake3::hash(&text);
        Some(i64::from_le_bytes(*hash.as_bytes().first_chunk()?))
    })
}

#[cfg(target_os = "linux")]
fn millis_up() -> Option<i64> {
    let up = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Some(up.tv_sec.saturating_mul(1000).saturating_add(up.tv_nsec / 1_000_000))
}

#[cfg(not(target_os = "linux"))]
fn millis_up() -> Option<i64> {
    None
}

/// A clock that stands still until it is moved, and that a sleep moves: for tests, for the demo
/// and for replaying a plan.
#[derive(Debug)]
pub struct ManualClock {
    millis: AtomicI64,
    up: AtomicI64,
}

impl ManualClock {
    /// A clock that shows `start`.
    pub fn at(start: Timestamp) -> Self {
        Self { millis: AtomicI64::new(start.millis()), up: AtomicI64::new(0) }
    }

    /// Lets time pass.
    pub fn advance(&self, time: Duration) {
        let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self.millis.fetch_add(millis, Ordering::SeqCst);
        self.up.fetch_add(millis, Ordering::SeqCst);
    }

    /// Sets the clock by `millis` without any time passing, backwards where negative.
    pub fn set_by_millis(&self, millis: i64) {
        self.millis.fetch_add(millis, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.millis.load(Ordering::SeqCst))
    }

    fn uptime(&self) -> Option<Uptime> {
        Some(Uptime { boot: 1, millis: self.up.load(Ordering::SeqCst) })
    }

    /// Lets the others work for a moment, then time passes. Who sleeps at the same time sleeps the
    /// same time.
    async fn sleep(&self, wait: Duration) {
        let until = self.up.load(Ordering::SeqCst) + i64::try_from(wait.as_millis()).unwrap_or(i64::MAX / 2);
        tokio::time::sleep(wait.min(Duration::from_millis(2))).await;
        let left = until - self.up.load(Ordering::SeqCst);
        if left > 0 {
            self.advance(Duration::from_millis(left.unsigned_abs()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_up_for_a_while_and_goes_on() {
        let (first, second) = (SystemClock.uptime(), SystemClock.uptime());
        if let (Some(first), Some(second)) = (first, second) {
            assert!(first.boot == second.boot && first.millis > 0 && second.millis >= first.millis);
        }
    }

    #[tokio::test]
    async fn who_sleeps_at_the_same_time_sleeps_the_same_time() {
        let clock = ManualClock::at(Timestamp::from_millis(1_000));
        let hour = Duration::from_secs(3600);
        tokio::join!(clock.sleep(hour), clock.sleep(hour));
        assert_eq!(clock.now().millis(), 1_000 + 3_600_000);
        clock.set_by_millis(-5_000);
        assert_eq!(clock.uptime().map(|up| up.millis), Some(3_600_000));
    }
}
