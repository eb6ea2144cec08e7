//! Records of snapshots that are missing or spoilt.

use super::{Harm, Made, Scene};
use crate::support::machine::{Machine, told};
use crate::support::tree::{self, write};
use filbert::check::ReadData;

/// That a record is harmed is named, by whoever reads the log and by a check.
async fn expect_named(machine: &Machine, harmed: &Made, harm: Harm, context: &str) {
    let (_, problems) = machine.catch_up().await;
    let check = machine.without_state().check(ReadData::Everything).await;
    if harm == Harm::Removed {
        // To a machine that never saw it, only its successor of the same writer tells.
        assert!(problems.contains("the record before this one"), "{context}: {problems}");
    } else {
        assert!(problems.contains(&harmed.path), "{context}: {problems}");
        assert!(told(&check).contains(&harmed.path), "{context}: {}", told(&check));
    }
    assert!(!check.problems.is_empty(), "{context}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_harmed_incremental_record_spoils_its_snapshot_only() {
    let scene = Scene::set_up().await;
    for harm in Harm::ALL {
        let context = format!("incremental record {harm:?}");
        let machine = scene.harmed(&scene.incremental.path, harm).await;
        expect_named(&machine, &scene.incremental, harm, &context).await;
        scene.expect_whole(&machine, &scene.full, &context).await;
        scene.expect_whole(&machine, &scene.other, &context).await;
        let lost = machine.try_restore(scene.incremental.id, &scene.target()).await;
        assert!(lost.unwrap_err().to_string().contains("no snapshot"), "{context}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_harmed_full_record_spoils_what_is_built_on_it_and_says_so() {
    let scene = Scene::set_up().await;
    for harm in Harm::ALL {
        let context = format!("full record {harm:?}");
        let machine = scene.harmed(&scene.full.path, harm).await;
        expect_named(&machine, &scene.full, harm, &context).await;
        scene.expect_whole(&machine, &scene.other, &context).await;
        let target = scene.target();
        let error = machine.try_restore(scene.incremental.id, &target).await.unwrap_err();
        assert!(error.to_string().contains(&scene.full.id.to_string()), "{context}: {error}");
        assert!(!target.exists(), "{context}: nothing half-done");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_kept_its_state_restores_in_spite_of_harmed_records() {
    for harm in Harm::ALL {
        let scene = Scene::set_up().await;
        harm.strike(&scene.machine.faults.memory, &scene.full.path);
        let context = format!("known machine, full record {harm:?}");
        for made in [&scene.full, &scene.incremental, &scene.other] {
            scene.expect_whole(&scene.machine, made, &context).await;
        }
        let structure = scene.machine.check(ReadData::Nothing).await;
        // Another record's bytes may be as many.
        if harm != Harm::Swapped {
            assert_eq!(told(&structure).contains(&scene.full.path), harm.shows_in_listings(), "{context}");
        }
        let all = scene.machine.check(ReadData::Everything).await;
        assert!(told(&all).contains(&scene.full.path), "{context}: {}", told(&all));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_backup_of_an_empty_machine_is_whole_though_records_are_harmed() {
    let scene = Scene::set_up().await;
    for harmed in [&scene.full, &scene.incremental] {
        for harm in Harm::ALL {
            let context = format!("{} {harm:?}", harmed.path);
            let machine = scene.harmed(&harmed.path, harm).await;
            let made = Made::by(&machine, "docs", &scene.source()).await;
            scene.expect_whole(&machine.without_state(), &made, &context).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_backup_of_the_machine_that_wrote_is_whole_though_a_record_is_missing_or_cut() {
    for harm in Harm::ALL.into_iter().filter(|harm| harm.shows_in_listings()) {
        let scene = Scene::set_up().await;
        harm.strike(&scene.machine.faults.memory, &scene.full.path);
        write(&scene.source(), "later", tree::noise(70, 3000));
        let made = Made::by(&scene.machine, "docs", &scene.source()).await;
        scene.expect_whole(&scene.machine.without_state(), &made, &format!("{harm:?}")).await;
    }
}
