//! The HTTP client underneath. It does nothing of its own accord: requests are counted, so
//! repeating and redirecting are the session's to decide.

use super::options::{WebdavOptions, WebdavOptionsError};
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// The HTTP client: no redirects, no retries and no proxy of its own accord.
pub(super) fn agent(options: &WebdavOptions) -> Result<reqwest::Client, WebdavOptionsError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("filbert/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .http1_only()
        .tcp_nodelay(true)
        .tcp_keepalive(Duration::from_secs(30))
        .pool_idle_timeout(Duration::from_secs(50))
        .connect_timeout(CONNECT_TIMEOUT);
    if let Some(pem) = &options.ca_pem {
        let certificates = reqwest::Certificate::from_pem_bundle(pem)
            .map_err(|e| WebdavOptionsError::CaPem(e.to_string()))?;
        if certificates.is_empty() {
            return Err(WebdavOptionsError::CaPem("there is no certificate in it".to_owned()));
        }
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|e| WebdavOptionsError::Client(super::failure::chain(&e)))
}
