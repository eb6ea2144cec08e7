//! Disaster-recovery plans: which sets come back, in which order, to where, and what proves it.

mod time_limit;
mod written;

pub use written::WrittenPlans;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// All plans of a machine, by name.
pub type Plans = BTreeMap<String, RecoveryPlan>;

/// A command that proves a step is given so long where the step does not say how long.
pub const PROVE_TIMEOUT: Duration = Duration::from_secs(3600);

/// One plan, as it is written in the settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryPlan {
    /// Words for people.
    #[serde(default)]
    pub description: String,
    /// Read what was restored once more, and compare.
    #[serde(default = "yes")]
    pub verify: bool,
    /// A shell command that gets each report, as JSON, on its standard input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<String>,
    /// What is done, in order.
    pub steps: Vec<PlanStep>,
}

/// One step: a set, or all steps of another plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanStep {
    /// The set that comes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    /// Of this machine, where several have a set of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The plan whose steps are done, in place of a set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The folder that it comes back into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<PathBuf>,
    /// In place of a folder: each thing to where it came from, but what lay in the first of a pair
    /// to the second. May be empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<BTreeMap<PathBuf, PathBuf>>,
    /// Only what matches one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Not what matches one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Replace what is in the way in the target and differs. In place that is so always.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overwrite: bool,
    /// A shell command that ends with 0 if what came back is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prove: Option<String>,
    /// How long the command may take, such as `10m`; [`PROVE_TIMEOUT`] where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time_limit")]
    pub prove_timeout: Option<Duration>,
    /// What follows where this step fails.
    #[serde(default)]
    pub on_failure: OnFailure,
}

/// What follows a step that failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// The run ends there, and can be gone on with.
    #[default]
    Stop,
    /// The next step.
    Continue,
}

fn yes() -> bool {
    true
}

/// A plan that cannot be carried out as it is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// There is no such plan.
    #[error("no plan `{name}`: `filbert dr list` shows those there are")]
    Unknown {
        /// As it was asked for.
        name: String,
    },
    /// A step names a plan that there is not.
    #[error(
        "step {step} of the plan `{plan}` names the plan `{name}`, which there is not: mend the name, describe it \
         ([[plans.{name}.steps]]), or take the step out"
    )]
    UnknownInStep {
        /// The plan.
        plan: String,
        /// The step, counted from 1.
        step: usize,
        /// As it is named there.
        name: String,
    },
    /// It is not in the form of a plan.
    #[error("the plan `{name}` (line {line}) cannot be read: {reason}")]
    Form {
        /// The plan.
        name: String,
        /// Where it begins, counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A plan that names one that is wrong.
    #[error("the plan `{name}` needs one that is wrong: {reason}")]
    Inner {
        /// The plan.
        name: String,
        /// What is wrong with the other.
        reason: String,
    },
    /// Plans that name each other in a circle.
    #[error("the plan `{name}` comes back to itself: {way}; take one of these steps out")]
    Loop {
        /// Where it begins.
        name: String,
        /// The names on the way.
        way: String,
    },
    /// A step that is not whole.
    #[error("step {step} of the plan `{plan}` {problem}")]
    Step {
        /// The plan.
        plan: String,
        /// The step, counted from 1.
        step: usize,
        /// What is wrong and how to write it.
        problem: &'static str,
    },
    /// There is nothing in it.
    #[error("the plan `{name}` has no steps: add [[plans.{name}.steps]]")]
    Empty {
        /// The plan.
        name: String,
    },
}

/// The steps of the plan `name`, those of plans that it names among them.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn steps_of(plans: &Plans, name: &str) -> Result<Vec<PlanStep>, PlanError> {
    if !plans.contains_key(name) {
        return Err(PlanError::Unknown { name: name.to_owned() });
    }
    let mut steps = Vec::new();
    gather(plans, name, &mut Vec::new(), &mut steps)?;
    Ok(steps)
}

/// Looks through all plans.
///
/// # Errors
/// The first thing that is wrong with one.
pub fn check_plans(plans: &Plans) -> Result<(), PlanError> {
    plans.keys().try_for_each(|name| steps_of(plans, name).map(drop))
}

fn gather(
    plans: &Plans,
    name: &str,
    way: &mut Vec<String>,
    steps: &mut Vec<PlanStep>,
) -> Result<(), PlanError> {
    if way.iter().any(|passed| passed == name) {
        let way = way.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join(" -> ");
        return Err(PlanError::Loop { name: name.to_owned(), way });
    }
    let plan = plans.get(name).ok_or_else(|| PlanError::Unknown { name: name.to_owned() })?;
    if plan.steps.is_empty() {
        return Err(PlanError::Empty { name: name.to_owned() });
    }
    way.push(name.to_owned());
    for (number, step) in plan.steps.iter().enumerate() {
        if let Some(problem) = step.problem() {
            return Err(PlanError::Step { plan: name.to_owned(), step: number + 1, problem });
        }
        match &step.plan {
            Some(inner) if !plans.contains_key(inner) => {
                let (plan, name) = (name.to_owned(), inner.clone());
                return Err(PlanError::UnknownInStep { plan, step: number + 1, name });
            }
            Some(inner) => gather(plans, inner, way, steps)?,
            None => steps.push(step.clone()),
        }
    }
    way.pop();
    Ok(())
}

impl PlanStep {
    /// Whether it brings back a part of the set only.
    pub fn is_part(&self) -> bool {
        !self.include.is_empty() || !self.exclude.is_empty()
    }

    fn problem(&self) -> Option<&'static str> {
        let is_more = self.host.is_some()
            || self.target.is_some()
            || self.map.is_some()
            || self.overwrite
            || self.prove.is_some()
            || self.prove_timeout.is_some()
            || self.is_part();
        let maps = self.map.iter().flatten();
        let is_relative =
            self.target.iter().chain(maps.flat_map(|(from, to)| [from, to])).any(|path| path.is_relative());
        match (&self.set, &self.plan, &self.target, &self.map) {
            (None, None, ..) => Some("names neither a set nor a plan: write `set = \"NAME\"`"),
            (Some(_), Some(_), ..) => Some("names a set and a plan: make two steps of it"),
            (None, Some(_), ..) if is_more => Some("names a plan: nothing else belongs into it"),
            (None, Some(_), ..) => None,
            (_, _, None, None) => Some(
                "does not say where to: write `target = \"/FOLDER\"`, or `map = {}` for where it came from",
            ),
            (_, _, Some(_), Some(_)) => Some("has a target and a map: only one of them can be meant"),
            _ if self.prove_timeout.is_some() && self.prove.is_none() => {
                Some("has a prove_timeout and nothing to prove it: write `prove = \"COMMAND\"`")
            }
            _ if is_relative => {
                Some("has a path that does not begin with /: nobody knows where it will be run")
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str) -> PlanStep {
        PlanStep { set: Some(name.to_owned()), target: Some("/x".into()), ..PlanStep::default() }
    }

    fn inner(name: &str) -> PlanStep {
        PlanStep { plan: Some(name.to_owned()), ..PlanStep::default() }
    }

    fn plans<const N: usize>(plans: [(&str, Vec<PlanStep>); N]) -> Plans {
        let plan = |steps| RecoveryPlan { steps, ..RecoveryPlan::default() };
        plans.into_iter().map(|(name, steps)| (name.to_owned(), plan(steps))).collect()
    }

    #[test]
    fn steps_of_other_plans_come_in_their_place() {
        let plans = plans([
            ("all", vec![set("a"), inner("base"), set("z"), inner("base")]),
            ("base", vec![set("b"), set("c")]),
        ]);
        let names: Vec<_> =
            steps_of(&plans, "all").unwrap().into_iter().filter_map(|step| step.set).collect();
        assert_eq!(names, ["a", "b", "c", "z", "b", "c"]);
        check_plans(&plans).unwrap();
    }

    #[test]
    fn loops_and_unknown_plans_are_named() {
        let looped =
            plans([("a", vec![inner("b")]), ("b", vec![set("s"), inner("c")]), ("c", vec![inner("a")])]);
        let error = check_plans(&looped).unwrap_err().to_string();
        assert!(error.contains("a -> b -> c -> a"), "{error}");
        let own = plans([("a", vec![inner("a")])]);
        assert!(matches!(steps_of(&own, "a"), Err(PlanError::Loop { .. })));
        assert!(matches!(steps_of(&own, "x"), Err(PlanError::Unknown { .. })));
        assert!(matches!(steps_of(&plans([("a", vec![])]), "a"), Err(PlanError::Empty { .. })));
        let typo = plans([("a", vec![set("s"), inner("bse")])]);
        let error = steps_of(&typo, "a").unwrap_err().to_string();
        assert!(error.contains("step 2 of the plan `a`") && error.contains("`bse`"), "{error}");
    }

    #[test]
    fn a_step_says_what_and_where_to_and_nothing_twice() {
        let map = Some(BTreeMap::new());
        let wrong = [
            PlanStep::default(),
            PlanStep { target: None, ..set("a") },
            PlanStep { map: map.clone(), ..set("a") },
            PlanStep { target: Some("relative".into()), ..set("a") },
            PlanStep { plan: Some("p".into()), ..set("a") },
            PlanStep { prove: Some("true".into()), ..inner("p") },
            PlanStep { overwrite: true, ..inner("p") },
            PlanStep { prove_timeout: Some(PROVE_TIMEOUT), ..set("a") },
        ];
        for step in wrong {
            assert!(step.problem().is_some(), "{step:?}");
        }
        assert_eq!(PlanStep { target: None, map, ..set("a") }.problem(), None);
    }
}
