//! Every single listing goes wrong in every way, one at a time: a backup is whole all the same, and
//! nothing is taken for lost.

use super::store_error;
use crate::support::drive::{Drive, Machine, count, documents, free_account};
use crate::support::tree;
use filbert::emulator::{BodyRead, Canned, Effect, Fault, Limits, ListingFault};
use filbert::guard::Purpose;
use filbert::store::ErrorKind;
use std::path::Path;
use std::time::Duration;

fn faults() -> Vec<Effect> {
    vec![
        Effect::Listing(ListingFault::MissPage),
        Effect::Listing(ListingFault::RepeatPage),
        Effect::Listing(ListingFault::BadSize),
        Effect::Listing(ListingFault::BadHref),
        Effect::Listing(ListingFault::Stale(1)),
        Effect::Listing(ListingFault::Stale(3)),
        Effect::DropBefore(BodyRead::All),
        Effect::DropAfter,
        Effect::CutAnswer,
        Effect::Answer(Canned::status(500)),
    ]
}

/// A drive whose pages hold three entries, with three snapshots on it.
async fn with_pages(source: &Path) -> (Drive, Machine) {
    let drive = Drive::allowing(Limits { page_entries: Some(4), ..free_account() }).await;
    let machine = drive.machine("here");
    machine.init().await;
    for seed in 0..3 {
        tree::write(source, "changing", tree::noise(100 + seed, 3000));
        machine.back_up(source).await;
    }
    drive.asked();
    (drive, machine)
}

/// A change that takes several packs.
fn change(source: &Path, seed: u64) {
    (0..3).for_each(|n| tree::write(source, &format!("new-{n}"), tree::noise(1000 * seed + n, 6000)));
}

#[tokio::test(flavor = "multi_thread")]
async fn any_listing_of_a_backup_may_fail_in_any_way() {
    let (_dir, source) = documents(3, 5000);
    let (drive, machine) = with_pages(&source).await;
    change(&source, 1);
    machine.back_up(&source).await;
    let listings = drive.steps().iter().filter(|step| step.starts_with("PROPFIND")).count() as u64;
    assert!(listings >= 4, "{listings}: further pages are part of it");
    let mut seed = 1;
    for effect in faults() {
        for nth in 1..=listings {
            seed += 1;
            change(&source, seed);
            let context = format!("{effect:?} at listing {nth}");
            let before = drive.emulator.objects().paths("filbert/packs").len();
            drive.only(Fault::new(effect.clone()).on("PROPFIND").nth(nth));
            machine.back_up(&source).await;
            assert!(drive.emulator.faults().clear(), "{context}: it did not strike");
            let steps = drive.steps();
            let stored = drive.emulator.objects().paths("filbert/packs").len() - before;
            assert_eq!(count(&steps, "PUT packs/000/object"), stored, "{context}: {steps:?}");
            assert_eq!(machine.told.problems(), "", "{context}");
        }
        drive.machine("here").expect(&tree::read(&source), &format!("{effect:?}")).await;
        // The windows of all these runs are not what is looked at.
        drive.clock.advance(Duration::from_secs(3600));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_machine_takes_nothing_for_lost_in_a_bad_listing() {
    let (_dir, source) = documents(3, 3000);
    let (drive, machine) = with_pages(&source).await;
    for fault in [
        ListingFault::MissPage,
        ListingFault::RepeatPage,
        ListingFault::BadSize,
        ListingFault::BadHref,
        ListingFault::Stale(2),
    ] {
        drive.only(Fault::new(Effect::Listing(fault)).on("PROPFIND").nth(1));
        // No problem may show.
        let process = machine.catch_up(Purpose::Other).await.unwrap();
        assert!(drive.emulator.faults().clear(), "{fault:?} did not strike");
        assert_eq!(process.repository.snapshots().unwrap().len(), 3, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_listing_of_a_restore_may_fail_on_its_way() {
    let (_dir, source) = documents(3, 3000);
    let (drive, _) = with_pages(&source).await;
    let wanted = tree::read(&source);
    drive.machine("here").expect(&wanted, "without a fault").await;
    let listings = drive.steps().iter().filter(|step| step.starts_with("PROPFIND")).count() as u64;
    // What hides a record from a machine that never saw it is no fault of the way.
    let hides = |effect: &Effect| {
        use ListingFault::{BadHref, MissPage, Stale};
        matches!(effect, Effect::Listing(BadHref | MissPage | Stale(_)))
    };
    for effect in faults().into_iter().filter(|effect| !hides(effect)) {
        for nth in 1..=listings {
            let context = format!("{effect:?} at listing {nth}");
            drive.only(Fault::new(effect.clone()).on("PROPFIND").nth(nth));
            drive.machine("here").expect(&wanted, &context).await;
            assert!(drive.emulator.faults().clear(), "{context}: it did not strike");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_in_a_circle_are_named_and_the_next_run_goes_on() {
    let (_dir, source) = documents(3, 3000);
    let (drive, machine) = with_pages(&source).await;
    for (seed, place) in [(1, "/packs/"), (2, "/log-000")] {
        change(&source, seed);
        drive.only(Fault::new(Effect::Listing(ListingFault::Loop)).on("PROPFIND").containing(place));
        let error = store_error(machine.try_back_up(&source).await);
        assert_eq!(error.kind, ErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains("have no end") && error.action.contains(place), "{error}");
        drive.emulator.faults().clear();
        assert!(count(&drive.steps(), "PUT packs/000/object") > 0);
        machine.back_up(&source).await;
        // What was sent is not sent again.
        assert_eq!(count(&drive.steps(), "PUT packs/000/object"), 0, "{place}");
        drive.machine("here").expect(&tree::read(&source), place).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_always_lists_what_was_before_is_believed_in_nothing() {
    let (_dir, source) = documents(3, 3000);
    let (drive, machine) = with_pages(&source).await;
    drive.only(Fault::new(Effect::Listing(ListingFault::Stale(2))).on("PROPFIND"));
    for seed in 1..4 {
        change(&source, seed);
        machine.back_up(&source).await;
    }
    drive.emulator.faults().clear();
    assert_eq!(machine.told.problems(), "");
    drive.machine("here").expect(&tree::read(&source), "afterwards").await;
}
