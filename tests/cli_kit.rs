//! The recovery kit on the real program, and an empty machine that has nothing but it: what each
//! command costs there, counted at the server.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use support::cli::{Cli, assert_same};
use support::dav::Embedded;

/// A repository with a few snapshots, and where they came from.
fn backed_up(server: &Embedded, folder: &str) -> Cli {
    let cli = Cli::new(format!("{}{folder}", server.server.url()));
    cli.ok(&["init"]);
    let source = cli.folder("documents");
    for number in 0..3 {
        fs::write(source.join(format!("file-{number}.txt")), format!("content {number}\n").repeat(500))
            .unwrap();
        cli.ok(&["backup", source.to_str().unwrap(), "--set", "my docs"]);
    }
    cli
}

/// The key of a kit as somebody types it from the text.
fn key_of(cli: &Cli, name: &str) -> String {
    let text = fs::read_to_string(cli.home.path().join(name)).unwrap();
    let from = text.lines().skip_while(|line| line.trim() != "filbert1").take(5);
    from.filter(|line| !line.contains('(')).map(str::trim).collect::<Vec<_>>().join(" ")
}

/// A machine without state that has a recovery key in place of the password.
fn empty(cli: &Cli, key: &str) -> Cli {
    let mut empty = Cli::new(cli.repository.clone());
    empty.password = key.to_owned();
    empty
}

/// Somebody who proves a key.
fn prover(cli: &Cli, key: &str) -> Cli {
    let mut prover = Cli::new(cli.repository.clone());
    prover.recovery_key = Some(key.to_owned());
    prover
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kit_restores_on_an_empty_machine_and_a_proven_one_ends_those_before() {
    let server = support::dav::start().await;
    let journal = server.server.journal();
    let cli = backed_up(&server, "repo");
    journal.take();
    let made = cli.summary(&["kit", "--out", "first"]);
    assert_eq!(made["requests"]["total"], journal.take().len());
    assert_eq!(made["requests"]["total"], 5, "look, list, put, list, read back: {made}");
    let snapshot = cli.ok(&["snapshots", "--latest", "--json"]).json()[0]["id"].as_str().unwrap().to_owned();
    for name in ["first.html", "first.txt"] {
        let path = cli.home.path().join(name);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = fs::read_to_string(&path).unwrap();
        for said in [&*cli.repository, "user", made["repository"].as_str().unwrap(), &*snapshot, "my docs"] {
            assert!(text.contains(said), "{name} lacks {said}");
        }
        for secret in [&cli.password, &cli.webdav_password] {
            assert!(!text.contains(secret.as_str()), "{name}");
        }
    }
    let first = key_of(&cli, "first.txt");

    let machine = empty(&cli, &first);
    machine.ok(&["restore", "latest", "--set", "my docs", "--target", "out"]);
    assert_same(&cli.home.path().join("documents"), &machine.home.path().join("out"));

    cli.ok(&["kit", "--out", "second"]);
    let second = key_of(&cli, "second.txt");
    assert_ne!(first, second);
    empty(&cli, &first).ok(&["snapshots"]);

    let old = prover(&cli, &first).summary(&["kit", "--check"]);
    assert_eq!((&old["newest"], &old["ended_keys"]), (&false.into(), &0.into()));
    journal.take();
    let proven = prover(&cli, &second.to_uppercase().replace(' ', "-")).summary(&["kit", "--check"]);
    assert_eq!((&proven["newest"], &proven["ended_keys"]), (&true.into(), &1.into()));
    assert_eq!(proven["snapshot"], snapshot[..8]);
    // Root, descriptor, the log's folder, the record; then put, list, read back, and three files less.
    assert_eq!(journal.take().len(), 10);
    assert_eq!(proven["files_left"], serde_json::json!([]));

    let refused = empty(&cli, &first).run(&["snapshots"]);
    assert_eq!(refused.code, Some(12), "{}", refused.err);
    assert!(refused.err.contains("newer kit"), "{}", refused.err);
    empty(&cli, &second).ok(&["snapshots"]);
    // Who knows the repository notices nothing, though the descriptor it knows is gone.
    cli.ok(&["check"]);
    fs::write(cli.home.path().join("documents/more"), "more").unwrap();
    cli.ok(&["backup", "--set", "my docs"]);
    let told = prover(&cli, &second).ok(&["kit", "--check"]).out;
    assert!(told.contains("opens repository") && told.contains("no older one"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_machine_with_a_key_asks_little_more_than_a_known_one() {
    let server = support::dav::start().await;
    let journal = server.server.journal();
    let cli = backed_up(&server, "repo");
    cli.ok(&["kit", "--out", "kit"]);
    let key = key_of(&cli, "kit.txt");
    let records = 3;
    let commands: [&[&str]; 9] = [
        &["snapshots"],
        &["show", "latest"],
        &["ls", "latest"],
        &["dump", "latest", "file-0.txt"],
        &["find", "file-*"],
        &["diff", "latest", "@2000-01-01T00:00:00Z"],
        &["export", "latest", "--format", "tar", "--output", "out.tar"],
        &["restore", "latest", "--target", "out"],
        &["check"],
    ];
    let listed = cli.ok(&["snapshots", "--json"]).json();
    let oldest = listed[0]["id"].as_str().unwrap().to_owned();
    for command in commands {
        let command: Vec<&str> =
            command.iter().map(|word| if word.starts_with('@') { oldest.as_str() } else { word }).collect();
        journal.take();
        cli.ok(&command);
        let known = journal.take().len();
        let machine = empty(&cli, &key);
        machine.ok(&command);
        let asked = journal.take().len();
        assert!(
            asked <= known + 3 + records,
            "{command:?}: {asked} requests where a known machine has {known}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_told_from_a_mistyped_one_with_the_place() {
    let server = support::dav::start().await;
    let (cli, other) = (backed_up(&server, "repo"), backed_up(&server, "other"));
    cli.ok(&["kit", "--out", "kit"]);
    other.ok(&["kit", "--out", "kit"]);
    let (key, foreign) = (key_of(&cli, "kit.txt"), key_of(&other, "kit.txt"));
    for ran in [prover(&cli, &foreign).run(&["kit", "--check"]), empty(&cli, &foreign).run(&["ls", "latest"])]
    {
        assert_eq!(ran.code, Some(12), "{}", ran.err);
        assert!(ran.err.contains("of another repository"), "{}", ran.err);
    }
    let groups: Vec<&str> = key.split_whitespace().collect();
    let with = |change: &dyn Fn(&mut Vec<String>)| -> String {
        let mut groups: Vec<String> = groups.iter().map(|&group| group.to_owned()).collect();
        change(&mut groups);
        groups.join(" ")
    };
    let replace = |group: &mut String, at: usize| {
        let to = if &group[at..=at] == "q" { "p" } else { "q" };
        group.replace_range(at..=at, to);
    };
    let cases = [
        (with(&|groups| groups.swap(3, 4)), "groups 3 and 4 are swapped"),
        (with(&|groups| replace(&mut groups[2], 3)), "group 2, fourth character"),
        (with(&|groups| groups[7].replace_range(2..=2, "b")), "group 7, third character: `b`"),
        (with(&|groups| groups[8] = groups[8][..4].to_owned()), "missing"),
        (with(&|groups| groups[0] = "fi1bert1".to_owned()), "begin with `filbert1`"),
    ];
    for (typed, said) in cases {
        for ran in [prover(&cli, &typed).run(&["kit", "--check"]), empty(&cli, &typed).run(&["snapshots"])] {
            assert_eq!(ran.code, Some(2), "{}", ran.err);
            assert!(ran.err.contains(said), "{said}: {}", ran.err);
            assert!(groups[1..].iter().all(|group| !ran.err.contains(group)), "the key shows: {}", ran.err);
        }
    }
    assert_eq!(prover(&cli, "hunter2").run(&["kit", "--check"]).code, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_kit_cannot_lie_nothing_is_changed() {
    let server = support::dav::start().await;
    let cli = backed_up(&server, "repo");
    fs::write(cli.home.path().join("kit.txt"), "mine").unwrap();
    server.server.journal().take();
    let ran = cli.run(&["kit", "--out", "kit"]);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(ran.err.contains("kit.txt exists"), "{}", ran.err);
    let ran = cli.run(&["kit", "--out", "no/such/folder/kit"]);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(ran.err.contains("no/such/folder"), "{}", ran.err);
    let ran = cli.run(&["kit", "--out", "state/kit"]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    for arguments in [&["kit"][..], &["kit", "--out", "a", "--check"], &["kit", "--out", ".."]] {
        assert_eq!(cli.run(arguments).code, Some(2), "{arguments:?}");
    }
    assert_eq!(fs::read_to_string(cli.home.path().join("kit.txt")).unwrap(), "mine");
    assert!(!cli.home.path().join("kit.html").exists());
    assert!(server.server.journal().take().iter().all(|seen| seen.method != "PUT"));
}
