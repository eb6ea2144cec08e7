//! What a report says in sentences, on a page as on a terminal.

use super::report::{DrillReport, PacksLooked, RecoveryTime, StepReport};
use crate::model::amount::counted;
use bytesize::ByteSize;

/// What is to be known of a step beside its numbers: the restore, the way back, what was not proven.
pub fn notes(step: &StepReport) -> Vec<String> {
    let mut notes = Vec::new();
    match (&step.session, &step.safety_snapshot) {
        (Some(session), Some(safety)) => {
            let safety: String = safety.chars().take(8).collect();
            notes.push(format!(
                "restore {session}; what was there before is in the safety snapshot {safety}, and \
                 `filbert rollback {session}` brings it back"
            ));
        }
        (Some(session), None) => notes.push(format!("restore {session}")),
        (None, _) => {}
    }
    if let Some(reason) = &step.not_proven {
        notes.push(format!("not proven: {reason}, so the command was not run"));
    }
    notes
}

/// The recovery time, and what it is known from.
pub fn recovery_words(report: &DrillReport) -> String {
    let (tried, all) = report.basis();
    let basis = || {
        let of_bytes = format!("{} of {}", ByteSize(tried.bytes), ByteSize(all.bytes));
        format!("{} of {}, {of_bytes}", tried.files, counted(all.files, "file"))
    };
    match report.recovery_time() {
        RecoveryTime::Measured(time) => {
            let (restoring, proving) = report.times_ms();
            let told = |what, time| format!("{what} {}", duration(time));
            let (restoring, proving) = (told("restoring", restoring), told("proving", proving));
            format!("{} ({restoring}, {proving})", duration(time))
        }
        RecoveryTime::Estimated(time) => format!(
            "about {}, an estimate from {}; commands that prove steps are not in it",
            duration(time),
            basis()
        ),
        RecoveryTime::Unknown => format!("unknown: the sample ({}) is too small to tell", basis()),
        RecoveryTime::NotRecovered => "not recovered".to_owned(),
        RecoveryTime::Untried => "not tried".to_owned(),
    }
}

/// A length of time in ms, for people.
pub fn duration(ms: u64) -> String {
    match ms / 1000 {
        0..120 => format!("{:.1} s", ms as f64 / 1000.0),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// What a test found of the packs.
pub fn packs_words(looked: PacksLooked) -> String {
    let cost = match looked.requests {
        0 => String::new(),
        requests => format!(" with {}", counted(requests, "request")),
    };
    let found = match looked.lacking {
        0 => "all there".to_owned(),
        lacking => format!("{lacking} missing or cut"),
    };
    format!("{} looked for{cost}, {found}", looked.packs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_told_in_the_unit_that_fits() {
        let told = [0, 1_500, 120_000, 7_200_000, 172_800_000].map(duration);
        assert_eq!(told, ["0.0 s", "1.5 s", "2 min", "2 h", "2 days"]);
    }

    #[test]
    fn packs_are_told_with_what_looking_cost() {
        let looked = PacksLooked { packs: 2, lacking: 0, requests: 1 };
        assert_eq!(packs_words(looked), "2 looked for with 1 request, all there");
        let lacking = PacksLooked { lacking: 1, requests: 0, ..looked };
        assert_eq!(packs_words(lacking), "2 looked for, 1 missing or cut");
    }
}
