//! Objects and parts of them from servers that ignore, refuse or mangle ranges.

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

/// Reads all of it, and how it ended.
async fn read(store: &dyn Store, range: std::ops::Range<u64>, size: u64) -> Result<Vec<u8>, StoreError> {
    let (mut all, mut pieces) = (Vec::new(), store.read("a", range, size).await?);
    while let Some(piece) = pieces.next().await? {
        assert!(!piece.is_empty());
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

#[tokio::test]
async fn what_is_read_by_pieces_is_what_was_asked_for() {
    let part = answer("206 Partial Content", "Content-Range: bytes 3-5/10\r\n", "345");
    let (server, store) = played([part, ok("0123456789"), ok("0123456789"), ok("01234"), ok("01234")]).await;
    assert_eq!(read(&store, 3..6, 10).await.unwrap(), b"345");
    assert_eq!(read(&store, 3..6, 10).await.unwrap(), b"345", "the range was ignored");
    assert_eq!(read(&store, 0..10, 10).await.unwrap(), b"0123456789");
    assert_eq!(read(&store, 0..10, 10).await.unwrap(), b"01234", "it is shorter");
    assert_eq!(read(&store, 4..6, 10).await.unwrap(), b"4", "it is shorter");
    assert_eq!(read(&store, 6..6, 10).await.unwrap(), b"");
    assert_eq!(server.asked().len(), 5);
    assert!(!server.asked()[2].head.contains("range:"), "all of it is a plain GET");
}

#[tokio::test]
async fn more_or_less_than_was_told_is_no_piece() {
    let part =
        |told: &str, body: &str| answer("206 Partial Content", &format!("Content-Range: {told}\r\n"), body);
    let unbounded = |status: &str, told: &str| {
        format!("HTTP/1.1 {status}\r\nConnection: close\r\n{told}\r\n{}", "x".repeat(100_000))
    };
    let (_server, store) = played([
        part("bytes 2-5/10", "2345"),
        part("bytes 3-5/10", "34"),
        part("bytes 3-5/10", "3456"),
        ok("0123456789"),
        unbounded("206 Partial Content", "Content-Range: bytes 3-5/10\r\n"),
        unbounded("200 OK", ""),
    ])
    .await;
    for _ in 0..3 {
        assert_eq!(read(&store, 3..6, 10).await.unwrap_err().kind, ErrorKind::Corrupt);
    }
    assert_eq!(read(&store, 0..9, 9).await.unwrap_err().kind, ErrorKind::Corrupt);
    assert_eq!(read(&store, 3..6, 10).await.unwrap_err().kind, ErrorKind::Corrupt);
    assert_eq!(read(&store, 0..9, 9).await.unwrap_err().kind, ErrorKind::Corrupt);
}

#[tokio::test]
async fn an_answer_that_breaks_off_goes_on_where_it_broke() {
    let cut = |status: &str, told: &str, body: &str, length: usize| {
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{told}\r\n{body}")
    };
    let (server, store) = played([
        cut("200 OK", "", "0123", 10),
        answer("503 Service Unavailable", "", ""),
        cut("206 Partial Content", "Content-Range: bytes 4-9/10\r\n", "45", 6),
        ok("0123456789"),
    ])
    .await;
    let options = RetryOptions { base_delay: Duration::from_millis(1), ..RetryOptions::default() };
    let store = Retrying::new(Arc::new(store), options, Arc::new(ManualClock::at(NOW)));
    assert_eq!(read(&store, 0..10, 10).await.unwrap(), b"0123456789");
    let asked = server.asked();
    let range =
        |nth: usize| asked[nth].head.lines().find(|line| line.starts_with("range:")).map(str::to_owned);
    assert_eq!([range(0), range(1)], [None, Some("range: bytes=4-9".to_owned())]);
    assert_eq!(
        [range(2), range(3)],
        [Some("range: bytes=4-9".to_owned()), Some("range: bytes=6-9".to_owned())]
    );
}

#[tokio::test]
async fn sizes_come_from_listings_where_head_is_not_known() {
    let no_head = "HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\n\r\n".to_owned();
    let no_length = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_owned();
    let (server, store) = played([no_head, page("", &["/dav/a"]), no_length, page("", &["/dav/a/"])]).await;
    assert_eq!(store.size("a").await.unwrap(), 4);
    assert_eq!(kind(store.size("a").await), ErrorKind::NotFound);
    assert!(server.asked()[1].head.contains("depth: 0"));
}
