//! Listings page by page, whole and spoiled, over the wire and as filbert reads them.

use super::support::nutstore::{Nutstore, start};
use super::{ask, faulty};
use filbert::emulator::{Effect, Fault, Limits, ListingFault};
use filbert::store::{ErrorKind, Store};

/// The hrefs of a page, and the target of the next one.
async fn page(drive: &Nutstore, target: &str, depth: &str) -> (Vec<String>, Option<String>) {
    let answer = ask(drive, "PROPFIND", target, &[depth], b"").await;
    assert_eq!(answer.status, 207);
    let text = answer.text();
    let hrefs = text.split("<d:href>").skip(1).map(|rest| rest.split_once('<').unwrap().0.to_owned());
    let link = answer.header("link").map(|link| {
        let (address, rest) = link.trim_start_matches('<').split_once('>').unwrap();
        assert_eq!(rest, "; rel=\"next\"");
        assert!(address.starts_with(&drive.emulator.url()), "{address}");
        format!("/dav/{}", &address[drive.emulator.url().len()..])
    });
    (hrefs.collect(), link)
}

/// A folder with five objects in pages of three entries.
async fn paged(fault: Option<ListingFault>) -> Nutstore {
    let drive = start(Limits { page_entries: Some(3), ..Limits::none() }).await;
    (0..5).for_each(|n| drive.emulator.objects().put(&format!("t/n{n}"), vec![0; n]));
    if let Some(fault) = fault {
        drive.emulator.faults().add(Fault::new(Effect::Listing(fault)).on("PROPFIND").nth(1));
    }
    drive
}

/// What filbert makes of the listing: sorted names, and the entries left out.
async fn read(drive: &Nutstore) -> (Vec<String>, usize) {
    let listing = drive.store("t").list("").await.unwrap();
    let mut names: Vec<_> = listing.entries.into_iter().map(|entry| entry.name).collect();
    names.sort();
    (names, listing.skipped)
}

#[tokio::test]
async fn pages_hold_750_entries_and_begin_with_the_folder() {
    let drive = start(Limits { burst: None, ..Limits::nutstore_free() }).await;
    (0..1500).for_each(|n| drive.emulator.objects().put(&format!("t/n{n:04}"), "x"));
    let (mut target, mut sizes, mut names) = ("/dav/t/".to_owned(), Vec::new(), Vec::new());
    loop {
        let (hrefs, next) = page(&drive, &target, "Depth: 1").await;
        assert_eq!(hrefs[0], "/dav/t");
        sizes.push(hrefs.len());
        names.extend_from_slice(&hrefs[1..]);
        let Some(next) = next else { break };
        assert!(next.starts_with("/dav/t?mk="), "{next}");
        target = next;
    }
    assert_eq!(sizes, [750, 750, 3]);
    assert_eq!(names, (0..1500).map(|n| format!("/dav/t/n{n:04}")).collect::<Vec<_>>());
    assert_eq!(drive.store("t").list("").await.unwrap().entries.len(), 1500);
}

#[tokio::test]
async fn a_full_page_has_no_empty_one_behind_it() {
    let drive = start(Limits { page_entries: Some(6), ..Limits::none() }).await;
    (0..5).for_each(|n| drive.emulator.objects().put(&format!("t/n{n}"), "x"));
    let (hrefs, next) = page(&drive, "/dav/t", "Depth: 1").await;
    assert_eq!((hrefs.len(), next), (6, None));
}

#[tokio::test]
async fn infinity_is_one() {
    let drive = start(Limits::none()).await;
    drive.emulator.objects().put("t/f/deep", "x");
    for depth in ["Depth: infinity", "Depth: 1", "X-None: 1"] {
        assert_eq!(page(&drive, "/dav/t/", depth).await.0, ["/dav/t", "/dav/t/f"], "{depth}");
    }
    assert_eq!(page(&drive, "/dav/t/", "Depth: 0").await.0, ["/dav/t"]);
    assert_eq!(page(&drive, "/dav/", "Depth: 1").await.0, ["/dav", "/dav/t"]);
    assert_eq!(page(&drive, "/dav/t/f/deep", "Depth: 1").await.0, ["/dav/t/f/deep"]);
}

#[tokio::test]
async fn entries_look_like_nutstores() {
    let drive = start(Limits::none()).await;
    drive.emulator.objects().put("t/a b&坚", "0123456789");
    drive.emulator.objects().put("t/f/x", "");
    let text = ask(&drive, "PROPFIND", "/dav/t", &["Depth: 1"], b"").await.text();
    let entries: Vec<&str> = text.split("<d:response>").skip(1).collect();
    let object = entries[1];
    for part in [
        "<d:href>/dav/t/a%20b%26%E5%9D%9A</d:href>",
        "<d:getcontentlength>10</d:getcontentlength>",
        "<d:getlastmodified>Thu, 15 Jan 2026 12:00:00 GMT</d:getlastmodified>",
        "<d:resourcetype/>",
        "<d:status>HTTP/1.1 200 OK</d:status>",
    ] {
        assert!(object.contains(part), "{part}: {object}");
    }
    for part in ["<d:href>/dav/t/f</d:href>", "<d:collection/>", "<d:getetag></d:getetag>"] {
        assert!(entries[2].contains(part), "{part}: {}", entries[2]);
    }
}

#[tokio::test]
async fn a_page_comes_twice() {
    let drive = paged(Some(ListingFault::RepeatPage)).await;
    let (first, next) = page(&drive, "/dav/t", "Depth: 1").await;
    let (again, after) = page(&drive, &next.unwrap(), "Depth: 1").await;
    assert_eq!((first, after.as_deref()), (again, Some("/dav/t?mk=n1")));
    let drive = paged(Some(ListingFault::RepeatPage)).await;
    assert_eq!(read(&drive).await, (["n0", "n1", "n2", "n3", "n4"].map(str::to_owned).to_vec(), 0));
    assert_eq!(drive.lines().len(), 4);
}

#[tokio::test]
async fn a_page_is_missing() {
    let drive = paged(Some(ListingFault::MissPage)).await;
    assert_eq!(read(&drive).await, (["n0", "n1", "n4"].map(str::to_owned).to_vec(), 0));
}

#[tokio::test]
async fn pages_lead_in_a_circle() {
    let drive = paged(None).await;
    drive.emulator.faults().add(Fault::new(Effect::Listing(ListingFault::Loop)).on("PROPFIND"));
    assert_eq!(page(&drive, "/dav/t?mk=n1", "Depth: 1").await.1.as_deref(), Some("/dav/t?mk=n1"));
    assert_eq!(drive.store("t").list("").await.unwrap_err().kind, ErrorKind::Corrupt);
}

#[tokio::test]
async fn one_entry_is_bad() {
    let drive = paged(Some(ListingFault::BadHref)).await;
    assert_eq!(read(&drive).await, (["n1", "n2", "n3", "n4"].map(str::to_owned).to_vec(), 1));
    let drive = paged(Some(ListingFault::BadSize)).await;
    let entries = drive.store("t").list("").await.unwrap().entries;
    let unknown: Vec<_> = entries.iter().filter(|entry| entry.size.is_none()).map(|e| &*e.name).collect();
    assert_eq!((entries.len(), unknown), (5, vec!["n0"]));
}

#[tokio::test]
async fn a_listing_is_huge() {
    let huge = |count| Fault::new(Effect::Listing(ListingFault::Huge(count))).on("PROPFIND").nth(1);
    let drive = faulty(huge(100_000)).await;
    let (hrefs, next) = page(&drive, "/dav/t", "Depth: 1").await;
    assert_eq!((hrefs.len(), next), (100_002, None));
    assert_eq!(hrefs.last().unwrap(), "/dav/t/generated-099999");
    let drive = faulty(huge(10_000)).await;
    assert_eq!(drive.store("t").list("").await.unwrap().entries.len(), 10_001);
}

#[tokio::test]
async fn a_listing_is_stale() {
    let drive = faulty(Fault::new(Effect::Listing(ListingFault::Stale(2))).on("PROPFIND").nth(1)).await;
    let store = drive.store("t");
    store.put_new("b", "new".into()).await.unwrap();
    store.delete("a").await.unwrap();
    let sorted = |entries: Vec<filbert::store::Listed>| {
        entries.into_iter().map(|entry| entry.name).collect::<Vec<_>>()
    };
    assert_eq!(sorted(store.list("").await.unwrap().entries), ["a"]);
    assert_eq!(sorted(store.list("").await.unwrap().entries), ["b"]);
}
