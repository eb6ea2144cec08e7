//! The line on usage below what is wrong with the arguments. clap puts every option into it that has
//! a value, those from the environment too, as if they were needed.

use super::args::Arguments;
use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue};
use std::ffi::OsString;

/// `error` with the usage of the command that `words` name, as its help shows it.
pub(super) fn without_variables(mut error: clap::Error, words: &[OsString]) -> clap::Error {
    if error.get(ContextKind::Usage).is_none() {
        return error;
    }
    let mut command = Arguments::command();
    command.build();
    for word in words.iter().skip(1).filter_map(|word| word.to_str()) {
        if let Some(inner) = command.find_subcommand(word).cloned() {
            command = inner;
        }
    }
    error.insert(ContextKind::Usage, ContextValue::StyledStr(command.render_usage()));
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn told(words: &[&str]) -> String {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        without_variables(Arguments::try_parse_from(&words).unwrap_err(), &words).to_string()
    }

    #[test]
    fn usage_names_what_a_command_needs_whatever_is_set() {
        let told_of_show = told(&["filbert", "--repository", "r", "show", "--state-dir", "s"]);
        assert!(told_of_show.contains("Usage: filbert show [OPTIONS] <SNAPSHOT>\n"), "{told_of_show}");
        let told_of_plan = told(&["filbert", "--repository", "r", "plan", "check", "--no-such"]);
        assert!(told_of_plan.contains("Usage: filbert plan check [OPTIONS]\n"), "{told_of_plan}");
        assert!(told_of_plan.contains("--no-such"), "{told_of_plan}");
    }
}
