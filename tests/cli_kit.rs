//! The recovery kit on the real program, and an empty machine that has nothing but it: what each
//! command costs there, counted at the server.

mod support;

use filbert::format::slot::KdfCost;
use filbert::model::clock::SystemClock;
use filbert::model::entropy::SystemEntropy;
use filbert::repository::{InitOptions, Means, Repository};
use filbert::state::Database;
use filbert::store::FolderStore;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};
use std::sync::Arc;
use support::cli::{Cli, ENCRYPTION_PASSWORD, assert_same};
use support::dav::Embedded;
use support::{PASSWORD, USER, apache, qr};

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
    let ran = prover(&cli, "hunter2").run(&["kit", "--check"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("not a password"), "{}", ran.err);
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

/// An empty repository in a folder, whose keys are derived at no cost: so that many can be made.
async fn cheap() -> Cli {
    let mut cli = Cli::new("");
    let folder = cli.folder("repository");
    let means = Means {
        store: Arc::new(FolderStore::new(&folder)),
        state: Arc::new(Database::in_memory().unwrap()),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
    };
    let options = InitOptions { cost: KdfCost::FOR_TESTS, ..InitOptions::default() };
    Repository::init(means, &ENCRYPTION_PASSWORD.into(), options).await.unwrap();
    cli.repository = folder.to_str().unwrap().to_owned();
    cli
}

#[tokio::test(flavor = "multi_thread")]
async fn with_all_slots_taken_and_the_newest_kit_lost_there_is_a_way_out() {
    let cli = cheap().await;
    let first = cli.summary(&["kit", "--out", "0"])["key"].as_str().unwrap().to_owned();
    let (first_key, mut last) = (key_of(&cli, "0.txt"), String::new());
    for number in 1..15 {
        last = cli.summary(&["kit", "--out", &number.to_string()])["key"].as_str().unwrap().to_owned();
    }
    let refused = cli.run(&["kit", "--out", "more"]);
    assert_eq!(refused.code, Some(1), "{}", refused.err);
    assert!(refused.err.contains("filbert kit --end unproven"), "{}", refused.err);
    assert!(!cli.home.path().join("more.txt").exists());

    let listed = cli.ok(&["kit", "--list"]).out;
    let rows: Vec<&str> = listed.lines().skip(1).collect();
    assert_eq!(rows.len(), 15, "{listed}");
    assert!(rows[0].starts_with(&first) && rows[0].contains("unknown"), "{listed}");
    assert!(rows[14].starts_with(&last) && rows[14].ends_with("no"), "{listed}");
    let text = fs::read_to_string(cli.home.path().join("14.txt")).unwrap();
    assert!(text.contains(&format!("key {last} in generation 15")), "the sheet names its key: {text}");

    // What may be the proven kit does not end by mistake; nor is half a wish done.
    let refused = cli.run(&["kit", "--end", &last, &first]);
    assert_eq!(refused.code, Some(1), "{}", refused.err);
    assert!(refused.err.contains("--even-proven"), "{}", refused.err);
    assert_eq!(cli.run(&["kit", "--end", "unproven", &last]).code, Some(2));
    empty(&cli, &key_of(&cli, "14.txt")).ok(&["snapshots"]);

    let told = cli.ok(&["kit", "--end", &last]).out;
    assert!(
        told.contains(&format!("ended {last}")) && told.contains("1 recovery key ended, 14 left"),
        "{told}"
    );
    let ended = prover(&cli, &key_of(&cli, "14.txt")).run(&["kit", "--check"]);
    assert_eq!(ended.code, Some(12), "{}", ended.err);
    assert!(ended.err.contains("it ended") && ended.err.contains("newest kit"), "{}", ended.err);

    // Any kit that opens may do it, on a machine that knows nothing.
    let summary = empty(&cli, &first_key).summary(&["kit", "--end", "unproven"]);
    assert_eq!(summary["ended"].as_array().unwrap().len(), 13);
    assert_eq!(summary["keys"][0]["id"], *first);
    assert_eq!(summary["keys"][0]["given"], true);
    cli.ok(&["kit", "--out", "new"]);
    let proven = prover(&cli, &key_of(&cli, "new.txt")).summary(&["kit", "--check"]);
    assert_eq!((&proven["newest"], &proven["ended_keys"]), (&true.into(), &1.into()));
    assert_eq!(empty(&cli, &first_key).run(&["snapshots"]).code, Some(12));
    assert_eq!(cli.ok(&["kit", "--list", "--json"]).json()["keys"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_code_on_the_page_is_the_key_that_the_check_takes() {
    let cli = cheap().await;
    for name in ["a", "b", "c"] {
        cli.ok(&["kit", "--out", name]);
        let page = fs::read_to_string(cli.home.path().join(format!("{name}.html"))).unwrap();
        let scanned = qr::read(&page);
        assert!(scanned.starts_with("FILBERT1") && !page.contains(&scanned), "only drawn");
        prover(&cli, &scanned).ok(&["kit", "--check"]);
    }
}

/// The commands of a kit's steps, but for the first step, which installs.
fn commands_of(text: &str) -> String {
    let steps = text.lines().skip_while(|line| !line.starts_with("2. "));
    steps.filter(|line| line.starts_with("       ")).map(|line| format!("{line}\n")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_steps_word_by_word_restore_on_an_empty_machine_from_a_server_with_its_own_authority() {
    let Some((server, ca)) = apache::start_tls() else { return };
    let cli = Cli::new("box");
    let settings = cli.folder(".config/filbert");
    fs::write(settings.join("ca.pem"), ca).unwrap();
    let section = format!(
        "[repositories.box]\nurl = '{}it is'\nwebdav_user = '{USER}'\nca_file = 'ca.pem'\nauth = 'basic'\n",
        server.url
    );
    fs::write(settings.join("config.toml"), section).unwrap();
    let source = cli.folder("documents");
    fs::write(source.join("file"), "content").unwrap();
    cli.ok(&["init"]);
    cli.ok(&["backup", source.to_str().unwrap(), "--set", "it's mine"]);
    cli.ok(&["kit", "--out", "kit"]);

    let text = fs::read_to_string(cli.home.path().join("kit.txt")).unwrap();
    assert!(!text.contains("ca.pem'") && !text.contains(PASSWORD), "{text}");
    let machine = tempfile::tempdir().unwrap();
    let programs = machine.path().join("bin");
    fs::create_dir(&programs).unwrap();
    symlink(env!("CARGO_BIN_EXE_filbert"), programs.join("filbert")).unwrap();
    let typed = "sed -n '/^ *filbert1$/,/^Type/p' new-kit.txt | grep -v '[(T]'";
    let path = std::env::var("PATH").unwrap_or_default();
    let ran = Command::new("sh")
        .args(["-e", "-c", &commands_of(&text)])
        .env_clear()
        .env("HOME", machine.path())
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("FILBERT_PASSWORD", key_of(&cli, "kit.txt"))
        .env("FILBERT_WEBDAV_PASSWORD", PASSWORD)
        .env("FILBERT_RECOVERY_KEY_COMMAND", typed)
        .current_dir(machine.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{told}{}", commands_of(&text));
    assert_same(&source, &machine.path().join("restored-1"));
    assert!(told.contains("it is the newest: 1 older recovery key ended"), "{told}");
    // The fingerprint is the one that openssl shows.
    let shown = Command::new("openssl")
        .args(["x509", "-in", "filbert-ca.pem", "-noout", "-fingerprint", "-sha256"])
        .current_dir(machine.path())
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    let (_, fingerprint) = shown.trim().split_once('=').unwrap();
    assert!(text.contains(&format!("# SHA-256 {fingerprint}")), "{shown}");
}
