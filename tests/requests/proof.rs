//! That packs lie there whole is proven by a listing or by one HEAD each, whichever asks less.

use crate::support::drive::{Drive, count, documents};
use crate::support::tree;

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_of_several_pages_is_not_read_for_a_few_packs() {
    let drive = Drive::new().await;
    let machine = drive.machine("here");
    let (_dir, source) = documents(3, 6000);
    machine.init().await;
    // Of other machines that know as little of this one.
    (0..1600).for_each(|n| drive.emulator.objects().put(&format!("filbert/packs/000/{n:064x}"), vec![0; 10]));
    machine.back_up(&source).await;
    let steps = drive.steps();
    assert_eq!(count(&steps, "PUT packs/000/object"), 3, "{steps:?}");
    // That the folder is large is learnt by the first listing.
    assert_eq!(count(&steps, "PROPFIND packs/000"), 1, "{steps:?}");
    assert_eq!(count(&steps, "PROPFIND packs/000 (further page)"), 2, "{steps:?}");

    (0..2).for_each(|n| tree::write(&source, &format!("new-{n}"), tree::noise(70 + n, 7000)));
    machine.back_up(&source).await;
    let steps = drive.steps();
    assert_eq!(count(&steps, "PUT packs/000/object"), 2, "{steps:?}");
    assert_eq!(count(&steps, "HEAD packs/000/object"), 2, "{steps:?}");
    assert!(!steps.iter().any(|step| step.starts_with("PROPFIND packs")), "{steps:?}");

    // Many packs are still proven by the pages.
    (0..8).for_each(|n| tree::write(&source, &format!("more-{n}"), tree::noise(90 + n, 7000)));
    machine.back_up(&source).await;
    let steps = drive.steps();
    assert_eq!(count(&steps, "HEAD packs/000/object"), 0, "{steps:?}");
    assert_eq!(steps.iter().filter(|step| step.starts_with("PROPFIND packs")).count(), 3, "{steps:?}");
    machine.expect(&tree::read(&source), "after all").await;
}
