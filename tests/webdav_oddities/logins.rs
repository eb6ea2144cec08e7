//! Basic, Digest, and challenges that grow stale.

use super::*;

const CHALLENGE: &str = "WWW-Authenticate: Digest realm=\"r\", nonce=\"N\", qop=\"auth\", algorithm=MD5\r\n";

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
