//! The next page of a listing, as `Link: <address>; rel="next"` names it (RFC 8288).

use reqwest::header::{HeaderMap, LINK};
use url::Url;

/// The address of the next page, if there is one; `Err` where it cannot be read or leads to
/// another server, because the rest of the listing is missing then.
pub(super) fn next_page(page: &Url, headers: &HeaderMap) -> Result<Option<Url>, String> {
    for header in headers.get_all(LINK) {
        let text = String::from_utf8_lossy(header.as_bytes());
        for (target, params) in links(&text) {
            if !is_next(params) {
                continue;
            }
            let next = page.join(target).map_err(|_| "the address of the next page cannot be read")?;
            // A server behind a proxy may not know that it is reached by https.
            let same_port = next.port_or_known_default() == page.port_or_known_default();
            let same_host = next.host() == page.host() && (same_port || next.scheme() != page.scheme());
            if !same_host || !matches!(next.scheme(), "http" | "https") {
                return Err("the next page of the listing is on another server".to_owned());
            }
            let mut ours = page.clone();
            ours.set_path(next.path());
            ours.set_query(next.query());
            return Ok(Some(ours));
        }
    }
    Ok(None)
}

/// The targets of a header and their parameters.
fn links(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once('<')?;
        let (target, after) = after.split_once('>')?;
        // Commas stand between links, and inside quotes.
        let mut quoted = false;
        let end = after.find(|c| {
            quoted ^= c == '"';
            c == ',' && !quoted
        });
        let (params, next) = after.split_at(end.unwrap_or(after.len()));
        rest = next;
        Some((target.trim(), params))
    })
}

fn is_next(params: &str) -> bool {
    params.split(';').filter_map(|param| param.split_once('=')).any(|(name, value)| {
        let mut kinds = value.trim().trim_matches('"').split_whitespace();
        name.trim().eq_ignore_ascii_case("rel") && kinds.any(|kind| kind.eq_ignore_ascii_case("next"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(links: &[&str]) -> Result<Option<String>, String> {
        let page = Url::parse("https://host/dav/f/").unwrap();
        let mut headers = HeaderMap::new();
        for link in links {
            headers.append(LINK, link.parse().unwrap());
        }
        Ok(next_page(&page, &headers)?.map(|url| url.to_string()))
    }

    #[test]
    fn the_next_page_is_found_among_links() {
        let expected = Ok(Some("https://host/dav/f/?mk=a%2Cb".to_owned()));
        for link in [
            "<https://host/dav/f/?mk=a%2Cb>; rel=\"next\"",
            "<?mk=a%2Cb>;rel=next",
            "</x>; rel=\"prev\"; title=\"a, b; <c>\", <?mk=a%2Cb>; REL=\"last Next\"",
            "<http://host/dav/f/?mk=a%2Cb>; rel=\"next\"",
        ] {
            assert_eq!(next(&[link]), expected, "{link}");
        }
        assert_eq!(next(&["</x>; rel=prev", "<?mk=a%2Cb>; rel=next"]), expected);
    }

    #[test]
    fn no_next_page_is_no_error() {
        for link in ["", "</x>; rel=\"nextish\"", "</x>", "garbage", "<unclosed; rel=next"] {
            assert_eq!(next(&[link]), Ok(None), "{link}");
        }
    }

    #[test]
    fn foreign_pages_are_refused() {
        for link in [
            "<https://evil/dav/f/?mk=1>; rel=next",
            "<https://host:99/x>; rel=next",
            "<ftp://host/x>; rel=next",
        ] {
            assert!(next(&[link]).is_err(), "{link}");
        }
    }
}
