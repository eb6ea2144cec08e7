//! The arguments as they are written. They mean nothing yet: each command makes its options of
//! them.

mod dr;
mod kit;
mod restore;
mod snapshots;

pub(super) use dr::*;
pub(super) use kit::*;
pub(super) use restore::*;
pub(super) use snapshots::*;

use super::parse::{self, LongestWait, PackSize, Percent, Size};
use crate::config::{Compression, Uploads};
use crate::model::time::Timestamp;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Encrypted, incremental backups to WebDAV drives that count every request.
#[derive(Debug, Parser)]
#[command(name = "filbert", version, propagate_version = true, subcommand_required = true)]
#[command(after_help = "Passwords come from FILBERT_PASSWORD and FILBERT_WEBDAV_PASSWORD, each also as \
..._FILE or ..._COMMAND, from the settings, or from a prompt. A recovery key is taken in place of the encryption password; `kit --check` takes it from \
FILBERT_RECOVERY_KEY in the same ways.\n\
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but some files could not be read, did not fit the limits, or were left alone, \
10 no repository there, 11 the set is being backed up or the target restored into already, 12 wrong encryption password, \
130 interrupted.")]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    pub global: GlobalArguments,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Everywhere")]
pub(in crate::cli) struct GlobalArguments {
    /// The repository: a URL, a folder, or a name from the settings
    #[arg(long, short = 'r', global = true, value_name = "REPOSITORY")]
    #[arg(env = "FILBERT_REPOSITORY", hide_env_values = true)]
    pub repository: Option<String>,
    /// The user on the WebDAV server
    #[arg(long, global = true, value_name = "USER", env = "FILBERT_WEBDAV_USER", hide_env_values = true)]
    pub webdav_user: Option<String>,
    /// How the WebDAV server is shown the password
    #[arg(long, global = true, value_name = "KIND", env = "FILBERT_WEBDAV_AUTH", hide_env_values = true)]
    pub webdav_auth: Option<AuthKind>,
    /// Certificates in PEM form to trust as well, for servers with an authority of their own
    #[arg(long, global = true, value_name = "FILE", env = "FILBERT_CA_FILE", hide_env_values = true)]
    pub ca_file: Option<PathBuf>,
    /// Allow plain http to other machines, where the server's password can be read on the way
    #[arg(long, global = true, env = "FILBERT_ALLOW_HTTP", hide_env_values = true)]
    #[arg(value_parser = clap::builder::FalseyValueParser::new())]
    pub allow_http: bool,
    /// Where the local state is kept, which makes runs fast
    #[arg(long, global = true, value_name = "FOLDER", env = "FILBERT_STATE_DIR", hide_env_values = true)]
    pub state_dir: Option<PathBuf>,
    /// How large packs are made
    #[arg(long, global = true, value_name = "SIZE", env = "FILBERT_PACK_SIZE", hide_env_values = true)]
    pub pack_size: Option<PackSize>,
    /// Wait no longer than this for the request budget; what is not done by then is for the next run
    #[arg(long, global = true, value_name = "TIME", env = "FILBERT_MAX_WAIT", hide_env_values = true)]
    pub max_wait: Option<LongestWait>,
    /// How hard data is compressed: `auto` follows the line, or a level from 1 to 19
    #[arg(long, global = true, value_name = "LEVEL", env = "FILBERT_COMPRESSION", hide_env_values = true)]
    pub compression: Option<Compression>,
    /// Packs on their way at the same time: `auto` follows the line, or 1 to 8
    #[arg(long, global = true, value_name = "N", env = "FILBERT_UPLOADS", hide_env_values = true)]
    pub uploads: Option<Uploads>,
    /// The settings file
    #[arg(long, global = true, value_name = "FILE", env = "FILBERT_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// Write JSON to standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// Tell nothing but problems and what was asked for
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Tell each file
    #[arg(long, short, global = true)]
    pub verbose: bool,
}

/// How the WebDAV server is shown the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum AuthKind {
    /// Basic, then Digest if the server insists
    Auto,
    /// Always Basic
    Basic,
    /// Always Digest
    Digest,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// Make a repository
    Init,
    /// Back up folders and files; without --set all sets of the settings
    Backup(BackupArguments),
    /// List snapshots
    Snapshots(SnapshotsArguments),
    /// Tell all that is known of a snapshot
    Show(ShowArguments),
    /// List what is in a snapshot
    Ls(LsArguments),
    /// Tell which snapshots hold what matches a pattern, and when it changed
    Find(FindArguments),
    /// Tell what lies between two snapshots
    Diff(DiffArguments),
    /// Write a file of a snapshot to standard output
    Dump(DumpArguments),
    /// Write a snapshot as an archive
    Export(ExportArguments),
    /// Bring a snapshot back, into a folder or in place
    Restore(RestoreArguments),
    /// List the restores of this machine
    Restores,
    /// Take a restore in place back
    Rollback(RollbackArguments),
    /// Check that everything is there and whole
    Check(CheckArguments),
    /// Disaster-recovery plans: list, test, rehearse, run
    Dr(DrArguments),
    /// Make a recovery kit, which opens the repository without the password, or prove one
    Kit(KitArguments),
    /// Tell what a backup, a restore or a check will cost, and do not do it
    Plan(PlanArguments),
    /// Show the main job on a WebDAV server of its own
    Demo(DemoArguments),
    /// Write a completion script for a shell
    Completions(CompletionsArguments),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct BackupArguments {
    /// Folders and files; without any those of the settings, else those of the last snapshot
    #[arg(value_name = "PATH", requires = "set")]
    pub paths: Vec<PathBuf>,
    /// The name of what is backed up
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub set: Option<String>,
    #[command(flatten)]
    pub patterns: PatternArguments,
    /// Read every byte again, and write a whole manifest
    #[arg(long)]
    pub full: bool,
    /// Send nothing, only tell what would be sent
    #[arg(long)]
    pub dry_run: bool,
    /// Label the snapshot
    #[arg(long = "tag", value_name = "T")]
    pub tags: Vec<String>,
    /// Describe the snapshot
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// Do not leave the file systems of the sources
    #[arg(long)]
    pub one_file_system: bool,
    /// A changed inode number alone is no change (network file systems)
    #[arg(long)]
    pub ignore_inode: bool,
    /// Back up folders marked as caches by CACHEDIR.TAG as well
    #[arg(long)]
    pub no_cachedir_tag: bool,
    /// Store SQLite databases that are in use as their files lie there, not as consistent copies
    #[arg(long)]
    pub no_sqlite: bool,
    /// Spend at most so many requests, for all sets together; what does not fit waits
    #[arg(long, value_name = "N")]
    pub max_requests: Option<u64>,
    /// Send at most so much, such as 500MB; what does not fit waits
    #[arg(long, value_name = "SIZE")]
    pub max_upload: Option<Size>,
    /// Take up nothing new from then on: RFC 3339, `2026-11-20 12:00` or 06:30 (local), or 2h from now
    #[arg(long, value_name = "TIME", value_parser = parse::deadline)]
    pub stop_at: Option<Timestamp>,
    /// Back up as this machine
    #[arg(long, value_name = "HOST", hide = true)]
    pub host: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PatternArguments {
    /// Take only what matches
    #[arg(long = "include", value_name = "GLOB", value_parser = parse::pattern)]
    pub includes: Vec<String>,
    /// Leave out what matches
    #[arg(long = "exclude", value_name = "GLOB", value_parser = parse::pattern)]
    pub excludes: Vec<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CheckArguments {
    /// Read all data
    #[arg(long, conflicts_with = "read_data_subset")]
    pub read_data: bool,
    /// Read a share of the data, chosen at random
    #[arg(long, value_name = "PERCENT%")]
    pub read_data_subset: Option<Percent>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PlanArguments {
    #[command(subcommand)]
    pub command: PlanCommand,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum PlanCommand {
    /// What a backup will cost
    Backup(BackupArguments),
    /// What a restore will cost
    Restore(RestoreArguments),
    /// What a check will cost
    Check(CheckArguments),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DemoArguments {
    /// The folder to show it with; its files are copied first and never changed
    #[arg(value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// The server to show it on
    #[arg(long, value_enum, value_name = "SERVER", default_value_t = DemoServer::Plain)]
    pub server: DemoServer,
}

/// The servers that the demo can start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum DemoServer {
    /// A WebDAV server without rules of its own
    Plain,
    /// An emulated Nutstore with a free account (built with `--features testing`)
    Nutstore,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CompletionsArguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn what_every_command_takes_may_stand_before_and_after_it() {
        for words in [["filbert", "--json", "init"], ["filbert", "init", "--json"]] {
            assert!(Arguments::try_parse_from(words).unwrap().global.json);
        }
    }
}
