//! What `Retrying` tries again, what it does not, and how lost answers are settled.

#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

use async_trait::async_trait;
use bytes::Bytes;
use filbert::model::clock::{Clock, ManualClock, SystemClock};
use filbert::model::time::Timestamp;
use filbert::store::{
    ErrorKind, Listing, MemoryStore, RetryOptions, Retrying, Store, StoreError, TrafficCount,
};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens to the next operation.
#[derive(Debug, Clone, Copy)]
enum Fault {
    None,
    /// It fails before anything happens.
    Fails(ErrorKind),
    /// An upload keeps so many bytes, and its answer is lost.
    KeptThenLost(usize),
    /// An upload keeps another object of the same length, and its answer is lost.
    GarbledThenLost,
}

/// A store in memory whose operations go wrong in turn.
#[derive(Debug, Default)]
struct Faulty {
    inner: MemoryStore,
    faults: Mutex<VecDeque<Fault>>,
}

impl Faulty {
    fn next(&self) -> Result<Fault, StoreError> {
        match self.faults.lock().unwrap().pop_front() {
            Some(Fault::Fails(kind)) => Err(StoreError::new(kind, "test", "as told")),
            fault => Ok(fault.unwrap_or(Fault::None)),
        }
    }
}

#[async_trait]
impl Store for Faulty {
    async fn list(&self, folder: &str) -> Result<Listing, StoreError> {
        self.next()?;
        self.inner.list(folder).await
    }
    async fn get(&self, path: &str, limit: u64) -> Result<Bytes, StoreError> {
        self.next()?;
        self.inner.get(path, limit).await
    }
    async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.next()?;
        self.inner.get_range(path, range).await
    }
    async fn size(&self, path: &str) -> Result<u64, StoreError> {
        self.next()?;
        self.inner.size(path).await
    }
    async fn put_new(&self, path: &str, body: Bytes) -> Result<(), StoreError> {
        let kept = match self.next()? {
            Fault::KeptThenLost(length) => body.slice(..length),
            Fault::GarbledThenLost => vec![0; body.len()].into(),
            _ => return self.inner.put_new(path, body).await,
        };
        self.inner.put_new(path, kept).await?;
        Err(StoreError::new(ErrorKind::Unknown, "test", "answer lost"))
    }
    async fn delete(&self, path: &str) -> Result<(), StoreError> {
        self.next()?;
        self.inner.delete(path).await
    }
    async fn ensure_folder(&self, path: &str) -> Result<(), StoreError> {
        self.next()?;
        self.inner.ensure_folder(path).await
    }
    fn traffic(&self) -> TrafficCount {
        self.inner.traffic()
    }
    fn address(&self) -> String {
        self.inner.address()
    }
}

fn quick() -> RetryOptions {
    RetryOptions {
        attempts: 4,
        patience: Duration::ZERO,
        base_delay: Duration::from_millis(2),
        max_delay: Duration::from_millis(4),
        throttle_delay: Duration::from_millis(5),
        max_throttle_wait: Duration::from_millis(400),
        credentials_worked: false,
    }
}

/// A store with the object `a`, and faults to come.
async fn store_with(faults: &[Fault], options: RetryOptions) -> (Arc<Faulty>, Retrying) {
    let faulty = Arc::new(Faulty::default());
    faulty.inner.ensure_folder("").await.unwrap();
    faulty.inner.put_new("a", Bytes::from_static(b"0123456789")).await.unwrap();
    faulty.faults.lock().unwrap().extend(faults);
    let retrying = Retrying::new(faulty.clone(), options, Arc::new(SystemClock));
    (faulty, retrying)
}

fn left(faulty: &Faulty) -> usize {
    faulty.faults.lock().unwrap().len()
}

fn body() -> Bytes {
    (0..5000_u32).map(|n| n as u8).collect()
}

#[tokio::test]
async fn passing_faults_are_tried_again() {
    let passing = [
        Fault::Fails(ErrorKind::Transient),
        Fault::Fails(ErrorKind::Unknown),
        Fault::Fails(ErrorKind::Throttled(None)),
    ];
    let (faulty, store) = store_with(&passing, quick()).await;
    assert_eq!(store.get("a", 10).await.unwrap().len(), 10);
    assert_eq!(left(&faulty), 0);
    faulty.faults.lock().unwrap().extend(passing);
    store.list("").await.unwrap();
    faulty.faults.lock().unwrap().extend(passing);
    store.delete("a").await.unwrap();
    assert_eq!(left(&faulty), 0);
}

#[tokio::test]
async fn faults_that_stay_are_not_tried_again() {
    for kind in [
        ErrorKind::NotFound,
        ErrorKind::Unauthorised,
        ErrorKind::TooLarge,
        ErrorKind::Quota,
        ErrorKind::TrafficUsedUp,
        ErrorKind::Conflict,
        ErrorKind::NotWebdav,
        ErrorKind::Permanent,
    ] {
        let (_faulty, store) = store_with(&[Fault::Fails(kind)], quick()).await;
        assert_eq!(store.put_new("b", body()).await.unwrap_err().kind, kind);
    }
}

#[tokio::test]
async fn attempts_are_bounded() {
    let (faulty, store) = store_with(&[Fault::Fails(ErrorKind::Transient); 9], quick()).await;
    assert_eq!(store.size("a").await.unwrap_err().kind, ErrorKind::Transient);
    assert_eq!(left(&faulty), 5);
}

#[tokio::test]
async fn damage_is_read_again_but_a_damaged_listing_is_told() {
    let corrupt = Fault::Fails(ErrorKind::Corrupt);
    let (_, store) = store_with(&[corrupt, corrupt], quick()).await;
    store.get("a", 10).await.unwrap();
    let (_, store) = store_with(&[corrupt], quick()).await;
    store.get_range("a", 0..5).await.unwrap();
    let (_, store) = store_with(&[corrupt], quick()).await;
    assert_eq!(store.list("").await.unwrap_err().kind, ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_refused_password_is_tried_again_only_once_it_has_worked() {
    let refused = Fault::Fails(ErrorKind::Unauthorised);
    let (faulty, store) = store_with(&[Fault::None, refused, refused], quick()).await;
    store.size("a").await.unwrap();
    store.size("a").await.unwrap();
    faulty.faults.lock().unwrap().extend([refused; 9]);
    assert_eq!(store.size("a").await.unwrap_err().kind, ErrorKind::Unauthorised);
    assert_eq!(left(&faulty), 5);

    let known = RetryOptions { credentials_worked: true, ..quick() };
    let (_, store) = store_with(&[refused], known).await;
    store.size("a").await.unwrap();
}

#[tokio::test]
async fn a_lost_answer_of_a_stored_upload_costs_a_look_and_no_second_upload() {
    let (faulty, store) = store_with(&[Fault::KeptThenLost(5000)], quick()).await;
    let before = faulty.traffic();
    store.put_new("b", body()).await.unwrap();
    let spent = faulty.traffic().since(&before);
    assert_eq!(spent.requests["PUT"], 1);
    assert_eq!((spent.requests["HEAD"], spent.requests["GET"]), (1, 1));
    assert_eq!(spent.bytes_down, 1024);
}

#[tokio::test]
async fn what_is_cut_missing_or_garbled_is_uploaded_again() {
    for fault in [
        Fault::KeptThenLost(4999),
        Fault::KeptThenLost(0),
        Fault::GarbledThenLost,
        Fault::Fails(ErrorKind::Unknown),
        Fault::Fails(ErrorKind::Transient),
    ] {
        let (faulty, store) = store_with(&[fault], quick()).await;
        store.put_new("b", body()).await.unwrap();
        assert_eq!(faulty.inner.objects()["b"], body(), "{fault:?}");
    }
}

#[tokio::test]
async fn a_look_that_is_disturbed_is_repeated() {
    let faults = [
        Fault::KeptThenLost(5000),
        Fault::Fails(ErrorKind::Transient),
        Fault::None,
        Fault::Fails(ErrorKind::Corrupt),
    ];
    let (faulty, store) = store_with(&faults, quick()).await;
    let before = faulty.traffic();
    store.put_new("b", body()).await.unwrap();
    assert_eq!(faulty.traffic().since(&before).requests["PUT"], 1);
}

#[tokio::test]
async fn the_last_attempt_is_settled_as_well() {
    let once = RetryOptions { attempts: 1, ..quick() };
    let (_, store) = store_with(&[Fault::KeptThenLost(5000)], once.clone()).await;
    store.put_new("b", body()).await.unwrap();
    let (_, store) = store_with(&[Fault::KeptThenLost(10)], once).await;
    assert_eq!(store.put_new("b", body()).await.unwrap_err().kind, ErrorKind::Unknown);
}

#[tokio::test]
async fn a_throttle_is_waited_for_unless_it_takes_too_long() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000)));
    let throttled = |ms: i64| {
        let until = Timestamp::from_millis(clock.now().millis() + ms);
        Fault::Fails(ErrorKind::Throttled(Some(until)))
    };
    for (wait_ms, passes) in [(300, true), (-50, true), (401, false)] {
        let (faulty, _) = store_with(&[throttled(wait_ms)], quick()).await;
        let store = Retrying::new(faulty, quick(), clock.clone());
        let before = clock.now().millis();
        assert_eq!(store.size("a").await.is_ok(), passes, "{wait_ms}");
        let waited = clock.now().millis() - before;
        assert!(if passes { waited >= wait_ms.max(2) } else { waited == 0 }, "{wait_ms}: {waited}");
    }
}

#[tokio::test]
async fn throttles_do_not_use_up_attempts_but_end_as_well() {
    let (_, store) = store_with(&[Fault::Fails(ErrorKind::Throttled(None)); 6], quick()).await;
    store.size("a").await.unwrap();
    let (_, store) = store_with(&[Fault::Fails(ErrorKind::Throttled(None)); 99], quick()).await;
    assert_eq!(store.size("a").await.unwrap_err().kind, ErrorKind::Throttled(None));
}
