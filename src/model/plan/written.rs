//! The plans of a settings file, as they were written: some may be wrong, and the rest is used.

use super::{PlanError, Plans, steps_of};
use std::collections::BTreeMap;

/// The plans of a settings file: those that can be carried out, and what is wrong with the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WrittenPlans {
    /// They name no others but each other.
    pub good: Plans,
    /// By name.
    pub bad: BTreeMap<String, PlanError>,
}

impl WrittenPlans {
    /// Sorts plans out. `bad` are those that have not even the form of one.
    pub fn sort_out(plans: Plans, mut bad: BTreeMap<String, PlanError>) -> Self {
        let judged: Vec<_> = plans.keys().map(|name| (name.clone(), steps_of(&plans, name).err())).collect();
        for (name, error) in judged {
            let Some(error) = error else { continue };
            let error = match &error {
                PlanError::UnknownInStep { name: inner, .. } => match bad.get(inner) {
                    Some(form @ PlanError::Form { .. }) => {
                        PlanError::Inner { name: name.clone(), reason: form.to_string() }
                    }
                    _ => error,
                },
                _ => error,
            };
            bad.insert(name, error);
        }
        let good = plans.into_iter().filter(|(name, _)| !bad.contains_key(name)).collect();
        Self { good, bad }
    }

    /// Whether nothing is written, neither good nor bad.
    pub fn is_empty(&self) -> bool {
        self.good.is_empty() && self.bad.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::plan::{PlanStep, RecoveryPlan, check_plans};

    fn set() -> PlanStep {
        PlanStep { set: Some("s".to_owned()), target: Some("/x".into()), ..PlanStep::default() }
    }

    fn inner(name: &str) -> PlanStep {
        PlanStep { plan: Some(name.to_owned()), ..PlanStep::default() }
    }

    #[test]
    fn bad_plans_take_those_with_them_that_need_them_and_no_others() {
        let written: Plans = [
            ("good", vec![inner("base")]),
            ("base", vec![set()]),
            ("loop", vec![inner("loop")]),
            ("all", vec![inner("loop"), set()]),
            ("needs", vec![inner("form")]),
        ]
        .into_iter()
        .map(|(name, steps)| (name.to_owned(), RecoveryPlan { steps, ..RecoveryPlan::default() }))
        .collect();
        let form = PlanError::Form { name: "form".into(), line: 3, reason: "no steps".into() };
        let sorted = WrittenPlans::sort_out(written, [("form".to_owned(), form)].into());
        assert_eq!(sorted.good.keys().collect::<Vec<_>>(), ["base", "good"]);
        check_plans(&sorted.good).unwrap();
        assert_eq!(sorted.bad.keys().collect::<Vec<_>>(), ["all", "form", "loop", "needs"]);
        assert!(sorted.bad["needs"].to_string().contains("no steps"), "{:?}", sorted.bad);
    }
}
