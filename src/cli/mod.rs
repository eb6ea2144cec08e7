//! The command line: arguments to options to a service, and what came of it to words. The only
//! part that prints, reads the environment or knows a terminal.

mod args;
mod backup;
mod check;
mod completions;
mod demo;
mod destination;
mod diff;
mod dr;
mod dump;
mod environment;
mod error;
mod estimate;
mod exit;
mod export;
mod find;
mod init;
mod interrupt;
mod kit;
mod kit_keys;
mod limits;
mod ls;
mod output;
mod parse;
mod plan;
mod plan_words;
mod progress;
mod render;
mod restore;
mod secret;
mod session;
mod show;
mod snapshots;
mod which;

use crate::guard::Purpose;
use args::{Arguments, Command, PlanCommand};
use clap::Parser;
use error::CliError;
use exit::{Exit, exit_of};
use output::Output;
use session::Session;
use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the program with its arguments, the first being its name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help is no error. That it cannot be printed is nobody's to hear.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    let output = Output {
        json: arguments.global.json,
        quiet: arguments.global.quiet,
        verbose: arguments.global.verbose,
    };
    environment::allow_many_files();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output.error(&format!("cannot start threads: {error}"));
            return Exit::Failed.into();
        }
    };
    let ended = runtime.block_on(dispatch(arguments));
    // After Ctrl-C a thread may still derive a key; nobody waits for it.
    runtime.shutdown_background();
    ended.unwrap_or_else(|error| told(output, &error)).into()
}

/// Tells an error and answers its exit code.
fn told(output: Output, error: &CliError) -> Exit {
    output.error(&error.to_string());
    exit_of(error)
}

async fn dispatch(arguments: Arguments) -> Result<Exit, CliError> {
    let global = arguments.global;
    let session = || Session::start(global.clone(), Purpose::Other);
    let reading = || Session::start(global.clone(), Purpose::Restore);
    match arguments.command {
        Command::Init => init::run(&session()?).await,
        Command::Backup(wish) => backup::run(&session()?, &wish).await,
        Command::Snapshots(wish) => snapshots::run(&reading()?, &wish).await,
        Command::Show(wish) => show::run(&reading()?, &wish).await,
        Command::Ls(wish) => ls::run(&reading()?, &wish).await,
        Command::Find(wish) => find::run(&reading()?, &wish).await,
        Command::Diff(wish) => diff::run(&reading()?, &wish).await,
        Command::Dump(wish) => dump::run(&reading()?, &wish).await,
        Command::Export(wish) => export::run(&reading()?, wish).await,
        Command::Restore(wish) => restore::run(&reading()?, wish).await,
        Command::Restores => restore::list(&reading()?).await,
        Command::Dr(wish) => dr::run(&reading()?, wish).await,
        Command::Rollback(wish) => restore::roll_back(&reading()?, &wish).await,
        Command::Plan(wish) if matches!(wish.command, PlanCommand::Restore(_)) => {
            plan::run(&reading()?, wish).await
        }
        Command::Plan(wish) => plan::run(&session()?, wish).await,
        Command::Check(wish) => check::run(&session()?, &wish).await,
        Command::Kit(wish) => kit::run(&session()?, &wish).await,
        Command::Demo(wish) => demo::run(&global, &wish).await,
        Command::Completions(wish) => completions::run(&global, &wish),
    }
}
