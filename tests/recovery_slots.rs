//! Recovery keys come and go by new generations of the descriptor: whatever two machines do at once,
//! and wherever one of them dies, nobody is locked out, and nothing is taken away too early.

mod support;

use async_trait::async_trait;
use bytes::Bytes;
use filbert::format::recovery_key::RecoveryKey;
use filbert::model::entropy::SystemEntropy;
use filbert::repository::recovery_keys::{EndedKeys, Ending};
use filbert::repository::recovery_slots::{Added, Ended, Proof};
use filbert::repository::{Means, Repository, RepositoryError};
use filbert::store::{ErrorKind, Listing, Store, StoreError, TrafficCount};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use support::faulty::{Fault, FaultyStore, Op};
use support::machine::{Machine, told};
use support::tree;

async fn initialised() -> Machine {
    let machine = Machine::new();
    machine.init().await;
    machine
}

async fn add(machine: &Machine) -> Result<(RecoveryKey, Added), RepositoryError> {
    let repository = machine.open().await;
    let key = repository.new_recovery_key()?;
    let added = repository.add_recovery_slot(&machine.password.as_str().into(), &key).await?;
    Ok((key, added))
}

/// A key that opens, made on `machine`.
async fn made(machine: &Machine) -> RecoveryKey {
    add(machine).await.unwrap().0
}

/// What a machine that knows nothing comes to with the key.
async fn opened(machine: &Machine, key: &RecoveryKey) -> Result<Repository, RepositoryError> {
    Repository::open(machine.without_state().means(), &key.text()).await
}

async fn assert_opens(machine: &Machine, keys: &[&RecoveryKey]) {
    machine.without_state().open().await;
    for key in keys {
        opened(machine, key).await.unwrap();
    }
}

async fn proof(machine: &Machine, key: &RecoveryKey) -> Result<Proof, RepositoryError> {
    Proof::new(machine.without_state().means(), key).await
}

async fn end_older(machine: &Machine, key: &RecoveryKey) -> Ended {
    proof(machine, key).await.unwrap().end_older().await.unwrap()
}

/// Ends keys by what opens `machine`.
async fn end(machine: &Machine, ending: &Ending) -> Result<EndedKeys, RepositoryError> {
    let secret = machine.password.as_str().into();
    machine.open().await.end_recovery_keys(&secret, ending).await
}

fn descriptors(machine: &Machine) -> Vec<String> {
    machine.faults.paths("filbert-")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_key_ends_when_a_newer_one_was_proven_and_not_before() {
    let machine = initialised().await;
    let known = machine.beside("there");
    known.open().await;
    let first = made(&machine).await;
    assert_opens(&machine, &[&first]).await;
    let second = made(&machine).await;
    assert_opens(&machine, &[&first, &second]).await;

    let before = machine.faults.memory.objects();
    assert_eq!(end_older(&machine, &first).await, Ended::NotTheNewest);
    assert_eq!(machine.faults.memory.objects(), before, "an older key changes nothing");

    assert_eq!(end_older(&machine, &second).await, Ended::Older { count: 1, left: Vec::new() });
    assert_eq!(descriptors(&machine).len(), 1, "files with ended keys are gone");
    assert_opens(&machine, &[&second]).await;
    let error = opened(&machine, &first).await.map(drop).unwrap_err();
    assert!(matches!(error, RepositoryError::WrongRecoveryKey(_)), "{error}");

    // Again, there is nothing to end.
    machine.faults.asked();
    assert_eq!(end_older(&machine, &second).await, Ended::Older { count: 0, left: Vec::new() });
    assert!(machine.faults.asked().iter().all(|asked| matches!(asked.op, Op::List | Op::Get)));

    // A machine that has the first descriptor goes on, and its check is content with the newest.
    known.open().await;
    let checked = known.check(filbert::check::ReadData::Everything).await;
    assert_eq!(told(&checked), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_kit_that_is_proven_takes_nothing_away() {
    let machine = initialised().await;
    let key = made(&machine).await;
    assert_eq!(end_older(&machine, &key).await, Ended::Older { count: 0, left: Vec::new() });
    assert_eq!(descriptors(&machine).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_that_make_kits_at_the_same_time_lock_nobody_out() {
    for _ in 0..12 {
        let machine = Arc::new(initialised().await);
        let tasks: Vec<_> = (0..3)
            .map(|number| {
                let other = machine.beside(&format!("host-{number}"));
                tokio::spawn(async move {
                    let key = made(&other).await;
                    (other, key)
                })
            })
            .collect();
        let mut all = Vec::new();
        for task in tasks {
            all.push(task.await.unwrap());
        }
        let keys: Vec<_> = all.iter().map(|(_, key)| key).collect();
        assert_opens(&machine, &keys).await;
        machine.open().await;
        for (other, _) in &all {
            other.open().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kit_made_while_another_is_proven_opens_afterwards() {
    for _ in 0..12 {
        let machine = initialised().await;
        let (first, second) = (made(&machine).await, made(&machine).await);
        let (proving, making) = (machine.beside("proving"), machine.beside("making"));
        let expected = second.clone();
        let proven = tokio::spawn(async move { end_older(&proving, &second).await });
        let third = tokio::spawn(async move { made(&making).await }).await.unwrap();
        let ended = proven.await.unwrap();
        assert_opens(&machine, &[&expected, &third]).await;
        if ended != Ended::NotTheNewest {
            assert!(opened(&machine, &first).await.is_err());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_one_generation_both_count_and_the_next_change_joins_them() {
    let machine = initialised().await;
    let copy = machine.beside_a_copy().await;
    let (here, there) = (made(&machine).await, made(&copy).await);
    // The other machine died between its put and its look.
    for (path, bytes) in copy.faults.memory.objects() {
        machine.faults.memory.put_new(&path, bytes).await.unwrap();
    }
    assert_eq!(descriptors(&machine).len(), 3);
    assert_opens(&machine, &[&here, &there]).await;
    // Neither is older than the other: proving one ends nothing, and joins them.
    assert_eq!(end_older(&machine, &here).await, Ended::Older { count: 0, left: Vec::new() });
    assert_opens(&machine, &[&here, &there]).await;
    let third = made(&machine).await;
    assert_opens(&machine, &[&here, &there, &third]).await;
    assert_eq!(end_older(&machine, &third).await, Ended::Older { count: 2, left: Vec::new() });
    assert_opens(&machine, &[&third]).await;
    assert!(opened(&machine, &here).await.is_err() && opened(&machine, &there).await.is_err());
}

/// A store to which another machine puts its descriptor right before ours arrives.
#[derive(Debug)]
struct Overtaking {
    store: Arc<FaultyStore>,
    other: Mutex<Option<(String, Bytes)>>,
}

#[async_trait]
impl Store for Overtaking {
    async fn list(&self, folder: &str) -> Result<Listing, StoreError> {
        self.store.list(folder).await
    }
    async fn get(&self, path: &str, limit: u64) -> Result<Bytes, StoreError> {
        self.store.get(path, limit).await
    }
    async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.store.get_range(path, range).await
    }
    async fn size(&self, path: &str) -> Result<u64, StoreError> {
        self.store.size(path).await
    }
    async fn put_new(&self, path: &str, body: Bytes) -> Result<(), StoreError> {
        let other = self.other.lock().unwrap().take();
        if let Some((other, bytes)) = other {
            self.store.memory.put_new(&other, bytes).await?;
        }
        self.store.put_new(path, body).await
    }
    async fn delete(&self, path: &str) -> Result<(), StoreError> {
        self.store.delete(path).await
    }
    async fn ensure_folder(&self, path: &str) -> Result<(), StoreError> {
        self.store.ensure_folder(path).await
    }
    fn traffic(&self) -> TrafficCount {
        self.store.traffic()
    }
    fn address(&self) -> String {
        self.store.address()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_finds_another_of_its_generation_takes_its_own_back_and_begins_anew() {
    let machine = initialised().await;
    let copy = machine.beside_a_copy().await;
    let there = made(&copy).await;
    let name = descriptors(&copy).pop().unwrap();
    let bytes = copy.faults.memory.get(&name, 1 << 20).await.unwrap();
    let other = Mutex::new(Some((name.clone(), bytes)));
    let store = Arc::new(Overtaking { store: machine.faults.clone(), other });
    let means = Means { store, ..machine.means() };

    machine.faults.asked();
    let secret = machine.password.as_str().into();
    let repository = Repository::open(means, &secret).await.unwrap();
    let here = repository.new_recovery_key().unwrap();
    let added = repository.add_recovery_slot(&secret, &here).await.unwrap();
    assert_eq!((added.generation, added.older), (2, 1));
    assert_opens(&machine, &[&here, &there]).await;
    let asked = machine.faults.asked();
    let taken_back: Vec<_> = asked.iter().filter(|asked| asked.op == Op::Delete).collect();
    assert!(taken_back.len() == 1 && taken_back[0].path.starts_with("filbert-1-"), "{taken_back:?}");
    assert_ne!(taken_back[0].path, name, "never another's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_dies_at_any_step_locks_nobody_out() {
    for fault in [Fault::StoredThenDead, Fault::StoredThenLost, Fault::OkButNotStored, Fault::OkButCut] {
        let machine = initialised().await;
        let first = made(&machine).await;
        machine.faults.once(Op::Put, "filbert-", 0, fault);
        let second = add(&machine).await;
        machine.faults.heal();
        assert_opens(&machine, &[&first]).await;
        if let Ok((second, _)) = &second {
            assert_opens(&machine, &[second]).await;
        }
        let third = made(&machine).await;
        assert_opens(&machine, &[&first, &third]).await;
        assert!(matches!(end_older(&machine, &third).await, Ended::Older { .. }), "{fault:?}");
        assert_opens(&machine, &[&third]).await;
        machine.open().await;
    }
    // It never shows whole: told, and taken back.
    let machine = initialised().await;
    machine.faults.often(Op::Put, "filbert-", 0, 9, Fault::OkButCut);
    let error = add(&machine).await.map(drop).unwrap_err();
    assert!(matches!(error, RepositoryError::NotStanding { .. }), "{error}");
    assert_eq!(descriptors(&machine).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_newest_descriptor_is_passed_over() {
    let machine = initialised().await;
    let first = made(&machine).await;
    let newest = descriptors(&machine).pop().unwrap();
    let whole = machine.faults.memory.get(&newest, 1 << 20).await.unwrap();
    let name = newest.replace("filbert-1-", "filbert-7-");
    machine.faults.memory.put_new(&name, whole.slice(..whole.len() / 2)).await.unwrap();
    assert_opens(&machine, &[&first]).await;
    // Whole bytes under another number are not believed either.
    machine.faults.memory.put_new(&name, whole).await.unwrap();
    assert_opens(&machine, &[&first]).await;
    let (second, added) = add(&machine).await.unwrap();
    assert_eq!((added.generation, added.older), (8, 1));
    assert_opens(&machine, &[&first, &second]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_descriptor_that_was_taken_away_while_it_was_looked_for_is_looked_for_again() {
    let machine = initialised().await;
    let first = made(&machine).await;
    machine.faults.often(Op::Get, "filbert-", 0, 2, Fault::Fails(ErrorKind::NotFound));
    opened(&machine, &first).await.unwrap();
    assert!(machine.faults.heal());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_removed_are_told_and_removed_the_next_time() {
    let machine = initialised().await;
    let (first, second) = (made(&machine).await, made(&machine).await);
    machine.faults.often(Op::Delete, "filbert-", 0, 3, Fault::Fails(ErrorKind::Permanent));
    let Ended::Older { count: 1, left } = end_older(&machine, &second).await else { panic!() };
    assert_eq!(left.len(), 3, "{left:?}");
    assert!(opened(&machine, &first).await.is_err(), "what is in force does not have it any more");
    let Ended::Older { count: 0, left } = end_older(&machine, &second).await else { panic!() };
    assert_eq!((left.len(), descriptors(&machine).len()), (0, 1));
    assert_opens(&machine, &[&second]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_slots_are_taken_it_says_what_to_do() {
    let machine = initialised().await;
    let mut last = made(&machine).await;
    for _ in 1..15 {
        last = made(&machine).await;
    }
    let error = add(&machine).await.map(drop).unwrap_err().to_string();
    for said in ["16 key slots", "filbert kit --check", "filbert kit --end unproven"] {
        assert!(error.contains(said), "{error}");
    }
    assert_eq!(end_older(&machine, &last).await, Ended::Older { count: 14, left: Vec::new() });
    assert_opens(&machine, &[&last, &made(&machine).await]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_the_password_or_any_kit_ends_those_that_are_lost_and_makes_a_new_one() {
    for with_a_kit in [false, true] {
        let machine = initialised().await;
        let mut keys = Vec::new();
        for _ in 0..15 {
            keys.push(made(&machine).await);
        }
        // One in the middle is at hand, the newest is lost.
        let at_hand = if with_a_kit { Some(7) } else { None };
        let mut who = machine.without_state();
        if let Some(at) = at_hand {
            who.password = keys[at].text().expose().to_owned();
        }
        let ended = end(&who, &Ending::Unproven).await.unwrap();
        assert_eq!((ended.ended.len(), ended.left.len()), (14 - usize::from(with_a_kit), 0));
        assert_eq!(descriptors(&machine).len(), 1, "no file with an ended key is left");
        for (at, key) in keys.iter().enumerate() {
            let opens = opened(&machine, key).await.is_ok();
            assert_eq!(opens, at == 0 || Some(at) == at_hand, "kit {at}");
        }
        let new = made(&who).await;
        assert!(matches!(end_older(&machine, &new).await, Ended::Older { left, .. } if left.is_empty()));
        assert_opens(&machine, &[&new]).await;
        assert!(opened(&machine, &keys[0]).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_that_may_be_proven_and_the_one_that_is_given_do_not_end_by_mistake() {
    let machine = initialised().await;
    let (first, second, third) = (made(&machine).await, made(&machine).await, made(&machine).await);
    let mut who = machine.without_state();
    who.password = second.text().expose().to_owned();
    let listed = who.open().await.recovery_keys(&who.password.as_str().into()).await.unwrap();
    let told: Vec<_> = listed.iter().map(|key| (key.may_be_proven, key.is_own)).collect();
    assert_eq!(told, [(true, false), (false, true), (false, false)]);
    let named = |at: &[usize], even_proven| {
        let ids = at.iter().map(|at| listed[*at].id.to_uppercase()).collect();
        Ending::Named { ids, even_proven }
    };
    let before = machine.faults.memory.objects();
    let unknown = Ending::Named { ids: vec![listed[2].id.clone(), "nonsense".to_owned()], even_proven: true };
    for (refused, said) in [
        (named(&[0, 2], false), "may be the one that was proven"),
        (named(&[1], true), "the key that you gave"),
        (unknown, "no recovery key `nonsense`"),
    ] {
        let error = end(&who, &refused).await.map(drop).unwrap_err().to_string();
        assert!(error.contains(said) && error.contains("nothing was changed"), "{error}");
    }
    assert_eq!(machine.faults.memory.objects(), before);
    let ended = end(&who, &named(&[0], true)).await.unwrap();
    assert_eq!((ended.ended.len(), ended.kept.len()), (1, 2));
    assert_opens(&machine, &[&second, &third]).await;
    assert!(matches!(opened(&machine, &first).await, Err(RepositoryError::WrongRecoveryKey(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_keys_made_at_the_same_time_the_proven_one_is_not_taken_for_unproven() {
    let machine = initialised().await;
    let copy = machine.beside_a_copy().await;
    let (here, there) = (made(&machine).await, made(&copy).await);
    for (path, bytes) in copy.faults.memory.objects() {
        machine.faults.memory.put_new(&path, bytes).await.unwrap();
    }
    for (proven, other) in [(&here, &there), (&there, &here)] {
        let machine = machine.beside_a_copy().await;
        end_older(&machine, proven).await;
        end(&machine, &Ending::Unproven).await.unwrap();
        assert_opens(&machine, &[proven]).await;
        assert!(opened(&machine, other).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_dies_while_it_ends_keys_locks_nobody_out() {
    for fault in [Fault::StoredThenDead, Fault::StoredThenLost, Fault::OkButNotStored, Fault::OkButCut] {
        let machine = initialised().await;
        let (first, second) = (made(&machine).await, made(&machine).await);
        machine.faults.once(Op::Put, "filbert-", 0, fault);
        let _ = end(&machine, &Ending::Unproven).await;
        machine.faults.heal();
        assert_opens(&machine, &[&first]).await;
        end(&machine, &Ending::Unproven).await.unwrap();
        assert_opens(&machine, &[&first, &made(&machine).await]).await;
        assert!(opened(&machine, &second).await.is_err(), "{fault:?}");
    }
    // A file that could not be removed is told, and removed the next time.
    let machine = initialised().await;
    let (first, second) = (made(&machine).await, made(&machine).await);
    machine.faults.often(Op::Delete, "filbert-", 0, 3, Fault::Fails(ErrorKind::Permanent));
    assert_eq!(end(&machine, &Ending::Unproven).await.unwrap().left.len(), 3);
    assert!(opened(&machine, &second).await.is_err());
    assert_eq!(end(&machine, &Ending::Unproven).await.unwrap().left.len(), 0);
    assert_eq!(descriptors(&machine).len(), 1);
    assert_opens(&machine, &[&first]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_works_where_the_password_is_asked_and_makes_the_next_kit() {
    let mut machine = initialised().await;
    let first = made(&machine).await;
    let written: Vec<_> = first.groups().iter().map(|group| group.expose().to_uppercase()).collect();
    machine.password = format!("Filbert1 {}", written.join("-"));
    let second = made(&machine).await;
    machine.password = second.text().expose().to_owned();
    machine.open().await;

    machine.password = format!("filbert1 {}", written.join(" ")).replacen('Q', "P", 1) + "X";
    let error = machine.try_open().await.map(drop).unwrap_err();
    assert!(matches!(error, RepositoryError::MistypedRecoveryKey(_)), "{error}");
    let other = RecoveryKey::generate(&SystemEntropy).unwrap();
    let error = opened(&machine, &other).await.map(drop).unwrap_err();
    assert!(matches!(error, RepositoryError::WrongRecoveryKey(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_machine_with_a_key_fetches_the_checkpoint_and_what_is_newer() {
    let machine = initialised().await;
    let source = tempfile::tempdir().unwrap();
    for number in 0..36 {
        tree::write(source.path(), "file", format!("content {number}"));
        machine.back_up("docs", &[source.path()]).await;
    }
    let mut empty = machine.without_state();
    empty.password = made(&machine).await.text().expose().to_owned();
    let out = tempfile::tempdir().unwrap();
    machine.faults.asked();
    machine.restore("docs", &out.path().join("known")).await;
    let known = machine.faults.asked().len();
    empty.restore("docs", &out.path().join("empty")).await;
    let asked = machine.faults.asked();
    tree::assert_same(&tree::read(source.path()), &out.path().join("empty"), "with a key alone");
    // Root, descriptor, log; the checkpoint; four records since; the base and the delta of the list.
    let paths: Vec<_> = asked.iter().map(|asked| format!("{:?} {}", asked.op, asked.path)).collect();
    assert!(asked.len() <= known + 3 + 1 + 4 + 2, "{known} on a known machine: {paths:#?}");
}

#[tokio::test]
async fn a_password_that_would_be_taken_for_a_key_is_refused_from_the_start() {
    let mut machine = Machine::on(Arc::new(FaultyStore::default()));
    machine.password = "filbert1-and-a-long-phrase-that-is-no-key".to_owned();
    let made = Repository::init(machine.means(), &machine.password.as_str().into(), machine.init).await;
    assert!(matches!(made.map(drop).unwrap_err(), RepositoryError::Options(_)));
}
