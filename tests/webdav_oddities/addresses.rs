//! Settings that are refused before anything is sent.

use super::*;

fn refusal(url: &str) -> WebdavOptionsError {
    WebdavStore::new(&WebdavOptions::new(url), Arc::new(ManualClock::at(NOW))).unwrap_err()
}

#[test]
fn a_password_in_the_address_is_refused() {
    let error = refusal("https://me:hunter2@dav.example.org/");
    assert_eq!(error, WebdavOptionsError::CredentialsInUrl);
    assert!(!error.to_string().contains("hunter2"));
}

#[test]
fn plain_http_to_another_machine_is_refused_and_says_what_to_do() {
    let error = refusal("http://nas.example.org/dav");
    assert!(error.to_string().contains("https://"), "{error}");
}

#[test]
fn certificates_that_are_none_are_refused() {
    for pem in ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let options =
            WebdavOptions { ca_pem: Some(pem.into()), ..WebdavOptions::new("https://dav.example.org") };
        let made = WebdavStore::new(&options, Arc::new(ManualClock::at(NOW)));
        assert!(
            matches!(made, Err(WebdavOptionsError::CaPem(_) | WebdavOptionsError::Client(_))),
            "{made:?}"
        );
    }
}
