//! Folders that are there already, and parents that are missing.

use super::*;

#[tokio::test]
async fn a_folder_that_is_there_is_no_error_however_it_is_told() {
    let (server, store) = played([answer("405 Method Not Allowed", "", "")]).await;
    store.ensure_folder("a").await.unwrap();
    assert_eq!(server.lines(), ["MKCOL /dav/a/"]);
    for status in ["409 Conflict", "423 Locked", "500 Oops", "403 Forbidden", "400 Bad Request"] {
        let (server, store) = played([answer(status, "", ""), page("", &["/dav/a/"])]).await;
        store.ensure_folder("a").await.unwrap();
        assert_eq!(server.lines(), ["MKCOL /dav/a/", "PROPFIND /dav/a/"], "{status}");
    }
    let loops = answer("301 Moved Permanently", "Location: http://HOST/dav/a/\r\n", "");
    let (_server, store) = played([loops, page("", &["/dav/a/"])]).await;
    store.ensure_folder("a").await.unwrap();
}

#[tokio::test]
async fn a_file_in_the_way_is_a_conflict() {
    let (_server, store) = played([answer("409 Conflict", "", ""), page("", &["/dav/a"])]).await;
    assert_eq!(kind(store.ensure_folder("a").await), ErrorKind::Conflict);
}

#[tokio::test]
async fn missing_parents_of_the_root_are_made_from_the_nearest_up() {
    let missing = || answer("404 Not Found", "", "");
    let made = || answer("201 Created", "", "");
    let server = play(vec![missing(), missing(), made(), made(), made()]).await;
    let store = store_at(&format!("{}x/y", server.url));
    store.ensure_folder("").await.unwrap();
    let expected = ["MKCOL /dav/x/y/", "MKCOL /dav/x/", "MKCOL /dav/", "MKCOL /dav/x/", "MKCOL /dav/x/y/"];
    assert_eq!(server.lines(), expected);
}

#[tokio::test]
async fn the_top_of_the_account_is_left_alone() {
    let conflict = || exception("409 Conflict", "AncestorsNotFound");
    let server =
        play(vec![conflict(), conflict(), answer("201 Created", "", ""), answer("201 Created", "", "")])
            .await;
    let store = store_at(&format!("{}x/y", server.url));
    store.ensure_folder("").await.unwrap();
    let expected = ["MKCOL /dav/x/y/", "PROPFIND /dav/x/y/", "MKCOL /dav/x/", "MKCOL /dav/x/y/"];
    assert_eq!(server.lines(), expected);
}
