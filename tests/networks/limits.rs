//! What an account may not do: each limit ends a run with what to do, or is kept to; nothing that
//! was sent is sent again.

use super::store_error;
use crate::support::drive::{Drive, Machine, count, documents, free_account};
use crate::support::{PASSWORD, tree};
use filbert::emulator::{Canned, Effect, Fault, Limits};
use filbert::guard;
use filbert::model::time::Timestamp;
use filbert::repository::writer::WriterOptions;
use filbert::store::ErrorKind;
use std::time::Duration;

const PACK: &str = "PUT packs/000/object";
const DAY: Duration = Duration::from_secs(24 * 3600);
/// The 25th of July 2033; files are older than that.
const LATE_IN_A_MONTH: Timestamp = Timestamp { seconds: 2_005_900_000, nanos: 0 };
/// Packs on their way at the same time.
const AT_ONCE: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn a_month_that_is_used_up_ends_the_run_and_the_next_month_goes_on() {
    let (_dir, source) = documents(12, 6000);
    let allowed = Limits { month_up_bytes: Some(60_000), ..free_account() };
    let drive = Drive::at(LATE_IN_A_MONTH, allowed).await;
    // The server knows of less than this machine does.
    let machine = drive.machine("here");
    machine.init().await;
    drive.asked();
    let error = store_error(machine.try_back_up(&source).await);
    assert_eq!(error.kind, ErrorKind::TrafficUsedUp, "{error}");
    assert!(error.kind.comes_to_an_end());
    assert!(error.to_string().contains("TrafficRateExhausted"), "{error}");
    let first = drive.emulator.objects().paths("filbert/packs").len();
    assert!((3..12).contains(&first), "{first}");
    assert!(count(&drive.steps(), PACK) <= first + AT_ONCE);

    // In the same month it is said without another upload.
    let error = store_error(machine.try_back_up(&source).await);
    assert_eq!(error.kind, ErrorKind::TrafficUsedUp, "{error}");
    assert!(count(&drive.steps(), PACK) <= AT_ONCE);

    drive.clock.advance(DAY * 10);
    machine.back_up(&source).await;
    let steps = drive.steps();
    let all = drive.emulator.objects().paths("filbert/packs").len();
    assert_eq!(count(&steps, PACK), all - first, "{steps:?}");
    drive.machine("here").expect(&tree::read(&source), "over two months").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_drive_is_named_and_room_lets_the_run_go_on() {
    let (_dir, source) = documents(8, 6000);
    let allowed = Limits { storage_bytes: Some(80_000), ..free_account() };
    let drive = Drive::allowing(allowed).await;
    drive.emulator.objects().put("films/holiday", vec![0; 55_000]);
    let machine = drive.machine("here");
    machine.init().await;
    drive.asked();
    let error = store_error(machine.try_back_up(&source).await);
    assert_eq!(error.kind, ErrorKind::Quota, "{error}");
    assert!(error.to_string().contains("the drive is full; make room"), "{error}");
    let first = drive.emulator.objects().paths("filbert/packs").len();
    assert!(first >= 2 && count(&drive.steps(), PACK) <= first + AT_ONCE, "{first}");
    assert!(drive.emulator.objects().remove("films"));
    machine.back_up(&source).await;
    let all = drive.emulator.objects().paths("filbert/packs").len();
    assert_eq!(count(&drive.steps(), PACK), all - first);
    drive.machine("here").expect(&tree::read(&source), "with room").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn packs_that_are_too_large_are_split() {
    let (_dir, source) = documents(12, 60_000);
    let drive = Drive::allowing(Limits { object_bytes: Some(200_000), ..free_account() }).await;
    let machine = drive.machine("here");
    let writer = WriterOptions { pack_bytes: 512 << 10, frame_bytes: 64 << 10, ..machine.writer };
    let machine = Machine { writer, ..machine };
    machine.init().await;
    machine.back_up(&source).await;
    let refused = drive.asked().iter().filter(|seen| seen.status == Some(400)).count();
    // One size, and perhaps its half, by each upload on its way.
    assert!((1..=2 * AT_ONCE).contains(&refused), "{refused}");
    drive.machine("here").expect(&tree::read(&source), "split").await;
    // It is known from then on.
    (0..12).for_each(|n| tree::write(&source, &format!("new-{n}"), tree::noise(100 + n, 60_000)));
    machine.back_up(&source).await;
    let refused = drive.asked().iter().filter(|seen| seen.status == Some(400)).count();
    assert_eq!(refused, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_was_really_changed_is_told_after_the_second_wait() {
    let (_dir, source) = documents(2, 3000);
    let drive = Drive::new().await;
    let machine = drive.machine("here");
    machine.init().await;
    machine.back_up(&source).await;
    // It is changed at the server.
    drive.only(Fault::new(Effect::Answer(Canned::status(401))));
    drive.asked();
    let began = drive.clock_ms();
    let error = store_error(machine.try_back_up(&source).await);
    assert_eq!(error.kind, ErrorKind::Unauthorised, "{error}");
    assert!(error.to_string().contains("check user and password"), "{error}");
    assert!(!error.to_string().contains(PASSWORD), "{error}");
    // Three are a closed window, which is looked at twice.
    let asked = drive.asked();
    assert!((5..=7).contains(&asked.len()), "{}", asked.len());
    let took = Duration::from_millis(drive.clock_ms().abs_diff(began));
    assert!(took >= Duration::from_secs(1800) && took <= Duration::from_secs(40 * 60), "{took:?}");
    let long: Vec<_> = machine
        .told
        .waits()
        .into_iter()
        .filter(|wait| wait.until.millis() - wait.at.millis() > 600_000)
        .collect();
    assert!((2..=4).contains(&long.len()), "{long:?}");
    // From then on it is a wrong one like any other.
    let error = store_error(machine.try_back_up(&source).await);
    assert_eq!((error.kind, drive.asked().len()), (ErrorKind::Unauthorised, 1), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_one_request_and_keeps_the_right_one_from_nothing() {
    let (_dir, source) = documents(2, 3000);
    for known in [true, false] {
        let drive = Drive::new().await;
        let machine = drive.machine("here");
        machine.init().await;
        machine.back_up(&source).await;
        let machine = if known { machine } else { machine.without_state() };
        let wrong = Machine { login: "mistyped".to_owned(), ..machine };
        drive.asked();
        let began = drive.clock_ms();
        for _ in 0..6 {
            let error = store_error(wrong.try_back_up(&source).await);
            assert_eq!((error.kind, drive.asked().len()), (ErrorKind::Unauthorised, 1), "{known}: {error}");
            assert!(error.to_string().contains("check user and password"), "{error}");
            assert!(!error.to_string().contains("mistyped"), "{error}");
        }
        assert!(wrong.told.waits().is_empty(), "{:?}", wrong.told.waits());
        let right = Machine { login: PASSWORD.to_owned(), ..wrong };
        right.back_up(&source).await;
        assert!(drive.clock_ms() - began < 60_000 && right.told.waits().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_at_once_where_none_ever_worked() {
    let drive = Drive::new().await;
    let machine = Machine { login: "wrong".to_owned(), ..drive.machine("here") };
    let error = machine.try_init().await.unwrap_err().to_string();
    assert!(error.contains("check user and password"), "{error}");
    assert_eq!(drive.asked().len(), 1);
    assert!(machine.told.waits().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn lone_refusals_are_tried_again_after_1_and_2_seconds() {
    let (_dir, source) = documents(2, 3000);
    for (refusals, least_ms, most_ms) in [(1, 750, 1000), (2, 2250, 3000)] {
        for status in [503, 401] {
            let drive = Drive::allowing(Limits::none()).await;
            let mut machine = drive.machine("here");
            machine.limits = guard::Limits::none();
            machine.init().await;
            machine.back_up(&source).await;
            drive.only(Fault::new(Effect::Answer(Canned::status(status))).on("PUT").times(refusals));
            drive.asked();
            let began = drive.clock_ms();
            machine.back_up(&source).await;
            // A second passes before each backup.
            let took = drive.clock_ms() - began - 1000;
            assert!((least_ms..=most_ms).contains(&took), "{refusals} of {status}: {took} ms");
            assert_eq!(drive.asked().len() as u64, 2 + refusals, "{status}");
            assert!(machine.told.waits().is_empty(), "{:?}", machine.told.waits());
        }
    }
}
