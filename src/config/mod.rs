//! The settings file: which repositories there are, and what is backed up to them. Read from
//! text that is handed in; the environment and the home folder are the caller's to know.

mod budget;
mod choice;
mod error;
mod paths;
mod place;
mod settings;
mod size;

pub use budget::BudgetError;
pub use choice::{ChoiceError, Compression, Uploads};
pub use error::SettingsError;
pub use paths::Folders;
pub use place::{Place, PlaceError, choose_repository, place_of_word};
pub use settings::{AuthSetting, RepositorySettings, SetSettings, Settings};
pub use size::{SizeError, parse_pack_size};
