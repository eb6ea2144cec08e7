//! How paths in settings become whole paths: `~` is the home folder, relative ones are below the
//! folder of the settings file.

use super::SettingsError;
use std::path::{Path, PathBuf};

/// What paths in the settings are relative to.
#[derive(Debug, Clone, Default)]
pub struct Folders {
    /// What `~` stands for.
    pub home: Option<PathBuf>,
    /// Where relative paths begin: the folder of the settings file.
    pub base: PathBuf,
}

impl Folders {
    /// The whole path of `written`.
    pub fn expand(&self, written: &Path) -> Result<PathBuf, SettingsError> {
        match written.strip_prefix("~") {
            Ok(rest) => {
                let no_home = || SettingsError::NoHome { path: written.display().to_string() };
                let home = self.home.as_ref().ok_or_else(no_home)?;
                // `join("")` would end in a slash.
                Ok(if rest.as_os_str().is_empty() { home.clone() } else { home.join(rest) })
            }
            Err(_) => Ok(self.base.join(written)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_and_relative_paths() {
        let folders = Folders { home: Some("/home/me".into()), base: "/etc/filbert".into() };
        let expand = |path: &str| folders.expand(Path::new(path)).map(|path| path.display().to_string());
        assert_eq!(expand("~/documents").as_deref(), Ok("/home/me/documents"));
        assert_eq!(expand("~").as_deref(), Ok("/home/me"));
        assert_eq!(expand("/srv").as_deref(), Ok("/srv"));
        assert_eq!(expand("ca.pem").as_deref(), Ok("/etc/filbert/ca.pem"));
        assert_eq!(expand("~other").as_deref(), Ok("/etc/filbert/~other"));
        assert!(Folders::default().expand(Path::new("~/x")).unwrap_err().to_string().contains("~/x"));
    }
}
