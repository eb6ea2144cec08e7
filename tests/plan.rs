//! A plan and then the run that it speaks of: the estimate is at most 10 % and 3 requests off, and
//! planning sends one question at most, counted at the server.

#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod support;

use filbert::backup::{BackupPlan, BackupService, SampleOptions};
use filbert::server::Journal;
use filbert::store::TrafficCount;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use support::cli::Cli;
use support::machine::Machine;
use support::tree::{noise, write};

/// Off by so little is as good as right, in bytes.
const SLACK: u64 = 64 << 10;

#[track_caller]
fn assert_near(what: &str, planned: u64, real: u64, slack: u64) {
    let off = planned.abs_diff(real);
    assert!(off <= real / 10 + slack, "{what}: planned {planned}, and it was {real}");
}

/// The plan of a command, which may send at most `most` requests.
fn plan(cli: &Cli, journal: &Journal, arguments: &[&str], most: usize) -> Value {
    let ran = cli.ok(&[&["plan"], arguments, &["--json"]].concat());
    let last = ran.out.lines().last().unwrap();
    let plan: Value = serde_json::from_str(last).unwrap();
    assert_eq!((&plan["type"], &plan["command"]), (&"plan".into(), &arguments[0].into()));
    let seen = journal.take();
    assert!(seen.len() <= most, "{seen:?}");
    assert_eq!(plan["spent"]["total"], seen.len());
    plan
}

/// Plans a command, runs it, and compares. Answers plan and summary.
#[track_caller]
fn plan_and_run(cli: &Cli, journal: &Journal, arguments: &[&str], most: usize) -> (Value, Value) {
    let plan = plan(cli, journal, arguments, most);
    let summary = cli.summary(arguments);
    let seen = journal.take().len() as u64;
    let planned = plan["requests"]["total"].as_u64().unwrap();
    assert!(
        planned.abs_diff(seen) <= 3,
        "{arguments:?}: {} and then {}",
        plan["requests"],
        summary["requests"]
    );
    for key in ["bytes_sent", "bytes_received"] {
        let real = summary[key].as_u64().unwrap_or(0);
        assert_near(&format!("{key} of {arguments:?}"), plan[key].as_u64().unwrap(), real, SLACK);
    }
    (plan, summary)
}

/// Files that compress and files that do not, in several folders.
fn write_mixed(root: &Path) {
    for number in 0..30_u64 {
        write(root, &format!("noise/{number:03}.bin"), noise(number, 100_000));
        let line = format!("{number}: {}\n", blake3::hash(&number.to_le_bytes()));
        write(root, &format!("text/{number:03}.txt"), line.repeat(2000));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_planned_is_what_it_takes() {
    let server = support::dav::start().await;
    let journal = server.server.journal();
    let cli = Cli::new(format!("{}repo", server.server.url()));
    let source = cli.folder("documents");
    write_mixed(&source);
    // Files older than the 2 s within which another change might not show.
    std::thread::sleep(std::time::Duration::from_millis(2100));
    let text = source.to_str().unwrap().to_owned();
    let backup = ["backup", &text, "--set", "docs", "--pack-size", "1MiB"];
    cli.ok(&["init"]);
    journal.take();

    // Two threads fill packs in no certain order: a pack more or less.
    let (first, _) = plan_and_run(&cli, journal, &backup, 1);
    assert_eq!((&first["exact"], &first["fits_month"]), (&true.into(), &true.into()));
    assert_eq!(first["files_new"], 60);
    assert!(first["packs"].as_u64().unwrap() >= 3);

    let (unchanged, summary) = plan_and_run(&cli, journal, &backup, 1);
    assert_eq!(unchanged["requests"], summary["requests"]);
    assert_eq!(unchanged["bytes_sent"], summary["bytes_sent"]);
    assert_eq!(unchanged["content_bytes"], 0);
    assert!(unchanged["upload_rate"].as_u64().is_some());

    write(&source, "noise/003.bin", b"edited");
    let (changed, summary) = plan_and_run(&cli, journal, &backup, 1);
    assert_eq!(changed["requests"], summary["requests"]);
    assert_eq!((&changed["files_changed"], &changed["kind"]), (&1.into(), &"incremental".into()));

    // What a plan asks first, the restore asks as well: the log, and nothing else here.
    let out = cli.home.path().join("out");
    let restore = ["restore", "latest", "--set", "docs", "--target", out.to_str().unwrap()];
    let one = [&restore[..], &["--include", "007.bin"]].concat();
    let (planned, summary) = plan_and_run(&cli, journal, &one, 1);
    assert_eq!(planned["requests"], summary["requests"]);
    assert_eq!(planned["files_written"], 1);
    let (planned, summary) = plan_and_run(&cli, journal, &restore, 1);
    assert_eq!(planned["requests"], summary["requests"]);
    assert_eq!(planned["files_already_right"], 1);

    for check in [&["check"][..], &["check", "--read-data"], &["check", "--read-data-subset", "100%"]] {
        let (planned, summary) = plan_and_run(&cli, journal, check, 1);
        assert_eq!(planned["requests"], summary["requests"], "{check:?}");
    }

    let told = cli.ok(&["plan", "backup", &text, "--set", "docs"]).out;
    for words in
        ["plan for a backup of set docs", "2 requests (1 PROPFIND, 1 PUT)", "done about", "planning took"]
    {
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_files_that_travels_in_packs_is_planned_too() {
    let server = support::dav::start().await;
    let journal = server.server.journal();
    let cli = Cli::new(format!("{}repo", server.server.url()));
    let source = cli.folder("links");
    // Links that lead to much text make a long list of few entries.
    for number in 0..1800_u64 {
        let leads_to: String = noise(number, 1000).iter().map(|byte| format!("{byte:02x}")).collect();
        std::os::unix::fs::symlink(leads_to, source.join(format!("{number:04}"))).unwrap();
    }
    cli.ok(&["init"]);
    journal.take();
    let backup = ["backup", source.to_str().unwrap(), "--set", "links"];
    let (planned, summary) = plan_and_run(&cli, journal, &backup, 1);
    assert!(summary["bytes_sent"].as_u64().unwrap() > 1 << 20);
    assert_eq!(planned["requests"], summary["requests"]);
    // The list is fetched by every restore and check.
    let out = cli.home.path().join("out");
    let restore = ["restore", "latest", "--set", "links", "--target", out.to_str().unwrap()];
    let (planned, summary) = plan_and_run(&cli, journal, &restore, 2);
    assert_eq!(planned["requests"], summary["requests"]);
    let (planned, summary) = plan_and_run(&cli, journal, &["check"], 1);
    assert_eq!(planned["requests"], summary["requests"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_on_an_empty_machine_spends_what_the_run_then_saves() {
    let server = support::dav::start().await;
    let journal = server.server.journal();
    let cli = Cli::new(format!("{}repo", server.server.url()));
    let source = cli.folder("documents");
    write_mixed(&source);
    cli.ok(&["init"]);
    cli.ok(&["backup", source.to_str().unwrap(), "--set", "docs"]);
    let empty = Cli::new(cli.repository.clone());
    journal.take();
    let out = empty.home.path().join("out");
    let restore = ["restore", "latest", "--set", "docs", "--target", out.to_str().unwrap()];
    // Root, descriptor, the log's folder, the record.
    plan_and_run(&empty, journal, &restore, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_budget_of_the_account_decides_when_it_is_done() {
    let server = support::dav::start().await;
    let cli = Cli::new("drive");
    let source = cli.folder("documents");
    (0..20).for_each(|number| write(&source, &format!("{number}.bin"), noise(number, 1 << 20)));
    let config = cli.home.path().join("config.toml");
    let settings = "requests = '10/1h'\nupload_per_month = '2MiB'\n";
    let settings = format!("[repositories.drive]\nurl = '{}repo'\n{settings}", server.server.url());
    std::fs::write(&config, settings).unwrap();
    let config = config.to_str().unwrap();
    cli.ok(&["init", "--config", config]);
    let backup = ["plan", "backup", source.to_str().unwrap(), "--set", "docs", "--pack-size", "1MiB"];
    let json = cli.ok(&[&backup[..], &["--config", config, "--json"]].concat());
    let plan: Value = serde_json::from_str(json.out.lines().last().unwrap()).unwrap();
    // 9 of 10, for a tenth is kept for restores; init took 5 and the plan 1.
    assert_eq!(plan["requests_now"], 3);
    let requests = plan["requests"]["total"].as_u64().unwrap();
    assert!(requests > 20 && plan["windows"].as_u64().unwrap() >= (requests - 3).div_ceil(9), "{plan}");
    assert_eq!(plan["fits_month"], false);
    assert!(plan["waiting_ms"].as_u64().unwrap() > 3_000_000, "{plan}");
    let told = cli.ok(&[&backup[..], &["--config", config]].concat());
    assert!(told.out.contains("(2 requests free now)"), "{}", told.out);
    assert!(told.err.contains("does not fit into what is left of this month"), "{}", told.err);
    // What would have to wait is not asked.
    (0..2).for_each(|_| drop(cli.ok(&[&backup[..], &["--config", config]].concat())));
    let told = cli.ok(&[&backup[..], &["--config", config]].concat());
    assert!(told.out.contains("planning took no requests"), "{}", told.out);
}

async fn plan_of(machine: &Machine, source: &Path, sampling: SampleOptions) -> BackupPlan {
    let service = BackupService::new(machine.open().await);
    let plan = service.plan(machine.options("s", &[source]), sampling, machine.heard.clone()).await.unwrap();
    assert_eq!(plan.spent, TrafficCount::default(), "the memory has no quota to ask for");
    plan
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_and_their_merging_are_foreseen() {
    let machine = Machine::new();
    machine.init().await;
    let dir = tempfile::tempdir().unwrap();
    for day in 0..66_u64 {
        write(dir.path(), &format!("{}", day % 7), noise(day, 1500));
        let plan = if day % 32 >= 30 || day == 0 {
            Some(plan_of(&machine, dir.path(), SampleOptions::default()).await)
        } else {
            None
        };
        let real = machine.back_up("s", &[dir.path()]).await.traffic;
        let Some(plan) = plan else { continue };
        assert_eq!(plan.cost.requests, real.requests, "day {day}");
        assert_near(&format!("sent on day {day}"), plan.cost.bytes_up, real.bytes_up, 1024);
        let puts = real.requests["PUT"];
        assert_eq!(puts, if day % 32 == 31 { 3 } else { 2 }, "day {day}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_stands_for_a_large_tree() {
    let machine = Machine::new();
    machine.init().await;
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a/large.bin", noise(1, 600_000));
    for number in 0..400_u64 {
        let text: String = noise(5000 + number, 1400).iter().map(|byte| format!("{byte:02x}")).collect();
        write(dir.path(), &format!("b/{number:03}.txt"), text);
        write(dir.path(), &format!("c/{number:03}.bin"), noise(1000 + number, 700));
    }
    let sampling = SampleOptions { whole_bytes: 100_000, sample_bytes: 500_000, stretch_bytes: 8 << 10 };
    let plan = plan_of(&machine, dir.path(), sampling).await;
    assert!(!plan.is_exact() && plan.sampled_bytes < plan.content_bytes / 2, "{plan:?}");
    let real = machine.back_up("s", &[dir.path()]).await;
    assert_eq!(plan.tally.files_new, real.tally.files_new);
    assert_near("sent", plan.cost.bytes_up, real.traffic.bytes_up, 0);
    assert_near("requests", plan.cost.total(), real.traffic.total(), 3);
    let unchanged = plan_of(&machine, dir.path(), sampling).await;
    assert_eq!((unchanged.content_bytes, unchanged.cost.total()), (0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_broken_off_run_left_is_counted() {
    let machine = Machine::new().with_state_dir();
    machine.init().await;
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a", noise(1, 100_000));
    machine.faults.dies_after(5);
    machine.try_back_up(machine.options("s", &[dir.path()])).await.unwrap_err();
    machine.faults.heal();
    let again = machine.again();
    let plan = plan_of(&again, dir.path(), SampleOptions::default()).await;
    let real = again.back_up("s", &[dir.path()]).await.traffic;
    assert!(plan.cost.total().abs_diff(real.total()) <= 3, "{:?} {:?}", plan.cost, real);
    assert_near("sent", plan.cost.bytes_up, real.bytes_up, 2048);
}

/// The server may be asked for its room; one that tells makes it known.
#[tokio::test]
async fn a_local_folder_tells_its_room() {
    use filbert::store::Store;
    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(filbert::store::FolderStore::new(dir.path()));
    let quota = store.quota().await.unwrap().unwrap();
    assert!(quota.available.is_some_and(|bytes| bytes > 0));
}
