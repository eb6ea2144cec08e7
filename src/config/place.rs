//! What a repository word means: a name from the settings, a URL, or a folder.

use super::{RepositorySettings, Settings};
use std::path::{Path, PathBuf};

/// Where a repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// On a WebDAV server. Not checked yet.
    Url(String),
    /// In a local folder; absolute.
    Folder(PathBuf),
}

/// A word that names no repository. Says nothing of what a URL holds: there may be a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// Neither a name nor a path nor a URL.
    #[error(
        "there is no repository `{word}` in the settings{}; a folder of that name is written \
         `./{word}`", known_names(.known)
    )]
    Unknown {
        /// As it was given.
        word: String,
        /// The names that the settings have.
        known: Vec<String>,
    },
    /// A user name or password in an address without `https://`.
    #[error(
        "the repository is named by something like user:password@host: give the address as \
         https://host/folder, and user and password by their own settings"
    )]
    Credentials,
    /// Nobody said which repository.
    #[error(
        "which repository? Name it with --repository or FILBERT_REPOSITORY (a URL, a folder or a name \
         from the settings), or set `repository = \"NAME\"` in the settings{}", known_names(.known)
    )]
    NoneNamed {
        /// The names that the settings have.
        known: Vec<String>,
    },
}

fn known_names(known: &[String]) -> String {
    if known.is_empty() { String::new() } else { format!(" (there are: {})", known.join(", ")) }
}

/// The repository that is meant: `word` where somebody named one, else that of the set, else the
/// default of the settings, else the only one they have. With its section, if it has one.
pub fn choose_repository<'s>(
    word: Option<&str>,
    set: Option<&str>,
    settings: &'s Settings,
    current_dir: &Path,
) -> Result<(Place, Option<&'s RepositorySettings>), PlaceError> {
    if let Some(word) = word {
        return place_of_word(word, settings, current_dir);
    }
    let of_set = set.and_then(|set| settings.set(set)?.repository.as_ref());
    let only = || match settings.repositories.len() {
        1 => settings.repositories.keys().next(),
        _ => None,
    };
    match of_set.or(settings.repository.as_ref()).or_else(only) {
        Some(name) => place_of_word(name, settings, current_dir),
        None => Err(PlaceError::NoneNamed { known: names(settings) }),
    }
}

/// What `word` means: a name wins, then a URL, then what looks like a path.
pub fn place_of_word<'s>(
    word: &str,
    settings: &'s Settings,
    current_dir: &Path,
) -> Result<(Place, Option<&'s RepositorySettings>), PlaceError> {
    if let Some(section) = settings.repositories.get(word) {
        return Ok((place_of_address(&section.url, current_dir), Some(section)));
    }
    if word.contains("://") {
        return Ok((Place::Url(word.to_owned()), None));
    }
    let first = word.split('/').next().unwrap_or_default();
    if first.split_once('@').is_some_and(|(user, _)| user.contains(':')) {
        return Err(PlaceError::Credentials);
    }
    if word.contains('/') || matches!(word, "." | "..") {
        return Ok((place_of_address(word, current_dir), None));
    }
    Err(PlaceError::Unknown { word: word.to_owned(), known: names(settings) })
}

fn place_of_address(address: &str, current_dir: &Path) -> Place {
    if address.contains("://") {
        Place::Url(address.to_owned())
    } else {
        // Without `.` components, as messages show it; `..` stays, for it may follow a link.
        Place::Folder(current_dir.join(address).components().collect())
    }
}

fn names(settings: &Settings) -> Vec<String> {
    settings.repositories.keys().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        Settings::parse(Path::new("/etc/filbert/config.toml"), text, None).unwrap()
    }

    fn place(word: &str, settings: &Settings) -> Result<Place, PlaceError> {
        place_of_word(word, settings, Path::new("/cwd")).map(|(place, _)| place)
    }

    #[test]
    fn a_name_wins_and_paths_are_told_by_their_slash() {
        let known = settings("[repositories.box]\nurl = 'https://host/dav'\n");
        let folder = |path: &str| Ok(Place::Folder(path.into()));
        assert_eq!(place("box", &known), Ok(Place::Url("https://host/dav".into())));
        assert_eq!(place("./box", &known), folder("/cwd/box"));
        assert_eq!(place("/srv/box", &known), folder("/srv/box"));
        assert_eq!(place("some/where", &known), folder("/cwd/some/where"));
        assert_eq!(place("http://localhost/x", &known), Ok(Place::Url("http://localhost/x".into())));
    }

    #[test]
    fn a_bare_unknown_word_is_told_with_the_names_there_are() {
        let known = settings("[repositories.box]\nurl = '/a'\n[repositories.nut]\nurl = '/b'\n");
        let error = place("bxo", &known).unwrap_err().to_string();
        assert!(error.contains("box, nut") && error.contains("./bxo"), "{error}");
    }

    #[test]
    fn credentials_without_a_scheme_are_not_taken_for_a_folder() {
        let error = place("me:hunter2@host/dav", &Settings::default()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn who_names_none_gets_that_of_the_set_then_the_default_then_the_only_one() {
        let choose = |text: &str, set: Option<&str>| {
            let settings = settings(text);
            choose_repository(None, set, &settings, Path::new("/cwd")).map(|(place, _)| place)
        };
        let two = "[repositories.a]\nurl = '/a'\n[repositories.b]\nurl = '/b'\n[sets.s]\nrepository = 'b'\n";
        assert_eq!(choose(two, Some("s")), Ok(Place::Folder("/b".into())));
        assert!(matches!(choose(two, None), Err(PlaceError::NoneNamed { .. })));
        assert_eq!(choose(&format!("repository = 'a'\n{two}"), None), Ok(Place::Folder("/a".into())));
        assert_eq!(choose("[repositories.a]\nurl = '/a'\n", None), Ok(Place::Folder("/a".into())));
    }
}
