//! The program itself, as a user calls it, with a home of its own. Every output is looked
//! through for secrets.

use super::{PASSWORD, USER};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

pub const ENCRYPTION_PASSWORD: &str = "correct horse battery staple";

/// A machine with its own state.
pub struct Cli {
    pub home: tempfile::TempDir,
    pub repository: String,
    pub password: String,
    pub webdav_password: String,
    /// In place of the encryption password: the variable `FILBERT_RECOVERY_KEY` alone.
    pub recovery_key: Option<String>,
}

/// What a call came to.
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Cli {
    pub fn new(repository: impl Into<String>) -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            repository: repository.into(),
            password: ENCRYPTION_PASSWORD.to_owned(),
            webdav_password: PASSWORD.to_owned(),
            recovery_key: None,
        }
    }

    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_filbert"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.home.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("FILBERT_REPOSITORY", &self.repository)
            .env("FILBERT_WEBDAV_USER", USER)
            .env("FILBERT_WEBDAV_PASSWORD", &self.webdav_password)
            .env("FILBERT_STATE_DIR", self.home.path().join("state"))
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        match &self.recovery_key {
            Some(key) => command.env("FILBERT_RECOVERY_KEY", key),
            None => command.env("FILBERT_PASSWORD", &self.password),
        };
        command
    }

    /// Calls the program and waits for it.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.ran(self.command(arguments).output().unwrap())
    }

    /// Calls the program, which must end with code 0.
    pub fn ok(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}{}", ran.out, ran.err);
        ran
    }

    /// Starts the program and does not wait for it.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    fn ran(&self, output: Output) -> Ran {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        for secret in [&self.password, &self.webdav_password].into_iter().chain(&self.recovery_key) {
            assert!(!out.contains(secret.as_str()) && !err.contains(secret.as_str()), "a secret: {out}{err}");
        }
        Ran { code: output.status.code(), out, err }
    }

    /// The `summary` of a call with `--json`, and the checks that hold for all such output.
    pub fn summary(&self, arguments: &[&str]) -> Value {
        let mut with_json = arguments.to_vec();
        with_json.push("--json");
        self.ok(&with_json).summary()
    }

    /// When a snapshot was made, as `--at` takes it.
    pub fn time_of(&self, snapshot: &str) -> String {
        self.ok(&["show", snapshot, "--json"]).json()["time"].as_str().unwrap().to_owned()
    }
}

impl Ran {
    /// The last line of `--json` output.
    pub fn summary(&self) -> Value {
        let lines: Vec<Value> =
            self.out.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect();
        let kinds: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
        assert!(
            kinds
                .iter()
                .rev()
                .skip(1)
                .all(|kind| matches!(*kind, "session" | "progress" | "problem" | "waiting")),
            "{kinds:?}"
        );
        assert_eq!(kinds.last(), Some(&"summary"));
        lines.last().unwrap().clone()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

/// Whether two folders hold the same, by `diff`.
pub fn assert_same(left: &Path, right: &Path) {
    let diff = Command::new("diff").args(["-r", "--no-dereference"]).arg(left).arg(right).output().unwrap();
    assert!(diff.status.success(), "{}", String::from_utf8_lossy(&diff.stdout));
}
