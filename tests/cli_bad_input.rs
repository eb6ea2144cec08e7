//! Each kind of bad input gets one clear message with what to do, its exit code, and nothing
//! half done.

mod support;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use support::cli::{Cli, Ran, assert_same};

fn refused(ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!(ran.code, Some(code), "{}{}", ran.out, ran.err);
    let errors = ran.err.lines().filter(|line| line.starts_with("error:")).count();
    assert_eq!(errors, 1, "one message: {}", ran.err);
    for word in words {
        assert!(ran.err.contains(word), "`{word}` is not in: {}", ran.err);
    }
}

/// A repository in a folder, with one snapshot of `docs`.
fn with_snapshot() -> (Cli, PathBuf) {
    let mut cli = Cli::new("");
    cli.repository = cli.home.path().join("repo").display().to_string();
    let source = cli.folder("docs");
    std::fs::write(source.join("a.txt"), b"one").unwrap();
    std::fs::create_dir(source.join("sub")).unwrap();
    std::fs::write(source.join("sub/b.txt"), b"two").unwrap();
    cli.ok(&["init"]);
    cli.ok(&["backup", source.to_str().unwrap(), "--set", "docs"]);
    (cli, source)
}

fn objects(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = walk(folder).into_iter().filter(|path| path.is_file()).collect();
    found.sort();
    found
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_two_passwords_are_told_apart() {
    let server = support::dav::start().await;
    let mut cli = Cli::new(format!("{}repo", server.server.url()));
    cli.ok(&["init"]);

    cli.password = "not the encryption password".to_owned();
    refused(&cli.run(&["snapshots"]), 12, &["encryption password is wrong"]);

    let mut other = Cli::new(cli.repository.clone());
    other.webdav_password = "not the server's password".to_owned();
    let ran = other.run(&["snapshots"]);
    refused(&ran, 1, &["401"]);
    assert!(!ran.err.contains("encryption"), "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_repository_and_one_too_many() {
    let server = support::dav::start().await;
    let cli = Cli::new(format!("{}repo", server.server.url()));
    refused(&cli.run(&["snapshots"]), 10, &["no filbert repository", "filbert init"]);
    refused(&cli.run(&["backup", ".", "--set", "s"]), 10, &["no filbert repository"]);
    cli.ok(&["init"]);
    let before = objects(server.dir.path());
    refused(&cli.run(&["init"]), 1, &["already"]);
    assert_eq!(objects(server.dir.path()), before);
}

/// A web server that answers everything with this.
fn web_server(answer: &'static str) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    format!("http://{address}/dav")
}

#[test]
fn an_address_that_is_no_webdav() {
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\nConnection: close\r\n\r\n<html></html>";
    refused(&Cli::new(web_server(page)).run(&["snapshots"]), 1, &["WebDAV"]);
    let refusal = "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    refused(&Cli::new(web_server(refusal)).run(&["init"]), 1, &["WebDAV"]);
}

#[test]
fn sources_that_are_not_there() {
    let (cli, source) = with_snapshot();
    let before = objects(&cli.home.path().join("repo"));
    refused(&cli.run(&["backup", "/nowhere/at/all", "--set", "x"]), 1, &["/nowhere/at/all"]);
    refused(&cli.run(&["backup", "--set", "unknown"]), 1, &["`unknown`", "name the folders"]);
    assert_eq!(objects(&cli.home.path().join("repo")), before, "nothing was sent");

    let ran = cli.run(&["backup", source.to_str().unwrap(), "/nowhere", "--set", "x", "--json"]);
    assert_eq!(ran.code, Some(3));
    assert_eq!(ran.summary()["state"], "incomplete");
    let listed = cli.ok(&["snapshots", "--set", "x", "--latest", "--json"]).json();
    assert_eq!(listed[0]["state"], "incomplete");
    let out = cli.home.path().join("out");
    let ran = cli.run(&["restore", "latest", "--set", "x", "--target", out.to_str().unwrap()]);
    assert!(ran.err.contains("not whole") || ran.err.contains("incomplete"), "{}", ran.err);
}

#[test]
fn words_that_cannot_be_understood() {
    let (cli, _) = with_snapshot();
    let restore = |more: &[&str]| {
        let mut arguments = vec!["restore", "latest", "--set", "docs", "--target", "out"];
        arguments.extend(more);
        cli.run(&arguments)
    };
    refused(&restore(&["--include", "[a"]), 2, &["[a"]);
    refused(&restore(&["--at", "yesterday"]), 2, &["yesterday", "RFC 3339"]);
    refused(&cli.run(&["check", "--read-data-subset", "200%"]), 2, &["200%"]);
    refused(&restore(&["--at", "2001-01-01 00:00"]), 1, &["no snapshot at or before"]);
    refused(&cli.run(&["restore", "ffffffffff", "--target", "out"]), 1, &["ffffffffff"]);
    assert!(!cli.home.path().join("out").exists());
}

#[test]
fn a_prefix_that_begins_several_ids() {
    let (cli, _) = with_snapshot();
    // Seventeen ids cannot begin with sixteen different digits.
    for _ in 0..16 {
        cli.ok(&["backup", "--set", "docs"]);
    }
    let listed = cli.ok(&["snapshots", "--json"]).json();
    let mut digits: Vec<_> =
        listed.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()[..1].to_owned()).collect();
    digits.sort();
    let twice = digits.windows(2).find(|two| two[0] == two[1]).unwrap()[0].clone();
    refused(&cli.run(&["ls", &twice]), 1, &["give more digits"]);
}

#[test]
fn a_target_that_cannot_be_written() {
    let (cli, _) = with_snapshot();
    let file = cli.home.path().join("file");
    std::fs::write(&file, b"in the way").unwrap();
    let ran = cli.run(&["restore", "latest", "--set", "docs", "--target", file.to_str().unwrap()]);
    refused(&ran, 1, &[file.to_str().unwrap()]);
    let ran = cli.run(&["restore", "latest", "--set", "docs", "--target", "/proc/nothing/here"]);
    refused(&ran, 1, &["/proc/nothing"]);
}

#[test]
fn a_target_inside_a_source_is_warned_of() {
    let (cli, source) = with_snapshot();
    let target = source.join("restored/here");
    let ran = cli.ok(&["restore", "latest", "--set", "docs", "--target", target.to_str().unwrap()]);
    assert!(ran.err.contains("which is backed up"), "{}", ran.err);
    let in_place = cli.ok(&["restore", "latest", "--set", "docs", "--target", source.to_str().unwrap()]);
    assert!(!in_place.err.contains("which is backed up"), "{}", in_place.err);
}

#[test]
fn a_full_disk_while_restoring_leaves_only_whole_files() {
    let folder = tempfile::tempdir().unwrap();
    let mount = |arguments: &[&str]| {
        let mut command = std::process::Command::new(arguments[0]);
        command.args(&arguments[1..]).arg(folder.path()).stderr(std::process::Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=1m", "filbert-test"]) {
        let notice = "SKIPPED: a small file system needs root and mount";
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{notice}, and CI must not skip");
        let _ = writeln!(std::io::stderr(), "\n{notice}\n");
        return;
    }
    let (cli, source) = with_snapshot();
    for number in 0..40u8 {
        let mut content = vec![0; 100_000];
        blake3::Hasher::new().update(&[number]).finalize_xof().fill(&mut content);
        std::fs::write(source.join(format!("n{number}")), content).unwrap();
    }
    cli.ok(&["backup", "--set", "docs"]);
    let target = folder.path().join("out");
    let restore = ["restore", "latest", "--set", "docs", "--target", target.to_str().unwrap()];
    let too_much = cli.run(&restore);
    let nothing = walk(&target);
    let fitting = cli.run(&[&restore[..], &["--include", "n1"]].concat());
    let one = walk(&target);
    let ran = cli.run(&[&restore[..], &["--ignore-free-space"]].concat());
    let restored = walk(&target);
    let whole = restored.iter().all(|path| {
        let original = source.join(path.strip_prefix(&target).unwrap());
        std::fs::read(path).unwrap() == std::fs::read(original).unwrap()
    });
    let unmounted = mount(&["umount"]);
    refused(&too_much, 1, &["has room for", "--ignore-free-space"]);
    assert_eq!((nothing.len(), fitting.code, one.len()), (0, Some(0), 1), "{}", fitting.err);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(ran.err.contains("full"), "{}", ran.err);
    assert!(whole && !restored.is_empty(), "{restored:?}");
    assert!(unmounted);
}

/// Changes the descriptor's text and gives the file the name of its new bytes.
fn forge_descriptor(repository: &Path, from: &str, to: &str) {
    let place = objects(repository).into_iter().find(|path| path.extension().is_some_and(|e| e == "json"));
    let place = place.unwrap();
    let text = std::fs::read_to_string(&place).unwrap();
    assert!(text.contains(from), "{text}");
    let forged = text.replace(from, to);
    let name = format!("filbert-0-{}.json", blake3::hash(forged.as_bytes()).to_hex());
    std::fs::write(place.with_file_name(name), forged).unwrap();
    std::fs::remove_file(place).unwrap();
}

#[test]
fn a_descriptor_that_asks_for_100_gb_or_is_newer_or_is_not_ours() {
    for (from, to, words) in [
        ("\"memory_kib\": 65536", "\"memory_kib\": 104857600", "asks for too much"),
        ("\"format\": 1", "\"format\": 2", "newer filbert"),
        ("\"average_bytes\": 131072", "\"average_bytes\": 262144", "seal does not open"),
        ("\"slots\"", "\"doors\"", "damaged"),
    ] {
        let (cli, _) = with_snapshot();
        let repository = cli.home.path().join("repo");
        forge_descriptor(&repository, from, to);
        let other = Cli::new(cli.repository.clone());
        refused(&other.run(&["snapshots"]), 1, &[words]);
    }
}

#[test]
fn a_file_that_is_in_the_way_is_left_alone_and_told() {
    let (cli, source) = with_snapshot();
    let out = cli.folder("out");
    std::fs::write(out.join("a.txt"), b"mine").unwrap();
    let target = out.to_str().unwrap();
    let ran = cli.run(&["restore", "latest", "--set", "docs", "--target", target]);
    assert_eq!(ran.code, Some(3));
    assert!(ran.err.contains("a.txt") && ran.err.contains("--overwrite"), "{}", ran.err);
    assert_eq!(std::fs::read(out.join("a.txt")).unwrap(), b"mine");
    cli.ok(&["restore", "latest", "--set", "docs", "--target", target, "--overwrite"]);
    assert_same(&source, &out);
}
