//! What a machine knows it asks nobody, and folders are made when they are first needed.

use crate::support::drive::{Drive, SET, count, documents};
use crate::support::tree;
use filbert::guard::Purpose;

#[tokio::test(flavor = "multi_thread")]
async fn opening_on_a_known_machine_asks_nothing() {
    let drive = Drive::new().await;
    let machine = drive.machine("here");
    machine.init().await;
    drive.asked();
    machine.open().await;
    assert_eq!(drive.steps(), [""; 0]);

    // Another one asks once.
    let other = drive.machine("there");
    other.open().await;
    assert_eq!(drive.steps(), ["PROPFIND root", "GET descriptor"]);
    other.open().await;
    assert_eq!(drive.steps(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_once_is_not_fetched_again() {
    let drive = Drive::new().await;
    let machine = drive.machine("here");
    let (_dir, source) = documents(3, 2000);
    machine.init().await;
    machine.back_up(&source).await;
    tree::write(&source, "file-000", b"edited");
    machine.back_up(&source).await;
    let reader = drive.machine("here");
    reader.catch_up(Purpose::Other).await.unwrap();
    drive.asked();
    for _ in 0..2 {
        reader.catch_up(Purpose::Other).await.unwrap();
        assert_eq!(drive.steps(), ["PROPFIND log-000"]);
    }
    // Nor for a restore: the records are kept, only content is fetched.
    let target = tempfile::tempdir().unwrap();
    reader.try_restore(SET, &target.path().join("out"), &["file-000"]).await.unwrap();
    assert_eq!(drive.steps(), ["PROPFIND log-000", "GET packs/000/object"]);
    // What is restored already is compared with what is known.
    reader.try_restore(SET, &target.path().join("out"), &["file-000"]).await.unwrap();
    assert_eq!(drive.steps(), ["PROPFIND log-000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_parent_is_made_once_and_the_run_goes_on() {
    let drive = Drive::new().await;
    let machine = drive.machine("here");
    let (_dir, source) = documents(4, 5000);
    machine.init().await;
    machine.back_up(&source).await;
    // Somebody tidies up: 409 `AncestorsNotFound` where the packs went.
    assert!(drive.emulator.objects().remove("filbert/packs"));
    (0..4).for_each(|n| tree::write(&source, &format!("new-{n}"), tree::noise(50 + n, 5000)));
    drive.asked();
    let outcome = machine.try_back_up(&source).await.unwrap();
    assert!(outcome.snapshot.is_some());
    let steps = drive.steps();
    // Two uploads at once may both find it missing.
    assert!((1..=2).contains(&count(&steps, "MKCOL packs")), "{steps:?}");
    assert!((1..=2).contains(&count(&steps, "MKCOL packs/000")), "{steps:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_are_made_when_they_are_first_needed() {
    let drive = Drive::new().await;
    // Two folders above the repository are missing as well; the drive makes one at a time.
    let machine = drive.machine("here");
    let machine = crate::support::drive::Machine { url: format!("{}/a/b", machine.url), ..machine };
    machine.init().await;
    let made: Vec<_> = drive.asked().iter().map(filbert::emulator::Seen::line).collect();
    let expected =
        ["PROPFIND /dav/filbert/a/b/ 409", "MKCOL /dav/filbert/a/b/ 409", "PROPFIND /dav/filbert/a/b/ 409"];
    // (The look after a 409: some servers say so where the folder is there.)
    assert_eq!(made[..3], expected);
    assert_eq!(made.iter().filter(|line| line.starts_with("MKCOL") && line.ends_with("201")).count(), 4);
    let (_dir, source) = documents(1, 100);
    machine.back_up(&source).await;
    machine.expect(&tree::read(&source), "below missing folders").await;
}
