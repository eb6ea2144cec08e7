//! What servers say that cannot be so: waits of a year, listings without measure, bodies without
//! end.

use super::store_error;
use crate::support::drive::{Drive, SET, documents};
use crate::support::tree;
use filbert::emulator::{Canned, Effect, Fault, ListingFault};
use filbert::guard::Purpose;
use filbert::store::ErrorKind;
use std::time::Duration;

const DAY_MS: i64 = 24 * 3_600_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_after_of_any_kind_is_bounded() {
    let (_dir, source) = documents(2, 3000);
    let half_window = 15 * 60_000;
    // Of half a window and a second two in a hundred, and that half second.
    let jitter = 18_600;
    // What is said with which status, and for how long that is waited.
    let table = [
        (429, "31536000", DAY_MS..=DAY_MS + 2000),
        (503, "99999999999999999999999", DAY_MS..=DAY_MS + 2000),
        (503, "Fri, 31 Dec 9999 23:59:59 GMT", DAY_MS..=DAY_MS + 2000),
        (429, "120", 120_000..=122_000),
        (429, "Sun, 06 Nov 1994 08:49:37 GMT", 750..=3000),
        (503, "0", 750..=3000),
        (429, "whenever you like", half_window..=half_window + jitter),
        (429, "-1", half_window..=half_window + jitter),
        (503, "\u{1}", 0..=3000),
        (503, "soon", 0..=3000),
    ];
    for (status, text, expected) in table {
        let context = format!("{status} with {text:?}");
        let drive = Drive::new().await;
        let machine = drive.machine("here");
        machine.init().await;
        machine.back_up(&source).await;
        drive.only(Fault::new(Effect::Answer(Canned::status(status).retry_after(text))).on("PUT").nth(1));
        let began = drive.clock_ms();
        machine.back_up(&source).await;
        assert!(drive.emulator.faults().clear(), "{context}: it did not strike");
        // A second passes before each backup, and requests are spaced.
        let took = drive.clock_ms() - began - 1000;
        let (least, most) = (*expected.start(), *expected.end() + 2000);
        assert!((least..=most).contains(&took), "{context}: {took} ms");
        let waits = machine.told.waits();
        assert_eq!(waits.is_empty(), most < 10_000, "{context}: {waits:?}");
        for wait in waits {
            assert!(wait.until.millis() - wait.at.millis() <= DAY_MS, "{context}: {wait:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_without_measure_is_read_within_bounds_or_refused() {
    let (_dir, source) = documents(2, 3000);
    let drive = Drive::new().await;
    let machine = drive.machine("here");
    machine.init().await;
    machine.back_up(&source).await;
    // 33 MB in a page are too much, 3 MB are not.
    for (entries, is_read) in [(10_000, true), (100_000, false)] {
        drive.only(Fault::new(Effect::Listing(ListingFault::Huge(entries))).on("PROPFIND").nth(1));
        if is_read {
            machine.back_up(&source).await;
        } else {
            let before = drive.emulator.counts().bytes_down;
            let error = store_error(machine.try_back_up(&source).await);
            assert_eq!(error.kind, ErrorKind::Corrupt, "{error}");
            assert!(error.to_string().contains("longer than the 33554432 bytes"), "{error}");
            assert!(error.action.starts_with("PROPFIND"), "{error}");
            let sent = drive.emulator.counts().bytes_down - before;
            assert!(sent < 40 << 20, "{sent}");
        }
        assert!(drive.emulator.faults().clear());
    }
    // Nothing is lost by it.
    machine.back_up(&source).await;
    let process = drive.machine("here").catch_up(Purpose::Other).await.unwrap();
    assert_eq!(process.repository.snapshots().unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_end_is_cut_where_the_object_ends() {
    let (_dir, source) = documents(4, 5000);
    let drive = Drive::new().await;
    let machine = drive.machine("here");
    machine.init().await;
    machine.back_up(&source).await;
    let before = drive.emulator.counts().bytes_down;
    drive.only(Fault::new(Effect::Endless).on("GET").containing("packs"));
    let reader = drive.machine("here");
    let target = tempfile::tempdir().unwrap();
    let out = target.path().join("out");
    let restoring = reader.try_restore(SET, &out, &[]);
    let outcome = tokio::time::timeout(Duration::from_secs(60), restoring);
    // Each file is named, and none is there.
    let (outcome, _) = outcome.await.expect("it must end").unwrap();
    assert_eq!(outcome.problem_count, 4, "{:?}", outcome.problems);
    assert!(!target.path().join("out/file-000").exists());
    let sent = drive.emulator.counts().bytes_down - before;
    assert!(sent < 256 << 20, "{sent}");
    drive.emulator.faults().clear();
    reader.expect(&tree::read(&source), "afterwards").await;
}
