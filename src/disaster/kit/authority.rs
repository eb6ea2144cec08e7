//! Certificates that a server's own is checked against, as a kit prints them: nothing but them, for
//! the file that they come from may hold a private key too.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
/// Characters of a line in PEM form (RFC 7468).
const WIDTH: usize = 64;
/// More lines than these do not go on a sheet.
const MOST_LINES: usize = 80;

/// What a fresh machine needs for the server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authority {
    /// These certificates, to be printed.
    Printed(Vec<Certificate>),
    /// So many, too long to be printed.
    TooLong(usize),
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
}

impl Authority {
    /// The certificates in a text in PEM form; nothing where it is none or has none.
    pub(super) fn read(pem: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(pem);
        let (mut found, mut open) = (Vec::new(), None);
        for line in text.lines().map(str::trim) {
            match (line, &mut open) {
                (BEGIN, _) => open = Some(String::new()),
                (END, Some(base64)) => {
                    found.push(Certificate { der: STANDARD.decode(&*base64).ok()? });
                    open = None;
                }
                (line, Some(base64)) => base64.push_str(line),
                (_, None) => {}
            }
        }
        match found.iter().map(|certificate| certificate.lines().len()).sum() {
            0 => None,
            1..=MOST_LINES => Some(Authority::Printed(found)),
            _ => Some(Authority::TooLong(found.len())),
        }
    }
}

impl Certificate {
    /// The SHA-256 of its bytes, as browsers and `openssl x509 -fingerprint -sha256` show it.
    pub(super) fn fingerprint(&self) -> String {
        let hash = digest(&SHA256, &self.der);
        hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
    }

    /// In PEM form.
    pub(super) fn lines(&self) -> Vec<String> {
        let base64: Vec<char> = STANDARD.encode(&self.der).chars().collect();
        let lines = base64.chunks(WIDTH).map(|line| line.iter().collect());
        [BEGIN.to_owned()].into_iter().chain(lines).chain([END.to_owned()]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate of `length` bytes, of which only the form is right.
    fn pem(length: u8) -> String {
        Certificate { der: (0..length).collect() }.lines().join("\n")
    }

    #[test]
    fn certificates_are_taken_and_nothing_else() {
        let key = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----";
        let text = format!("subject=me\r\n{}\r\n{key}\n{}\n", pem(100).replace('\n', "\r\n"), pem(48));
        let Some(Authority::Printed(found)) = Authority::read(text.as_bytes()) else { panic!() };
        let lengths: Vec<_> = found.iter().map(|certificate| certificate.der.len()).collect();
        assert_eq!(lengths, [100, 48]);
        assert_eq!(found[0].lines().join("\n"), pem(100));
        for nothing in [key, "", "-----BEGIN CERTIFICATE-----\n&&&\n-----END CERTIFICATE-----"] {
            assert_eq!(Authority::read(nothing.as_bytes()), None);
        }
        let many = vec![pem(200); 20].join("\n");
        assert_eq!(Authority::read(many.as_bytes()), Some(Authority::TooLong(20)));
    }

    #[test]
    fn a_fingerprint_is_the_sha256_of_the_bytes() {
        let shown = Certificate { der: b"abc".to_vec() }.fingerprint();
        assert!(shown.starts_with("BA:78:16:BF:") && shown.ends_with(":F2:00:15:AD"), "{shown}");
    }
}
