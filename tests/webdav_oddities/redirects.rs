//! Redirects, and what must not follow them.

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
