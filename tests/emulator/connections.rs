//! When connections close, and that several requests share one until then.

use super::raw::{LOGIN, Peer};
use super::{drive, faulty};
use filbert::emulator::{Effect, Fault};
use filbert::store::Store;

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let drive = drive().await;
    let mut peer = Peer::connect(&drive.emulator.url()).await;
    for _ in 0..20 {
        assert_eq!(peer.ask("PROPFIND", "/dav/t", &[LOGIN], b"").await.status, 207);
    }
    assert!(!peer.is_closed().await);
}

#[tokio::test]
async fn every_third_answer_closes_with_a_warning() {
    let drive = faulty(Fault::new(Effect::Close).every(3)).await;
    let mut peer = Peer::connect(&drive.emulator.url()).await;
    let mut told = Vec::new();
    for _ in 0..3 {
        let answer = peer.ask("GET", "/dav/t/a", &[LOGIN], b"").await;
        assert_eq!((answer.status, answer.whole), (200, true));
        told.push(answer.header("connection").map(str::to_owned));
    }
    assert_eq!(told, [None, None, Some("close".to_owned())]);
    assert!(peer.is_closed().await);
}

#[tokio::test]
async fn every_third_answer_closes_without_a_warning() {
    for (method, target) in [("GET", "/dav/t/a"), ("UNLOCK", "/dav/t/a"), ("HEAD", "/dav/t/a")] {
        let drive = faulty(Fault::new(Effect::CloseUntold).every(3)).await;
        let mut peer = Peer::connect(&drive.emulator.url()).await;
        for n in 1..=3 {
            let answer = peer.ask(method, target, &[LOGIN], b"").await;
            assert!(answer.status < 300 && answer.whole, "{method} {n}");
            assert_eq!(answer.header("connection"), None);
        }
        assert!(peer.is_closed().await, "{method}");
    }
}

#[tokio::test]
async fn filbert_lives_with_connections_that_close() {
    let drive = faulty(Fault::new(Effect::Close).every(4)).await;
    let store = drive.store("t");
    for n in 0..20 {
        store.put_new(&format!("n{n}"), vec![n; 1000].into()).await.unwrap();
    }
    assert_eq!(drive.emulator.objects().paths("t/n").len(), 20);
}

#[tokio::test]
async fn a_shutdown_closes_what_is_open() {
    let drive = drive().await;
    let mut peer = Peer::connect(&drive.emulator.url()).await;
    assert_eq!(peer.ask("PROPFIND", "/dav/t", &[LOGIN], b"").await.status, 207);
    drive.emulator.shutdown().await;
    assert!(peer.is_closed().await);
}
