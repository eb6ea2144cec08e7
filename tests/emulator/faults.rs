//! Each fault does what it says, to the requests that it is meant for.

use super::{ask, faulty, says};
use filbert::emulator::{BodyRead, Canned, Effect, Fault};
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_dropped_put_is_not_stored_however_much_was_read() {
    for (read, at_least, at_most) in
        [(BodyRead::Nothing, 0, 0), (BodyRead::Half, 500_000, 999_999), (BodyRead::All, 1_000_000, 1_000_000)]
    {
        let drive = faulty(Fault::new(Effect::DropBefore(read)).on("PUT")).await;
        assert_eq!(says(&drive, "PUT", "/dav/t/new", &[], &vec![0; 1_000_000]).await, "0", "{read:?}");
        assert_eq!(drive.emulator.objects().get("t/new"), None);
        let seen = &drive.emulator.journal().requests()[0];
        assert_eq!((seen.line(), seen.status), ("PUT /dav/t/new -".to_owned(), None));
        assert!((at_least..=at_most).contains(&seen.bytes_up), "{read:?}: {}", seen.bytes_up);
    }
}

#[tokio::test]
async fn an_answer_is_lost_after_the_put_was_stored() {
    let drive = faulty(Fault::new(Effect::DropAfter).on("PUT").nth(1)).await;
    assert_eq!(says(&drive, "PUT", "/dav/t/new", &[], b"whole").await, "0");
    assert_eq!(drive.emulator.objects().get("t/new").unwrap(), "whole");
    assert_eq!(says(&drive, "PUT", "/dav/t/new", &[], b"whole").await, "204");
    assert_eq!(drive.lines(), ["PUT /dav/t/new -", "PUT /dav/t/new 204"]);
}

#[tokio::test]
async fn a_cut_body_is_kept_and_answered_as_error_or_as_success() {
    for (status, expected) in [(500, "500 html"), (201, "201")] {
        let drive = faulty(Fault::new(Effect::CutUpload(status)).on("PUT")).await;
        assert_eq!(says(&drive, "PUT", "/dav/t/new", &[], b"01234567").await, expected);
        assert_eq!(drive.emulator.objects().get("t/new").unwrap(), "0123");
    }
}

#[tokio::test]
async fn made_up_answers_come_as_they_are_written() {
    let table = [
        (Canned::status(503), "503 html", None),
        (Canned::status(503).retry_after("120"), "503 html", Some("120")),
        (Canned::status(429).retry_after("soon, perhaps"), "429 html", Some("soon, perhaps")),
        (Canned::status(401), "401", None),
        (Canned::status(416), "416", None),
        (Canned::status(423), "423 html", None),
        (Canned::status(507), "507 html", None),
        (Canned::status(403).exception("TrafficRateExhausted"), "403 TrafficRateExhausted", None),
    ];
    for (canned, expected, retry_after) in table {
        let drive = faulty(Fault::new(Effect::Answer(canned.clone())).on("PUT")).await;
        let answer = ask(&drive, "PUT", "/dav/t/new", &[], b"x").await;
        assert_eq!((answer.says().as_str(), answer.header("retry-after")), (expected, retry_after));
        assert_eq!(drive.emulator.objects().get("t/new"), None);

        let drive = faulty(Fault::new(Effect::DoThenAnswer(canned)).on("PUT")).await;
        assert_eq!(says(&drive, "PUT", "/dav/t/new", &[], b"x").await, expected);
        assert_eq!(drive.emulator.objects().get("t/new").unwrap(), "x");
    }
}

#[tokio::test]
async fn the_login_fails_after_it_worked() {
    let drive = faulty(Fault::new(Effect::Answer(Canned::status(401))).nth(2)).await;
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(says(&drive, "GET", "/dav/t/a", &[], b"").await);
    }
    assert_eq!(answers, ["200", "401", "200"]);
}

#[tokio::test]
async fn only_every_third_request_is_answered() {
    let fault = Fault::new(Effect::Answer(Canned::status(503))).below("/dav/t/").except_every(3);
    let drive = faulty(fault).await;
    let mut answers = Vec::new();
    for _ in 0..6 {
        answers.push(ask(&drive, "GET", "/dav/t/a", &[], b"").await.status);
    }
    assert_eq!(answers, [503, 503, 200, 503, 503, 200]);
    assert_eq!(drive.emulator.faults().struck(), [4]);
}

#[tokio::test]
async fn the_server_closes_the_window_for_a_while() {
    let drive = faulty(Fault::new(Effect::BlockFor(Duration::from_secs(600))).nth(2)).await;
    let mut answers = Vec::new();
    for advance in [0, 0, 599, 1] {
        drive.clock.advance(Duration::from_secs(advance));
        answers.push(says(&drive, "GET", "/dav/t/a", &[], b"").await);
    }
    assert_eq!(answers, ["200", "503 BlockedTemporarily", "503 BlockedTemporarily", "200"]);
    assert_eq!(drive.emulator.counts().refused_window, 2);
}

#[tokio::test]
async fn a_request_is_sent_elsewhere() {
    let drive = faulty(Fault::new(Effect::Redirect("/dav/t/b".to_owned())).on("GET")).await;
    let answer = ask(&drive, "GET", "/dav/t/a", &[], b"").await;
    assert_eq!((answer.status, answer.header("location")), (301, Some("/dav/t/b")));
}

#[tokio::test]
async fn a_range_is_ignored() {
    let drive = faulty(Fault::new(Effect::IgnoreRange)).await;
    let answer = ask(&drive, "GET", "/dav/t/a", &["Range: bytes=2-3"], b"").await;
    assert_eq!((answer.status, answer.text()), (200, "0123456789".to_owned()));
}

#[tokio::test]
async fn one_bit_flips_on_the_way() {
    let drive = faulty(Fault::new(Effect::FlipBit)).await;
    assert_eq!(ask(&drive, "GET", "/dav/t/a", &[], b"").await.text(), "0123446789");
    assert_eq!(drive.emulator.objects().get("t/a").unwrap(), "0123456789");
}

#[tokio::test]
async fn an_answer_breaks_off_in_the_middle() {
    let drive = faulty(Fault::new(Effect::CutAnswer)).await;
    let answer = ask(&drive, "GET", "/dav/t/a", &[], b"").await;
    assert_eq!((answer.status, answer.text(), answer.whole), (200, "01234".to_owned(), false));
    assert_eq!(answer.header("content-length"), Some("10"));
}

#[tokio::test]
async fn an_answer_has_no_end() {
    let drive = faulty(Fault::new(Effect::Endless)).await;
    let answer = ask(&drive, "GET", "/dav/t/a", &[], b"").await;
    assert_eq!((answer.status, answer.whole), (200, false));
    assert!(drive.emulator.counts().bytes_down >= 900_000);
}

#[tokio::test]
async fn an_answer_comes_in_drips() {
    let pause = Duration::from_millis(5);
    let drive = faulty(Fault::new(Effect::Drip { bytes: 2, pause })).await;
    let began = Instant::now();
    let answer = ask(&drive, "GET", "/dav/t/a", &[], b"").await;
    assert_eq!((answer.text(), answer.whole), ("0123456789".to_owned(), true));
    assert!(began.elapsed() >= pause * 5);
}
