//! A descriptor that is missing or spoilt: nobody without state gets in, and is told why.

use super::{Harm, Scene};
use crate::support::machine::told;
use filbert::check::ReadData;
use filbert::repository::RepositoryError;

#[tokio::test(flavor = "multi_thread")]
async fn a_harmed_descriptor_is_named_and_nothing_is_opened_with_it() {
    let scene = Scene::set_up().await;
    let path = scene.machine.faults.paths("filbert-").remove(0);
    for harm in Harm::ALL {
        let machine = scene.harmed(&path, harm).await;
        let error = machine.try_open().await.map(drop).unwrap_err();
        match harm {
            Harm::Removed => assert!(matches!(error, RepositoryError::NoRepository(_)), "{error}"),
            _ => assert!(error.to_string().contains(&path), "{harm:?}: {error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_kept_its_state_goes_on_and_its_check_names_the_descriptor() {
    for harm in Harm::ALL {
        let scene = Scene::set_up().await;
        let path = scene.machine.faults.paths("filbert-").remove(0);
        harm.strike(&scene.machine.faults.memory, &path);
        scene.expect_whole(&scene.machine, &scene.incremental, &format!("{harm:?}")).await;
        let structure = scene.machine.check(ReadData::Nothing).await;
        let shows = harm.shows_in_listings() || harm == Harm::Swapped;
        assert_eq!(told(&structure).contains(&path), shows, "{harm:?}: {}", told(&structure));
        let all = scene.machine.check(ReadData::Everything).await;
        assert!(told(&all).contains(&path), "{harm:?}: {}", told(&all));
    }
}
