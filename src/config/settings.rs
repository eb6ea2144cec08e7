//! The form of the settings file, checked as a whole when it is read.

use super::error::line_of;
use super::{Compression, Folders, SettingsError, Uploads, parse_pack_size};
use crate::model::plan::{PlanError, Plans, RecoveryPlan, WrittenPlans};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// All settings, with whole paths.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The repository that is meant where none is named.
    pub repository: Option<String>,
    /// By name.
    pub repositories: BTreeMap<String, RepositorySettings>,
    /// In the order of the file.
    pub sets: Vec<(String, SetSettings)>,
    /// Disaster-recovery plans. Bad ones are for those to refuse who need them: a backup must not fail
    /// for a plan.
    pub plans: WrittenPlans,
    /// The file they are from.
    pub file: Option<PathBuf>,
}

/// A `[repositories.NAME]` section. Secrets are never in it, only where to get them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepositorySettings {
    /// A URL or a folder.
    pub url: String,
    /// The user on the WebDAV server.
    pub webdav_user: Option<String>,
    /// How the server is shown the password.
    #[serde(default)]
    pub auth: AuthSetting,
    /// Certificates in PEM form to trust as well.
    pub ca_file: Option<PathBuf>,
    /// Plain http to other machines is allowed.
    #[serde(default)]
    pub allow_http: bool,
    /// Such as `16MiB`.
    pub pack_size: Option<String>,
    /// The rules of the drive: `nutstore-free`, `nutstore-pro` or `none`; else those of the host.
    pub profile: Option<String>,
    /// The most requests in any window of time, such as `600/30m`; or `none`.
    pub requests: Option<String>,
    /// The least time between two requests, such as `400ms`.
    pub request_spacing: Option<String>,
    /// The most bytes sent in a calendar month, such as `1GB`; or `none`.
    pub upload_per_month: Option<String>,
    /// The most bytes received in a calendar month; or `none`.
    pub download_per_month: Option<String>,
    /// The largest object that the server takes; or `none`.
    pub max_object: Option<String>,
    /// The share of requests and downloads that only restores may use, such as `10%`.
    pub reserve_for_restore: Option<String>,
    /// The longest wait for the budget, such as `1h`; without it a run waits as long as it takes.
    pub max_wait: Option<String>,
    /// `auto` or a zstd level.
    pub compression: Option<Compression>,
    /// `auto` or packs on their way at the same time.
    pub uploads: Option<Uploads>,
    /// Where the local state lies.
    pub state_dir: Option<PathBuf>,
    /// A file with the encryption password.
    pub password_file: Option<PathBuf>,
    /// A shell command that prints the encryption password.
    pub password_command: Option<String>,
    /// A file with the WebDAV password.
    pub webdav_password_file: Option<PathBuf>,
    /// A shell command that prints the WebDAV password.
    pub webdav_password_command: Option<String>,
}

/// How the WebDAV password is shown to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthSetting {
    /// Always Basic.
    Basic,
    /// Always Digest.
    Digest,
    /// Basic first.
    #[default]
    Auto,
}

/// A `[sets.NAME]` section.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetSettings {
    /// Folders and files.
    #[serde(default)]
    pub sources: Vec<PathBuf>,
    /// Take only what matches one of these.
    #[serde(default)]
    pub include: Vec<String>,
    /// Leave out what matches one of these.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Do not leave the file systems of the sources.
    #[serde(default)]
    pub one_file_system: bool,
    /// A changed inode number alone is no change.
    #[serde(default)]
    pub ignore_inode: bool,
    /// Whether SQLite databases that are in use are stored as consistent copies; they are without it.
    pub sqlite: Option<bool>,
    /// Labels of its snapshots.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Words for people.
    pub description: Option<String>,
    /// Sets with a higher one go first.
    #[serde(default)]
    pub priority: i64,
    /// The name of the repository it goes to.
    pub repository: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    repository: Option<String>,
    #[serde(default)]
    repositories: BTreeMap<String, RepositorySettings>,
    #[serde(default)]
    sets: BTreeMap<String, Spanned<SetSettings>>,
    #[serde(default)]
    plans: BTreeMap<String, Spanned<toml::Value>>,
}

impl Settings {
    /// Reads the settings file; `home` is what `~` stands for.
    pub fn read(file: &Path, home: Option<&Path>) -> Result<Self, SettingsError> {
        let text = std::fs::read_to_string(file).map_err(|error| SettingsError::Unreadable {
            file: file.to_owned(),
            reason: error.to_string(),
        })?;
        Self::parse(file, &text, home)
    }

    /// The settings in `text`, which is that of `file`.
    pub fn parse(file: &Path, text: &str, home: Option<&Path>) -> Result<Self, SettingsError> {
        let wrong = |error: toml::de::Error| SettingsError::from_toml(file.to_owned(), text, &error);
        let parsed: File = toml::from_str(text).map_err(wrong)?;
        let base = file.parent().unwrap_or(Path::new("")).to_owned();
        let folders = Folders { home: home.map(Path::to_owned), base };
        let mut repositories = parsed.repositories;
        for (name, repository) in &mut repositories {
            repository.expand(&folders)?;
            if let Some(size) = &repository.pack_size {
                parse_pack_size(size)
                    .map_err(|source| SettingsError::PackSize { repository: name.clone(), source })?;
            }
            repository
                .limits("")
                .map(drop)
                .and_then(|()| repository.longest_wait().map(drop))
                .map_err(|source| SettingsError::Budget { repository: name.clone(), source })?;
        }
        let mut sets: Vec<_> = parsed.sets.into_iter().collect();
        sets.sort_by_key(|(_, set)| set.span().start);
        let mut ordered = Vec::with_capacity(sets.len());
        for (name, set) in sets {
            let mut set = set.into_inner();
            for source in &mut set.sources {
                *source = folders.expand(source)?;
            }
            ordered.push((name, set));
        }
        let settings = Self {
            repository: parsed.repository,
            repositories,
            sets: ordered,
            plans: plans_of(parsed.plans, text),
            file: Some(file.to_owned()),
        };
        settings.check_names()?;
        Ok(settings)
    }

    /// The set of this name.
    pub fn set(&self, name: &str) -> Option<&SetSettings> {
        self.sets.iter().find(|(known, _)| known == name).map(|(_, set)| set)
    }

    fn check_names(&self) -> Result<(), SettingsError> {
        let of_sets = self.sets.iter().filter_map(|(_, set)| set.repository.as_ref());
        match of_sets.chain(&self.repository).find(|name| !self.repositories.contains_key(*name)) {
            Some(name) => Err(SettingsError::NoSuchRepository { name: name.clone() }),
            None => Ok(()),
        }
    }
}

/// The plans in `text`, each read alone.
fn plans_of(written: BTreeMap<String, Spanned<toml::Value>>, text: &str) -> WrittenPlans {
    let (mut plans, mut bad) = (Plans::new(), BTreeMap::new());
    for (name, plan) in written {
        let line = line_of(text, plan.span().start);
        match RecoveryPlan::deserialize(plan.into_inner()) {
            Ok(plan) => {
                plans.insert(name, plan);
            }
            Err(error) => {
                let reason = error.message().trim_end().replace('\n', ", ");
                bad.insert(name.clone(), PlanError::Form { name, line, reason });
            }
        }
    }
    WrittenPlans::sort_out(plans, bad)
}

impl RepositorySettings {
    fn expand(&mut self, folders: &Folders) -> Result<(), SettingsError> {
        let paths =
            [&mut self.ca_file, &mut self.state_dir, &mut self.password_file, &mut self.webdav_password_file];
        for path in paths.into_iter().flatten() {
            *path = folders.expand(path)?;
        }
        if !self.url.contains("://") {
            let folder = folders.expand(Path::new(&self.url))?;
            self.url = folder.to_string_lossy().into_owned();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::writer::Choice;

    fn parse(text: &str) -> Result<Settings, SettingsError> {
        Settings::parse(Path::new("/etc/filbert/config.toml"), text, Some(Path::new("/home/me")))
    }

    #[test]
    fn sets_keep_their_order_and_paths_become_whole() {
        let settings = parse(
            "repository = 'nut'\n\
             [repositories.nut]\nurl = 'https://dav.example.org/b'\nwebdav_user = 'me'\nauth = 'digest'\n\
             password_file = '~/secret'\n\
             [repositories.disk]\nurl = '~/backup'\n\
             [sets.z]\nsources = ['~/z', '/srv']\nexclude = ['*.o']\n\
             [sets.a]\nsources = ['x']\nrepository = 'disk'\n",
        )
        .unwrap();
        let names: Vec<_> = settings.sets.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["z", "a"]);
        assert_eq!(settings.set("z").unwrap().sources, [Path::new("/home/me/z"), Path::new("/srv")]);
        assert_eq!(settings.set("a").unwrap().sources, [Path::new("/etc/filbert/x")]);
        assert_eq!(settings.repositories["disk"].url, "/home/me/backup");
        assert_eq!(settings.repositories["nut"].password_file.as_deref(), Some(Path::new("/home/me/secret")));
        assert_eq!(settings.repositories["nut"].auth, AuthSetting::Digest);
    }

    #[test]
    fn a_mistake_is_named_with_file_and_line() {
        let error = parse("[sets.a]\nsources = ['x']\nsorces = ['y']\n").unwrap_err().to_string();
        assert!(error.contains("/etc/filbert/config.toml, line 3"), "{error}");
        assert!(error.contains("sorces") && error.contains("spelling"), "{error}");
        let error = parse("[sets.a]\nsources = 'x'\n").unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
        let error = parse("[repositories.r]\nurl = '/x'\npack_size = 'big'\n").unwrap_err().to_string();
        assert!(error.contains("repository `r`") && error.contains("16MiB"), "{error}");
        let error = parse("[repositories.r]\nurl = '/x'\ncompression = 33\n").unwrap_err().to_string();
        assert!(error.contains("line 3") && error.contains("from 1 to 19"), "{error}");
        let error = parse("repository = 'nope'\n").unwrap_err().to_string();
        assert!(error.contains("[repositories.nope]"), "{error}");
    }

    #[test]
    fn a_set_may_say_that_databases_are_files_as_any_others() {
        let settings =
            parse("[sets.a]\nsources = ['x']\nsqlite = false\n[sets.b]\nsources = ['y']\n").unwrap();
        let said = |name| settings.set(name).unwrap().sqlite;
        assert_eq!((said("a"), said("b")), (Some(false), None));
    }

    #[test]
    fn a_bad_plan_is_named_and_keeps_nobody_from_the_rest() {
        let text = "[sets.a]\nsources = ['x']\n[plans.good]\nsteps = [{ set = 'a', target = '/t' }]\n\
                    [plans.typo]\nsteps = [{ set = 'a', targt = '/t' }]\n[plans.none]\ndescription = 'x'\n\
                    [plans.unknown]\nsteps = [{ plan = 'godo' }]\n";
        let settings = parse(text).unwrap();
        assert!(settings.set("a").is_some());
        assert_eq!(settings.plans.good.keys().collect::<Vec<_>>(), ["good"]);
        let told = |name: &str| settings.plans.bad[name].to_string();
        assert!(
            told("typo").contains("`typo` (line 5)") && told("typo").contains("targt"),
            "{}",
            told("typo")
        );
        assert!(told("none").contains("line 7") && told("none").contains("steps"), "{}", told("none"));
        assert!(told("unknown").contains("`godo`"), "{}", told("unknown"));
    }

    #[test]
    fn compression_and_uploads_are_numbers_or_auto() {
        let text = "[repositories.r]\nurl = '/x'\ncompression = 9\nuploads = 'auto'\n";
        let settings = parse(text).unwrap();
        let repository = &settings.repositories["r"];
        assert_eq!(repository.compression.map(|level| level.0), Some(Choice::Fixed(9)));
        assert_eq!(repository.uploads.map(|uploads| uploads.0), Some(Choice::Auto));
    }

    #[test]
    fn a_password_put_there_by_mistake_is_not_shown() {
        for text in ["url = '/x'\npassword = 'hunter2'\n", "url = '/x'\npassword = 'hunter2\n"] {
            let error = parse(&format!("[repositories.r]\n{text}")).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(shown.contains("line 3") && !shown.contains("hunter2"), "{shown}");
        }
    }
}
