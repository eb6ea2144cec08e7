//! Every single answer to a restore goes wrong in every way, one at a time.

use crate::support::drive::{Drive, Machine, SET, documents};
use crate::support::tree;
use filbert::emulator::{BodyRead, Canned, Effect, Fault};
use filbert::repository::writer::WriterOptions;
use std::time::Duration;

fn faults() -> Vec<Effect> {
    vec![
        Effect::DropBefore(BodyRead::Nothing),
        Effect::DropAfter,
        Effect::CutAnswer,
        Effect::FlipBit,
        Effect::IgnoreRange,
        Effect::Drip { bytes: 2000, pause: Duration::from_millis(1) },
        Effect::Endless,
        Effect::Answer(Canned::status(500)),
        // A page of some proxy instead of data.
        Effect::Answer(Canned::status(200)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn any_answer_to_a_restore_may_fail_in_any_way() {
    let (_dir, source) = documents(5, 5000);
    let drive = Drive::new().await;
    let machine = drive.machine("here");
    machine.init().await;
    machine.back_up(&source).await;
    tree::write(&source, "file-001", b"edited");
    machine.back_up(&source).await;
    let wanted = tree::read(&source);
    drive.asked();
    drive.machine("here").expect(&wanted, "without a fault").await;
    let gets = drive.asked().iter().filter(|seen| seen.method == "GET").count();
    // The descriptor, two records and the packs.
    assert!(gets >= 6, "{gets}");
    for effect in faults() {
        // All readers share the account's window.
        drive.clock.advance(Duration::from_secs(3600));
        for nth in 1..=gets {
            let context = format!("{effect:?} at answer {nth}");
            drive.only(Fault::new(effect.clone()).on("GET").nth(nth as u64));
            drive.asked();
            drive.machine("here").expect(&wanted, &context).await;
            assert!(drive.emulator.faults().clear(), "{context}: it did not strike");
            let asked: Vec<_> = drive.asked().iter().map(|seen| seen.line()).collect();
            let again = asked.iter().filter(|line| line.starts_with("GET")).count() - gets;
            assert!(again <= 1, "{context}: {asked:#?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_range_may_fail_in_any_way() {
    let (_dir, source) = documents(12, 60_000);
    let drive = Drive::new().await;
    let machine = drive.machine("here");
    let writer = WriterOptions { pack_bytes: 512 << 10, frame_bytes: 16 << 10, ..machine.writer };
    let machine = Machine { writer, ..machine };
    machine.init().await;
    machine.back_up(&source).await;
    let mut effects = faults();
    effects.push(Effect::Answer(Canned::status(416)));
    for effect in effects {
        let context = format!("{effect:?}");
        drive.only(Fault::new(effect).on("GET").containing("packs").nth(1));
        drive.asked();
        let target = tempfile::tempdir().unwrap();
        let reader = drive.machine("here");
        let (outcome, _) = reader.try_restore(SET, target.path(), &["file-004"]).await.unwrap();
        assert!(drive.emulator.faults().clear(), "{context}: it did not strike");
        assert_eq!((outcome.files, outcome.problem_count), (1, 0), "{context}: {:?}", outcome.problems);
        assert_eq!(
            std::fs::read(target.path().join("file-004")).unwrap(),
            tree::noise(4, 60_000),
            "{context}"
        );
        let packs = drive.asked().iter().filter(|seen| seen.path.contains("/packs/")).count();
        assert!(packs <= 2, "{context}: {packs} requests");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_breaks_all_the_time_still_brings_everything() {
    let (_dir, source) = documents(6, 5000);
    let drive = Drive::new().await;
    let machine = drive.machine("here");
    machine.init().await;
    machine.back_up(&source).await;
    for effect in [Effect::CutAnswer, Effect::DropBefore(BodyRead::All)] {
        let context = format!("{effect:?}");
        drive.only(Fault::new(effect).except_every(3));
        let reader = drive.machine("here");
        // Whom nobody ever reached is not tried for long: that it worked once is known here.
        reader.ledger.change("account", |_| (br#"{"worked":true}"#.to_vec(), ())).unwrap();
        reader.expect(&tree::read(&source), &context).await;
        assert!(drive.emulator.faults().struck()[0] > 5, "{context}");
    }
}
