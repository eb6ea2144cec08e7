//! Limits on the command line: kept for all sets together, told, and gone on from.

mod support;

use support::cli::{Cli, assert_same};

fn write_noise(folder: &std::path::Path, name: &str, bytes: usize) {
    let mut content = vec![0; bytes];
    blake3::Hasher::new().update(name.as_bytes()).finalize_xof().fill(&mut content);
    std::fs::write(folder.join(name), content).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn limited_runs_say_what_is_missing_and_end_whole() {
    let server = support::dav::start().await;
    let journal = server.server.journal();
    let cli = Cli::new(format!("{}repo", server.server.url()));
    let (minor, major) = (cli.folder("minor"), cli.folder("major"));
    (0..6).for_each(|n| write_noise(&minor, &format!("file-{n}"), 400_000));
    (0..6).for_each(|n| write_noise(&major, &format!("important-{n}"), 300_000));
    let config = cli.home.path().join("config.toml");
    let text = format!(
        "[sets.minor]\nsources = ['{}']\n[sets.major]\nsources = ['{}']\npriority = 5\n",
        minor.display(),
        major.display()
    );
    std::fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    cli.ok(&["init"]);
    journal.take();

    let limited = ["backup", "--config", config, "--pack-size", "1MiB", "--max-requests", "11", "--json"];
    let mut states = Vec::new();
    for run in 0..9 {
        let ran = cli.run(&limited);
        let count = journal.take().len();
        assert!(count <= 11, "run {run}: {count} requests");
        let summaries: Vec<serde_json::Value> = ran
            .out
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .filter(|line| line["type"] == "summary")
            .collect();
        assert_eq!(summaries[0]["set"], "major", "priority goes first");
        let all_whole = summaries.len() == 2 && summaries.iter().all(|summary| summary["state"] == "whole");
        assert_eq!(ran.code, Some(if all_whole { 0 } else { 3 }), "{}{}", ran.out, ran.err);
        for summary in &summaries {
            let missing = summary["missing"]["files"].as_u64().unwrap();
            assert_eq!(missing > 0, summary["state"] == "partial", "{summary}");
            states.push((summary["set"].clone(), summary["state"].clone()));
        }
        if all_whole {
            break;
        }
        let partial = summaries.iter().find(|summary| summary["state"] == "partial");
        let Some(partial) = partial else { continue };
        let listed = cli.ok(&["snapshots", "--config", config, "--json"]).json();
        assert!(listed.as_array().unwrap().iter().any(|line| line["state"] == "partial"));
        let out = cli.home.path().join(format!("out-{run}"));
        let id = partial["snapshot"].as_str().unwrap();
        let restored = cli.ok(&["restore", id, "--target", out.to_str().unwrap(), "--json"]);
        assert_eq!(restored.summary()["missing"], partial["missing"]);
        assert!(
            restored.err.contains("is partial") && restored.err.contains("missing: "),
            "{}",
            restored.err
        );
        journal.take();
    }
    assert!(states.iter().any(|(_, state)| state == "partial"), "{states:?}");
    assert_eq!(states.last().unwrap().1, "whole", "{states:?}");
    for (set, source) in [("minor", &minor), ("major", &major)] {
        let out = cli.home.path().join(format!("out-{set}"));
        cli.ok(&["restore", "latest", "--set", set, "--target", out.to_str().unwrap()]);
        assert_same(source, &out);
    }
    let source = minor.to_str().unwrap();
    let ran = cli.run(&["backup", source, "--set", "other", "--max-requests", "1"]);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert!(ran.err.contains("--max-requests"), "{}", ran.err);
    let ran = cli.run(&["backup", source, "--set", "other", "--stop-at", "2020-01-01 12:00"]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
}
