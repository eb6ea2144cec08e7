//! Every single upload of a repository's first day goes wrong in every way, one at a time.

use crate::support::drive::{Drive, count, documents};
use crate::support::tree;
use filbert::emulator::{BodyRead, Canned, Effect, Fault};
use filbert::repository::RepositoryError;

const PACK: &str = "PUT packs/000/object";
/// Packs on their way at the same time.
const AT_ONCE: usize = 2;

/// What goes wrong, and whether the object has to be sent again for it.
fn faults() -> Vec<(Effect, bool)> {
    vec![
        (Effect::DropBefore(BodyRead::Nothing), true),
        (Effect::DropBefore(BodyRead::Half), true),
        (Effect::DropBefore(BodyRead::All), true),
        (Effect::DropAfter, false),
        (Effect::CutUpload(500), true),
        (Effect::CutUpload(201), true),
        (Effect::DoThenAnswer(Canned::status(500)), true),
        (Effect::Answer(Canned::status(502)), true),
        (Effect::Answer(Canned::status(423)), true),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn any_upload_of_a_first_backup_may_fail_in_any_way() {
    let (_dir, source) = documents(5, 5000);
    let wanted = tree::read(&source);
    let drive = Drive::new().await;
    let machine = drive.machine("here");
    machine.init().await;
    drive.asked();
    machine.back_up(&source).await;
    let clean = drive.steps();
    let uploads = clean.iter().filter(|step| step.starts_with("PUT")).count();
    let packs = count(&clean, PACK);
    assert!(packs >= 4 && uploads == packs + 1, "{clean:?}");

    for (effect, again) in faults() {
        for nth in 1..=uploads {
            let context = format!("{effect:?} at upload {nth}");
            let drive = Drive::new().await;
            let machine = drive.machine("here");
            machine.init().await;
            drive.asked();
            drive.only(Fault::new(effect.clone()).on("PUT").nth(nth as u64));
            machine.back_up(&source).await;
            assert!(drive.emulator.faults().clear(), "{context}: it did not strike");
            let steps = drive.steps();
            let puts = steps.iter().filter(|step| step.starts_with("PUT")).count();
            let extra = count(&steps, PACK) - packs;
            assert!(extra <= AT_ONCE, "{context}: {steps:?}");
            assert_eq!(puts - uploads, usize::from(again), "{context}: {steps:?}");
            drive.machine("here").expect(&wanted, &context).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_folder_may_be_made_with_its_answer_lost() {
    let (_dir, source) = documents(2, 3000);
    let wanted = tree::read(&source);
    for effect in
        [Effect::DropBefore(BodyRead::All), Effect::DropAfter, Effect::DoThenAnswer(Canned::status(500))]
    {
        // Of the root and the packs; then of one numbered folder of packs, and one of the log.
        for nth in 1..=4 {
            let context = format!("{effect:?} at folder {nth}");
            let drive = Drive::new().await;
            let machine = drive.machine("here");
            drive.only(Fault::new(effect.clone()).on("MKCOL").nth(nth));
            machine.init().await;
            machine.back_up(&source).await;
            assert!(drive.emulator.faults().clear(), "{context}: it did not strike");
            drive.machine("here").expect(&wanted, &context).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_made_through_any_fault() {
    for (effect, _) in faults() {
        let drive = Drive::new().await;
        let machine = drive.machine("here");
        drive.only(Fault::new(effect.clone()).on("PUT").nth(1));
        machine.init().await;
        assert!(drive.emulator.faults().clear(), "{effect:?} did not strike");
        drive.machine("there").open().await;
        let again = drive.machine("there").try_init().await.unwrap_err();
        assert!(matches!(again, RepositoryError::AlreadyThere(_)), "{effect:?}: {again:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_uploads_fail_and_each_is_sent_again_once() {
    let (_dir, source) = documents(9, 5000);
    let drive = Drive::new().await;
    let machine = drive.machine("here");
    machine.init().await;
    for (effect, every) in
        [(Effect::DropAfter, 2), (Effect::DropBefore(BodyRead::Half), 3), (Effect::CutUpload(201), 4)]
    {
        (0..9)
            .for_each(|n| tree::write(&source, &format!("file-{n:03}"), tree::noise(1000 * every + n, 5000)));
        drive.asked();
        let before = drive.emulator.objects().paths("filbert/packs").len();
        drive.only(Fault::new(effect.clone()).on("PUT").containing("packs").every(every));
        machine.back_up(&source).await;
        let struck = drive.emulator.faults().struck()[0] as usize;
        drive.emulator.faults().clear();
        let steps = drive.steps();
        let stored = drive.emulator.objects().paths("filbert/packs").len() - before;
        assert!(struck >= 2, "{effect:?} struck {struck} times");
        assert!(count(&steps, PACK) <= stored + struck * AT_ONCE, "{effect:?}: {struck}: {steps:?}");
        drive.machine("here").expect(&tree::read(&source), &format!("{effect:?}")).await;
    }
}
