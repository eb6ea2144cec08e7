//! Listings as servers really write them, and as nobody should.

use super::*;

fn response(href: &str, props: &str) -> String {
    format!(
        "<D:response><D:href>{href}</D:href><D:propstat><D:prop>{props}</D:prop>\
         <D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
    )
}

fn listing(responses: &str) -> String {
    format!(r#"<?xml version="1.0"?><D:multistatus xmlns:D="DAV:">{responses}</D:multistatus>"#)
}

const FILE: &str = "<D:resourcetype/><D:getcontentlength>5</D:getcontentlength>\
    <D:getlastmodified>Sun, 06 Nov 1994 08:49:37 GMT</D:getlastmodified>";

#[test]
fn a_nutstore_listing_is_read() {
    let text = r#"<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<d:multistatus xmlns:d="DAV:" xmlns:s="http://ns.jianguoyun.com">
 <d:response><d:href>/dav/filbert</d:href><d:propstat><d:prop>
  <d:getlastmodified>Tue, 10 Nov 2026 03:00:00 GMT</d:getlastmodified><d:getcontentlength>0</d:getcontentlength>
  <d:resourcetype><d:collection/></d:resourcetype><d:owner>me</d:owner></d:prop>
  <d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>
 <d:response><d:href>/dav/filbert/a%20b</d:href><d:propstat><d:prop><d:resourcetype/>
  <d:getcontentlength>42</d:getcontentlength></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>
</d:multistatus>"#;
    let found = parse(text).unwrap();
    assert_eq!(found.skipped, 0);
    assert_eq!(found.entries.len(), 2);
    assert!(found.entries[0].is_folder && found.entries[0].size.is_none());
    assert_eq!((found.entries[1].href.as_str(), found.entries[1].size), ("/dav/filbert/a%20b", Some(42)));
}

#[test]
fn any_prefix_of_the_namespace_will_do_and_foreign_names_will_not() {
    let text = r#"<multistatus xmlns="DAV:" xmlns:x="other:"><response><href>/a</href><propstat><prop>
        <x:getcontentlength>99</x:getcontentlength><getcontentlength>7</getcontentlength>
        <resourcetype><x:collection/></resourcetype></prop><status>HTTP/1.1 200</status></propstat></response>
        </multistatus>"#;
    let entry = parse(text).unwrap().entries.remove(0);
    assert_eq!((entry.size, entry.is_folder), (Some(7), false));
}

#[test]
fn missing_lengths_and_odd_dates_are_unknown() {
    let text = listing(
        &(response("/a", "<D:resourcetype/><D:getlastmodified>yesterday</D:getlastmodified>")
            + &response("/b", "<D:getcontentlength>-1</D:getcontentlength>")
            + &response("/c", "<D:getlastmodified>2026-11-20T12:00:00Z</D:getlastmodified>")
            + &response("/d", FILE)),
    );
    let found = parse(&text).unwrap().entries;
    assert_eq!((found[0].size, found[0].modified_ms), (None, None));
    assert_eq!(found[1].size, None);
    assert_eq!(found[2].modified_ms, Some(1_795_176_000_000));
    assert_eq!((found[3].size, found[3].modified_ms), (Some(5), Some(784_111_777_000)));
}

#[test]
fn one_bad_entry_spoils_nothing_else() {
    let bad = [
        "<D:response><D:propstat><D:prop/></D:propstat></D:response>".to_owned(),
        "<D:response><D:href>/x</D:href><D:status>HTTP/1.1 404 Not Found</D:status></D:response>".to_owned(),
        response("/un&known;", FILE),
        response("", FILE),
    ];
    for bad in bad {
        let found = parse(&listing(&(response("/a", FILE) + &bad + &response("/b", FILE)))).unwrap();
        let hrefs: Vec<_> = found.entries.iter().map(|entry| entry.href.as_str()).collect();
        assert_eq!((hrefs, found.skipped), (vec!["/a", "/b"], 1), "{bad}");
    }
}

#[test]
fn properties_that_the_server_does_not_have_are_ignored() {
    let text = listing(
        "<D:response><D:href>/a</D:href>\
         <D:propstat><D:prop><D:getcontentlength>3</D:getcontentlength></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>\
         <D:propstat><D:prop><D:resourcetype><D:collection/></D:resourcetype></D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>\
         </D:response>",
    );
    let entry = parse(&text).unwrap().entries.remove(0);
    assert_eq!((entry.size, entry.is_folder), (Some(3), false));
}

#[test]
fn escapes_are_resolved_once() {
    let found = parse(&listing(&response("/a&amp;b&#38;amp;&#x41;<![CDATA[&amp;]]>", FILE))).unwrap();
    assert_eq!(found.entries[0].href, "/a&b&amp;A&amp;");
}

#[test]
fn entity_bombs_expand_to_nothing() {
    let mut text = String::from("<!DOCTYPE m [<!ENTITY a \"aaaaaaaaaa\">");
    for n in 0..30 {
        text += &format!("<!ENTITY a{n} \"&a;&a;&a;&a;&a;&a;&a;&a;&a;\">");
    }
    text += "]>";
    text += &listing(&(response("/&a29;", FILE) + &response("/good", FILE)))
        .replace("<?xml version=\"1.0\"?>", "");
    let found = parse(&text).unwrap();
    assert_eq!((found.entries.len(), found.skipped), (1, 1));
}

#[test]
fn a_cut_listing_is_an_error_at_every_place() {
    let whole = listing(&(response("/a", FILE) + &response("/b", FILE)));
    for end in 0..whole.len() {
        assert!(parse(&whole[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn other_documents_are_no_listing() {
    for text in [
        "",
        "hello",
        "<!DOCTYPE html><html><head><meta charset=utf-8><title>x</title></head></html>",
        "<multistatus><response/></multistatus>",
        "{\"multistatus\": 1}",
        "<D:error xmlns:D=\"DAV:\"/>",
    ] {
        assert_eq!(parse(text), Err(Unreadable::NotAListing), "{text}");
    }
}

#[test]
fn deep_nesting_is_refused() {
    let text = listing(&"<D:response>".repeat(100_000));
    assert!(matches!(parse(&text), Err(Unreadable::Broken(_))));
}

proptest::proptest! {
    /// Whatever a server sends, reading it ends without a panic.
    #[test]
    fn anything_can_be_read(noise in "[ -~é\u{0}]{0,200}", at in 0_usize..500) {
        let mut text = listing(&(response("/a", FILE) + &response("/b", FILE)));
        let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.insert_str(at, &noise);
        let _ = parse(&noise);
        let _ = parse(&text);
        let _ = super::super::href::components(&noise);
        let _ = super::super::fault::Fault::parse(text.as_bytes());
    }
}

#[test]
fn the_room_that_is_left_is_read_where_it_is_told() {
    let told = "<D:resourcetype><D:collection/></D:resourcetype>\
        <D:quota-available-bytes>596</D:quota-available-bytes><D:quota-used-bytes>404</D:quota-used-bytes>";
    let found = parse(&listing(&response("/f/", told))).unwrap();
    assert_eq!(found.entries[0].quota, Quota { available: Some(596), used: Some(404) });
    // Negative numbers are what some servers write for "unlimited".
    let odd = told.replace("596", "-3");
    assert_eq!(parse(&listing(&response("/f/", &odd))).unwrap().entries[0].quota.available, None);
    assert_eq!(parse(&listing(&response("/f", FILE))).unwrap().entries[0].quota, Quota::default());
}
