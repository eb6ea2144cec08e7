//! The arguments of what restores.

use super::{PatternArguments, SetArguments, SnapshotArguments};
use crate::cli::error::CliError;
use crate::cli::parse;
use crate::model::time::Timestamp;
use clap::{ArgGroup, Args};
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("where").args(["target", "in_place", "resume"]).required(true))]
pub(in crate::cli) struct RestoreArguments {
    /// An id, its beginning, `latest`, or `@TIME`: the newest at or before that time
    #[arg(value_name = "SNAPSHOT", required_unless_present = "resume")]
    pub snapshot: Option<String>,
    #[command(flatten)]
    pub set: SetArguments,
    /// The newest at or before this time: RFC 3339, `2026-11-20 12:00` (local), a date, or an age such as 3d
    #[arg(long, value_name = "TIME", value_parser = parse::to_time)]
    pub at: Option<Timestamp>,
    /// The folder to restore into
    #[arg(long, value_name = "DIR")]
    pub target: Option<PathBuf>,
    /// Restore to where the files came from, and replace what differs there
    #[arg(long, conflicts_with = "target")]
    pub in_place: bool,
    /// What lay in FROM goes to TO: for another machine
    #[arg(long = "map", value_name = "FROM=TO", value_parser = parse::map)]
    #[arg(requires = "in_place", conflicts_with = "target")]
    pub maps: Vec<(PathBuf, PathBuf)>,
    #[command(flatten)]
    pub patterns: PatternArguments,
    /// Replace files that are in the way and differ
    #[arg(long)]
    pub overwrite: bool,
    /// Remove what is there and not in the snapshot, but for what the backup leaves out
    #[arg(long, requires = "in_place", conflicts_with = "target")]
    pub delete: bool,
    /// Do not keep what is replaced or removed in place
    #[arg(long, requires = "in_place", conflicts_with = "target")]
    pub no_safety: bool,
    /// Begin though the file system tells of too little room: for those that compress
    #[arg(long)]
    pub ignore_free_space: bool,
    /// Read the files that were restored once more, from the disk, and compare them
    #[arg(long)]
    pub verify: bool,
    /// Write nothing, only tell what would be written
    #[arg(long)]
    pub dry_run: bool,
    /// Go on with a restore that was stopped or broke off, as it was asked for
    #[arg(long, value_name = "SESSION")]
    #[arg(conflicts_with_all = ["snapshot", "set", "host", "at", "target", "in_place", "includes", "excludes"])]
    #[arg(conflicts_with_all = ["overwrite", "ignore_free_space", "dry_run", "maps", "delete", "no_safety"])]
    pub resume: Option<String>,
}

impl RestoreArguments {
    /// The snapshot that is meant.
    pub fn chosen(&self) -> Result<SnapshotArguments, CliError> {
        let none = || CliError::Usage("name a snapshot: an id, or `latest`".to_owned());
        let set = SetArguments { set: self.set.set.clone(), host: self.set.host.clone() };
        Ok(SnapshotArguments { snapshot: self.snapshot.clone().ok_or_else(none)?, set, at: self.at })
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RollbackArguments {
    /// The restore to take back, as `filbert restores` names it
    #[arg(value_name = "SESSION")]
    pub session: String,
    /// Read what was brought back once more, from the disk, and compare it
    #[arg(long)]
    pub verify: bool,
    /// Change nothing, only tell what would be brought back and removed
    #[arg(long)]
    pub dry_run: bool,
}
