//! So many requests in any window of time, as people write it: `600/30m`.

use crate::model::amount::counted;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Requests in any window of so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestRate {
    /// The most requests.
    pub requests: u32,
    /// In any time of this length.
    pub window: Duration,
}

/// A rate that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no request budget: write requests and a time, such as 600/30m, with {} to {} requests in 1s to \
     31days, or `none`",
    RequestRate::FEWEST,
    RequestRate::MOST
)]
pub struct RateError {
    text: String,
}

impl RequestRate {
    /// With fewer no snapshot can be committed within a window.
    pub const FEWEST: u32 = 10;
    /// More is no limit that anybody feels.
    pub const MOST: u32 = 1_000_000;
    const LONGEST: Duration = Duration::from_secs(31 * 86_400);
    /// The longest window in milliseconds, as [`Self::window_ms`] counts it.
    pub(super) const LONGEST_MS: i64 = 31 * 86_400_000 + 1000;

    /// The window in milliseconds, with the second more after which a request no longer counts.
    pub(super) fn window_ms(&self) -> i64 {
        i64::try_from(self.window.as_millis()).unwrap_or(i64::MAX / 4) + 1000
    }
}

impl FromStr for RequestRate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let refused = || RateError { text: text.to_owned() };
        let (requests, window) = text.split_once('/').ok_or_else(refused)?;
        let requests = requests.trim().parse().map_err(|_| refused())?;
        let window = humantime::parse_duration(window.trim()).map_err(|_| refused())?;
        let fits = (Self::FEWEST..=Self::MOST).contains(&requests)
            && (Duration::from_secs(1)..=Self::LONGEST).contains(&window);
        if fits { Ok(Self { requests, window }) } else { Err(refused()) }
    }
}

impl fmt::Display for RequestRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests = counted(u64::from(self.requests), "request");
        write!(f, "{requests} in {}", humantime::format_duration(self.window))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_two_parts_and_bounds() {
        let rate: RequestRate = "600/30m".parse().unwrap();
        assert_eq!(rate, RequestRate { requests: 600, window: Duration::from_secs(1800) });
        assert_eq!(rate.to_string(), "600 requests in 30m");
        assert_eq!("1500 / 30 min".parse().map(|rate: RequestRate| rate.requests), Ok(1500));
        for bad in [
            "",
            "600",
            "0/30m",
            "9/30m",
            "-5/30m",
            "600/0s",
            "600/1ms",
            "600/",
            "/30m",
            "1e9/1h",
            "600/99days",
            "99999999999/30m",
            "600/30m/2",
        ] {
            let error = bad.parse::<RequestRate>().unwrap_err().to_string();
            assert!(error.contains("600/30m"), "{bad}: {error}");
        }
    }
}
