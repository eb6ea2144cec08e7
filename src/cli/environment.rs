//! What the machine and the environment say: the only readers of environment variables beside
//! clap.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The value of a variable; an empty one is none.
pub(super) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The variables of this program that may hold a secret, or say how to get one: no other program is
/// given them.
pub(super) fn secret_variables() -> Vec<OsString> {
    let is_secret =
        |name: &str| name.starts_with("FILBERT_") && (name.contains("PASSWORD") || name.contains("KEY"));
    let names = std::env::vars_os().map(|(name, _)| name);
    names.filter(|name| name.to_str().is_some_and(is_secret)).collect()
}

/// The home folder.
pub(super) fn home() -> Option<PathBuf> {
    variable("HOME").map(PathBuf::from).filter(|home| home.is_absolute())
}

/// An XDG folder: that of the variable, else `default` below the home folder.
/// <https://specifications.freedesktop.org/basedir-spec/latest/>
fn xdg(name: &str, default: &str) -> Option<PathBuf> {
    let set = variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    set.or_else(|| home().map(|home| home.join(default))).map(|folder| folder.join("filbert"))
}

/// The settings file where none is named.
pub(super) fn settings_file() -> Option<PathBuf> {
    xdg("XDG_CONFIG_HOME", ".config").map(|folder| folder.join("config.toml"))
}

/// The folder of local states where none is named.
pub(super) fn state_folder() -> Option<PathBuf> {
    xdg("XDG_STATE_HOME", ".local/state")
}

/// This machine's name; `FILBERT_HOST` overrides it.
pub(super) fn host() -> String {
    let name = variable("FILBERT_HOST").or_else(|| hostname::get().ok());
    name.map_or_else(|| "localhost".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// The folder for what goes again.
pub(super) fn temporary_folder() -> PathBuf {
    std::env::temp_dir()
}

/// The current folder.
pub(super) fn current_dir() -> std::io::Result<PathBuf> {
    std::env::current_dir()
}

/// How many threads may compute at the same time.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).clamp(1, 8)
}

/// `path`, whole, with its links followed as far as it exists.
pub(super) fn real_path(path: &Path) -> PathBuf {
    let mut missing = Vec::new();
    let mut there = path;
    loop {
        if let Ok(real) = there.canonicalize() {
            return missing.iter().rev().fold(real, |path, name| path.join(name));
        }
        match (there.parent(), there.file_name()) {
            (Some(parent), Some(name)) => {
                missing.push(name.to_owned());
                there = parent;
            }
            _ => return path.to_owned(),
        }
    }
}

/// Lets this program have as many files open as the system allows: a restore of files whose parts
/// lie in many packs holds many open at once.
pub(super) fn allow_many_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Refused, the limit stays, and what then fails is told file by file.
    let _ = setrlimit(Resource::Nofile, limit);
}
