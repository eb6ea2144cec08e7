//! Row by row what each method answers.

use super::raw::{LOGIN, Peer};
use super::{ask, drive, says};

#[tokio::test]
async fn a_put_is_answered_without_an_etag() {
    let drive = drive().await;
    let first = ask(&drive, "PUT", "/dav/t/a", &[], b"one").await;
    assert_eq!((first.status, first.header("etag")), (201, None));
    let second = ask(&drive, "PUT", "/dav/t/a", &[], b"other").await;
    assert_eq!((second.status, second.header("etag")), (204, None));
    assert_eq!(drive.emulator.objects().get("t/a").unwrap(), "other");
}

#[tokio::test]
async fn a_put_needs_its_length_and_a_folder() {
    let drive = drive().await;
    let url = drive.emulator.url();
    let chunked = [LOGIN, "Transfer-Encoding: chunked"];
    let answer = Peer::connect(&url).await.ask("PUT", "/dav/t/a", &chunked, b"3\r\nabc\r\n0\r\n\r\n").await;
    assert_eq!(answer.says(), "411 html");
    assert_eq!(Peer::connect(&url).await.ask("PUT", "/dav/t/a", &[LOGIN], b"").await.status, 411);
    assert_eq!(says(&drive, "PUT", "/dav/a", &[], b"x").await, "404 ObjectNotFound");
    assert_eq!(says(&drive, "PUT", "/dav/none/a", &[], b"x").await, "409 AncestorsNotFound");
    assert_eq!(says(&drive, "PUT", "/dav/t", &[], b"x").await, "404 ObjectNotFound");
    assert_eq!(drive.emulator.objects().list(), []);
}

#[tokio::test]
async fn a_missing_parent_is_told_apart_from_a_missing_object() {
    let drive = drive().await;
    for method in ["GET", "PROPFIND", "DELETE"] {
        assert_eq!(says(&drive, method, "/dav/t/none", &[], b"").await, "404 ObjectNotFound", "{method}");
        assert_eq!(says(&drive, method, "/dav/none/a", &[], b"").await, "409 AncestorsNotFound", "{method}");
    }
    assert_eq!(says(&drive, "HEAD", "/dav/t/none", &[], b"").await, "404");
    assert_eq!(says(&drive, "GET", "/elsewhere", &[], b"").await, "404 ObjectNotFound");
}

#[tokio::test]
async fn mkcol_makes_one_folder_once() {
    let drive = drive().await;
    let (longest, too_long) = (format!("/dav/{}", "x".repeat(32)), format!("/dav/{}", "x".repeat(33)));
    let table = [
        ("/dav/t/f", "201"),
        ("/dav/t/f/", "405 ResourceExisted"),
        ("/dav/t/g/", "201"),
        ("/dav/none/f", "409 AncestorsNotFound"),
        ("/dav/", "403 OperationNotAllowed"),
        (&*longest, "201"),
        (&*too_long, "403 OperationNotAllowed"),
    ];
    for (path, expected) in table {
        assert_eq!(says(&drive, "MKCOL", path, &[], b"").await, expected, "{path}");
    }
    let deep = format!("/dav/t/{}", "x".repeat(33));
    assert_eq!(says(&drive, "MKCOL", &deep, &[], b"").await, "201");
}

#[tokio::test]
async fn move_and_copy_never_overwrite() {
    let drive = drive().await;
    drive.emulator.objects().put("t/a", "a");
    drive.emulator.objects().put("t/b", "b");
    for method in ["MOVE", "COPY"] {
        for overwrite in ["Overwrite: T", "Overwrite: F", "X-None: 1"] {
            let headers = ["Destination: http://localhost/dav/t/b", overwrite];
            assert_eq!(says(&drive, method, "/dav/t/a", &headers, b"").await, "409 DuplicateName");
        }
        assert_eq!(says(&drive, method, "/dav/t/a", &[], b"").await, "400 IllegalArgument");
        let nowhere = ["Destination: /dav/none/a"];
        assert_eq!(says(&drive, method, "/dav/t/a", &nowhere, b"").await, "409 AncestorsNotFound");
        let inside = ["Destination: /dav/t/x/y"];
        assert_eq!(says(&drive, method, "/dav/t", &inside, b"").await, "403 OperationNotAllowed");
    }
    assert_eq!(says(&drive, "COPY", "/dav/t/a", &["Destination: /dav/t/c"], b"").await, "201");
    assert_eq!(says(&drive, "MOVE", "/dav/t/a", &["Destination: /dav/t/d%20e"], b"").await, "201");
    assert_eq!(drive.emulator.objects().paths(""), ["t/b", "t/c", "t/d e"]);
    assert_eq!(drive.emulator.objects().get("t/b").unwrap(), "b");
}

#[tokio::test]
async fn conditions_compare_the_unquoted_etag() {
    let drive = drive().await;
    drive.emulator.objects().put("t/a", "a");
    let listing = ask(&drive, "PROPFIND", "/dav/t/a", &["Depth: 0"], b"").await.text();
    let etag = listing.split_once("<d:getetag>").unwrap().1.split_once('<').unwrap().0.to_owned();
    assert!(!etag.is_empty() && !etag.contains('"'), "{etag}");
    let (bare, quoted) = (format!("If-Match: {etag}"), format!("If-Match: \"{etag}\""));
    assert_eq!(says(&drive, "PUT", "/dav/t/a", &[&quoted], b"b").await, "412 PreconditionFailed");
    assert_eq!(says(&drive, "PUT", "/dav/t/new", &[&bare], b"b").await, "412 PreconditionFailed");
    assert_eq!(says(&drive, "PUT", "/dav/t/a", &[&bare], b"b").await, "204");
    assert_eq!(says(&drive, "PUT", "/dav/t/a", &[&bare], b"c").await, "412 PreconditionFailed");
    assert_eq!(says(&drive, "PUT", "/dav/t/a", &["If-None-Match: *"], b"d").await, "204");
}

#[tokio::test]
async fn ranges_end_before_the_objects_end() {
    let drive = drive().await;
    drive.emulator.objects().put("t/a", "0123456789");
    let part = ask(&drive, "GET", "/dav/t/a", &["Range: bytes=2-5"], b"").await;
    assert_eq!((part.status, part.text()), (206, "2345".to_owned()));
    assert_eq!(part.header("content-range"), Some("bytes 2-5/10"));
    assert_eq!(ask(&drive, "GET", "/dav/t/a", &["Range: bytes=9-9"], b"").await.text(), "9");
    assert_eq!(ask(&drive, "GET", "/dav/t/a", &["Range: bytes=7-"], b"").await.text(), "789");
    for range in ["Range: bytes=5-10", "Range: bytes=10-10", "Range: bytes=-3"] {
        let refused = ask(&drive, "GET", "/dav/t/a", &[range], b"").await;
        assert_eq!((refused.status, refused.body.len()), (416, 0), "{range}");
        assert_eq!(refused.header("content-range"), None);
    }
}

#[tokio::test]
async fn get_and_head_tell_the_same() {
    let drive = drive().await;
    drive.emulator.objects().put("t/a", "0123456789");
    drive.emulator.objects().put("t/empty", "");
    let get = ask(&drive, "GET", "/dav/t/a", &[], b"").await;
    assert_eq!((get.status, get.text()), (200, "0123456789".to_owned()));
    assert_eq!(get.header("last-modified"), Some("Thu, 15 Jan 2026 12:00:00 GMT"));
    assert_eq!(get.header("date"), Some("Thu, 15 Jan 2026 12:00:00 GMT"));
    let head = ask(&drive, "HEAD", "/dav/t/a", &[], b"").await;
    assert_eq!((head.status, head.header("content-length")), (200, Some("10")));
    assert_eq!(ask(&drive, "HEAD", "/dav/t/empty", &[], b"").await.header("content-length"), Some("0"));
    assert_eq!(says(&drive, "GET", "/dav/t", &[], b"").await, "403 OperationNotAllowed");
}

#[tokio::test]
async fn delete_takes_away_folders_with_all_that_is_in_them() {
    let drive = drive().await;
    drive.emulator.objects().put("t/f/a", "a");
    assert_eq!(says(&drive, "DELETE", "/dav/t/f", &[], b"").await, "204");
    assert_eq!(says(&drive, "DELETE", "/dav/t/f", &[], b"").await, "404 ObjectNotFound");
    assert_eq!(says(&drive, "DELETE", "/dav/", &[], b"").await, "403 OperationNotAllowed");
    assert_eq!(drive.emulator.objects().list(), []);
}

#[tokio::test]
async fn odd_paths_are_refused() {
    let drive = drive().await;
    for path in
        ["/dav//t", "/dav/t//a", "/dav/t/a%3Ab", "/dav/t/%2a", "/dav/t/%7C", "/dav/t/a%3F", "/dav/t/.."]
    {
        for method in ["PUT", "GET", "MKCOL", "PROPFIND"] {
            assert_eq!(says(&drive, method, path, &[], b"").await, "400 IllegalArgument", "{method} {path}");
        }
    }
}

#[tokio::test]
async fn locks_and_properties_are_only_faked() {
    let drive = drive().await;
    let lock = ask(&drive, "LOCK", "/dav/t/a", &[], b"").await;
    assert_eq!(lock.status, 200);
    assert!(lock.header("lock-token").is_some());
    assert_eq!(ask(&drive, "LOCK", "/dav/t/a", &[], b"").await.status, 200);
    assert_eq!(says(&drive, "PUT", "/dav/t/a", &[], b"x").await, "201");
    assert_eq!(says(&drive, "PROPPATCH", "/dav/t/a", &[], b"<x/>").await, "207");
    assert_eq!(says(&drive, "UNLOCK", "/dav/t/a", &[], b"").await, "204");
    let options = ask(&drive, "OPTIONS", "/dav/", &[], b"").await;
    assert_eq!((options.status, options.header("dav")), (200, Some("1, 2")));
    assert_eq!(says(&drive, "PATCH", "/dav/t/a", &[], b"").await, "405");
}

#[tokio::test]
async fn the_login_is_asked_for_without_xml() {
    let drive = drive().await;
    let url = drive.emulator.url();
    for headers in [&[][..], &["Authorization: Basic eDp5"], &["Authorization: Bearer x"]] {
        let answer = Peer::connect(&url).await.ask("PROPFIND", "/dav/", headers, b"").await;
        assert_eq!((answer.status, answer.body.len()), (401, 0));
        assert!(answer.header("www-authenticate").unwrap().starts_with("Basic "));
    }
}
