//! Servers that close connections, with a word and without.

use crate::support::drive::{Drive, count, documents};
use crate::support::tree;
use filbert::emulator::{Effect, Fault};

#[tokio::test(flavor = "multi_thread")]
async fn connections_may_end_after_any_number_of_requests() {
    let (_dir, source) = documents(8, 5000);
    let clean = {
        let drive = Drive::new().await;
        let machine = drive.machine("here");
        machine.init().await;
        drive.asked();
        machine.back_up(&source).await;
        count(&drive.steps(), "PUT packs/000/object")
    };
    for effect in [Effect::Close, Effect::CloseUntold] {
        for every in 1..=3 {
            let context = format!("{effect:?} after each {every}");
            let drive = Drive::new().await;
            let machine = drive.machine("here");
            drive.only(Fault::new(effect.clone()).every(every));
            machine.init().await;
            drive.asked();
            machine.back_up(&source).await;
            let struck = drive.emulator.faults().struck()[0] as usize;
            assert!(struck > 0, "{context}");
            let packs = count(&drive.steps(), "PUT packs/000/object");
            // Announced, it costs nothing; else what was on its way.
            let most = if effect == Effect::Close { clean } else { clean + struck };
            assert!((clean..=most).contains(&packs), "{context}: {packs}");
            drive.machine("here").expect(&tree::read(&source), &context).await;
        }
    }
}
