//! Turns the addresses in a listing into names: absolute or not, encoded or not, with or without
//! a slash at the end, as servers please.

use super::super::Listed;
use super::multistatus::RawEntry;
use percent_encoding::percent_decode_str;
use std::collections::HashSet;

/// The decoded components of an address or path; `None` where it is no text or has a component
/// that hides a slash.
pub(super) fn components(href: &str) -> Option<Vec<String>> {
    let path = match href.split_once("://") {
        // A path may hold `://` as well; a scheme has no slash.
        Some((scheme, rest)) if !scheme.contains('/') => rest.split_once('/').map_or("", |(_, path)| path),
        _ => href,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    path.split('/').filter(|part| !part.is_empty()).map(component).collect()
}

fn component(part: &str) -> Option<String> {
    let name = percent_decode_str(part).decode_utf8().ok()?.into_owned();
    // U+FFFD stands where an answer was no UTF-8.
    let is_odd = |c: char| c == '/' || c == '\u{fffd}' || c.is_control();
    (!matches!(name.as_str(), "." | "..") && !name.contains(is_odd)).then_some(name)
}

/// The entries directly in the folder `asked` (its decoded components) of one page, and how many
/// were left out as not understood. `seen` holds the names of earlier pages.
pub(super) fn children(
    asked: &[String],
    entries: Vec<RawEntry>,
    seen: &mut HashSet<String>,
) -> (Vec<Listed>, usize) {
    let mut skipped = 0;
    let mut placed = Vec::with_capacity(entries.len());
    for entry in entries {
        match components(&entry.href) {
            Some(path) => placed.push((path, entry)),
            None => skipped += 1,
        }
    }
    let folder = folder_itself(asked, &placed);
    let mut children = Vec::with_capacity(placed.len());
    for (mut path, entry) in placed {
        if path == folder {
            continue;
        }
        match path.pop() {
            Some(name) if path == folder => {
                if seen.insert(name.clone()) {
                    let RawEntry { is_folder, size, modified_ms, .. } = entry;
                    children.push(Listed { name, is_folder, size, modified_ms });
                }
            }
            _ => skipped += 1,
        }
    }
    (children, skipped)
}

/// The folder's own path as the server sees it. Behind a proxy that changes paths it is not the
/// one asked for: then it is the first entry, if that is a folder that holds all others.
fn folder_itself(asked: &[String], placed: &[(Vec<String>, RawEntry)]) -> Vec<String> {
    let fits = placed.iter().any(|(path, _)| path.starts_with(asked));
    if let (false, Some((first, entry))) = (fits, placed.first()) {
        let holds_all = placed.iter().skip(1).all(|(path, _)| path.starts_with(first));
        if entry.is_folder && holds_all && asked.last() == first.last() {
            return first.clone();
        }
    }
    asked.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(asked: &str, hrefs: &[(&str, bool)]) -> (Vec<String>, usize) {
        let entries = hrefs.iter().map(|(href, is_folder)| RawEntry {
            href: (*href).to_owned(),
            is_folder: *is_folder,
            ..RawEntry::default()
        });
        let (found, skipped) = children(&components(asked).unwrap(), entries.collect(), &mut HashSet::new());
        (found.into_iter().map(|entry| entry.name).collect(), skipped)
    }

    #[test]
    fn every_way_to_write_an_address_gives_the_name() {
        for href in [
            "/dav/f/a b",
            "/dav/f/a%20b",
            "https://host:8443/dav/f/a%20b",
            "/dav/f/a%20b/",
            "/dav//f/a%20b?x=y",
            "dav/f/a b",
        ] {
            for folder in ["/dav/f", "/dav/f/", "http://host/dav/f/", "/d%61v/f"] {
                let found = names("/dav/f/", &[(folder, true), (href, false)]);
                assert_eq!(found, (vec!["a b".to_owned()], 0), "{folder} {href}");
            }
        }
    }

    #[test]
    fn an_object_named_like_its_folder_is_kept() {
        assert_eq!(names("/f", &[("/f", true), ("/f/f", false)]).0, ["f"]);
    }

    #[test]
    fn entries_that_are_not_in_the_folder_are_left_out() {
        let found = names(
            "/f",
            &[
                ("/f", true),
                ("/g/x", false),
                ("/f/a/b", false),
                ("/f/%ff", false),
                ("/f/..", true),
                ("/f/a%2fb", false),
            ],
        );
        assert_eq!(found, (vec![], 5));
    }

    #[test]
    fn a_proxy_may_change_the_start_of_paths() {
        let found = names("/public/f", &[("/inner/f/", true), ("/inner/f/a", false)]);
        assert_eq!(found, (vec!["a".to_owned()], 0));
    }

    #[test]
    fn the_root_has_children_too() {
        assert_eq!(names("/", &[("/", true), ("/a", false)]).0, ["a"]);
    }
}
