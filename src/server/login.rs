//! Basic login (RFC 7617): one user, one password, compared in constant time.

use crate::model::secret::SecretText;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Who may enter.
pub(crate) struct BasicLogin {
    /// What follows the scheme in `Authorization`.
    expected: Zeroizing<String>,
}

impl BasicLogin {
    pub fn new(user: &str, password: &SecretText) -> Self {
        let pair = Zeroizing::new(format!("{user}:{}", password.expose()));
        Self { expected: Zeroizing::new(base64(pair.as_bytes())) }
    }

    /// Whether these headers have the right user and password.
    pub fn admits(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(AUTHORIZATION).map_or(&[][..], HeaderValue::as_bytes);
        given.split_at_checked(6).is_some_and(|(scheme, given)| {
            scheme.eq_ignore_ascii_case(b"Basic ") && bool::from(given.ct_eq(self.expected.as_bytes()))
        })
    }
}

/// RFC 4648, for one header.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, n| bits << 8 | u32::from(group.get(n).copied().unwrap_or(0)));
        for n in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * n)) as usize & 63];
            text.push(if n <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_in_the_rfc() {
        let table = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (plain, encoded) in table {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }
}
