//! The whole round on real servers: make, back up, edit, back up, restore both, check.

mod support;

use filbert::store::Auth;
use std::path::Path;
use support::cli::{Cli, assert_same};

fn round(url: &str) {
    let cli = Cli::new(format!("{url}repo/nested"));
    let source = cli.folder("documents");
    std::fs::create_dir_all(source.join("folder with space/ünïcode")).unwrap();
    std::fs::write(source.join("folder with space/ünïcode/a%20b.txt"), b"one").unwrap();
    std::fs::write(source.join("empty"), b"").unwrap();
    std::fs::write(source.join("large.bin"), vec![7; 3_000_000]).unwrap();
    std::os::unix::fs::symlink("nowhere", source.join("link")).unwrap();
    let text = source.to_str().unwrap();

    cli.ok(&["init"]);
    let first = cli.summary(&["backup", text, "--set", "docs"]);
    let kept = cli.home.path().join("kept");
    copy(&source, &kept);
    std::fs::write(source.join("large.bin"), vec![8; 2_000_000]).unwrap();
    std::fs::remove_file(source.join("empty")).unwrap();
    cli.summary(&["backup", text, "--set", "docs"]);

    let machine_without_state = Cli::new(cli.repository.clone());
    for (snapshot, expected) in [(first["snapshot"].as_str().unwrap(), &kept), ("latest", &source)] {
        let out = machine_without_state.home.path().join(snapshot);
        let target = out.to_str().unwrap();
        machine_without_state.ok(&["restore", snapshot, "--set", "docs", "--target", target]);
        assert_same(expected, &out);
    }
    let checked = machine_without_state.summary(&["check", "--read-data"]);
    assert_eq!(
        checked["problems"].as_array().map(Vec::len).or(checked["problems"].as_u64().map(|n| n as usize)),
        Some(0)
    );
}

fn copy(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_embedded_server() {
    let server = support::dav::start().await;
    let url = server.server.url();
    tokio::task::spawn_blocking(move || round(&url)).await.unwrap();
}

#[test]
fn on_apache_with_basic_authentication() {
    if let Some(server) = support::apache::start(Auth::Basic) {
        round(&server.url);
    }
}

#[test]
fn on_apache_with_digest_authentication() {
    if let Some(server) = support::apache::start(Auth::Digest) {
        round(&server.url);
    }
}

#[test]
fn on_rclone() {
    if let Some(server) = support::rclone::start() {
        round(&server.url);
    }
}

#[test]
fn on_a_local_folder() {
    let folder = tempfile::tempdir().unwrap();
    round(&format!("{}/", folder.path().display()));
}
