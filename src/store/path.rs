//! Object paths are checked before they reach a server or a disk: one bad component could leave
//! the store's root.

use super::{ErrorKind, StoreError};

/// Refuses a path that the contract of [`super::Store`] does not allow; the empty path is the root.
pub(super) fn check(action: &str, path: &str) -> Result<(), StoreError> {
    if path.is_empty() || path.split('/').all(is_name) {
        return Ok(());
    }
    Err(StoreError::new(
        ErrorKind::Permanent,
        format!("{action} {path:?}"),
        "not a path of objects: names are ASCII letters, digits, '-', '.' and '_' between slashes",
    ))
}

/// Refuses the root as well: it is never an object.
pub(super) fn check_object(action: &str, path: &str) -> Result<(), StoreError> {
    if path.is_empty() {
        let detail = "the root of the store is not an object";
        return Err(StoreError::new(ErrorKind::Permanent, action, detail));
    }
    check(action, path)
}

/// The folder that holds `path`, and the name in it.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_could_leave_the_root_are_refused() {
        for bad in ["..", "a/../b", "/a", "a/", "a//b", ".", "a b", "a%2fb", "a\\b", "ä"] {
            assert!(check("GET", bad).is_err(), "{bad}");
        }
        for good in ["", "a", "packs/000/ab12", "log-000/0-x_y.z"] {
            assert!(check("GET", good).is_ok(), "{good}");
        }
        assert!(check_object("GET", "").is_err());
    }
}
