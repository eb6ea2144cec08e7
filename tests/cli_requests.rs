//! What each step costs, counted at the server, and that the program's own count agrees.

mod support;

use filbert::server::Seen;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use support::cli::{Cli, assert_same};

/// Files whose bytes do not compress, so that several packs arise.
fn write_noise(folder: &Path, files: usize, bytes: usize) {
    for number in 0..files {
        let mut content = vec![0; bytes];
        blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(&mut content);
        std::fs::write(folder.join(format!("file-{number:03}.bin")), content).unwrap();
    }
}

/// Files older than the 2 s within which another change might not show.
fn settle() {
    std::thread::sleep(std::time::Duration::from_millis(2100));
}

fn methods(seen: &[Seen]) -> Vec<String> {
    let shape = |seen: &Seen| {
        let parts: Vec<_> = seen.path.trim_matches('/').split('/').skip(1).collect();
        let place = match parts.as_slice() {
            [] => "root".to_owned(),
            [name] if name.starts_with("filbert-") => "descriptor".to_owned(),
            [folder, _] if folder.starts_with("log-") => format!("{folder}/object"),
            ["packs", number, _] => format!("packs/{number}/object"),
            rest => rest.join("/"),
        };
        format!("{} {place}", seen.method)
    };
    seen.iter().map(shape).collect()
}

fn assert_counts_agree(summary: &Value, seen: &[Seen]) {
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    seen.iter().for_each(|seen| *counted.entry(seen.method.clone()).or_default() += 1);
    counted.insert("total".to_owned(), seen.len() as u64);
    let told: BTreeMap<String, u64> = serde_json::from_value(summary["requests"].clone()).unwrap();
    assert_eq!(told, counted);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_sends_exactly_the_requests_it_needs() {
    let server = support::dav::start().await;
    let journal = server.server.journal();
    let cli = Cli::new(format!("{}repo", server.server.url()));
    let source = cli.folder("documents");
    write_noise(&source, 30, 100_000);
    settle();
    let source_text = source.to_str().unwrap().to_owned();
    let backup = ["backup", &source_text, "--set", "docs", "--pack-size", "1MiB"];

    cli.ok(&["init"]);
    let init = methods(&journal.take());
    let expected = ["PROPFIND root", "MKCOL root", "MKCOL packs", "PUT descriptor", "PROPFIND root"];
    assert_eq!(init, expected);

    let first = cli.summary(&backup);
    let seen = journal.take();
    assert_counts_agree(&first, &seen);
    let steps = methods(&seen);
    let packs = steps.iter().filter(|step| *step == "PUT packs/000/object").count();
    assert!(packs >= 3, "{steps:?}");
    assert!(steps.len() <= 8 + packs, "{steps:?}");
    let others: Vec<_> = steps.iter().filter(|step| *step != "PUT packs/000/object").collect();
    let expected =
        ["MKCOL packs/000", "PROPFIND packs/000", "MKCOL log-000", "PUT log-000/object", "PROPFIND log-000"];
    assert_eq!(others, expected);

    let unchanged = cli.summary(&backup);
    let seen = journal.take();
    assert_counts_agree(&unchanged, &seen);
    assert_eq!(methods(&seen), ["PUT log-000/object", "PROPFIND log-000"]);
    assert_eq!(unchanged["bytes_read"], 0);
    assert_eq!(unchanged["kind"], "incremental");

    std::fs::write(source.join("file-003.bin"), b"edited").unwrap();
    let edited = cli.summary(&backup);
    let seen = journal.take();
    assert_counts_agree(&edited, &seen);
    let expected =
        ["PUT packs/000/object", "HEAD packs/000/object", "PUT log-000/object", "PROPFIND log-000"];
    assert_eq!(methods(&seen), expected);
    assert_eq!(edited["files_changed"], 1);

    let out = cli.home.path().join("out");
    let restore = ["restore", "latest", "--set", "docs", "--target", out.to_str().unwrap()];
    let restored = cli.summary(&restore);
    let seen = journal.take();
    assert_counts_agree(&restored, &seen);
    let steps = methods(&seen);
    assert_eq!(steps[0], "PROPFIND log-000");
    assert!(steps[1..].iter().all(|step| step == "GET packs/000/object"), "{steps:?}");
    assert!(steps.len() <= 2 + packs, "{steps:?}");
    assert_same(&source, &out);

    // One file of it on a machine that knows nothing.
    let empty = Cli::new(cli.repository.clone());
    let out = empty.home.path().join("out");
    let target = out.to_str().unwrap();
    let one = ["restore", "latest", "--set", "docs", "--target", target, "--include", "file-007.bin"];
    let restored = empty.summary(&one);
    let seen = journal.take();
    assert_counts_agree(&restored, &seen);
    let expected = [
        "PROPFIND root",
        "GET descriptor",
        "PROPFIND log-000",
        "GET log-000/object",
        "GET log-000/object",
        "GET log-000/object",
        "GET packs/000/object",
    ];
    assert_eq!(methods(&seen), expected);
    assert_eq!(restored["files"], 1);

    let checked = cli.summary(&["check"]);
    let seen = journal.take();
    assert_counts_agree(&checked, &seen);
    let expected = ["PROPFIND log-000", "PROPFIND root", "PROPFIND packs/000"];
    assert_eq!(methods(&seen), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_sends_nothing() {
    let server = support::dav::start().await;
    let cli = Cli::new(format!("{}repo", server.server.url()));
    let source = cli.folder("documents");
    write_noise(&source, 3, 1000);
    cli.ok(&["init"]);
    server.server.journal().take();
    let summary = cli.summary(&["backup", source.to_str().unwrap(), "--set", "docs", "--dry-run"]);
    assert_eq!(summary["files_new"], 3);
    assert_eq!(server.server.journal().take().len(), 0);
}
