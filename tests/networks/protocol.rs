//! HTTP/2 ends all requests of a connection with one GOAWAY. filbert speaks HTTP/1.1 alone, also to
//! a server that offers more.

use crate::support::{PASSWORD, USER, apache};
use bytes::Bytes;
use filbert::model::clock::SystemClock;
use filbert::store::{Store, WebdavOptions, WebdavStore};
use std::sync::Arc;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_offers_http_2_is_spoken_to_in_http_1_1() {
    let Some((server, ca)) = apache::start_tls_with_http2() else { return };
    let options = WebdavOptions {
        ca_pem: Some(ca),
        ..WebdavOptions::new(&server.url).with_credentials(USER, PASSWORD.into())
    };
    let store = WebdavStore::new(&options, Arc::new(SystemClock)).unwrap();
    store.put_new("object", Bytes::from_static(b"content")).await.unwrap();
    assert_eq!(store.get("object", 100).await.unwrap(), "content");
    store.list("").await.unwrap();
    // A line is written after the answer.
    let mut log = String::new();
    for _ in 0..500 {
        log = apache::access_log(&server);
        if log.lines().count() >= 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(log.lines().count(), 3, "{log}");
    assert!(log.lines().all(|line| line.contains("HTTP/1.1")), "{log}");
    // And it does offer more.
    assert_eq!(apache::protocol_offered(&server).as_deref(), Some("h2"));
}
