//! Waits that servers ask for, silence, and slowness.

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

/// A store that gives up after two seconds without progress.
fn hasty(url: &str) -> WebdavStore {
    let hasty = WebdavOptions { no_progress_timeout: Duration::from_secs(2), ..options(url) };
    WebdavStore::new(&hasty, Arc::new(ManualClock::at(NOW))).unwrap()
}

/// Takes connections and never answers.
async fn silent() -> (tokio::net::TcpListener, String) {
    // What lies in a large buffer would have left the sender long before it is read.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(128 * 1024).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(8).unwrap();
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
    let body = Bytes::from(vec![1; 60 * 1024 * 1024]);
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
    assert!(reader.await.unwrap() * 250 > 2 * 2000);
}
