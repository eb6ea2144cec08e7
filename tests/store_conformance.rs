//! One suite for every store: what `Store` promises holds on memory, a folder, and real servers.

#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod support;

use bytes::Bytes;
use filbert::emulator::Limits;
use filbert::model::clock::SystemClock;
use filbert::store::{
    Auth, ErrorKind, FolderStore, MemoryStore, SharedStore, Store, WebdavOptions, WebdavStore,
};
use std::sync::Arc;
use support::{PASSWORD, USER, anonymous, apache, dav, nutstore, rclone, webdav};

async fn kind_of<T: std::fmt::Debug>(
    result: impl Future<Output = Result<T, filbert::store::StoreError>>,
) -> ErrorKind {
    result.await.unwrap_err().kind
}

async fn names(store: &dyn Store, folder: &str) -> Vec<(String, bool)> {
    let listing = store.list(folder).await.unwrap();
    assert_eq!(listing.skipped, 0);
    let mut names: Vec<_> = listing.entries.into_iter().map(|e| (e.name, e.is_folder)).collect();
    names.sort();
    names
}

fn pattern(length: usize) -> Bytes {
    (0..length).map(|n| (n * 31 + n / 251) as u8).collect()
}

/// The promises, in the order of a repository's life.
async fn conforms(store: SharedStore) {
    // Nothing is there, not even the root.
    assert_eq!(kind_of(store.list("")).await, ErrorKind::NotFound);
    assert_eq!(kind_of(store.get("a", 10)).await, ErrorKind::NotFound);
    assert_eq!(kind_of(store.size("a")).await, ErrorKind::NotFound);
    store.delete("a").await.unwrap();

    // Folders: the root with its parents, others one by one, again without harm.
    store.ensure_folder("").await.unwrap();
    store.ensure_folder("").await.unwrap();
    assert_eq!(names(&*store, "").await, []);
    assert_eq!(kind_of(store.ensure_folder("packs/000")).await, ErrorKind::NotFound);
    store.ensure_folder("packs").await.unwrap();
    store.ensure_folder("packs/000").await.unwrap();
    store.ensure_folder("packs/000").await.unwrap();

    // Objects.
    assert_eq!(kind_of(store.put_new("log/x", Bytes::new())).await, ErrorKind::NotFound);
    let body = pattern(300_001);
    store.put_new("packs/000/ab-1_2.x", body.clone()).await.unwrap();
    store.put_new("packs/000/empty", Bytes::new()).await.unwrap();
    store.put_new("top", pattern(3)).await.unwrap();
    assert_eq!(store.get("packs/000/ab-1_2.x", 300_001).await.unwrap(), body);
    assert_eq!(kind_of(store.get("packs/000/ab-1_2.x", 300_000)).await, ErrorKind::Corrupt);
    assert_eq!(store.get("packs/000/empty", 10).await.unwrap(), Bytes::new());
    assert_eq!(store.size("packs/000/ab-1_2.x").await.unwrap(), 300_001);
    assert_eq!(store.size("packs/000/empty").await.unwrap(), 0);
    assert_eq!(kind_of(store.get("packs/000/other", 10)).await, ErrorKind::NotFound);
    assert_eq!(kind_of(store.get("none/other", 10)).await, ErrorKind::NotFound);

    // Ranges, inside and past the end.
    let part = store.get_range("packs/000/ab-1_2.x", 5..1000).await.unwrap();
    assert_eq!(part, body.slice(5..1000));
    let end = store.get_range("packs/000/ab-1_2.x", 300_000..300_001).await.unwrap();
    assert_eq!(end, body.slice(300_000..));
    let past = store.get_range("packs/000/ab-1_2.x", 299_000..400_000).await.unwrap();
    assert_eq!(past, body.slice(299_000..));
    assert_eq!(store.get_range("packs/000/ab-1_2.x", 300_001..300_002).await.unwrap(), Bytes::new());
    assert_eq!(store.get_range("packs/000/ab-1_2.x", 7..7).await.unwrap(), Bytes::new());
    assert_eq!(kind_of(store.get_range("packs/000/other", 0..1)).await, ErrorKind::NotFound);

    // Listings.
    let entry = |name: &str, is_folder| (name.to_owned(), is_folder);
    assert_eq!(names(&*store, "").await, [entry("packs", true), entry("top", false)]);
    assert_eq!(names(&*store, "packs").await, [entry("000", true)]);
    assert_eq!(names(&*store, "packs/000").await, [entry("ab-1_2.x", false), entry("empty", false)]);
    let sizes: Vec<_> = store.list("packs/000").await.unwrap().entries;
    assert!(sizes.iter().any(|e| e.name == "ab-1_2.x" && e.size == Some(300_001)));
    assert_eq!(kind_of(store.list("packs/001")).await, ErrorKind::NotFound);

    // An object may be put again, and deleted twice.
    store.put_new("packs/000/ab-1_2.x", pattern(7)).await.unwrap();
    assert_eq!(store.get("packs/000/ab-1_2.x", 10).await.unwrap(), pattern(7));
    store.delete("packs/000/ab-1_2.x").await.unwrap();
    store.delete("packs/000/ab-1_2.x").await.unwrap();
    store.delete("none/other").await.unwrap();
    assert_eq!(names(&*store, "packs/000").await, [entry("empty", false)]);

    // Nothing leaves the root.
    for path in ["../top", "packs/../top", "/top", "a b", ""] {
        assert_eq!(kind_of(store.get(path, 10)).await, ErrorKind::Permanent, "{path}");
        assert_eq!(kind_of(store.put_new(path, Bytes::new())).await, ErrorKind::Permanent, "{path}");
    }

    // Many at once.
    let puts = (0..20).map(|n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.put_new(&format!("packs/000/n{n}"), pattern(1000 + n)).await })
    });
    for put in puts.collect::<Vec<_>>() {
        put.await.unwrap().unwrap();
    }
    assert_eq!(names(&*store, "packs/000").await.len(), 21);

    let traffic = store.traffic();
    assert_eq!(traffic.bytes_up, 300_001 + 3 + 7 + (0..20).map(|n| 1000 + n).sum::<u64>());
    assert!(traffic.bytes_down > 300_000);
}

#[tokio::test]
async fn memory() {
    conforms(Arc::new(MemoryStore::new())).await;
}

#[tokio::test]
async fn folder() {
    let dir = tempfile::tempdir().unwrap();
    conforms(Arc::new(FolderStore::new(dir.path().join("not/yet/there")))).await;
}

#[tokio::test]
async fn embedded_server() {
    let embedded = dav::start().await;
    let store = webdav(&format!("{}not/yet/there", embedded.server.url()), Auth::Auto);
    conforms(store.clone()).await;
    // What is counted is what was sent.
    let counted = store.traffic().requests;
    let counted = counted.into_iter().map(|(method, count)| (method.to_owned(), count)).collect();
    assert_eq!(embedded.server.journal().counts(), counted);
    drop(store);
    embedded.server.shutdown().await;
}

#[tokio::test]
async fn nutstore_as_emulated() {
    // Nothing here waits, so the rule for bursts is left out.
    let limits = Limits { burst: None, ..Limits::nutstore_free() };
    let drive = nutstore::start(limits).await;
    let store = drive.store("not/yet/there");
    conforms(store.clone()).await;
    let (counts, traffic) = (drive.emulator.counts(), store.traffic());
    assert_eq!((counts.total(), counts.bytes_up), (traffic.total(), traffic.bytes_up));
}

#[tokio::test]
async fn embedded_server_asks_for_the_password() {
    let embedded = dav::start().await;
    let store = anonymous(&embedded.server.url());
    assert_eq!(kind_of(store.list("")).await, ErrorKind::Unauthorised);
    assert_eq!(kind_of(store.put_new("a", Bytes::new())).await, ErrorKind::Unauthorised);
    assert_eq!(std::fs::read_dir(embedded.dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_new_folder_and_an_upload_cost_one_request_each() {
    let embedded = dav::start().await;
    let store = webdav(&format!("{}repo", embedded.server.url()), Auth::Auto);
    store.ensure_folder("").await.unwrap();
    store.put_new("a", pattern(5)).await.unwrap();
    store.get("a", 5).await.unwrap();
    store.size("a").await.unwrap();
    store.list("").await.unwrap();
    let seen: Vec<_> = embedded.server.journal().take();
    let lines: Vec<_> = seen.iter().map(|s| format!("{} {} {}", s.method, s.path, s.status)).collect();
    let expected =
        ["MKCOL /repo/ 201", "PUT /repo/a 201", "GET /repo/a 200", "HEAD /repo/a 200", "PROPFIND /repo/ 207"];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn apache_with_basic_login() {
    let Some(server) = apache::start(Auth::Basic) else { return };
    conforms(webdav(&format!("{}not/yet/there", server.url), Auth::Auto)).await;
}

#[tokio::test]
async fn apache_with_digest_login() {
    let Some(server) = apache::start(Auth::Digest) else { return };
    conforms(webdav(&format!("{}not/yet/there", server.url), Auth::Digest)).await;
}

#[tokio::test]
async fn apache_with_digest_login_found_out() {
    let Some(server) = apache::start(Auth::Digest) else { return };
    conforms(webdav(&format!("{}repo", server.url), Auth::Auto)).await;
}

#[tokio::test]
async fn apache_over_tls_with_an_authority_of_its_own() {
    let Some((server, ca_pem)) = apache::start_tls() else { return };
    let distrusted = webdav(&server.url, Auth::Auto).list("").await.unwrap_err();
    assert_eq!(distrusted.kind, ErrorKind::Permanent);
    assert!(distrusted.detail.contains("certificate is not trusted"), "{distrusted}");
    let trusting = WebdavOptions {
        ca_pem: Some(ca_pem),
        ..WebdavOptions::new(format!("{}repo", server.url)).with_credentials(USER, PASSWORD.into())
    };
    conforms(Arc::new(WebdavStore::new(&trusting, Arc::new(SystemClock)).unwrap())).await;
}

#[tokio::test]
async fn rclone_serve() {
    let Some(server) = rclone::start() else { return };
    conforms(webdav(&format!("{}not/yet/there", server.url), Auth::Auto)).await;
}
