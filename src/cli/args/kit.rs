//! The arguments of the recovery kit.

use clap::{ArgGroup, Args};
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("task").required(true).args(["out", "check"])))]
pub(in crate::cli) struct KitArguments {
    /// Make a kit: PATH.html and PATH.txt
    #[arg(long, value_name = "PATH", value_parser = clap::builder::ValueParser::path_buf())]
    pub out: Option<PathBuf>,
    /// Ask for the recovery key of the newest kit, prove that it opens the repository, and end older ones
    #[arg(long)]
    pub check: bool,
}
