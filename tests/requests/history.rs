//! A hundred snapshots later an empty machine still opens with few requests.

use crate::support::drive::{Drive, assert_counts, count, documents};
use filbert::guard::Purpose;
use std::time::Duration;

const SNAPSHOTS: usize = 100;
const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_machine_opens_a_hundred_snapshots_with_few_requests() {
    let drive = Drive::new().await;
    let machine = drive.machine("here");
    let (_dir, source) = documents(2, 3000);
    machine.init().await;
    for number in 1..=SNAPSHOTS {
        drive.asked();
        machine.back_up(&source).await;
        let steps = drive.steps();
        match number {
            1 => assert_eq!(steps.len(), 6, "{steps:?}"),
            // With a checkpoint.
            32 | 64 | 96 => assert_eq!(steps.len(), 4, "{number}: {steps:?}"),
            _ => assert_eq!(steps, ["PUT log-000/object", "PROPFIND log-000"], "{number}"),
        }
        machine.clock.advance(DAY / 100);
    }
    let before = drive.emulator.counts();
    let empty = drive.machine("here");
    let process = empty.catch_up(Purpose::Other).await.unwrap();
    assert_eq!(process.repository.snapshots().unwrap().len(), SNAPSHOTS);
    let steps = drive.steps();
    let mut expected = vec!["PROPFIND root", "GET descriptor", "PROPFIND log-000"];
    // The newest checkpoint, which holds the older ones, and the four records since.
    expected.extend(["GET log-000/object"; 5]);
    assert_eq!(steps, expected);
    assert_counts(&process.store.traffic(), &before, &drive.emulator.counts());

    // Looking again fetches nothing of it: not the checkpoint, not a record.
    empty.catch_up(Purpose::Other).await.unwrap();
    assert_eq!(drive.steps(), ["PROPFIND log-000"]);
    // And so on the machine that wrote them.
    machine.catch_up(Purpose::Other).await.unwrap();
    let steps = drive.steps();
    assert_eq!(count(&steps, "GET log-000/object"), 0, "{steps:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn from_500_records_on_an_empty_machine_lists_one_folder_more() {
    let drive = Drive::new().await;
    let machine = drive.machine("here");
    let (_dir, source) = documents(1, 300);
    machine.init().await;
    for _ in 0..530 {
        machine.back_up(&source).await;
        machine.clock.advance(DAY / 3);
    }
    drive.asked();
    machine.catch_up(Purpose::Other).await.unwrap();
    assert_eq!(drive.steps(), ["PROPFIND log-001"]);
    let process = drive.machine("here").catch_up(Purpose::Other).await.unwrap();
    assert_eq!(process.repository.snapshots().unwrap().len(), 530);
    let steps = drive.steps();
    // 530 and 32 do not go together: 18 records are newer than the last checkpoint.
    let opening = ["PROPFIND root", "GET descriptor", "PROPFIND log-001", "PROPFIND log-000"];
    assert_eq!(steps[..4], opening);
    assert_eq!(count(&steps, "GET log-001/object"), 1 + 530 % 32, "{steps:?}");
    assert_eq!(steps.len(), 4 + 1 + 530 % 32, "{steps:?}");
}
