//! A length of time as people write it.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};
use std::time::Duration;

/// As `1m 30s`.
pub(super) fn serialize<S: Serializer>(limit: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match limit {
        Some(limit) => serializer.collect_str(&humantime::format_duration(*limit)),
        None => serializer.serialize_none(),
    }
}

/// Refuses what is no time, and none at all.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let limit = humantime::parse_duration(text.trim()).ok().filter(|limit| !limit.is_zero());
    let wrong = || D::Error::custom("`prove_timeout` is no length of time: write one such as 90s, 10m or 2h");
    limit.map(Some).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use crate::model::plan::PlanStep;
    use std::time::Duration;

    #[test]
    fn the_time_of_a_command_is_written_as_people_write_it() {
        let step = PlanStep { prove: Some("x".into()), ..PlanStep::default() };
        let limited = PlanStep { prove_timeout: Some(Duration::from_secs(90)), ..step.clone() };
        let json = serde_json::to_string(&limited).unwrap();
        assert!(json.contains(r#""prove_timeout":"1m 30s""#), "{json}");
        assert_eq!(serde_json::from_str::<PlanStep>(&json).unwrap(), limited);
        let without = serde_json::to_string(&step).unwrap();
        assert_eq!(serde_json::from_str::<PlanStep>(&without).unwrap(), step);
        for wrong in ["soon", "0s", "-1s"] {
            let json = json.replace("1m 30s", wrong);
            let error = serde_json::from_str::<PlanStep>(&json).unwrap_err().to_string();
            assert!(error.contains("such as 90s"), "{error}");
        }
    }
}
