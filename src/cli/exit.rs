//! Exit codes, as restic users know them: the one place that gives an error its number.

use super::error::CliError;
use crate::backup::BackupError;
use crate::browse::BrowseError;
use crate::disaster::kit::KitError;
use crate::disaster::plans::PlansError;
use crate::files::place::PlaceError;
use crate::recovery::RecoveryError;
use crate::repository::RepositoryError;
use crate::store::WebdavOptionsError;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Exit {
    /// All that was asked for.
    Done = 0,
    /// Nothing, or damage was found.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Done, but some files could not be read or were left alone.
    NotAll = 3,
    /// No repository there.
    NoRepository = 10,
    /// The set is being backed up already, or the target is being restored into.
    Busy = 11,
    /// Wrong encryption password.
    WrongPassword = 12,
    /// Ctrl-C.
    Interrupted = 130,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        (exit as u8).into()
    }
}

impl Exit {
    /// The one to end with when several things were done one after another: the first failure,
    /// else that something was left out.
    pub fn worse(self, next: Exit) -> Exit {
        match (self, next) {
            (Exit::Done, next) => next,
            (Exit::NotAll, Exit::Done) => Exit::NotAll,
            (Exit::NotAll, next) => next,
            (failed, _) => failed,
        }
    }
}

/// The exit code of an error.
pub(super) fn exit_of(error: &CliError) -> Exit {
    match error {
        CliError::Usage(_) | CliError::Place(_) => Exit::Usage,
        CliError::Address(WebdavOptionsError::CaPem(_) | WebdavOptionsError::Client(_)) => Exit::Failed,
        CliError::Address(_) => Exit::Usage,
        CliError::Settings(_) | CliError::Failed(_) => Exit::Failed,
        CliError::Interrupted => Exit::Interrupted,
        CliError::Repository(error) | CliError::Backup(BackupError::Repository(error)) => {
            of_repository(error)
        }
        CliError::Recovery(RecoveryError::NotKept(reason)) => match reason.downcast_ref() {
            Some(BackupError::Repository(error)) => of_repository(error),
            _ => Exit::Failed,
        },
        CliError::Recovery(RecoveryError::Map(_)) => Exit::Usage,
        CliError::Recovery(RecoveryError::Place(PlaceError::Busy { .. })) => Exit::Busy,
        CliError::Recovery(RecoveryError::Repository(error))
        | CliError::Browse(BrowseError::Repository(error))
        | CliError::Kit(KitError::Repository(error)) => of_repository(error),
        CliError::Kit(_) => Exit::Failed,
        CliError::Plans(error) => of_plans(error),
        CliError::Browse(BrowseError::Filter(_)) => Exit::Usage,
        CliError::Browse(_) => Exit::Failed,
        CliError::Backup(BackupError::LimitsTooSmall) => Exit::NotAll,
        CliError::Backup(BackupError::Filter(_)) | CliError::Recovery(RecoveryError::Filter(_)) => {
            Exit::Usage
        }
        CliError::Backup(_) | CliError::Recovery(_) => Exit::Failed,
    }
}

fn of_plans(error: &PlansError) -> Exit {
    match error {
        PlansError::Plan(_) | PlansError::ScratchUsed { .. } => Exit::Usage,
        PlansError::Busy { .. } => Exit::Busy,
        PlansError::Repository(error) => of_repository(error),
        _ => Exit::Failed,
    }
}

fn of_repository(error: &RepositoryError) -> Exit {
    match error {
        RepositoryError::NoRepository(_) => Exit::NoRepository,
        RepositoryError::Busy(_) => Exit::Busy,
        RepositoryError::WrongPassword(_) | RepositoryError::WrongRecoveryKey(_) => Exit::WrongPassword,
        RepositoryError::MistypedRecoveryKey(_) => Exit::Usage,
        RepositoryError::Cancelled => Exit::Interrupted,
        RepositoryError::Store(error) if error.kind.comes_to_an_end() => Exit::NotAll,
        _ => Exit::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::recovery_key::KeyFault;

    #[test]
    fn each_kind_of_error_has_its_number() {
        let code = |error: RepositoryError| exit_of(&BackupError::from(error).into()) as u8;
        assert_eq!(code(RepositoryError::NoRepository(String::new())), 10);
        assert_eq!(code(RepositoryError::Busy(String::new())), 11);
        assert_eq!(code(RepositoryError::WrongPassword(String::new())), 12);
        assert_eq!(code(RepositoryError::WrongRecoveryKey(String::new())), 12);
        assert_eq!(code(RepositoryError::MistypedRecoveryKey(KeyFault::Whole)), 2);
        assert_eq!(code(RepositoryError::Cancelled), 130);
        assert_eq!(code(RepositoryError::Selection(String::new())), 1);
        assert_eq!(exit_of(&CliError::Usage(String::new())) as u8, 2);
    }

    #[test]
    fn a_failure_outlasts_what_comes_after_it() {
        assert_eq!(Exit::Done.worse(Exit::NotAll), Exit::NotAll);
        assert_eq!(Exit::NotAll.worse(Exit::Done), Exit::NotAll);
        assert_eq!(Exit::NotAll.worse(Exit::Failed), Exit::Failed);
        assert_eq!(Exit::Busy.worse(Exit::NotAll), Exit::Busy);
    }
}
