//! Real kills, real signals: what was sent is kept, and the next run goes on from there.

mod support;

use filbert::server::Journal;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;
use support::cli::{Cli, assert_same};

fn write_noise(folder: &Path, files: usize) {
    for number in 0..files {
        let mut content = vec![0; 256 << 10];
        blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(&mut content);
        std::fs::write(folder.join(format!("file-{number:03}.bin")), content).unwrap();
    }
}

fn packs_put(journal: &Journal) -> Vec<String> {
    let put = |seen: &filbert::server::Seen| seen.method == "PUT" && seen.path.contains("/packs/");
    journal.requests().iter().filter(|seen| put(seen)).map(|seen| seen.path.clone()).collect()
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Waits until `done` or a long time has passed.
async fn until(done: impl Fn() -> bool) {
    for _ in 0..6000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it did not come to that");
}

async fn interrupted_by(name: &str, code: Option<i32>) {
    let server = support::dav::start().await;
    let journal = server.server.journal();
    let cli = Cli::new(format!("{}repo", server.server.url()));
    let source = cli.folder("docs");
    write_noise(&source, 240);
    cli.ok(&["init"]);
    let backup = ["backup", source.to_str().unwrap(), "--set", "docs", "--pack-size", "1MiB"];

    let mut child = cli.start(&backup);
    until(|| packs_put(journal).len() >= 5 || child.id() == 0).await;
    signal(&child, name);
    let ended = child.wait().unwrap();
    assert_eq!(ended.code(), code, "it ended before it was interrupted");
    let listed = cli.ok(&["snapshots", "--json"]).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(0), "no snapshot of a broken-off run");

    let before = packs_put(journal);
    journal.take();
    let summary = cli.summary(&backup);
    assert_eq!(summary["state"], "whole");
    let after = packs_put(journal);
    assert!(after.iter().all(|path| !before.contains(path)), "a pack was sent again");
    // At most those on their way and those being made are lost.
    assert!(after.len() + before.len() <= 60 + 8, "{} and {}", before.len(), after.len());
    assert!(after.len() < 60, "{} of about 60 packs were sent again", after.len());

    let out = cli.home.path().join("out");
    cli.ok(&["restore", "latest", "--set", "docs", "--target", out.to_str().unwrap()]);
    assert_same(&source, &out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_of_a_backup_costs_only_the_packs_on_their_way() {
    interrupted_by("-KILL", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_cleanly_and_the_next_run_goes_on() {
    interrupted_by("-INT", Some(130)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_set_is_backed_up_by_one_process_at_a_time() {
    let server = support::dav::start().await;
    let cli = Cli::new(format!("{}repo", server.server.url()));
    let source = cli.folder("docs");
    write_noise(&source, 200);
    cli.ok(&["init"]);
    let backup = ["backup", source.to_str().unwrap(), "--set", "docs", "--pack-size", "1MiB"];
    let mut child = cli.start(&backup);
    until(|| packs_put(server.server.journal()).len() >= 2).await;
    signal(&child, "-STOP");
    let second = cli.run(&backup);
    signal(&child, "-CONT");
    assert_eq!(second.code, Some(11), "{}", second.err);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
