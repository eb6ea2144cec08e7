//! Listings in pages, cut, looping, or not there at all.

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
