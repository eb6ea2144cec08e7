//! The numbered folders fill up in turn: what was written before the next one was begun stays as
//! readable as what came after.

#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod support;

use filbert::check::ReadData;
use filbert::repository::writer::{Choice, WriterOptions};
use support::machine::{Machine, told};
use support::tree::{self, write};

/// So many objects fill a folder.
const FILL: u64 = 500;

#[tokio::test(flavor = "multi_thread")]
async fn packs_go_on_in_the_next_folder_when_one_is_full() {
    let mut machine = Machine::new();
    machine.writer =
        WriterOptions { pack_bytes: 1, frame_bytes: 1, uploads: Choice::Fixed(3), ..machine.writer };
    machine.init().await;
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    (0..600).for_each(|n| write(&source, &format!("{n}"), tree::noise(n, 60)));
    machine.back_up("s", &[&source]).await;
    let [first, second] =
        ["packs/000/", "packs/001/"].map(|folder| machine.faults.paths(folder).len() as u64);
    assert!((FILL - 3..=FILL + 3).contains(&first), "{first}: a soft limit");
    assert_eq!(first + second, 600);
    write(&source, "later", "x");
    let later = machine.back_up("s", &[&source]).await;
    assert_eq!(
        (later.traffic.total(), later.traffic.requests.get("MKCOL")),
        (4, None),
        "{:?}",
        later.traffic
    );
    assert_eq!(machine.faults.paths("packs/001/").len() as u64, second + 1);
    let empty = machine.without_state();
    empty.restore("s", &dir.path().join("out")).await;
    tree::assert_same(&tree::read(&source), &dir.path().join("out"), "from both folders");
    let check = empty.check(ReadData::Nothing).await;
    assert!(check.problems.is_empty() && check.notices.is_empty(), "{} {:?}", told(&check), check.notices);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_go_on_in_the_next_folder_and_all_machines_follow() {
    let machine = Machine::new();
    machine.init().await;
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    write(&source, "a", "1");
    let follower = machine.beside("there");
    let mut made = Vec::new();
    // A checkpoint comes after each 32 of them.
    for number in 0..FILL - 5 {
        if number % 100 == 0 {
            write(&source, "a", number.to_string());
        }
        // Ten days apart, so that folders do not stay young.
        machine.clock.advance_ms(10 * 24 * 3_600_000);
        let id = machine.back_up("s", &[&source]).await.snapshot.unwrap();
        if number % 100 == 0 || number + 1 == FILL - 5 {
            made.push((id, tree::read(&source)));
        }
        if number == 400 {
            assert_eq!(follower.catch_up().await.1, "");
        }
    }
    let (full, next) = (machine.faults.paths("log-000/").len(), machine.faults.paths("log-001/").len());
    assert!(full as u64 >= FILL && next > 0, "{full} and {next} records");
    assert_eq!(machine.heard.problems(), "");
    for (name, reader) in [("one that followed", follower), ("an empty one", machine.without_state())] {
        let (repository, problems) = reader.catch_up().await;
        assert_eq!(problems, "", "{name}");
        assert_eq!(repository.snapshots().unwrap().len() as u64, FILL - 5, "{name}");
        for (number, (id, wanted)) in made.iter().enumerate() {
            let target = tempfile::tempdir().unwrap();
            reader.restore(*id, &target.path().join("out")).await;
            tree::assert_same(wanted, &target.path().join("out"), &format!("{name}, {number}"));
        }
    }
    let check = machine.without_state().check(ReadData::Everything).await;
    assert!(check.problems.is_empty(), "{}", told(&check));
}
