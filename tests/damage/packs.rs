//! Packs that are missing or spoilt.

use super::{Harm, Made, Scene};
use crate::support::machine::told;
use crate::support::tree::{self, write};
use filbert::check::ReadData;
use std::collections::BTreeSet;

/// The files of a tree that a problem names.
fn named_in(text: &str, scene: &Scene, made: &Made) -> BTreeSet<String> {
    let full = |file: &str| format!("{}/{file}", scene.source().canonicalize().unwrap().display());
    let files = made.tree.keys().filter(|file| !file.is_empty());
    let named = |file: &&String| [",", " (in "].iter().any(|end| text.contains(&(full(file) + end)));
    files.filter(named).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_harmed_pack_spoils_the_files_that_need_it_and_nothing_else() {
    let scene = Scene::set_up().await;
    let packs = scene.machine.faults.paths("packs/");
    let mut ever_harmed = BTreeSet::new();
    for (number, pack) in packs.iter().enumerate() {
        // Each harm in turn, and all of them on the first pack.
        let harms = if number == 0 { &Harm::ALL[..] } else { &Harm::ALL[number % 5..=number % 5] };
        for harm in harms {
            let context = format!("{pack} {harm:?}");
            let machine = scene.harmed(pack, *harm).await;
            let mut missing = BTreeSet::new();
            for made in [&scene.full, &scene.incremental, &scene.other] {
                missing.extend(scene.expect_right_or_named(&machine, made, &context).await);
            }
            assert!(!missing.is_empty(), "{context}: no file suffers");
            ever_harmed.extend(missing.clone());

            let structure = machine.check(ReadData::Nothing).await;
            // Another pack's bytes may be as many.
            if *harm != Harm::Swapped {
                assert_eq!(structure.problems.len(), usize::from(harm.shows_in_listings()), "{context}");
            }
            let all = machine.without_state().check(ReadData::Everything).await;
            assert_eq!(all.problems.len(), 1, "{context}: {}", told(&all));
            assert_eq!(all.problems[0].subject, *pack, "{context}");
            let mut named = named_in(&told(&all), &scene, &scene.full);
            named.extend(named_in(&told(&all), &scene, &scene.incremental));
            missing.retain(|file| !file.starts_with("song"));
            // A restore saves the frames of a pack that still open; check names all files of it.
            assert!(named.is_superset(&missing), "{context}: {}", told(&all));
            if matches!(harm, Harm::Removed | Harm::Emptied) {
                assert_eq!(named, missing, "{context}: check names the files that suffer: {}", told(&all));
            }
        }
    }
    let every_file: BTreeSet<_> = [&scene.full, &scene.incremental, &scene.other]
        .into_iter()
        .flat_map(|made| made.tree.iter())
        .filter(|(_, thing)| matches!(thing.what, tree::What::File { .. }))
        .map(|(path, _)| path.clone())
        .collect();
    assert_eq!(ever_harmed, every_file, "the matrix reached every file");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bit_that_flips_on_the_way_is_asked_for_again_and_spoils_nothing() {
    use crate::support::faulty::{Fault, Op};
    let scene = Scene::set_up().await;
    let machine = scene.machine.beside_a_copy().await;
    machine.catch_up().await;
    machine.faults.once(Op::Get, "packs/", 1, Fault::FlippedBit);
    scene.expect_whole(&machine, &scene.full, "flipped on the way").await;
    assert!(machine.faults.heal(), "the bit flipped");
    machine.faults.once(Op::Get, "packs/", 1, Fault::FlippedBit);
    let check = machine.check(ReadData::Everything).await;
    assert!(machine.faults.heal() && check.problems.is_empty(), "{}", told(&check));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_backed_up_after_a_pack_was_harmed_is_whole() {
    let scene = Scene::set_up().await;
    let pack = scene.machine.faults.paths("packs/").remove(0);
    for harm in Harm::ALL {
        let machine = scene.harmed(&pack, harm).await;
        let source = tempfile::tempdir_in(scene.dir.path()).unwrap();
        write(source.path(), "a", tree::noise(60, 7000));
        let made = Made::by(&machine, "after", source.path()).await;
        scene.expect_whole(&machine.without_state(), &made, &format!("after {harm:?}")).await;
    }
}
#[tokio::test(flavor = "multi_thread")]
async fn a_full_backup_after_check_found_damage_restores_whole() {
    for harm in Harm::ALL {
        let scene = Scene::set_up().await;
        let pack = scene.machine.faults.paths("packs/").remove(0);
        harm.strike(&scene.machine.faults.memory, &pack);
        scene.machine.check(ReadData::Everything).await;
        let id = scene.machine.back_up_full("docs", &[&scene.source()]).await.snapshot.unwrap();
        let elsewhere = scene.dir.path().join("music");
        let other = scene.machine.back_up_full("music", &[&elsewhere]).await.snapshot.unwrap();
        let made = Made { id, path: String::new(), tree: tree::read(&scene.source()) };
        scene.expect_whole(&scene.machine.without_state(), &made, &format!("{harm:?}")).await;
        let made = Made { id: other, path: String::new(), tree: tree::read(&elsewhere) };
        scene.expect_whole(&scene.machine.without_state(), &made, &format!("{harm:?}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_read_from_a_second_pack_where_the_first_is_spoilt() {
    use filbert::browse::dump;
    use filbert::repository::select::Selector;
    for harm in [Harm::Removed, Harm::Flipped, Harm::Cut] {
        let scene = Scene::set_up().await;
        let pack = scene.machine.faults.paths("packs/").remove(0);
        harm.strike(&scene.machine.faults.memory, &pack);
        scene.machine.check(ReadData::Everything).await;
        let id = scene.machine.back_up_full("docs", &[&scene.source()]).await.snapshot.unwrap();
        // One that does not know which of the two is spoilt.
        let (repository, _) = scene.machine.without_state().catch_up().await;
        let selector = Selector { id: Some(id.to_string()), ..Selector::default() };
        let snapshot = repository.select(&selector).unwrap().snapshot;
        let files = ["sub-0/file-0", "sub-1/file-1", "sub-0/file-2", "new"];
        for file in files {
            let mut content = Vec::new();
            dump(&repository, &snapshot, file.as_bytes(), &mut content).await.unwrap();
            assert_eq!(content, std::fs::read(scene.source().join(file)).unwrap(), "{file} {harm:?}");
        }
    }
}
