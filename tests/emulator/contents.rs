//! What tests see of the drive and of the requests, and what they change behind a client's back.

use super::support::USER;
use super::{ask, drive};
use filbert::emulator::{Effect, Fault, Seen};
use filbert::store::Store;

#[tokio::test]
async fn the_journal_and_the_client_count_the_same() {
    let drive = drive().await;
    let store = drive.store("t/repo");
    store.ensure_folder("").await.unwrap();
    store.put_new("a", vec![7; 1234].into()).await.unwrap();
    store.get("a", 2000).await.unwrap();
    store.get_range("a", 10..20).await.unwrap();
    store.size("a").await.unwrap();
    store.list("").await.unwrap();
    store.delete("a").await.unwrap();
    let (counts, traffic) = (drive.emulator.counts(), store.traffic());
    let told: Vec<_> =
        drive.emulator.journal().requests().iter().map(|s| (s.bytes_up, s.bytes_down)).collect();
    assert_eq!(told[1..5], [(1234, 0), (0, 1234), (0, 10), (0, 0)]);
    let own = traffic.requests.into_iter().map(|(method, count)| (method.to_owned(), count));
    let mut server = counts.requests;
    // The folder that the test began with.
    *server.get_mut("MKCOL").unwrap() -= 1;
    assert_eq!(server, own.collect());
    assert_eq!((counts.bytes_up, counts.bytes_down), (traffic.bytes_up, traffic.bytes_down));
    assert_eq!((counts.refused_burst, counts.refused_window), (0, 0));
    assert_eq!(
        drive.lines(),
        [
            "MKCOL /dav/t/repo/ 201",
            "PUT /dav/t/repo/a 201",
            "GET /dav/t/repo/a 200",
            "GET /dav/t/repo/a 206",
            "HEAD /dav/t/repo/a 200",
            "PROPFIND /dav/t/repo/ 207",
            "DELETE /dav/t/repo/a 204",
        ]
    );
    assert_eq!(drive.emulator.journal().requests(), Vec::<Seen>::new());
    assert_eq!(drive.emulator.counts().total(), 8);
}

#[tokio::test]
async fn objects_are_looked_at_and_spoiled_behind_the_clients_back() {
    let drive = drive().await;
    let objects = drive.emulator.objects();
    objects.put("t/deep/down/a", "abc");
    objects.put("t/b", "0123456789");
    assert_eq!(objects.list(), [("t/b".to_owned(), 10), ("t/deep/down/a".to_owned(), 3)]);
    assert_eq!(objects.stored_bytes(), 13);
    assert!(objects.flip_bit("t/b", 8) && !objects.flip_bit("t/b", 80) && !objects.flip_bit("t/none", 0));
    assert_eq!(ask(&drive, "GET", "/dav/t/b", &[], b"").await.text(), "0023456789");
    assert!(objects.cut("t/b", 4) && !objects.cut("t/b", 4));
    assert_eq!(ask(&drive, "GET", "/dav/t/b", &[], b"").await.text(), "0023");
    assert!(objects.remove("t/deep") && !objects.remove("t/deep"));
    assert_eq!(ask(&drive, "GET", "/dav/t/deep/down/a", &[], b"").await.says(), "409 AncestorsNotFound");
    assert_eq!(objects.get("t/deep/down/a"), None);
}

#[tokio::test]
async fn no_secret_is_printed() {
    let drive = drive().await;
    let text = format!("{:?}", drive.emulator);
    assert!(!text.contains(super::support::PASSWORD) && !text.contains(USER), "{text}");
}

#[tokio::test]
async fn what_was_scripted_and_never_happened_is_told() {
    let drive = drive().await;
    drive.emulator.faults().add(Fault::new(Effect::DropAfter).on("PUT"));
    assert!(!drive.emulator.faults().clear());
    assert!(drive.emulator.faults().clear());
}
