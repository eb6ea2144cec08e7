//! Why a settings file cannot be used, with the line and what to do.

use super::budget::BudgetError;
use super::size::SizeError;
use std::path::PathBuf;

/// A settings file that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// It cannot be read.
    #[error("cannot read the settings file {}: {reason}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// It is not TOML, or not in the form that is wanted. The text of the line is not shown: it
    /// may hold a secret that was put there by mistake.
    #[error("the settings file {}, line {line}: {reason}{hint}", .file.display())]
    Wrong {
        /// The file.
        file: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
        /// What to do, with a `; ` in front; may be empty.
        hint: &'static str,
    },
    /// `~` without a home folder.
    #[error("the settings name `{path}`, but there is no home folder: write the whole path")]
    NoHome {
        /// As it was written.
        path: String,
    },
    /// A pack size that cannot be used.
    #[error("`pack_size` of repository `{repository}` in the settings: {source}")]
    PackSize {
        /// The repository.
        repository: String,
        /// Why.
        source: SizeError,
    },
    /// A limit of an account that cannot be used.
    #[error("the limits of repository `{repository}` in the settings: {source}")]
    Budget {
        /// The repository.
        repository: String,
        /// Why.
        source: BudgetError,
    },
    /// A name that the settings refer to and do not have.
    #[error(
        "the settings speak of repository `{name}`, which they do not describe; add a section [repositories.{name}]"
    )]
    NoSuchRepository {
        /// The name.
        name: String,
    },
}

impl SettingsError {
    pub(super) fn from_toml(file: PathBuf, text: &str, error: &toml::de::Error) -> Self {
        let line = line_of(text, error.span().map_or(0, |span| span.start));
        let reason = error.message().trim_end().replace('\n', ", ");
        let hint = if reason.contains("unknown field `password`")
            || reason.contains("unknown field `webdav_password`")
        {
            "; a password does not belong here: name a file or a command that gives it"
        } else if reason.contains("unknown field") {
            "; check the spelling, or take the line out"
        } else {
            ""
        };
        Self::Wrong { file, line, reason, hint }
    }
}

/// The line, counted from 1, of the byte at `start` of `text`.
pub(super) fn line_of(text: &str, start: usize) -> usize {
    1 + text.bytes().take(start).filter(|byte| *byte == b'\n').count()
}
