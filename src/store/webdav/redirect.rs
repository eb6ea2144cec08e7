//! Where a redirect leads, and what may go there.

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, LOCATION};
use url::Url;

/// Where to go on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The configured server, or the same host by https: credentials go along.
    Ours(Url),
    /// Another server, which sees no credentials.
    Foreign(Url),
}

pub(super) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 307 | 308)
}

/// The next address after a redirect from `from`; why not, in words, where it cannot be taken.
pub(super) fn next(origin: &Url, from: &Url, headers: &HeaderMap, allow_http: bool) -> Result<Step, String> {
    let location = headers.get(LOCATION).ok_or("the server redirects without saying where to")?;
    let location = location.to_str().map_err(|_| "the server redirects to an unreadable address")?;
    let mut to = from.join(location).map_err(|_| "the server redirects to an unreadable address")?;
    to.set_fragment(None);
    // An address may not carry credentials of its own choice to where it leads.
    if to.set_username("").is_err() || to.set_password(None).is_err() {
        return Err("the server redirects to an address without a host".to_owned());
    }
    if to == *from {
        return Err("the server redirects to the same address".to_owned());
    }
    if may_see_credentials(origin, &to) {
        return Ok(Step::Ours(to));
    }
    match to.scheme() {
        "https" => Ok(Step::Foreign(to)),
        "http" if from.scheme() == "http" || allow_http => Ok(Step::Foreign(to)),
        "http" => Err(format!("the server redirects from https to unencrypted {}", shown(&to))),
        scheme => Err(format!("the server redirects to an address of the sort {scheme}:")),
    }
}

/// Whether `url` is the configured server: same scheme, host and port, or the same host by https
/// at the usual port.
pub(super) fn may_see_credentials(origin: &Url, url: &Url) -> bool {
    url.origin() == origin.origin()
        || (url.host() == origin.host()
            && origin.scheme() == "http"
            && url.scheme() == "https"
            && (url.port().is_none() || url.port() == origin.port()))
}

fn shown(url: &Url) -> String {
    url.origin().ascii_serialization()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn go(location: &str) -> Result<Step, String> {
        let origin = Url::parse("https://dav.example.org/").unwrap();
        let from = origin.join("/dav/a").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, location.parse().unwrap());
        next(&origin, &from, &headers, false)
    }

    #[test]
    fn credentials_stay_with_the_server() {
        assert!(matches!(go("/dav/a/"), Ok(Step::Ours(_))));
        assert!(matches!(go("https://dav.example.org/x"), Ok(Step::Ours(_))));
        assert!(matches!(go("https://cdn.example.org/x"), Ok(Step::Foreign(_))));
        assert!(matches!(go("https://dav.example.org:8443/x"), Ok(Step::Foreign(_))));
        let Ok(Step::Ours(url)) = go("https://u:p@dav.example.org/x") else { panic!() };
        assert_eq!(url.as_str(), "https://dav.example.org/x");
    }

    #[test]
    fn odd_targets_are_refused() {
        for odd in ["http://dav.example.org/dav/a", "ftp://host/", "/dav/a", "data:text/plain,x"] {
            assert!(go(odd).is_err(), "{odd}");
        }
    }
}
