//! A backup set: what one machine backs up under one name.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A set is a host and a name, so that machines which share a repository do not mix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SetId {
    /// The machine whose files these are.
    pub host: String,
    /// The name chosen by the user.
    pub name: String,
}

impl SetId {
    /// The set `name` of `host`.
    pub fn new(host: impl Into<String>, name: impl Into<String>) -> Self {
        Self { host: host.into(), name: name.into() }
    }
}

/// The set of the snapshots that are made before a restore in place changes things.
pub const SAFETY_SET: &str = "filbert-safety";
/// The set of the snapshots that hold the disaster-recovery plans.
pub const PLANS_SET: &str = "filbert-plans";

impl SetId {
    /// Whether a set of this name is one of filbert's own, which nobody means without naming it.
    pub fn is_own(name: &str) -> bool {
        matches!(name, SAFETY_SET | PLANS_SET)
    }
}

/// The label of snapshots that are made before a restore in place.
pub const SAFETY_TAG: &str = "safety";

impl fmt::Display for SetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.name, self.host)
    }
}
