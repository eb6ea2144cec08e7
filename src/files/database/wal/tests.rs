//! Logs that SQLite itself wrote, whole, cut, with flipped bits, and while it writes them.

use super::*;
use proptest::prelude::*;
use rusqlite::Connection;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a program does to its database.
#[derive(Debug, Clone, Copy)]
enum Act {
    Commit(u32),
    /// Large enough to be written to the log before it is taken back.
    TakeBack(u32),
    /// The next commit begins the log anew.
    Checkpoint,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (1_u32..40).prop_map(Act::Commit),
        2 => (1_u32..200).prop_map(Act::TakeBack),
        1 => Just(Act::Checkpoint),
    ];
    proptest::collection::vec(act, 1..12)
}

fn open(path: &Path, page_bytes: usize) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(&format!(
            "PRAGMA page_size = {page_bytes}; PRAGMA journal_mode = wal; PRAGMA synchronous = off;
             PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = 4; CREATE TABLE IF NOT EXISTS t (x TEXT)"
        ))
        .unwrap();
    connection
}

fn perform(connection: &Connection, act: Act) {
    let insert = |rows: u32| {
        format!(
            "BEGIN; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
             INSERT INTO t SELECT hex(randomblob(150)) FROM n;"
        )
    };
    let sql = match act {
        Act::Commit(rows) => insert(rows) + "COMMIT",
        Act::TakeBack(rows) => insert(rows) + "ROLLBACK",
        Act::Checkpoint => "PRAGMA wal_checkpoint(RESTART)".to_owned(),
    };
    connection.execute_batch(&sql).unwrap();
}

fn written(page_bytes: usize, acts: &[Act]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let connection = open(&path, page_bytes);
    acts.iter().for_each(|act| perform(&connection, *act));
    std::fs::read(beside_path(&path, WAL)).unwrap()
}

fn look(log: &[u8]) -> Look {
    let read = |buffer: &mut [u8], at: u64| {
        let at = usize::try_from(at).unwrap();
        let found = log.get(at..).and_then(|rest| rest.get(..buffer.len()));
        found.inspect(|found| buffer.copy_from_slice(found));
        Ok(found.is_some())
    };
    Log { read, cancel: &Cancel::default() }.find_break().unwrap()
}

/// The last commit frame of the log's own; its number, from 1.
fn last_commit(log: &[u8], page_bytes: usize) -> Option<usize> {
    let frames: Vec<_> = log[HEADER_BYTES..].chunks(FRAME_HEADER_BYTES + page_bytes).collect();
    let is_commit = |frame: &&[u8]| frame[8..16] == log[16..24] && frame[4..8] != [0; 4];
    frames.iter().rposition(is_commit).map(|at| at + 1)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_is_whole_or_cut_is_sound_and_a_flip_shows_by_the_commits_behind_it(
        power in 9_u32..13,
        acts in acts(),
        places in proptest::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 40),
    ) {
        let page_bytes = 1_usize << power;
        let log = written(page_bytes, &acts);
        prop_assert_eq!(look(&log), Look::Sound);
        let last = last_commit(&log, page_bytes);
        for (place, bit) in places {
            let place = place.index(log.len());
            prop_assert_eq!(look(&log[..place]), Look::Sound, "cut at {}", place);
            let mut flipped = log.clone();
            flipped[place] ^= 1 << bit;
            let frame = (place + FRAME_HEADER_BYTES + page_bytes).saturating_sub(HEADER_BYTES)
                / (FRAME_HEADER_BYTES + page_bytes);
            let found = match look(&flipped) {
                Look::Broken(found) => Some(found.frame as usize),
                Look::Sound => None,
                other => panic!("{other:?}"),
            };
            let expected = last.filter(|last| frame < *last).map(|_| frame);
            prop_assert_eq!(found, expected, "byte {} of {}, frame {}, {:?}", place, log.len(), frame, last);
        }
    }

    #[test]
    fn no_bytes_are_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..3000), header in any::<bool>()) {
        let mut log = written(512, &[]);
        log.truncate(if header { HEADER_BYTES } else { 0 });
        log.extend_from_slice(&bytes);
        prop_assert_eq!(look(&log), Look::Sound);
    }
}

/// Every byte of a header and of a frame's, each with a single commit behind it.
#[test]
fn no_byte_of_a_header_is_without_a_check() {
    let log = written(512, &[Act::Commit(1)]);
    let last = last_commit(&log, 512).unwrap();
    assert!(last >= 2);
    let before_last = HEADER_BYTES + (last - 2) * (FRAME_HEADER_BYTES + 512);
    for place in (0..HEADER_BYTES).chain(before_last..before_last + FRAME_HEADER_BYTES) {
        let mut flipped = log.clone();
        flipped[place] ^= 0x81;
        assert!(matches!(look(&flipped), Look::Broken(_)), "byte {place}");
    }
}

#[test]
fn words_may_stand_either_way() {
    let log = written(1024, &[Act::Commit(20), Act::Commit(1)]);
    let little = Layout { page_bytes: 1024, big_endian: false };
    let big = Layout { big_endian: true, ..little };
    let mut turned = log.clone();
    turned[3] ^= 1;
    let put = |log: &mut [u8], at: usize, sum: Sum| {
        log[at..at + 4].copy_from_slice(&sum[0].to_be_bytes());
        log[at + 4..at + 8].copy_from_slice(&sum[1].to_be_bytes());
    };
    let mut sum = big.sum(&turned[..24], [0, 0]);
    put(&mut turned, 24, sum);
    for at in (HEADER_BYTES..turned.len()).step_by(little.frame_bytes()) {
        sum = big.sum_of(&turned[at..at + big.frame_bytes()], sum);
        put(&mut turned, at + 16, sum);
    }
    assert_eq!(look(&turned), Look::Sound);
    turned[HEADER_BYTES + 100] ^= 1;
    assert!(matches!(look(&turned), Look::Broken(Break { frame: 1, .. })));
}

/// With transactions that are taken back and overwritten, and logs that begin anew.
#[test]
fn a_log_that_grows_while_it_is_read_is_not_called_broken() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let connection = open(&path, 512);
    let stop = &AtomicBool::new(false);
    let looks = std::thread::scope(|scope| {
        scope.spawn(move || {
            for round in 0_u32.. {
                perform(&connection, Act::TakeBack(60));
                perform(&connection, Act::Commit(1 + round % 7));
                if round % 8 == 0 {
                    perform(&connection, Act::Checkpoint);
                }
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        let looks: Vec<_> = (0..400).map(|_| find_break(&path, &Cancel::default())).collect();
        stop.store(true, Ordering::Relaxed);
        looks
    });
    for look in looks {
        assert_eq!(look.unwrap(), None);
    }
}

#[test]
fn a_look_ends_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let _open = open(&path, 512);
    let cancel = Cancel::default();
    cancel.cancel();
    assert!(matches!(find_break(&path, &cancel), Err(CopyError::Cancelled)));
}
