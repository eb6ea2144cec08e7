//! The arguments of what has to do with disaster-recovery plans.

use crate::cli::parse::{self, Size};
use crate::model::time::Timestamp;
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(in crate::cli) struct DrArguments {
    #[command(subcommand)]
    pub command: DrCommand,
    /// The plans that this machine keeps in the repository, instead of those of the settings
    #[arg(long, global = true, value_name = "HOST")]
    pub host: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum DrCommand {
    /// List the plans
    List,
    /// Tell the steps of a plan
    Show(PlanName),
    /// Look whether every set of a plan can be brought back, and how old it is
    Test(DrTestArguments),
    /// Restore for trial into a scratch folder, compare, and measure
    Rehearse(DrRehearseArguments),
    /// Carry a plan out
    Run(DrRunArguments),
    /// List the tests, rehearsals and runs of this machine
    History(DrHistoryArguments),
}

impl DrCommand {
    /// The time that sets come back from.
    pub fn at(&self) -> Option<Timestamp> {
        match self {
            DrCommand::Test(wish) => wish.at,
            DrCommand::Rehearse(wish) => wish.at,
            DrCommand::Run(wish) => wish.at,
            DrCommand::List | DrCommand::Show(_) | DrCommand::History(_) => None,
        }
    }

    /// The plan that is asked for.
    pub fn plan(&self) -> Option<&str> {
        match self {
            DrCommand::Show(plan) => Some(&plan.name),
            DrCommand::Test(wish) => Some(&wish.plan.name),
            DrCommand::Rehearse(wish) => Some(&wish.plan.name),
            DrCommand::Run(wish) => Some(&wish.plan.name),
            DrCommand::List | DrCommand::History(_) => None,
        }
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PlanName {
    /// The plan
    #[arg(value_name = "PLAN")]
    pub name: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DrTestArguments {
    #[command(flatten)]
    pub plan: PlanName,
    /// Each set as it was then, by the newest snapshot at or before: RFC 3339, `2026-11-20 12:00` (local), or an age such as 3d
    #[arg(long, value_name = "TIME", value_parser = parse::to_time)]
    pub at: Option<Timestamp>,
    /// Write the report as a page, too
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DrRehearseArguments {
    #[command(flatten)]
    pub plan: PlanName,
    /// Each set as it was then, by the newest snapshot at or before: RFC 3339, `2026-11-20 12:00` (local), or an age such as 3d
    #[arg(long, value_name = "TIME", value_parser = parse::to_time)]
    pub at: Option<Timestamp>,
    /// Where to restore to, an empty folder or none yet; without it a temporary one that goes afterwards
    #[arg(long, value_name = "DIR")]
    pub scratch: Option<PathBuf>,
    /// How much of each step: `all`, a number of files such as `500`, or a size such as `1GB`
    #[arg(long, value_name = "N|SIZE", default_value = "all", value_parser = parse::sample)]
    pub sample: crate::disaster::plans::Sample,
    /// Take at most so many requests; what does not fit is sampled
    #[arg(long, value_name = "N")]
    pub max_requests: Option<u64>,
    /// Receive at most so much; what does not fit is sampled
    #[arg(long, value_name = "SIZE")]
    pub max_download: Option<Size>,
    /// Write the report as a page, too
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DrRunArguments {
    #[command(flatten)]
    pub plan: PlanName,
    /// Go on with the last run, at the first step that is not good, with the same snapshots
    #[arg(long)]
    pub resume: bool,
    /// Each set as it was then, by the newest snapshot at or before: RFC 3339, `2026-11-20 12:00` (local), or an age such as 3d
    #[arg(long, value_name = "TIME", value_parser = parse::to_time, conflicts_with = "resume")]
    pub at: Option<Timestamp>,
    /// Write the report as a page, too
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DrHistoryArguments {
    /// Only of this plan
    #[arg(value_name = "PLAN")]
    pub name: Option<String>,
}
