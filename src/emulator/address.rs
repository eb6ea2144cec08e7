//! From the path of a request to the names below `/dav/`, and what of it is refused.

use super::answer::Reply;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Where the tree begins.
pub(super) const ROOT: &str = "/dav";

/// All but what RFC 3986 leaves as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The names of the path, none for `/dav/` itself; the trailing slash makes no difference.
pub(super) fn names(path: &str) -> Result<Vec<String>, Reply> {
    if path.contains("//") {
        return Err(Reply::illegal("two slashes in a row"));
    }
    let below = path.strip_prefix(ROOT).filter(|below| below.is_empty() || below.starts_with('/'));
    let below = below.ok_or_else(Reply::not_found)?;
    below.split('/').filter(|part| !part.is_empty()).map(name).collect()
}

/// The names of the `Destination` header, which is an address or a path.
pub(super) fn destination(header: &str) -> Result<Vec<String>, Reply> {
    let path = match header.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => header,
    };
    names(path)
}

fn name(part: &str) -> Result<String, Reply> {
    let name =
        percent_decode_str(part).decode_utf8().map_err(|_| Reply::illegal("a name that is no text"))?;
    let refused = |c: char| c.is_control() || "/\\:*?\"<>|".contains(c);
    if name.contains(refused) || matches!(&*name, "." | "..") {
        return Err(Reply::illegal("a name with a character that is not allowed"));
    }
    Ok(name.into_owned())
}

/// The absolute path of these names, encoded, without a slash at its end.
pub(super) fn href(names: &[String]) -> String {
    names.iter().fold(ROOT.to_owned(), |path, name| format!("{path}/{}", encoded(name)))
}

pub(super) fn encoded(name: &str) -> String {
    utf8_percent_encode(name, ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_go_forth_and_back() {
        assert_eq!(names("/dav").unwrap(), [""; 0]);
        assert_eq!(names("/dav/").unwrap(), [""; 0]);
        let odd = names("/dav/a%20b/%E5%9D%9A/c/").unwrap();
        assert_eq!(odd, ["a b", "坚", "c"]);
        assert_eq!(href(&odd), "/dav/a%20b/%E5%9D%9A/c");
        assert_eq!(destination("http://host:1/dav/a%20b").unwrap(), ["a b"]);
        assert_eq!(destination("/dav/a").unwrap(), ["a"]);
    }

    #[test]
    fn odd_paths_are_refused() {
        for path in ["/dav//a", "/dav/a%3Ab", "/dav/a%2Fb", "/dav/..", "/dav/%ff", "/dav/a%7C", "/dav/a%3f"] {
            assert_eq!(names(path).unwrap_err().status, 400, "{path}");
        }
        for path in ["/", "/davy", "/other/a"] {
            assert_eq!(names(path).unwrap_err().status, 404, "{path}");
        }
    }
}
