//! The arguments of what looks at snapshots.

use super::PatternArguments;
use crate::cli::parse;
use crate::model::time::Timestamp;
use clap::{Args, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(in crate::cli) struct SetArguments {
    /// Only of this set
    #[arg(long, value_name = "NAME")]
    pub set: Option<String>,
    /// Only of this machine
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
}

/// One snapshot.
#[derive(Debug, Args)]
pub(in crate::cli) struct SnapshotArguments {
    /// An id, its beginning, `latest`, or `@TIME`: the newest at or before that time
    #[arg(value_name = "SNAPSHOT")]
    pub snapshot: String,
    #[command(flatten)]
    pub set: SetArguments,
    /// The newest at or before this time: RFC 3339, `2026-11-20 12:00` (local), a date, or an age such as 3d
    #[arg(long, value_name = "TIME", value_parser = parse::to_time)]
    pub at: Option<Timestamp>,
}

/// Some of the snapshots.
#[derive(Debug, Args)]
pub(in crate::cli) struct SomeArguments {
    #[command(flatten)]
    pub set: SetArguments,
    /// Only with this label; given several times, with all of them
    #[arg(long = "tag", value_name = "T")]
    pub tags: Vec<String>,
    /// Only at or after this time: RFC 3339, `2026-11-20 12:00` (local), a date, or an age such as 3d
    #[arg(long, value_name = "TIME", value_parser = parse::from_time)]
    pub since: Option<Timestamp>,
    /// Only at or before this time
    #[arg(long, value_name = "TIME", value_parser = parse::to_time)]
    pub until: Option<Timestamp>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SnapshotsArguments {
    #[command(flatten)]
    pub some: SomeArguments,
    /// Only the newest of each set
    #[arg(long)]
    pub latest: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ShowArguments {
    #[command(flatten)]
    pub chosen: SnapshotArguments,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct LsArguments {
    #[command(flatten)]
    pub chosen: SnapshotArguments,
    /// Only this folder or file, as shown
    #[arg(value_name = "PATH")]
    pub path: Option<OsString>,
    /// Show modes, owners, sizes and times
    #[arg(long, short)]
    pub long: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct FindArguments {
    /// A glob: a name such as `*.pdf`, or a path such as `reports/**`
    #[arg(value_name = "PATTERN", value_parser = parse::pattern)]
    pub pattern: String,
    #[command(flatten)]
    pub some: SomeArguments,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DiffArguments {
    /// The earlier one: an id, its beginning, `latest`, or `@TIME`
    #[arg(value_name = "A")]
    pub before: String,
    /// The later one
    #[arg(value_name = "B")]
    pub after: String,
    #[command(flatten)]
    pub set: SetArguments,
    /// Also tell what differs in mode, owner, time or attributes alone
    #[arg(long)]
    pub metadata: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DumpArguments {
    #[command(flatten)]
    pub chosen: SnapshotArguments,
    /// The file, as shown
    #[arg(value_name = "PATH")]
    pub path: OsString,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ExportArguments {
    #[command(flatten)]
    pub chosen: SnapshotArguments,
    /// The kind of archive
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: ArchiveFormat,
    /// The file to write, which must not be there yet; without it standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub patterns: PatternArguments,
}

/// Kinds of archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ArchiveFormat {
    /// Keeps everything
    Tar,
    /// Opens everywhere; keeps no owners, devices and hard links
    Zip,
}
