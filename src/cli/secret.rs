//! Gets passwords: from a variable, a file or a command, else from somebody at a terminal. They
//! leave this file as `SecretText` only, and no message holds one.

use super::environment::variable;
use super::error::CliError;
use crate::model::secret::SecretText;
use std::io::IsTerminal;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use zeroize::Zeroizing;

/// Where to look for one password.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// What it is called: `encryption password`.
    pub what: &'static str,
    /// The variable that holds it; with `_FILE` and `_COMMAND` behind where to get it.
    pub variable: &'static str,
    /// The file that the settings name.
    pub file: Option<PathBuf>,
    /// The command that the settings name.
    pub command: Option<String>,
}

impl Wanted {
    /// The password, if there is one to be had without asking.
    pub fn look_up(&self) -> Result<Option<SecretText>, CliError> {
        let in_variable = |suffix: &str| variable(&format!("{}{suffix}", self.variable));
        let found = if let Some(value) = in_variable("") {
            self.text(value.into_vec(), self.variable)?
        } else if let Some(file) = in_variable("_FILE") {
            self.of_file(Path::new(&file), &format!("{}_FILE", self.variable))?
        } else if let Some(command) = in_variable("_COMMAND") {
            let command = command
                .into_string()
                .map_err(|_| CliError::Failed(format!("{}_COMMAND is not valid text", self.variable)))?;
            self.of_command(&command, &format!("{}_COMMAND", self.variable))?
        } else if let Some(file) = &self.file {
            self.of_file(file, "the settings")?
        } else if let Some(command) = &self.command {
            self.of_command(command, "the settings")?
        } else {
            return Ok(None);
        };
        Ok(Some(found))
    }

    /// The password, asked for at a terminal where nothing else gives it.
    pub fn get(&self, twice: bool) -> Result<SecretText, CliError> {
        match self.look_up()? {
            Some(found) => Ok(found),
            None if std::io::stdin().is_terminal() => self.ask(twice),
            None => Err(CliError::Failed(format!(
                "no {}: set {v}, {v}_FILE or {v}_COMMAND, or run this at a terminal",
                self.what,
                v = self.variable
            ))),
        }
    }

    fn ask(&self, twice: bool) -> Result<SecretText, CliError> {
        let prompt = |words: String| {
            rpassword::prompt_password(words)
                .map(SecretText::new)
                .map_err(|error| CliError::failed(format!("ask for the {}", self.what), error))
        };
        let given = prompt(format!("{}: ", self.what))?;
        if given.is_empty() {
            return Err(CliError::Failed(format!("an empty {} is none", self.what)));
        }
        if twice && prompt(format!("{} again: ", self.what))?.expose() != given.expose() {
            return Err(CliError::Failed("the two passwords differ: try again".to_owned()));
        }
        Ok(given)
    }

    fn of_file(&self, file: &Path, named_by: &str) -> Result<SecretText, CliError> {
        let failed = |error| {
            let what = format!("read the {} from {} (named by {named_by})", self.what, file.display());
            CliError::failed(what, error)
        };
        self.text(std::fs::read(file).map_err(failed)?, &file.display().to_string())
    }

    fn of_command(&self, command: &str, named_by: &str) -> Result<SecretText, CliError> {
        let shell = Command::new("sh")
            .arg("-c")
            .arg(command)
            .stdin(Stdio::inherit())
            .stderr(Stdio::inherit())
            .output();
        let what = || format!("get the {} from its command (named by {named_by})", self.what);
        let ended = shell.map_err(|error| CliError::failed(what(), error))?;
        let text = Zeroizing::new(ended.stdout);
        if !ended.status.success() {
            return Err(CliError::failed(what(), format!("it ended with {}", ended.status)));
        }
        self.text(text.to_vec(), &format!("the command (named by {named_by})"))
    }

    /// The text without the newline that editors and commands put at its end.
    fn text(&self, bytes: Vec<u8>, source: &str) -> Result<SecretText, CliError> {
        let mut text = String::from_utf8(bytes).map_err(|error| {
            drop(Zeroizing::new(error.into_bytes()));
            CliError::Failed(format!("the {} in {source} is not UTF-8", self.what))
        })?;
        let kept = text.strip_suffix('\n').map(|rest| rest.strip_suffix('\r').unwrap_or(rest).len());
        text.truncate(kept.unwrap_or(text.len()));
        if text.is_empty() {
            return Err(CliError::Failed(format!("the {} in {source} is empty", self.what)));
        }
        Ok(SecretText::new(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(file: Option<PathBuf>, command: Option<&str>) -> Wanted {
        let variable = "FILBERT_A_VARIABLE_OF_NO_TEST";
        Wanted { what: "test password", variable, file, command: command.map(str::to_owned) }
    }

    #[test]
    fn one_newline_at_the_end_is_cut() {
        for (command, password) in [("echo secret", "secret"), ("printf 'a\\n\\n'", "a\n"), ("printf a", "a")]
        {
            let found = wanted(None, Some(command)).look_up().unwrap().unwrap();
            assert_eq!(found.expose(), password);
        }
    }

    #[test]
    fn what_gives_no_password_is_told_without_what_it_gave() {
        for command in ["echo hunter2; exit 3", "printf 'hunter2\\377'"] {
            let error = wanted(None, Some(command)).look_up().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
        let missing = wanted(Some("/no/such/file".into()), None).look_up().unwrap_err().to_string();
        assert!(missing.contains("/no/such/file"), "{missing}");
        assert!(wanted(None, Some("true")).look_up().unwrap_err().to_string().contains("empty"));
    }
}
