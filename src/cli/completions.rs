//! `filbert completions`: a script that teaches a shell the commands.

use super::args::{Arguments, CompletionsArguments, GlobalArguments};
use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use clap::CommandFactory;

pub(super) fn run(global: &GlobalArguments, wish: &CompletionsArguments) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(wish.shell, &mut Arguments::command(), "filbert", &mut script);
    let output = Output { json: false, quiet: global.quiet, verbose: false };
    output.line(String::from_utf8_lossy(&script).trim_end());
    Ok(Exit::Done)
}
