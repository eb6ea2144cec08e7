//! What an account at a server allows: profiles of known drives, and what a user sets instead.

use super::{Purpose, RequestRate};
use std::str::FromStr;
use std::time::Duration;

/// What may be asked of an account.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Requests in a sliding window; none where nobody counts.
    pub requests: Option<RequestRate>,
    /// The least time between the beginnings of two requests: a burst is refused by itself.
    pub spacing: Duration,
    /// Bytes sent in a calendar month (UTC).
    pub upload_per_month: Option<u64>,
    /// Bytes received in a calendar month (UTC).
    pub download_per_month: Option<u64>,
    /// The largest object in bytes.
    pub max_object: Option<u64>,
    /// The share of requests and of downloads that only a restore may use, 0 to 0.9: on the worst
    /// day there is always some left.
    pub reserve_for_restore: f64,
}

/// Drives whose rules are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Nutstore (坚果云) without paying: 600 requests in 30 minutes, 1 GB up and 3 GB down a month.
    NutstoreFree,
    /// Nutstore, paid: 1500 requests in 30 minutes.
    NutstorePro,
    /// Nothing is counted.
    None,
}

/// Limits that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitsError {
    /// Not a profile.
    #[error("there is no profile `{0}`: write nutstore-free, nutstore-pro or none")]
    Profile(String),
    /// Nothing would be left for backups, or less than nothing for restores.
    #[error("`{0}` cannot be kept for restores: write a share from 0% to 90%, such as 10%")]
    Reserve(String),
    /// Not even a snapshot's record fits.
    #[error("{what} of {bytes} bytes leaves no room for a backup: allow at least {least} bytes")]
    TooLittle {
        /// The setting.
        what: &'static str,
        /// As it was set.
        bytes: u64,
        /// What is needed.
        least: u64,
    },
}

impl Limits {
    /// The least that a month or an object may be limited to, in bytes.
    pub const LEAST_BYTES: u64 = 1 << 20;

    /// What is asked of no account.
    pub fn none() -> Self {
        Self {
            requests: None,
            spacing: Duration::ZERO,
            upload_per_month: None,
            download_per_month: None,
            max_object: None,
            reserve_for_restore: 0.1,
        }
    }

    /// Refuses what would leave no room for anything.
    pub fn checked(self) -> Result<Self, LimitsError> {
        let bytes = [
            ("upload_per_month", self.upload_per_month),
            ("download_per_month", self.download_per_month),
            ("max_object", self.max_object),
        ];
        for (what, bytes) in bytes {
            if let Some(bytes) = bytes.filter(|bytes| *bytes < Self::LEAST_BYTES) {
                return Err(LimitsError::TooLittle { what, bytes, least: Self::LEAST_BYTES });
            }
        }
        if !(0.0..=0.9).contains(&self.reserve_for_restore) {
            return Err(LimitsError::Reserve(format!("{}%", self.reserve_for_restore * 100.0)));
        }
        Ok(self)
    }

    /// Requests in a window that `purpose` may use.
    pub fn requests_for(&self, purpose: Purpose) -> Option<u32> {
        let rate = self.requests?;
        Some((f64::from(rate.requests) * self.share(purpose)).floor().max(1.0) as u32)
    }

    /// Bytes received in a month that `purpose` may use.
    pub fn download_for(&self, purpose: Purpose) -> Option<u64> {
        Some((self.download_per_month? as f64 * self.share(purpose)) as u64)
    }

    fn share(&self, purpose: Purpose) -> f64 {
        match purpose {
            Purpose::Restore => 1.0,
            Purpose::Other => 1.0 - self.reserve_for_restore,
        }
    }
}

impl Profile {
    /// The profile of a known host. Whether an account is paid for cannot be seen, so the free one
    /// is taken.
    pub fn of_host(host: &str) -> Self {
        let host = host.to_ascii_lowercase();
        let known = ["jianguoyun.com", "nutstore.net"];
        let is_nutstore = |known: &&str| host == **known || host.ends_with(&format!(".{known}"));
        if known.iter().any(is_nutstore) { Self::NutstoreFree } else { Self::None }
    }

    /// Its limits. The facts: 600 or 1500 requests in any 30 minutes; a burst is refused by itself,
    /// 400 ms between requests avoid that; objects up to 500 MB.
    pub fn limits(self) -> Limits {
        let nutstore = |requests, upload, download| Limits {
            requests: Some(RequestRate { requests, window: Duration::from_secs(30 * 60) }),
            spacing: Duration::from_millis(400),
            upload_per_month: upload,
            download_per_month: download,
            max_object: Some(500_000_000),
            reserve_for_restore: 0.1,
        };
        match self {
            Self::NutstoreFree => nutstore(600, Some(1_000_000_000), Some(3_000_000_000)),
            Self::NutstorePro => nutstore(1500, None, None),
            Self::None => Limits::none(),
        }
    }
}

impl FromStr for Profile {
    type Err = LimitsError;

    fn from_str(text: &str) -> Result<Self, LimitsError> {
        match text.trim() {
            "nutstore-free" => Ok(Self::NutstoreFree),
            "nutstore-pro" => Ok(Self::NutstorePro),
            "none" => Ok(Self::None),
            other => Err(LimitsError::Profile(other.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nutstore_is_known_by_its_host() {
        assert_eq!(Profile::of_host("dav.jianguoyun.com"), Profile::NutstoreFree);
        assert_eq!(Profile::of_host("DAV.Jianguoyun.COM"), Profile::NutstoreFree);
        for other in ["jianguoyun.com.evil.org", "notjianguoyun.com", "127.0.0.1", ""] {
            assert_eq!(Profile::of_host(other), Profile::None, "{other}");
        }
    }

    #[test]
    fn a_restore_may_use_all_and_a_backup_leaves_a_tenth() {
        let limits = Profile::NutstoreFree.limits();
        assert_eq!(limits.requests_for(Purpose::Restore), Some(600));
        assert_eq!(limits.requests_for(Purpose::Other), Some(540));
        assert_eq!(limits.download_for(Purpose::Other), Some(2_700_000_000));
        assert_eq!(Limits::none().requests_for(Purpose::Other), None);
    }

    #[test]
    fn limits_that_leave_no_room_are_refused() {
        let with = |change: fn(&mut Limits)| {
            let mut limits = Profile::NutstoreFree.limits();
            change(&mut limits);
            limits.checked()
        };
        assert!(with(|_| {}).is_ok());
        assert!(with(|limits| limits.upload_per_month = Some(0)).is_err());
        assert!(with(|limits| limits.max_object = Some(1000)).is_err());
        assert!(with(|limits| limits.reserve_for_restore = 1.0).is_err());
        assert!(with(|limits| limits.reserve_for_restore = f64::NAN).is_err());
    }
}
