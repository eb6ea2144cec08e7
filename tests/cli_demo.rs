//! The demo on the emulated Nutstore: it comes to its end within the rules, and tells what it cost.

#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod support;

use support::cli::Cli;

#[test]
fn the_demo_keeps_to_the_rules_of_a_free_account() {
    let cli = Cli::new("unused");
    let folder = cli.folder("documents");
    for number in 0..60 {
        std::fs::write(folder.join(format!("{number}.txt")), format!("text {number}\n").repeat(500)).unwrap();
    }
    let summary = cli.summary(&["demo", folder.to_str().unwrap(), "--server", "nutstore"]);
    assert_eq!(summary["matched"], true);
    let account = &summary["account"];
    assert_eq!(account["refused"], 0, "{account}");
    let requests: u64 = account["requests"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(account["window_left"].as_u64(), Some(600 - requests));
    assert!(account["bytes_up"].as_u64() > Some(0) && account["bytes_down"].as_u64() > Some(0));
    let told: u64 = summary["steps"].as_array().unwrap().iter().map(requests_of).sum();
    assert_eq!(told, requests);
}

fn requests_of(step: &serde_json::Value) -> u64 {
    step["requests"].as_object().map_or(0, |each| each.values().map(|n| n.as_u64().unwrap()).sum())
}
