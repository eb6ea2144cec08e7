//! Found by reading, and by losing: each of these once gave a snapshot that was not what it said.

use crate::support::machine::Machine;
use crate::support::tree::{self, assert_same, noise, write};
use filbert::repository::select::Selector;

async fn set_up() -> (Machine, tempfile::TempDir) {
    let machine = Machine::new();
    machine.init().await;
    machine.clock.advance_ms(10_000);
    (machine, tempfile::tempdir().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn narrowing_the_sources_of_a_set_keeps_what_is_unchanged() {
    let (machine, dir) = set_up().await;
    let source = dir.path().join("s");
    for name in ["x/one", "x/deep/two", "y/three", "z/four"] {
        write(&source, name, noise(name.len() as u64, 500));
    }
    machine.back_up("s", &[&source]).await;
    for sources in [vec!["x", "y"], vec!["x"], vec!["x", "z"]] {
        let paths: Vec<_> = sources.iter().map(|name| source.join(name)).collect();
        let paths: Vec<_> = paths.iter().map(|path| path.as_path()).collect();
        machine.back_up("s", &paths).await;
        let out = tempfile::tempdir().unwrap();
        machine.without_state().restore("s", &out.path().join("out")).await;
        for name in &sources {
            let restored = match sources.len() {
                1 => out.path().join("out"),
                _ => out.path().join("out").join(name),
            };
            assert_same(&tree::read(&source.join(name)), &restored, &format!("{sources:?}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_below_an_excluded_folder_is_not_lost_with_it() {
    let (machine, dir) = set_up().await;
    let source = dir.path().join("s");
    for name in ["keep/one", "drop/two", "drop/inner/three"] {
        write(&source, name, noise(name.len() as u64, 300));
    }
    machine.back_up("s", &[&source]).await;
    let (keep, inner) = (source.join("keep"), source.join("drop/inner"));
    machine.back_up("s", &[&keep, &inner]).await;
    let out = dir.path().join("out");
    machine.without_state().restore("s", &out).await;
    assert_same(&tree::read(&keep), &out.join("keep"), "the first source");
    assert_same(&tree::read(&inner), &out.join("drop/inner"), "the second source");
    assert!(!out.join("drop/two").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_not_linked_to_a_file_that_was_not_restored() {
    let (machine, dir) = set_up().await;
    let source = dir.path().join("s");
    write(&source, "a", noise(1, 3000));
    std::fs::hard_link(source.join("a"), source.join("b")).unwrap();
    machine.back_up("s", &[&source]).await;
    for pack in machine.faults.paths("packs/") {
        assert!(machine.faults.memory.corrupt(&pack, |bytes| bytes[100] ^= 1));
    }
    let out = dir.path().join("out");
    write(&out, "a", "an older a");
    write(&out, "b", "an older b");
    let mut wish = machine.wish("s", &out).await.unwrap();
    wish.overwrite = true;
    let outcome = machine.try_restore_as(wish).await.unwrap();
    assert_eq!(outcome.problem_count, 2, "{:?}", outcome.problems);
    assert_eq!(std::fs::read(out.join("a")).unwrap(), b"an older a");
    assert_eq!(std::fs::read(out.join("b")).unwrap(), b"an older b");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_away_is_remembered_however_it_was_named() {
    let (machine, dir) = set_up().await;
    let source = dir.path().join("here");
    write(&source, "one", "1");
    let away = dir.path().join("here/../disk/./folder");
    let outcome = machine.try_back_up(machine.options("s", &[&source, &away])).await.unwrap();
    assert_eq!(outcome.problem_count, 1);
    let again = machine.try_back_up(machine.options("s", &[])).await.unwrap();
    assert_eq!(again.problem_count, 1, "it is missed again");
    write(&dir.path().join("disk/folder"), "two", "2");
    let back = machine.back_up("s", &[]).await;
    assert_eq!((back.problem_count, back.tally.files), (0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_set_back_does_not_hide_the_newest_snapshot() {
    let (machine, dir) = set_up().await;
    let source = dir.path().join("s");
    write(&source, "one", "1");
    machine.clock.advance_ms(365 * 24 * 3600 * 1000);
    machine.back_up("s", &[&source]).await;
    machine.clock.advance_ms(-365 * 24 * 3600 * 1000);
    write(&source, "two", "2");
    let newest = machine.back_up("s", &[&source]).await;
    let latest = Selector { set: Some("s".to_owned()), ..Selector::default() };
    let selected = machine.open().await.select(&latest).unwrap();
    assert_eq!(Some(selected.snapshot.id), newest.snapshot);
}
