//! Reads `Retry-After`, which servers fill with seconds, dates, and nonsense.

use crate::model::time::Timestamp;
use std::time::UNIX_EPOCH;

/// The longest wait believed.
const MAX_WAIT_MS: i64 = 24 * 3600 * 1000;

/// When to try again by the caller's clock. A date is taken relative to the server's own `Date`,
/// so that clocks need not agree.
pub(super) fn until(retry_after: Option<&str>, date: Option<&str>, now: Timestamp) -> Option<Timestamp> {
    let text = retry_after?.trim();
    let wait_ms = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse::<i64>().map_or(MAX_WAIT_MS, |seconds| seconds.saturating_mul(1000))
    } else {
        let server_now = date.and_then(http_date_ms).unwrap_or(now.millis());
        http_date_ms(text)?.saturating_sub(server_now)
    };
    Some(Timestamp::from_millis(now.millis().saturating_add(wait_ms.clamp(0, MAX_WAIT_MS))))
}

/// An HTTP date in milliseconds since 1970.
pub(super) fn http_date_ms(text: &str) -> Option<i64> {
    let time = httpdate::parse_http_date(text.trim()).ok()?;
    i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp { seconds: 1_000_000, nanos: 0 };

    fn wait_s(text: &str, date: Option<&str>) -> Option<i64> {
        until(Some(text), date, NOW).map(|until| until.seconds - NOW.seconds)
    }

    #[test]
    fn seconds_and_dates_are_read_and_bounded() {
        assert_eq!(wait_s("120", None), Some(120));
        assert_eq!(wait_s("99999999999999999999999", None), Some(86_400));
        assert_eq!(wait_s("Sun, 06 Nov 1994 08:50:37 GMT", Some("Sun, 06 Nov 1994 08:49:37 GMT")), Some(60));
        assert_eq!(wait_s("Mon, 12 Jan 1970 13:46:45 GMT", None), Some(5));
        assert_eq!(wait_s("Thu, 01 Jan 1970 00:00:00 GMT", None), Some(0));
        assert_eq!(wait_s("Sat, 06 Nov 2094 08:50:37 GMT", None), Some(86_400));
    }

    #[test]
    fn nonsense_is_no_time() {
        for text in ["", "-5", "soon", "1.5", "12 s"] {
            assert_eq!(wait_s(text, None), None, "{text}");
        }
    }
}
