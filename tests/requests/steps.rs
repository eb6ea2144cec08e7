//! Each step of a repository's first days, request by request.

use crate::support::drive::{Drive, Machine, SET, assert_counts, count, documents, step};
use crate::support::tree;
use filbert::check::ReadData;
use filbert::guard::Profile;

const PACK: &str = "PUT packs/000/object";

#[tokio::test(flavor = "multi_thread")]
async fn each_step_sends_these_requests_and_no_others() {
    let drive = Drive::new().await;
    let limits = Profile::NutstoreFree.limits();
    let machine = Machine { limits, ..drive.machine("here") };
    let (_dir, source) = documents(8, 5000);
    let server = || drive.emulator.counts();

    let before = server();
    let store = machine.init().await;
    let expected = ["PROPFIND root", "MKCOL root", "MKCOL packs", "PUT descriptor", "PROPFIND root"];
    assert_eq!(drive.steps(), expected);
    assert_counts(&store.traffic(), &before, &server());

    let before = server();
    let first = machine.back_up(&source).await;
    assert_counts(&first.traffic, &before, &server());
    let steps = drive.steps();
    let packs = count(&steps, PACK);
    assert!(packs >= 4, "{steps:?}");
    let mut expected = vec!["MKCOL packs/000"];
    expected.extend(vec![PACK; packs]);
    expected.extend(["PROPFIND packs/000", "MKCOL log-000", "PUT log-000/object", "PROPFIND log-000"]);
    assert_eq!(steps, expected);

    let before = server();
    let unchanged = machine.back_up(&source).await;
    assert_eq!(drive.steps(), ["PUT log-000/object", "PROPFIND log-000"]);
    assert_counts(&unchanged.traffic, &before, &server());
    assert_eq!(unchanged.bytes_read, 0);

    tree::write(&source, "file-003", b"edited");
    let before = server();
    let edited = machine.back_up(&source).await;
    let expected = [PACK, "HEAD packs/000/object", "PUT log-000/object", "PROPFIND log-000"];
    assert_eq!(drive.steps(), expected);
    assert_counts(&edited.traffic, &before, &server());

    // Another machine: what is there, then a set of its own.
    let second = drive.machine("there");
    let (_other_dir, other) = documents(1, 3000);
    tree::write(&other, "file-000", tree::noise(77, 3000));
    let before = server();
    let theirs = second.back_up(&other).await;
    let expected = [
        "PROPFIND root",
        "GET descriptor",
        "PROPFIND log-000",
        "GET log-000/object",
        "GET log-000/object",
        "GET log-000/object",
        PACK,
        "HEAD packs/000/object",
        "PUT log-000/object",
        "PROPFIND log-000",
    ];
    assert_eq!(drive.steps(), expected);
    // Two requests opened the repository; they are no part of the backup.
    let opening = before.total() + 2;
    assert_eq!(server().total() - opening, theirs.traffic.total());

    // The first machine learns of it, and of nothing twice.
    let target = tempfile::tempdir().unwrap();
    let before = server();
    let (one, traffic) = machine.try_restore(SET, &target.path().join("one"), &["file-000"]).await.unwrap();
    assert_eq!(drive.steps(), ["PROPFIND log-000", "GET log-000/object", "GET packs/000/object"]);
    assert_counts(&traffic, &before, &server());
    assert_eq!(one.files, 1);

    let before = server();
    let (all, traffic) = machine.try_restore(SET, &target.path().join("all"), &[]).await.unwrap();
    tree::assert_same(&tree::read(&source), &target.path().join("all"), "all");
    let steps = drive.steps();
    assert_eq!(steps[0], "PROPFIND log-000");
    assert!(steps[1..].iter().all(|step| step == "GET packs/000/object"), "{steps:?}");
    assert!(steps.len() <= 2 + packs, "{steps:?}");
    assert_counts(&traffic, &before, &server());
    assert_eq!(all.problem_count, 0);

    let before = server();
    let (checked, traffic) = machine.check(ReadData::Nothing).await;
    assert!(checked.problems.is_empty(), "{:?}", checked.problems);
    assert_eq!(drive.steps(), ["PROPFIND log-000", "PROPFIND root", "PROPFIND packs/000"]);
    assert_counts(&traffic, &before, &server());

    // Every object once, and the packs whole.
    let before = server();
    let (checked, traffic) = machine.check(ReadData::Everything).await;
    assert!(checked.problems.is_empty(), "{:?}", checked.problems);
    let asked = drive.asked();
    let mut gets: Vec<_> =
        asked.iter().filter(|seen| seen.method == "GET").map(|seen| seen.path.clone()).collect();
    gets.sort();
    let objects: Vec<_> =
        drive.emulator.objects().list().into_iter().map(|(path, _)| format!("/dav/{path}")).collect();
    assert_eq!(gets, objects);
    let others: Vec<_> = asked.iter().filter(|seen| seen.method != "GET").map(step).collect();
    assert_eq!(others, ["PROPFIND log-000", "PROPFIND root", "PROPFIND packs/000"]);
    assert_counts(&traffic, &before, &server());
    assert!(machine.told.waits().is_empty(), "{:?}", machine.told.waits());
    assert_eq!(server().refused_window, 0);
}
