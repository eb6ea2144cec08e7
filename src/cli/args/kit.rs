//! The arguments of the recovery kit.

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgGroup, Args};
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("task").required(true).args(["out", "check", "list", "end"])))]
pub(in crate::cli) struct KitArguments {
    /// Make a kit: PATH.html and PATH.txt
    #[arg(long, value_name = "PATH", value_parser = clap::builder::ValueParser::path_buf())]
    pub out: Option<PathBuf>,
    /// Ask for the recovery key of the newest kit, prove that it opens the repository, and end older ones
    #[arg(long)]
    pub check: bool,
    /// List the recovery keys that open the repository
    #[arg(long)]
    pub list: bool,
    /// End recovery keys that are lost, by their names in `--list`; `unproven` means all that were never proven
    #[arg(long, value_name = "KEY", num_args = 1.., value_parser = NonEmptyStringValueParser::new())]
    pub end: Vec<String>,
    /// End the oldest one too, which may be the one that was proven
    #[arg(long, requires = "end")]
    pub even_proven: bool,
}
