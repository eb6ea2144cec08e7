//! What the emulator is told at its start: whom it serves, by which clock, and how much it allows.

use crate::model::clock::Clock;
use crate::model::secret::SecretText;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How the emulator works.
#[derive(Clone)]
pub struct EmulatorOptions {
    /// The only clock: windows go by its uptime where it has one, months and dates by its time.
    pub clock: Arc<dyn Clock>,
    /// The user name asked for.
    pub user: String,
    /// The password asked for.
    pub password: SecretText,
    /// What is allowed.
    pub limits: Limits,
    /// Whether the quota properties of RFC 4331 are told where they are asked for. Nutstore has none.
    pub quota_properties: bool,
}

impl EmulatorOptions {
    /// Nutstore with a free account.
    pub fn new(clock: Arc<dyn Clock>, user: impl Into<String>, password: SecretText) -> Self {
        let limits = Limits::nutstore_free();
        Self { clock, user: user.into(), password, limits, quota_properties: false }
    }
}

impl fmt::Debug for EmulatorOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmulatorOptions").field("user", &self.user).field("limits", &self.limits).finish()
    }
}

/// So many requests in any span of so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The most requests.
    pub requests: u64,
    /// The span. Its end is no part of it.
    pub within: Duration,
}

/// What an account may do. `None` is no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Beyond it a request gets a bare HTML 503.
    pub burst: Option<Rate>,
    /// Beyond it a request gets a 503 with `BlockedTemporarily`.
    pub window: Option<Rate>,
    /// Whether what the window refuses counts in it as well, so that trying on prolongs the wait.
    pub refusals_prolong: bool,
    /// Whether the window refuses with 401, as if the password were wrong.
    pub blocked_is_401: bool,
    /// Bytes of uploads in a calendar month (UTC).
    pub month_up_bytes: Option<u64>,
    /// Bytes of downloads in a calendar month (UTC).
    pub month_down_bytes: Option<u64>,
    /// Bytes of all objects together.
    pub storage_bytes: Option<u64>,
    /// Bytes of one object.
    pub object_bytes: Option<u64>,
    /// Entries of one page of a listing, the folder itself included.
    pub page_entries: Option<usize>,
}

impl Limits {
    /// Everything goes.
    pub fn none() -> Self {
        Self {
            burst: None,
            window: None,
            refusals_prolong: false,
            blocked_is_401: false,
            month_up_bytes: None,
            month_down_bytes: None,
            storage_bytes: None,
            object_bytes: None,
            page_entries: None,
        }
    }

    /// The free account: 600 requests in 30 minutes, 1 GB up and 3 GB down a month, objects of
    /// 500 MB, pages of 750. Nobody knows the rule for bursts; requests 400 ms apart keep this one.
    pub fn nutstore_free() -> Self {
        Self {
            burst: Some(Rate { requests: 3, within: Duration::from_secs(1) }),
            window: Some(Rate { requests: 600, within: Duration::from_secs(30 * 60) }),
            month_up_bytes: Some(1 << 30),
            month_down_bytes: Some(3 << 30),
            object_bytes: Some(500 << 20),
            page_entries: Some(750),
            ..Self::none()
        }
    }
}
