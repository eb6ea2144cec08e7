//! Drives that refuse for half an hour, and such that answer one request of three.

use crate::support::drive::{Drive, count, documents, free_account};
use crate::support::tree;
use filbert::emulator::{BodyRead, Canned, Effect, Fault, Limits};
use std::time::Duration;

const BLOCK: Duration = Duration::from_secs(30 * 60);
const HALF_WINDOW_MS: i64 = 15 * 60_000;
/// What machines come back apart.
const JITTER_MS: i64 = 20_000;
/// Packs on their way at the same time.
const AT_ONCE: u64 = 2;

#[tokio::test(flavor = "multi_thread")]
async fn half_an_hour_is_waited_for_with_few_looks_and_the_backup_ends_whole() {
    let (_dir, source) = documents(8, 5000);
    for (blocked_is_401, place, nth) in
        [(false, "packs", 1), (false, "packs", 4), (true, "packs", 4), (false, "log", 1)]
    {
        let context = format!("401: {blocked_is_401}, at upload {nth} to {place}");
        let drive = Drive::allowing(Limits { blocked_is_401, ..free_account() }).await;
        let machine = drive.machine("here");
        machine.init().await;
        drive.only(Fault::new(Effect::BlockFor(BLOCK)).on("PUT").containing(place).nth(nth));
        let began = drive.clock_ms();
        machine.back_up(&source).await;
        assert!(drive.emulator.faults().clear(), "{context}: it did not strike");
        let took = drive.clock_ms() - began;
        let block = BLOCK.as_millis() as i64;
        assert!((block..=block + HALF_WINDOW_MS + 60_000).contains(&took), "{context}: {took}");
        // Those on their way, two lone ones that are tried again where the server says 401, and one
        // look in each half of the window.
        let lone = if blocked_is_401 { 2 } else { 0 };
        let refused = drive.emulator.counts().refused_window;
        assert!((2..=AT_ONCE + lone + 2).contains(&refused), "{context}: {refused} refused");
        // It was told until when.
        let waits = machine.told.waits();
        assert!(!waits.is_empty(), "{context}");
        for wait in &waits {
            let ms = wait.until.millis() - wait.at.millis();
            assert!((5_000..=HALF_WINDOW_MS + JITTER_MS + 1000).contains(&ms), "{context}: {wait:?}");
        }
        let last = waits.iter().map(|wait| wait.until.millis()).max().unwrap();
        assert!(last >= began + block, "{context}: {waits:?}");
        drive.machine("here").expect(&tree::read(&source), &context).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_waits_as_well() {
    let (_dir, source) = documents(8, 5000);
    let drive = Drive::new().await;
    let machine = drive.machine("here");
    machine.init().await;
    machine.back_up(&source).await;
    drive.only(Fault::new(Effect::BlockFor(BLOCK)).on("GET").containing("packs").nth(2));
    let (reader, began) = (drive.machine("here"), drive.clock_ms());
    reader.expect(&tree::read(&source), "through a block").await;
    assert!(drive.emulator.faults().clear());
    assert!(drive.clock_ms() - began >= BLOCK.as_millis() as i64);
    assert!((2..=4).contains(&drive.emulator.counts().refused_window));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_answer_of_three_is_enough() {
    let (_dir, source) = documents(8, 5000);
    for effect in [
        Effect::Answer(Canned::status(503)),
        Effect::Answer(Canned::status(500)),
        Effect::DropBefore(BodyRead::Nothing),
        Effect::DropBefore(BodyRead::All),
        Effect::DropAfter,
    ] {
        let context = format!("{effect:?}");
        let drive = Drive::new().await;
        let machine = drive.machine("here");
        machine.init().await;
        drive.asked();
        drive.only(Fault::new(effect).except_every(3));
        machine.back_up(&source).await;
        let struck = drive.emulator.faults().struck()[0];
        let asked = drive.asked().len() as u64;
        assert!(struck * 3 >= asked, "{context}: {struck} of {asked}");
        drive.emulator.faults().clear();
        drive.machine("here").expect(&tree::read(&source), &context).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_refused_by_a_window_that_is_known() {
    let (_dir, source) = documents(20, 5000);
    let rate = filbert::emulator::Rate { requests: 10, within: BLOCK };
    let drive = Drive::allowing(Limits { window: Some(rate), ..free_account() }).await;
    let mut machine = drive.machine("here");
    machine.limits.requests = Some(filbert::guard::RequestRate { requests: 10, window: BLOCK });
    machine.init().await;
    machine.back_up(&source).await;
    let counts = drive.emulator.counts();
    assert_eq!(counts.refused_window, 0);
    let packs = count(&drive.steps(), "PUT packs/000/object");
    assert!(packs > 12, "{packs}");
    assert!(!machine.told.waits().is_empty());
    let limits = machine.limits.clone();
    let reader =
        crate::support::drive::Machine { ledger: machine.ledger.clone(), limits, ..drive.machine("here") };
    reader.expect(&tree::read(&source), "in small windows").await;
    assert_eq!(drive.emulator.counts().refused_window, 0);
}
