//! What servers do that no standard foresees, played word by word over real sockets.

#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod support;

use bytes::Bytes;
use filbert::model::clock::ManualClock;
use filbert::model::time::Timestamp;
use filbert::store::{Auth, ErrorKind, Store, StoreError, WebdavOptions, WebdavOptionsError, WebdavStore};
use std::sync::Arc;
use std::time::Duration;
use support::scripted::{Scripted, answer, play};
use support::{PASSWORD, USER, dav};

const NOW: Timestamp = Timestamp { seconds: 1_000_000, nanos: 0 };

fn options(url: &str) -> WebdavOptions {
    WebdavOptions {
        // Not reached but by the tests of it.
        no_progress_timeout: Duration::from_secs(20),
        ..WebdavOptions::new(url).with_credentials(USER, PASSWORD.into())
    }
}

fn store_at(url: &str) -> WebdavStore {
    WebdavStore::new(&options(url), Arc::new(ManualClock::at(NOW))).unwrap()
}

async fn played<const N: usize>(answers: [String; N]) -> (Scripted, WebdavStore) {
    let server = play(answers.into()).await;
    let store = store_at(&server.url);
    (server, store)
}

fn multistatus(hrefs: &[&str]) -> String {
    let entries: String = hrefs
        .iter()
        .map(|href| {
            let kind = if href.ends_with('/') { "<d:collection/>" } else { "" };
            format!(
                "<d:response><d:href>{href}</d:href><d:propstat><d:prop><d:resourcetype>{kind}\
                 </d:resourcetype><d:getcontentlength>4</d:getcontentlength></d:prop>\
                 <d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"
            )
        })
        .collect();
    format!("<?xml version=\"1.0\"?><d:multistatus xmlns:d=\"DAV:\">{entries}</d:multistatus>")
}

fn page(headers: &str, hrefs: &[&str]) -> String {
    answer("207 Multi-Status", headers, &multistatus(hrefs))
}

fn exception(status: &str, name: &str) -> String {
    let body = format!(
        "<?xml version=\"1.0\"?><d:error xmlns:d=\"DAV:\" xmlns:s=\"http://ns.jianguoyun.com\">\
         <s:exception>{name}</s:exception><s:message>the message</s:message></d:error>"
    );
    answer(status, "", &body)
}

fn ok(body: &str) -> String {
    answer("200 OK", "", body)
}

fn names(listing: &filbert::store::Listing) -> Vec<&str> {
    listing.entries.iter().map(|entry| entry.name.as_str()).collect()
}

fn kind<T: std::fmt::Debug>(result: Result<T, StoreError>) -> ErrorKind {
    result.unwrap_err().kind
}

mod listings {
    use super::*;

    #[tokio::test]
    async fn pages_are_followed_and_the_folder_left_out_of_each() {
        let (server, store) = played([
            page(
                "Link: <http://HOST/dav/log?mk=2>; rel=\"next\"\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
                &["/dav/log/", "/dav/log/a"],
            ),
            page("Link: <?mk=3>; rel=\"next\"\r\n", &["/dav/log/", "/dav/log/b"]),
            page("", &["/dav/log/", "/dav/log/b", "/dav/log/c"]),
        ])
        .await;
        let listing = store.list("log").await.unwrap();
        assert_eq!(names(&listing), ["a", "b", "c"]);
        assert_eq!(listing.server_time_ms, Some(784_111_777_000));
        let expected = ["PROPFIND /dav/log/", "PROPFIND /dav/log?mk=2", "PROPFIND /dav/log?mk=3"];
        assert_eq!(server.lines(), expected);
        let asked = server.asked();
        assert!(asked.iter().all(|one| one.head.contains("depth: 1") && one.body == asked[0].body));
        assert_eq!(store.traffic().requests["PROPFIND"], 3);
    }

    #[tokio::test]
    async fn pages_without_end_are_an_error() {
        let again = page("Link: </dav/log/?mk=2>; rel=next\r\n", &["/dav/log/"]);
        let (_server, store) = played([again.clone(), again.clone(), again]).await;
        assert_eq!(kind(store.list("log").await), ErrorKind::Corrupt);
    }

    #[tokio::test]
    async fn a_page_elsewhere_is_not_fetched() {
        let (server, store) = played([page("Link: <http://127.0.0.1:1/x>; rel=next\r\n", &["/dav/"])]).await;
        assert_eq!(kind(store.list("").await), ErrorKind::Corrupt);
        assert_eq!(server.lines().len(), 1);
    }

    #[tokio::test]
    async fn a_failing_page_fails_the_listing() {
        let first = page("Link: <?mk=2>; rel=next\r\n", &["/dav/", "/dav/a"]);
        let (_server, store) = played([first, exception("503 Busy", "BlockedTemporarily")]).await;
        assert_eq!(kind(store.list("").await), ErrorKind::Throttled(None));
    }

    #[tokio::test]
    async fn a_cut_listing_is_not_taken_for_a_short_one() {
        let whole = multistatus(&["/dav/", "/dav/a"]);
        let cut = &whole[..whole.len() - 40];
        let unnoticed = answer("207 Multi-Status", "", cut);
        let noticed = format!("HTTP/1.1 207 Multi-Status\r\nContent-Length: {}\r\n\r\n{cut}", whole.len());
        let (_server, store) = played([unnoticed, noticed]).await;
        assert_eq!(kind(store.list("").await), ErrorKind::Corrupt);
        assert_eq!(kind(store.list("").await), ErrorKind::Transient);
    }

    #[tokio::test]
    async fn absolute_addresses_are_understood() {
        let (_server, store) =
            played([page("", &["http://behind.proxy:81/dav/", "http://behind.proxy:81/dav/a"])]).await;
        assert_eq!(names(&store.list("").await.unwrap()), ["a"]);
    }

    #[tokio::test]
    async fn what_is_no_webdav_is_told() {
        let html = "<!DOCTYPE html><html><title>Welcome</title></html>";
        let (_server, store) = played([
            answer("200 OK", "Content-Type: text/html\r\n", html),
            answer("207 Multi-Status", "", "not xml"),
            answer("405 Method Not Allowed", "", html),
            answer("501 Not Implemented", "", ""),
        ])
        .await;
        let error = store.list("").await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotWebdav);
        assert!(error.detail.contains("web page"), "{error}");
        for _ in 0..3 {
            assert_eq!(kind(store.list("").await), ErrorKind::NotWebdav);
        }
    }
}

mod reading {
    use super::*;

    #[tokio::test]
    async fn an_ignored_range_is_cut_out_of_the_whole() {
        let (server, store) = played([ok("0123456789"), ok("0123456789"), ok("0123456789")]).await;
        assert_eq!(store.get_range("a", 3..6).await.unwrap(), "345");
        assert_eq!(store.get_range("a", 8..20).await.unwrap(), "89");
        assert_eq!(store.get_range("a", 20..30).await.unwrap(), "");
        assert!(server.asked()[0].head.contains("range: bytes=3-5"));
    }

    #[tokio::test]
    async fn a_refused_range_falls_back_to_the_whole() {
        let refused = answer("416 Range Not Satisfiable", "", "");
        let (server, store) = played([refused, ok("0123456789")]).await;
        assert_eq!(store.get_range("a", 8..20).await.unwrap(), "89");
        assert!(!server.asked()[1].head.contains("range:"));
    }

    #[tokio::test]
    async fn a_refused_range_with_the_size_is_asked_again_inside_it() {
        let refused = || answer("416 Range Not Satisfiable", "Content-Range: bytes */10\r\n", "");
        let part = answer("206 Partial Content", "Content-Range: bytes 8-9/10\r\n", "89");
        let (server, store) = played([refused(), part, refused()]).await;
        assert_eq!(store.get_range("a", 8..20).await.unwrap(), "89");
        assert!(server.asked()[1].head.contains("range: bytes=8-9"));
        assert_eq!(store.get_range("a", 10..20).await.unwrap(), "");
        assert_eq!(server.lines().len(), 3);
    }

    #[tokio::test]
    async fn another_part_than_asked_for_is_refused() {
        for (told, body) in [("bytes 0-2/10", "012"), ("bytes 3-9/10", "3456789"), ("nonsense", "345")] {
            let part = answer("206 Partial Content", &format!("Content-Range: {told}\r\n"), body);
            let (_server, store) = played([part]).await;
            assert_eq!(kind(store.get_range("a", 3..6).await), ErrorKind::Corrupt, "{told}");
        }
    }

    #[tokio::test]
    async fn a_body_that_is_too_long_is_not_held() {
        let endless = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", "x".repeat(100_000));
        let (_server, store) = played([ok("0123456789"), endless]).await;
        assert_eq!(kind(store.get("a", 9).await), ErrorKind::Corrupt);
        assert_eq!(kind(store.get("a", 9).await), ErrorKind::Corrupt);
    }

    #[tokio::test]
    async fn a_body_that_ends_early_may_pass() {
        let cut = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234".to_owned();
        let (_server, store) = played([cut]).await;
        assert_eq!(kind(store.get("a", 100).await), ErrorKind::Transient);
    }

    #[tokio::test]
    async fn sizes_come_from_listings_where_head_is_not_known() {
        let no_head = "HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\n\r\n".to_owned();
        let no_length = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_owned();
        let (server, store) =
            played([no_head, page("", &["/dav/a"]), no_length, page("", &["/dav/a/"])]).await;
        assert_eq!(store.size("a").await.unwrap(), 4);
        assert_eq!(kind(store.size("a").await), ErrorKind::NotFound);
        assert!(server.asked()[1].head.contains("depth: 0"));
    }
}

mod writing {
    use super::*;

    #[tokio::test]
    async fn uploads_carry_their_length() {
        let (server, store) = played([answer("201 Created", "", ""), answer("204 No Content", "", "")]).await;
        store.put_new("a", Bytes::from(vec![7; 300_000])).await.unwrap();
        store.put_new("a", Bytes::new()).await.unwrap();
        let asked = server.asked();
        assert!(asked[0].head.contains("content-length: 300000"));
        assert!(asked[1].head.contains("content-length: 0"), "{}", asked[1].head);
        assert!(asked.iter().all(|one| !one.head.contains("chunked")));
        assert_eq!(asked[0].body, vec![7; 300_000]);
        assert_eq!(store.traffic().bytes_up, 300_000);
    }

    #[tokio::test]
    async fn a_lost_answer_leaves_open_what_happened() {
        let (_server, store) = played([String::new(), String::new(), String::new(), String::new()]).await;
        assert_eq!(kind(store.put_new("a", Bytes::from_static(b"x")).await), ErrorKind::Unknown);
        assert_eq!(kind(store.delete("a").await), ErrorKind::Unknown);
        assert_eq!(kind(store.ensure_folder("a").await), ErrorKind::Unknown);
        assert_eq!(kind(store.get("a", 1).await), ErrorKind::Transient);
    }

    #[tokio::test]
    async fn nobody_at_home_means_that_nothing_was_sent() {
        let store = store_at(&format!("http://127.0.0.1:{}/", support::free_port()));
        assert_eq!(kind(store.put_new("a", Bytes::from_static(b"x")).await), ErrorKind::Transient);
    }

    #[tokio::test]
    async fn the_answers_to_an_upload_are_told_apart() {
        let table = [
            (exception("404 Not Found", "ObjectNotFound"), ErrorKind::NotFound),
            (exception("409 Conflict", "AncestorsNotFound"), ErrorKind::NotFound),
            (exception("403 Forbidden", "TrafficRateExhausted"), ErrorKind::TrafficUsedUp),
            (exception("403 Forbidden", "StorageSpaceExhausted"), ErrorKind::Quota),
            (exception("400 Bad Request", "TooBigEntity"), ErrorKind::TooLarge),
            (exception("507 Insufficient Storage", ""), ErrorKind::Quota),
            (exception("423 Locked", ""), ErrorKind::Transient),
            (answer("202 Accepted", "", ""), ErrorKind::Unknown),
        ];
        for (text, expected) in table {
            let (_server, store) = played([text]).await;
            let error = store.put_new("a", Bytes::from_static(b"x")).await.unwrap_err();
            assert_eq!(error.kind, expected, "{error}");
            assert!(error.action.starts_with("PUT http://127.0.0.1:") && error.action.ends_with("/dav/a"));
        }
    }

    #[tokio::test]
    async fn the_server_is_quoted() {
        let (_server, store) = played([exception("403 Forbidden", "StorageSpaceExhausted")]).await;
        let error = store.put_new("a", Bytes::new()).await.unwrap_err().to_string();
        let expected =
            "the server answered 403 Forbidden (StorageSpaceExhausted: the message); the drive is full";
        assert!(error.contains(expected), "{error}");
    }

    #[tokio::test]
    async fn deleting_what_is_gone_is_no_error() {
        for status in ["204 No Content", "404 Not Found", "409 Conflict", "410 Gone"] {
            let (_server, store) = played([answer(status, "", "")]).await;
            store.delete("a").await.unwrap();
        }
    }
}

mod folders {
    use super::*;

    #[tokio::test]
    async fn a_folder_that_is_there_is_no_error_however_it_is_told() {
        let (server, store) = played([answer("405 Method Not Allowed", "", "")]).await;
        store.ensure_folder("a").await.unwrap();
        assert_eq!(server.lines(), ["MKCOL /dav/a/"]);
        for status in ["409 Conflict", "423 Locked", "500 Oops", "403 Forbidden", "400 Bad Request"] {
            let (server, store) = played([answer(status, "", ""), page("", &["/dav/a/"])]).await;
            store.ensure_folder("a").await.unwrap();
            assert_eq!(server.lines(), ["MKCOL /dav/a/", "PROPFIND /dav/a/"], "{status}");
        }
        let loops = answer("301 Moved Permanently", "Location: http://HOST/dav/a/\r\n", "");
        let (_server, store) = played([loops, page("", &["/dav/a/"])]).await;
        store.ensure_folder("a").await.unwrap();
    }

    #[tokio::test]
    async fn a_file_in_the_way_is_a_conflict() {
        let (_server, store) = played([answer("409 Conflict", "", ""), page("", &["/dav/a"])]).await;
        assert_eq!(kind(store.ensure_folder("a").await), ErrorKind::Conflict);
    }

    #[tokio::test]
    async fn missing_parents_of_the_root_are_made_from_the_nearest_up() {
        let missing = || answer("404 Not Found", "", "");
        let made = || answer("201 Created", "", "");
        let server = play(vec![missing(), missing(), made(), made(), made()]).await;
        let store = store_at(&format!("{}x/y", server.url));
        store.ensure_folder("").await.unwrap();
        let expected =
            ["MKCOL /dav/x/y/", "MKCOL /dav/x/", "MKCOL /dav/", "MKCOL /dav/x/", "MKCOL /dav/x/y/"];
        assert_eq!(server.lines(), expected);
    }

    #[tokio::test]
    async fn the_top_of_the_account_is_left_alone() {
        let conflict = || exception("409 Conflict", "AncestorsNotFound");
        let server =
            play(vec![conflict(), conflict(), answer("201 Created", "", ""), answer("201 Created", "", "")])
                .await;
        let store = store_at(&format!("{}x/y", server.url));
        store.ensure_folder("").await.unwrap();
        let expected = ["MKCOL /dav/x/y/", "PROPFIND /dav/x/y/", "MKCOL /dav/x/", "MKCOL /dav/x/y/"];
        assert_eq!(server.lines(), expected);
    }
}

mod redirects {
    use super::*;

    fn moved(to: &str) -> String {
        answer("301 Moved Permanently", &format!("Location: {to}\r\n"), "")
    }

    #[tokio::test]
    async fn on_the_same_server_they_are_followed_with_credentials_and_body() {
        let (server, store) = played([moved("/new/a"), answer("201 Created", "", "")]).await;
        store.put_new("a", Bytes::from_static(b"body")).await.unwrap();
        let asked = server.asked();
        assert_eq!(server.lines(), ["PUT /dav/a", "PUT /new/a"]);
        assert!(asked[1].head.contains("authorization: Basic ") && asked[1].body == b"body");
        assert_eq!(store.traffic().requests["PUT"], 2);
    }

    #[tokio::test]
    async fn to_another_server_data_is_read_without_credentials() {
        let (other, _) = played([ok("data")]).await;
        let (_server, store) = played([moved(&format!("{}blob?sig=1", other.url))]).await;
        assert_eq!(store.get("a", 10).await.unwrap(), "data");
        assert_eq!(other.lines(), ["GET /dav/blob?sig=1"]);
        assert!(!other.asked()[0].head.to_lowercase().contains("authorization"));
    }

    #[tokio::test]
    async fn to_another_server_nothing_is_sent() {
        let (other, _) = played([ok("")]).await;
        let to = moved(&other.url);
        let (_server, store) = played([to.clone(), to]).await;
        let error = store.put_new("a", Bytes::from_static(b"x")).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Permanent);
        assert!(error.detail.contains("points to another"), "{error}");
        assert_eq!(kind(store.list("").await), ErrorKind::Permanent);
        assert_eq!(other.lines().len(), 0);
    }

    #[tokio::test]
    async fn they_end_somewhere() {
        let hops = (0..9).map(|n| moved(&format!("/dav/{n}"))).collect();
        let server = play(hops).await;
        assert_eq!(kind(store_at(&server.url).get("a", 10).await), ErrorKind::Permanent);
        assert_eq!(server.lines().len(), 6);
    }
}

mod logins {
    use super::*;

    const CHALLENGE: &str =
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"N\", qop=\"auth\", algorithm=MD5\r\n";

    #[tokio::test]
    async fn basic_goes_at_once_and_a_wrong_password_is_asked_once() {
        let refused = answer("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", "");
        let (server, store) = played([refused]).await;
        let error = store.list("").await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unauthorised);
        assert!(error.detail.contains("password"), "{error}");
        assert_eq!(server.lines().len(), 1);
        assert!(server.asked()[0].head.contains("authorization: Basic "));
    }

    #[tokio::test]
    async fn a_server_with_digest_alone_gets_digest_from_then_on() {
        let refused = answer("401 Unauthorized", CHALLENGE, "");
        let (server, store) = played([refused, page("", &["/dav/"]), ok("x")]).await;
        store.list("").await.unwrap();
        store.get("a", 1).await.unwrap();
        let asked = server.asked();
        assert_eq!(asked.len(), 3);
        assert!(asked[1].head.contains("authorization: Digest ") && asked[2].head.contains("nc=00000002"));
        assert_eq!(store.traffic().total(), 3);
    }

    #[tokio::test]
    async fn a_stale_challenge_is_replaced_once() {
        let refused = || answer("401 Unauthorized", &CHALLENGE.replace("\"N\"", "\"M\""), "");
        let first = answer("401 Unauthorized", CHALLENGE, "");
        let (server, store) = played([first, ok("x"), refused(), ok("x"), refused(), refused()]).await;
        store.get("a", 1).await.unwrap();
        store.get("a", 1).await.unwrap();
        assert_eq!(kind(store.get("a", 1).await), ErrorKind::Unauthorised);
        let asked = server.asked();
        assert_eq!(asked.len(), 6);
        assert!(asked[2].head.contains("nonce=\"N\"") && asked[3].head.contains("nonce=\"M\""));
    }

    #[tokio::test]
    async fn digest_by_choice_never_uploads_for_a_refusal() {
        let first = answer("401 Unauthorized", CHALLENGE, "");
        let server = play(vec![first, answer("201 Created", "", "")]).await;
        let digest = WebdavOptions { auth: Auth::Digest, ..options(&server.url) };
        let store = WebdavStore::new(&digest, Arc::new(ManualClock::at(NOW))).unwrap();
        store.put_new("a", Bytes::from_static(b"x")).await.unwrap();
        assert_eq!(server.lines(), ["PROPFIND /dav/", "PUT /dav/a"]);
        assert_eq!(store.traffic().total(), 2);
    }

    #[tokio::test]
    async fn digest_by_choice_stores_nothing_where_no_password_is_wanted() {
        let server = play(vec![page("", &["/dav/"])]).await;
        let digest = WebdavOptions { auth: Auth::Digest, ..options(&server.url) };
        let store = WebdavStore::new(&digest, Arc::new(ManualClock::at(NOW))).unwrap();
        assert_eq!(kind(store.put_new("a", Bytes::from_static(b"x")).await), ErrorKind::Unauthorised);
        assert_eq!(server.lines(), ["PROPFIND /dav/"]);
    }

    #[tokio::test]
    async fn a_wrong_password_is_told_without_showing_it() {
        let embedded = dav::start().await;
        let wrong = WebdavOptions::new(embedded.server.url()).with_credentials(USER, "wr0ng-pass".into());
        let store = WebdavStore::new(&wrong, Arc::new(ManualClock::at(NOW))).unwrap();
        let error = store.list("").await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unauthorised);
        let said = format!("{error} {error:?} {store:?} {wrong:?} {}", store.address());
        assert!(!said.contains("wr0ng-pass"), "{said}");
    }
}

mod patience {
    use super::*;

    #[tokio::test]
    async fn retry_after_is_kept_and_bounded() {
        let busy = |status: &str, wait: &str| answer(status, &format!("Retry-After: {wait}\r\n"), "");
        let (_server, store) = played([
            busy("429 Too Many Requests", "60"),
            busy("503 Busy", "999999999"),
            busy("503 Busy", "nonsense"),
            busy("429 Too Many Requests", "nonsense"),
        ])
        .await;
        let until = |seconds| Some(Timestamp::new(NOW.seconds + seconds, 0));
        assert_eq!(kind(store.get("a", 1).await), ErrorKind::Throttled(until(60)));
        assert_eq!(kind(store.get("a", 1).await), ErrorKind::Throttled(until(86_400)));
        assert_eq!(kind(store.get("a", 1).await), ErrorKind::Transient);
        assert_eq!(kind(store.get("a", 1).await), ErrorKind::Throttled(None));
    }

    /// A store that gives up after a second without progress.
    fn hasty(url: &str) -> WebdavStore {
        let hasty = WebdavOptions { no_progress_timeout: Duration::from_secs(1), ..options(url) };
        WebdavStore::new(&hasty, Arc::new(ManualClock::at(NOW))).unwrap()
    }

    /// Takes connections and never answers.
    async fn silent() -> (tokio::net::TcpListener, String) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        (listener, url)
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_is_given_up() {
        let (_listener, url) = silent().await;
        assert_eq!(kind(hasty(&url).get("a", 1).await), ErrorKind::Transient);
        let put = hasty(&url).put_new("a", Bytes::from_static(b"x")).await;
        assert_eq!(kind(put), ErrorKind::Unknown);
    }

    #[tokio::test]
    async fn a_slow_upload_that_moves_is_left_alone() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (listener, url) = silent().await;
        // Far more than socket buffers hold, so that the sender feels the reader's pace.
        let body = Bytes::from(vec![1; 30 * 1024 * 1024]);
        let length = body.len();
        let reader = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut piece = vec![0; 3 * 1030 * 1024];
            let (mut total, mut pauses) = (0, 0);
            while total < length {
                let read = stream.read_exact(&mut piece[..(3 * 1030 * 1024).min(length - total)]).await;
                total += read.unwrap();
                pauses += 1;
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
            stream.write_all(answer("201 Created", "", "").as_bytes()).await.unwrap();
            pauses
        });
        hasty(&url).put_new("a", body).await.unwrap();
        // It took far longer than the limit on time without progress.
        assert!(reader.await.unwrap() * 250 > 2 * 1000);
    }
}

mod addresses {
    use super::*;

    fn refusal(url: &str) -> WebdavOptionsError {
        WebdavStore::new(&WebdavOptions::new(url), Arc::new(ManualClock::at(NOW))).unwrap_err()
    }

    #[test]
    fn a_password_in_the_address_is_refused() {
        let error = refusal("https://me:hunter2@dav.example.org/");
        assert_eq!(error, WebdavOptionsError::CredentialsInUrl);
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn plain_http_to_another_machine_is_refused_and_says_what_to_do() {
        let error = refusal("http://nas.example.org/dav");
        assert!(error.to_string().contains("https://"), "{error}");
    }

    #[test]
    fn certificates_that_are_none_are_refused() {
        for pem in ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            let options =
                WebdavOptions { ca_pem: Some(pem.into()), ..WebdavOptions::new("https://dav.example.org") };
            let made = WebdavStore::new(&options, Arc::new(ManualClock::at(NOW)));
            assert!(
                matches!(made, Err(WebdavOptionsError::CaPem(_) | WebdavOptionsError::Client(_))),
                "{made:?}"
            );
        }
    }
}
