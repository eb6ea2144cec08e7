//! Uploads and deletions: their length, lost answers, and what refusals mean.

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

#[tokio::test]
async fn an_answer_with_a_page_does_not_cost_the_connection() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let store = store_at(&format!("http://{}/", listener.local_addr().unwrap()));
    let server = tokio::spawn(async move {
        // One connection and no other.
        let (mut stream, _) = listener.accept().await.unwrap();
        drop(listener);
        let page = "<html>Created</html>".repeat(500);
        let head = format!("HTTP/1.1 201 Created\r\nContent-Length: {}\r\n\r\n", page.len());
        let mut heads = 0;
        let mut piece = vec![0; 4096];
        while heads < 3 {
            let read = stream.read(&mut piece).await.unwrap();
            assert_ne!(read, 0, "the connection is closed after {heads} requests");
            if piece[..read].windows(4).any(|end| end == b"\r\n\r\n") {
                heads += 1;
                stream.write_all(head.as_bytes()).await.unwrap();
                tokio::time::sleep(Duration::from_millis(20)).await;
                stream.write_all(page.as_bytes()).await.unwrap();
            }
        }
    });
    store.put_new("a", Bytes::new()).await.unwrap();
    store.ensure_folder("b").await.unwrap();
    store.delete("a").await.unwrap();
    server.await.unwrap();
}
