//! What a repository's section says of its account: a profile, and what differs from it.

use super::settings::RepositorySettings;
use crate::guard::{Limits, LimitsError, Profile, RateError};
use bytesize::ByteSize;
use std::time::Duration;

/// A limit that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BudgetError {
    /// Of requests.
    #[error(transparent)]
    Requests(#[from] RateError),
    /// As a whole.
    #[error(transparent)]
    Limits(#[from] LimitsError),
    /// Not a size.
    #[error("`{text}` is no size for `{what}`: write bytes such as 1GB or 500MB, or `none`")]
    Size {
        /// The setting.
        what: &'static str,
        /// As it was written.
        text: String,
    },
    /// Not a time.
    #[error("`{text}` is no time for `{what}`: write a time such as {example}")]
    Time {
        /// The setting.
        what: &'static str,
        /// As it was written.
        text: String,
        /// How it could be.
        example: &'static str,
    },
}

impl RepositorySettings {
    /// The limits of its account: those of the profile that is named, or else of the host's, with
    /// what the section sets.
    pub fn limits(&self, host: &str) -> Result<Limits, BudgetError> {
        let profile = match &self.profile {
            Some(name) => name.parse()?,
            None => Profile::of_host(host),
        };
        let mut limits = profile.limits();
        if let Some(text) = &self.requests {
            limits.requests = if is_none(text) { None } else { Some(text.parse()?) };
        }
        if let Some(text) = &self.request_spacing {
            limits.spacing = time("request_spacing", text, "400ms", Duration::from_secs(60))?;
        }
        let sizes = [
            ("upload_per_month", &self.upload_per_month, &mut limits.upload_per_month),
            ("download_per_month", &self.download_per_month, &mut limits.download_per_month),
            ("max_object", &self.max_object, &mut limits.max_object),
        ];
        for (what, text, limit) in sizes {
            if let Some(text) = text {
                *limit = if is_none(text) { None } else { Some(size(what, text)?) };
            }
        }
        if let Some(text) = &self.reserve_for_restore {
            let number =
                text.trim().strip_suffix('%').map(str::trim).and_then(|number| number.parse::<f64>().ok());
            let percent = number.ok_or_else(|| LimitsError::Reserve(text.clone()))?;
            limits.reserve_for_restore = percent / 100.0;
        }
        Ok(limits.checked()?)
    }

    /// The longest wait for the budget that a run may make, if the section limits it.
    pub fn longest_wait(&self) -> Result<Option<Duration>, BudgetError> {
        let day = Duration::from_secs(366 * 86_400);
        self.max_wait.as_deref().map(|text| time("max_wait", text, "1h", day)).transpose()
    }
}

fn is_none(text: &str) -> bool {
    text.trim().eq_ignore_ascii_case("none")
}

fn size(what: &'static str, text: &str) -> Result<u64, BudgetError> {
    let parsed = text.trim().parse::<ByteSize>();
    parsed.map(|size| size.as_u64()).map_err(|_| BudgetError::Size { what, text: text.to_owned() })
}

fn time(
    what: &'static str,
    text: &str,
    example: &'static str,
    most: Duration,
) -> Result<Duration, BudgetError> {
    let parsed = humantime::parse_duration(text.trim()).ok().filter(|time| *time <= most);
    parsed.ok_or_else(|| BudgetError::Time { what, text: text.to_owned(), example })
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;
    use crate::guard::{Purpose, RequestRate};
    use std::path::Path;

    fn section(text: &str) -> Result<RepositorySettings, String> {
        let text = format!("[repositories.r]\nurl = 'https://dav.jianguoyun.com/dav/x'\n{text}");
        let parsed = Settings::parse(Path::new("/c.toml"), &text, None).map_err(|error| error.to_string())?;
        Ok(parsed.repositories["r"].clone())
    }

    fn limits(text: &str) -> Limits {
        section(text).unwrap().limits("dav.jianguoyun.com").unwrap()
    }

    #[test]
    fn the_host_chooses_and_the_section_differs() {
        assert_eq!(limits(""), Profile::NutstoreFree.limits());
        assert_eq!(limits("profile = 'nutstore-pro'").requests.map(|rate| rate.requests), Some(1500));
        assert_eq!(limits("profile = 'none'"), Limits::none());
        let own = limits(
            "requests = '100/1m'\nupload_per_month = 'none'\nmax_object = '20MiB'\nreserve_for_restore = '25%'\n\
             request_spacing = '1s'\n",
        );
        assert_eq!(own.requests, Some(RequestRate { requests: 100, window: Duration::from_secs(60) }));
        assert_eq!((own.upload_per_month, own.download_per_month), (None, Some(3_000_000_000)));
        assert_eq!((own.max_object, own.requests_for(Purpose::Other)), (Some(20 << 20), Some(75)));
        assert_eq!(own.spacing, Duration::from_secs(1));
        assert_eq!(section("max_wait = '2h'").unwrap().longest_wait(), Ok(Some(Duration::from_secs(7200))));
    }

    #[test]
    fn absurd_limits_are_told_when_the_settings_are_read() {
        for (text, word) in [
            ("profile = 'nutstore'", "nutstore-free"),
            ("requests = '0/30m'", "600/30m"),
            ("requests = '600'", "600/30m"),
            ("upload_per_month = '0'", "at least"),
            ("upload_per_month = 'much'", "1GB"),
            ("max_object = '10B'", "at least"),
            ("reserve_for_restore = '100%'", "90%"),
            ("reserve_for_restore = '-5%'", "90%"),
            ("reserve_for_restore = 'NaN%'", "90%"),
            ("reserve_for_restore = '10'", "90%"),
            ("request_spacing = '1h'", "400ms"),
            ("max_wait = 'soon'", "1h"),
        ] {
            let error = section(text).unwrap_err();
            assert!(error.contains("repository `r`") && error.contains(word), "{text}: {error}");
        }
    }
}
