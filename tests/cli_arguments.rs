//! What the program answers before it talks to any repository: each wrong command line gets one
//! clear message, the exit code that says so, and leaves nothing behind.

use assert_cmd::Command;
use std::fs;
use std::path::Path;

/// The program in a folder of its own, with nothing of this machine's environment.
struct Machine {
    dir: tempfile::TempDir,
}

/// What the program said.
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Machine {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Said {
        let mut command = Command::cargo_bin("filbert").unwrap();
        command.env_clear().env("HOME", self.path()).env("PATH", "/usr/bin:/bin").env("TZ", "UTC");
        command.current_dir(self.path()).args(arguments).envs(variables.iter().copied());
        let output = command.output().unwrap();
        Said {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs and holds code and words of the answer; nothing may go to standard output.
    fn refuses(&self, arguments: &[&str], variables: &[(&str, &str)], code: i32, words: &[&str]) -> String {
        let said = self.run(arguments, variables);
        assert_eq!(said.code, code, "{arguments:?}: {}", said.err);
        assert_eq!(said.out, "", "{arguments:?}");
        for word in words {
            assert!(said.err.contains(word), "{arguments:?} does not say `{word}`: {}", said.err);
        }
        said.err
    }

    fn settings(&self, text: &str) {
        let folder = self.path().join(".config/filbert");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("config.toml"), text).unwrap();
    }
}

const PASSWORD: (&str, &str) = ("FILBERT_PASSWORD", "hunter2");

#[test]
fn a_wrong_command_line_ends_with_2() {
    let machine = Machine::new();
    let table: [(&[&str], &str); 12] = [
        (&[], "Usage"),
        (&["frobnicate"], "frobnicate"),
        (&["snapshots", "--frobnicate"], "--frobnicate"),
        (&["backup", "folder"], "--set"),
        (&["backup"], "[sets.NAME]"),
        (&["backup", "folder", "--set", "s", "--exclude", "["], "["),
        (&["restore", "latest"], "--target"),
        (&["restore", "latest", "--target", "out", "--at", "yesterday"], "3d"),
        (&["check", "--read-data-subset", "0%"], "5%"),
        (&["check", "--read-data", "--read-data-subset", "5%"], "cannot be used with"),
        (&["init", "--pack-size", "lots"], "16MiB"),
        (&["snapshots", "-q", "-v"], "cannot be used with"),
    ];
    for (arguments, word) in table {
        machine.refuses(arguments, &[], 2, &[word]);
    }
}

#[test]
fn who_names_no_repository_is_told_the_ways_to() {
    let machine = Machine::new();
    let words = ["--repository", "FILBERT_REPOSITORY", "settings"];
    machine.refuses(&["snapshots"], &[PASSWORD], 2, &words);
    machine.refuses(&["snapshots"], &[PASSWORD, ("FILBERT_REPOSITORY", "")], 2, &words);
}

#[test]
fn an_unknown_repository_name_is_told_with_those_there_are() {
    let machine = Machine::new();
    machine.settings("[repositories.nutstore]\nurl = 'https://dav.example.org/b'\n");
    let words = ["nutstroe", "nutstore", "./nutstroe"];
    machine.refuses(&["-r", "nutstroe", "snapshots"], &[PASSWORD], 2, &words);
}

#[test]
fn credentials_in_an_address_are_refused_and_never_shown() {
    let machine = Machine::new();
    for address in ["https://me:hunter2@dav.example.org/b", "me:hunter2@dav.example.org/b"] {
        for arguments in [&["snapshots"][..], &["init"], &["--json", "check"]] {
            let variables = [("FILBERT_REPOSITORY", address), ("FILBERT_PASSWORD", "x")];
            let said = machine.refuses(arguments, &variables, 2, &["user", "password"]);
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
    let help = machine.run(&["init", "--help"], &[("FILBERT_REPOSITORY", "https://me:hunter2@host/b")]);
    assert_eq!(help.code, 0);
    assert!(!help.out.contains("hunter2"));
}

#[test]
fn plain_http_to_another_machine_is_refused_before_a_password_is_asked_for() {
    let machine = Machine::new();
    for variables in [&[][..], &[PASSWORD], &[PASSWORD, ("FILBERT_WEBDAV_USER", "me")]] {
        let arguments = ["--repository", "http://dav.example.org/b", "snapshots"];
        machine.refuses(&arguments, variables, 2, &["http://", "dav.example.org", "allow_http"]);
    }
}

#[test]
fn a_password_that_cannot_be_had_is_told_with_where_it_should_have_come_from() {
    let machine = Machine::new();
    fs::write(machine.path().join("empty"), "\n").unwrap();
    let table: [(&str, &str, &[&str]); 4] = [
        ("FILBERT_PASSWORD_FILE", "no-such-file", &["FILBERT_PASSWORD_FILE", "no-such-file"]),
        ("FILBERT_PASSWORD_FILE", "empty", &["empty"]),
        ("FILBERT_PASSWORD_COMMAND", "echo hunter2; exit 7", &["FILBERT_PASSWORD_COMMAND", "7"]),
        ("IRRELEVANT", "", &["FILBERT_PASSWORD", "FILBERT_PASSWORD_FILE", "FILBERT_PASSWORD_COMMAND"]),
    ];
    for (name, value, words) in table {
        let said = machine.refuses(&["-r", "./repository", "snapshots"], &[(name, value)], 1, words);
        assert!(!said.contains("hunter2"), "{said}");
    }
    let arguments = ["-r", "https://dav.example.org/b", "--webdav-user", "me", "snapshots"];
    machine.refuses(&arguments, &[PASSWORD], 1, &["WebDAV password", "FILBERT_WEBDAV_PASSWORD_FILE"]);
    let arguments = ["-r", "https://dav.example.org/b", "snapshots"];
    let variables = [PASSWORD, ("FILBERT_WEBDAV_PASSWORD", "hunter2")];
    machine.refuses(&arguments, &variables, 2, &["--webdav-user"]);
}

#[test]
fn no_repository_ends_with_10_and_leaves_nothing_behind() {
    let machine = Machine::new();
    for arguments in [&["snapshots"][..], &["check"], &["backup", ".", "--set", "s"]] {
        let arguments = [&["-r", "./nowhere"], arguments].concat();
        machine.refuses(&arguments, &[PASSWORD], 10, &["nowhere", "filbert init"]);
    }
    assert!(!machine.path().join("nowhere").exists());
    let states = machine.path().join(".local/state/filbert");
    assert_eq!(fs::read_dir(states).unwrap().count(), 0);
}

#[test]
fn settings_are_refused_as_a_whole_with_file_and_line() {
    let machine = Machine::new();
    machine.settings("[repositories.r]\nurl = '/r'\npassword = 'hunter2'\n");
    let said = machine.refuses(&["snapshots"], &[], 1, &["config.toml, line 3", "password"]);
    assert!(!said.contains("hunter2"), "{said}");
    machine.refuses(&["--config", "mine.toml", "snapshots"], &[], 1, &["mine.toml"]);
    machine.settings("[sets.s]\nrepository = 'gone'\n");
    machine.refuses(&["snapshots"], &[], 1, &["[repositories.gone]"]);
}

#[test]
fn at_chooses_among_snapshots_and_not_beside_an_id() {
    let machine = Machine::new();
    let made = machine.run(&["-r", "./r", "init"], &[PASSWORD]);
    assert_eq!(made.code, 0, "{}", made.err);
    assert!(made.err.contains("lost"), "the warning of init: {}", made.err);
    let arguments = ["-r", "./r", "restore", "abcd", "--target", "out", "--at", "3d"];
    machine.refuses(&arguments, &[PASSWORD], 2, &["--at", "latest"]);
    assert!(!machine.path().join("out").exists());
    machine.refuses(&["-r", "./r", "init"], &[PASSWORD], 1, &["already"]);
    machine.refuses(&["-r", "./r", "snapshots"], &[("FILBERT_PASSWORD", "x")], 12, &["encryption password"]);
}

#[test]
fn help_version_and_completions_need_nothing() {
    let machine = Machine::new();
    assert!(machine.run(&["--version"], &[]).out.starts_with("filbert "));
    for shell in ["bash", "zsh", "fish"] {
        let said = machine.run(&["completions", shell], &[]);
        assert_eq!((said.code, said.err.as_str()), (0, ""));
        assert!(said.out.contains("restore") && said.out.contains("read-data-subset"), "{shell}");
    }
    assert_eq!(fs::read_dir(machine.path()).unwrap().count(), 0);
}
