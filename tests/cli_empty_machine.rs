//! An empty machine that has address and passwords alone: what each command asks there, counted at
//! the server, beside a machine that knows the repository and has done the same before.

mod support;

use filbert::store::Store;
use std::fs;
use std::path::{Path, PathBuf};
use support::cli::Cli;
use support::dav::Embedded;
use support::machine::{HOST, Machine};
use support::tree::{noise, write};

/// What opening costs where nothing is known: the root, the descriptor and the newest checkpoint.
const OPENING: usize = 3;
const DAY_MS: i64 = 24 * 3_600_000;

/// A repository on a server after so many daily backups, each with a change.
struct History {
    server: Embedded,
    repository: PathBuf,
    password: String,
    /// The first snapshot, and one in the middle.
    first: String,
    middle: String,
    _source: tempfile::TempDir,
}

impl History {
    async fn of(days: u64) -> Self {
        let machine = Machine::new();
        machine.init().await;
        let source = tempfile::tempdir().unwrap();
        (0..3).for_each(|n| write(source.path(), &format!("file-{n}"), noise(n, 3000)));
        let mut made = Vec::new();
        for day in 0..days {
            write(source.path(), &format!("file-{}", day % 7), noise(100 + day, 1500));
            machine.clock.advance_ms(DAY_MS);
            made.push(machine.back_up("docs", &[source.path()]).await.snapshot.unwrap().to_string());
        }
        let server = support::dav::start().await;
        let repository = server.dir.path().join("repo");
        for path in machine.faults.paths("") {
            let place = repository.join(&path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, machine.faults.memory.get(&path, u64::MAX).await.unwrap()).unwrap();
        }
        let middle = made[made.len() / 2].clone();
        let (password, first) = (machine.password.clone(), made.remove(0));
        Self { server, repository, password, first, middle, _source: source }
    }

    fn machine(&self) -> Cli {
        let mut cli = Cli::new(format!("{}repo", self.server.server.url()));
        cli.password = self.password.clone();
        cli
    }

    /// How many records of the log are newer than the newest checkpoint.
    fn newer_than_checkpoint(&self) -> usize {
        let mut names = Vec::new();
        for folder in self.log_folders() {
            let listed = fs::read_dir(folder).unwrap();
            names.extend(listed.map(|entry| entry.unwrap().file_name().into_string().unwrap()));
        }
        names.sort();
        let checkpoint = names.iter().rposition(|name| name.contains("-checkpoint-"));
        names.len() - checkpoint.map_or(0, |at| at + 1)
    }

    fn log_folders(&self) -> Vec<PathBuf> {
        let listed = fs::read_dir(&self.repository).unwrap().map(|entry| entry.unwrap().path());
        listed.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("log-")).collect()
    }

    /// Requests of a command, which must end with code 0.
    fn asked(&self, cli: &Cli, command: &[String]) -> Vec<String> {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        self.server.server.journal().take();
        cli.ok(&words);
        let asked = self.server.server.journal().take();
        asked.iter().map(|seen| format!("{} {}", seen.method, seen.path)).collect()
    }

    /// Each command, with a target of its own for each machine that runs it.
    fn commands(&self) -> Vec<Vec<String>> {
        let Self { first, middle, .. } = self;
        let map = format!("{}=in-place", self._source.path().display());
        [
            vec!["snapshots"],
            of_latest(&["show"], &[]),
            of_latest(&["ls"], &[]),
            of_latest(&["dump"], &["file-0"]),
            of_latest(&["export"], &["--format", "tar", "--output", "latest.tar"]),
            of_latest(&["restore"], &["--target", "out"]),
            of_latest(&["restore"], &["--target", "verified", "--verify"]),
            of_latest(&["restore"], &["--target", "dry", "--dry-run"]),
            of_latest(&["restore"], &["--in-place", "--map", &map, "--no-safety"]),
            vec!["find", "file-*", "--set", "docs"],
            vec!["diff", first, middle],
            vec!["show", first],
            vec!["ls", middle],
            vec!["dump", middle, "file-1"],
            vec!["export", middle, "--format", "zip", "--output", "middle.zip"],
            vec!["restore", first, "--target", "first"],
            vec!["restore", middle, "--target", "middle"],
            vec!["restores"],
        ]
        .map(|words| words.into_iter().map(str::to_owned).collect())
        .to_vec()
    }
}

fn of_latest<'w>(before: &[&'w str], after: &[&'w str]) -> Vec<&'w str> {
    [before, &["latest", "--set", "docs", "--host", HOST], after].concat()
}

fn clear(cli: &Cli) {
    let keep = |path: &Path| path.ends_with("state");
    for entry in fs::read_dir(cli.home.path()).unwrap().map(|entry| entry.unwrap().path()) {
        match entry.is_dir() {
            true if keep(&entry) => {}
            true => fs::remove_dir_all(entry).unwrap(),
            false => fs::remove_file(entry).unwrap(),
        }
    }
}

async fn asks_little_more(days: u64) {
    let history = History::of(days).await;
    let known = history.machine();
    let newer = history.newer_than_checkpoint();
    for command in history.commands() {
        history.asked(&known, &command);
        clear(&known);
        let there = history.asked(&known, &command);
        let here = history.asked(&history.machine(), &command);
        // The table of docs/requests.md: `cargo test --test cli_empty_machine -- --nocapture`.
        println!("{days} days, {newer} newer: {} here, {} there: {command:?}", here.len(), there.len());
        assert!(
            here.len() <= there.len() + OPENING + newer,
            "{command:?} after {days} days, {newer} records newer than the checkpoint: {here:#?}\nknown: {there:#?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_few_backups_all_commands_ask_little_more_than_on_a_known_machine() {
    asks_little_more(5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_checkpoints_too() {
    asks_little_more(70).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn right_after_a_checkpoint_too() {
    asks_little_more(32).await;
}
