//! A report as programs get it: on standard output, and on the standard input of whom a plan tells.

use super::report::{DrillKind, DrillReport, PacksLooked, RecoveryTime, StepReport};
use crate::model::time::Timestamp;
use serde::Serialize;

/// A report as JSON. Times are RFC 3339.
#[derive(Serialize)]
pub struct ToldReport<'r> {
    r#type: &'static str,
    good: bool,
    recovery_ms: Option<u64>,
    recovery_is_estimate: bool,
    data_age_ms: Option<i64>,
    proven: u64,
    id: &'r str,
    plan: &'r str,
    description: &'r str,
    kind: DrillKind,
    began: String,
    ended: Option<String>,
    packs: Option<PacksLooked>,
    steps: Vec<ToldStep<'r>>,
}

#[derive(Serialize)]
struct ToldStep<'r> {
    #[serde(flatten)]
    step: &'r StepReport,
    duration_ms: u64,
}

impl<'r> From<&'r DrillReport> for ToldReport<'r> {
    fn from(report: &'r DrillReport) -> Self {
        let time = |millis: i64| Timestamp::from_millis(millis).rfc3339_millis();
        let (recovery_ms, recovery_is_estimate) = match report.recovery_time() {
            RecoveryTime::Measured(time) => (Some(time), false),
            RecoveryTime::Estimated(time) => (Some(time), true),
            RecoveryTime::Unknown | RecoveryTime::NotRecovered | RecoveryTime::Untried => (None, false),
        };
        Self {
            r#type: "summary",
            good: report.is_good(),
            recovery_ms,
            recovery_is_estimate,
            data_age_ms: report.data_age_ms(),
            proven: report.proven(),
            id: &report.id,
            plan: &report.plan,
            description: &report.description,
            kind: report.kind,
            began: time(report.began_ms),
            ended: report.ended_ms.map(time),
            packs: report.looked,
            steps: report
                .steps
                .iter()
                .map(|step| ToldStep { step, duration_ms: step.duration_ms() })
                .collect(),
        }
    }
}
