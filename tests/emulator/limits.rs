//! The limits of an account, in the order they are judged, by the clock that is handed in.

use super::raw::Peer;
use super::support::nutstore::{start, start_with};
use super::{ask, says};
use filbert::emulator::{Limits, Rate};
use std::time::Duration;

fn rate(requests: u64, seconds: u64) -> Option<Rate> {
    Some(Rate { requests, within: Duration::from_secs(seconds) })
}

#[tokio::test]
async fn a_burst_gets_a_bare_page_and_spaced_requests_pass() {
    let drive = start(Limits::nutstore_free()).await;
    let mut peer = Peer::connect(&drive.emulator.url()).await;
    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.push(peer.ask("OPTIONS", "/dav/", &[super::raw::LOGIN], b"").await.says());
    }
    assert_eq!(answers, ["200", "200", "200", "503 html", "503 html"]);
    drive.clock.advance(Duration::from_secs(1));
    for _ in 0..50 {
        drive.clock.advance(Duration::from_millis(400));
        assert_eq!(peer.ask("OPTIONS", "/dav/", &[super::raw::LOGIN], b"").await.status, 200);
    }
    let counts = drive.emulator.counts();
    assert_eq!((counts.refused_burst, counts.refused_window, counts.total()), (2, 0, 55));
}

#[tokio::test]
async fn beyond_600_requests_the_window_closes_until_the_first_is_30_minutes_old() {
    let drive = start(Limits { burst: None, ..Limits::nutstore_free() }).await;
    let mut peer = Peer::connect(&drive.emulator.url()).await;
    for _ in 0..600 {
        assert_eq!(peer.ask("OPTIONS", "/dav/", &[super::raw::LOGIN], b"").await.status, 200);
        drive.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(drive.emulator.window_left(), Some(0));
    let refused = ask(&drive, "PUT", "/dav/t/a", &[], &[7; 100_000]).await;
    assert_eq!(refused.says(), "503 BlockedTemporarily");
    assert_eq!(refused.header("retry-after"), None);
    drive.clock.advance(Duration::from_secs(30 * 60 - 600 - 1));
    assert_eq!(says(&drive, "OPTIONS", "/dav/", &[], b"").await, "503 BlockedTemporarily");
    drive.clock.advance(Duration::from_secs(1));
    assert_eq!(says(&drive, "OPTIONS", "/dav/", &[], b"").await, "200");
    assert_eq!(says(&drive, "OPTIONS", "/dav/", &[], b"").await, "503 BlockedTemporarily");
    assert_eq!(drive.emulator.counts().refused_window, 3);
}

#[tokio::test]
async fn somebody_who_sets_the_clock_gets_no_more_requests() {
    let drive = start(Limits { window: rate(1, 60), ..Limits::none() }).await;
    assert_eq!(says(&drive, "OPTIONS", "/dav/", &[], b"").await, "200");
    drive.clock.set_by_millis(3_600_000);
    assert_eq!(says(&drive, "OPTIONS", "/dav/", &[], b"").await, "503 BlockedTemporarily");
}

#[tokio::test]
async fn refusals_prolong_the_wait_only_where_they_are_said_to() {
    for (refusals_prolong, expected) in [(false, "200"), (true, "503 BlockedTemporarily")] {
        let drive = start(Limits { window: rate(1, 60), refusals_prolong, ..Limits::none() }).await;
        says(&drive, "OPTIONS", "/dav/", &[], b"").await;
        drive.clock.advance(Duration::from_secs(50));
        assert_eq!(says(&drive, "OPTIONS", "/dav/", &[], b"").await, "503 BlockedTemporarily");
        drive.clock.advance(Duration::from_secs(10));
        assert_eq!(says(&drive, "OPTIONS", "/dav/", &[], b"").await, expected);
    }
}

#[tokio::test]
async fn throttling_can_look_like_a_wrong_password() {
    let drive = start(Limits { window: rate(1, 60), blocked_is_401: true, ..Limits::none() }).await;
    assert_eq!(says(&drive, "OPTIONS", "/dav/", &[], b"").await, "200");
    assert_eq!(says(&drive, "OPTIONS", "/dav/", &[], b"").await, "401");
    assert_eq!(drive.emulator.counts().refused_window, 1);
    drive.clock.advance(Duration::from_secs(60));
    assert_eq!(says(&drive, "OPTIONS", "/dav/", &[], b"").await, "200");
}

#[tokio::test]
async fn burst_comes_before_window_before_login_before_method() {
    let drive = start(Limits { burst: rate(2, 1), window: rate(3, 60), ..Limits::none() }).await;
    let mut peer = Peer::connect(&drive.emulator.url()).await;
    let mut answers = Vec::new();
    for advance in [0, 0, 0, 2, 0] {
        drive.clock.advance(Duration::from_secs(advance));
        // Neither the login nor the method is right.
        answers.push(peer.ask("PATCH", "/nowhere", &[], b"").await.says());
    }
    assert_eq!(answers, ["401", "401", "503 html", "401", "503 BlockedTemporarily"]);
}

#[tokio::test]
async fn traffic_comes_back_with_the_month() {
    let limits = Limits { month_up_bytes: Some(100), month_down_bytes: Some(50), ..Limits::none() };
    let drive = start(limits).await;
    drive.emulator.objects().put("t/old", vec![1; 30]);
    for (expected, body) in [("201", 60), ("403 TrafficRateExhausted", 41), ("204", 40)] {
        assert_eq!(says(&drive, "PUT", "/dav/t/a", &[], &vec![0; body]).await, expected);
    }
    for expected in ["200", "403 TrafficRateExhausted"] {
        assert_eq!(says(&drive, "GET", "/dav/t/old", &[], b"").await, expected);
    }
    assert_eq!(says(&drive, "HEAD", "/dav/t/old", &[], b"").await, "200");
    // From the 15th of January to the 1st of February.
    drive.clock.advance(Duration::from_secs(16 * 86_400 + 43_200));
    assert_eq!(says(&drive, "GET", "/dav/t/old", &[], b"").await, "200");
    assert_eq!(says(&drive, "PUT", "/dav/t/a", &[], &[0; 100]).await, "204");
}

#[tokio::test]
async fn a_full_drive_and_a_large_object_are_refused() {
    let drive = start(Limits { storage_bytes: Some(100), object_bytes: Some(80), ..Limits::none() }).await;
    says(&drive, "MKCOL", "/dav/t", &[], b"").await;
    assert_eq!(says(&drive, "PUT", "/dav/t/a", &[], &[0; 81]).await, "400 TooBigEntity");
    assert_eq!(says(&drive, "PUT", "/dav/t/a", &[], &[0; 80]).await, "201");
    assert_eq!(says(&drive, "PUT", "/dav/t/b", &[], &[0; 21]).await, "403 StorageSpaceExhausted");
    // What is replaced makes room.
    assert_eq!(says(&drive, "PUT", "/dav/t/a", &[], &[0; 79]).await, "204");
    assert_eq!(says(&drive, "PUT", "/dav/t/b", &[], &[0; 21]).await, "201");
    assert_eq!(drive.emulator.objects().stored_bytes(), 100);
}

#[tokio::test]
async fn quota_is_told_only_where_it_is_switched_on_and_asked_for() {
    let body = b"<D:propfind xmlns:D=\"DAV:\"><D:prop><D:quota-available-bytes/></D:prop></D:propfind>";
    for (told, expected) in [(false, false), (true, true)] {
        let limits = Limits { storage_bytes: Some(100), ..Limits::none() };
        let drive = start_with(|options| {
            options.limits = limits;
            options.quota_properties = told;
        })
        .await;
        drive.emulator.objects().put("t/a", "0123456789");
        let asked = ask(&drive, "PROPFIND", "/dav/t", &["Depth: 0"], body).await.text();
        assert_eq!(asked.contains("<d:quota-available-bytes>90</d:quota-available-bytes>"), expected);
        assert_eq!(asked.contains("<d:quota-used-bytes>10</d:quota-used-bytes>"), expected);
        assert!(!ask(&drive, "PROPFIND", "/dav/t", &["Depth: 0"], b"").await.text().contains("quota"));
    }
}
