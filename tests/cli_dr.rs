//! Disaster-recovery plans on the command line: kept in the repository, tested, rehearsed, run.

mod support;

use serde_json::Value;
use std::fs;
use std::path::Path;
use support::cli::{Cli, Ran, assert_same};
use support::tree::noise;

/// A machine with two sets, and plans in its settings.
fn machine() -> Cli {
    let mut cli = Cli::new("");
    cli.repository = cli.home.path().join("repository").to_str().unwrap().to_owned();
    let (docs, mail) = (cli.folder("docs"), cli.folder("mail"));
    for number in 0..30 {
        fs::write(docs.join(format!("{number}.bin")), noise(number, 400_000)).unwrap();
    }
    fs::write(mail.join("inbox"), "mail").unwrap();
    cli.ok(&["init"]);
    cli
}

fn settings(cli: &Cli, plans: &str) {
    let home = cli.home.path().display();
    let sets = format!("[sets.docs]\nsources = ['{home}/docs']\n[sets.mail]\nsources = ['{home}/mail']\n");
    let folder = cli.folder(".config/filbert");
    fs::write(folder.join("config.toml"), sets + &plans.replace("HOME", &home.to_string())).unwrap();
}

const ALL: &str = "
[plans.base]
description = 'the mail'
steps = [{ set = 'mail', target = 'HOME/back/mail', prove = 'grep -q mail inbox && test -z \"$FILBERT_PASSWORD\"' }]
[plans.all]
description = 'Everything <comes> back'
notify = 'cat > HOME/notice.json'
[[plans.all.steps]]
plan = 'base'
[[plans.all.steps]]
set = 'docs'
target = 'HOME/back/docs'
exclude = ['29.bin']
";

fn json(ran: &Ran) -> Value {
    ran.summary()
}

/// Forgets everything that this machine knows.
fn emptied(cli: &Cli) {
    fs::remove_dir_all(cli.home.path().join("state")).unwrap();
    fs::remove_dir_all(cli.home.path().join(".config")).unwrap();
}

#[test]
fn an_empty_machine_lists_and_runs_the_plans() {
    let cli = machine();
    settings(&cli, ALL);
    let told = cli.ok(&["backup"]);
    assert!(told.err.contains("plans are kept"), "{}", told.err);
    assert!(!cli.ok(&["backup"]).err.contains("plans are kept"), "they did not change");
    emptied(&cli);
    let listed = cli.ok(&["dr", "list"]);
    assert!(listed.out.contains("all  2 steps  Everything <comes> back"), "{}", listed.out);
    let shown = cli.ok(&["dr", "show", "base"]).out;
    assert!(shown.contains("mail to ") && shown.contains("proven by"), "{shown}");

    let ran = cli.summary(&["dr", "run", "all", "--html", "report.html"]);
    assert_eq!((&ran["good"], ran["steps"].as_array().unwrap().len()), (&true.into(), 2));
    assert_eq!(ran["steps"][0]["proof"]["passed"], true);
    assert_eq!((&ran["steps"][0]["proven"], &ran["steps"][1]["files"]), (&1.into(), &29.into()));
    let back = cli.home.path().join("back");
    fs::remove_file(cli.home.path().join("docs/29.bin")).unwrap();
    assert_same(&cli.home.path().join("docs"), &back.join("docs"));
    let page = fs::read_to_string(cli.home.path().join("report.html")).unwrap();
    assert!(page.contains("Every step is good") && page.contains("Everything &lt;comes&gt; back"));
    let notice: Value =
        serde_json::from_slice(&fs::read(cli.home.path().join("notice.json")).unwrap()).unwrap();
    assert_eq!(notice["id"], ran["id"]);
    // The latest state is that of a set, not of the plans.
    assert_ne!(cli.ok(&["show", "latest", "--json"]).json()["set"], "filbert-plans");
}

#[test]
fn a_test_tells_age_and_cost_and_what_is_not_there() {
    let cli = machine();
    settings(&cli, ALL);
    cli.ok(&["backup", "--set", "docs"]);
    let ran = cli.run(&["dr", "test", "all", "--json"]);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    let report = json(&ran);
    assert_eq!(
        (&report["steps"][0]["state"], &report["steps"][1]["state"]),
        (&"failed".into(), &"good".into())
    );
    assert!(
        report["steps"][0]["problems"][0]["message"].as_str().unwrap().contains("no snapshot of set `mail`")
    );
    assert!(report["steps"][1]["data_age_ms"].as_i64().unwrap() >= 0);
    assert!(report["steps"][1]["received"].as_u64().unwrap() > 29 * 400_000);
    // Nothing is begun where a step cannot be done.
    let refused = cli.run(&["dr", "run", "all"]);
    assert!(refused.code == Some(1) && refused.err.contains("step 1 of the plan `all`"), "{}", refused.err);
    assert!(!cli.home.path().join("back").exists());
    cli.ok(&["backup"]);
    cli.ok(&["dr", "test", "all"]);
    let history: Vec<Value> = cli
        .ok(&["dr", "history", "--json"])
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let good: Vec<_> = history.iter().map(|report| report["good"].as_bool().unwrap()).collect();
    assert_eq!(good, [false, true]);
}

#[test]
fn a_rehearsal_restores_compares_and_keeps_to_its_allowance() {
    let cli = machine();
    settings(&cli, ALL);
    cli.ok(&["backup"]);
    let whole = cli.summary(&["dr", "rehearse", "all"]);
    assert_eq!((&whole["good"], &whole["proven"]), (&true.into(), &30.into()));
    assert!(whole["recovery_ms"].as_u64().is_some());
    assert!(!cli.home.path().join("back").exists());
    let kept = cli.home.path().join("kept");
    let few = cli.summary(&["dr", "rehearse", "all", "--sample", "5", "--scratch", "kept"]);
    assert_eq!(few["steps"][1]["sample"][0], 5);
    assert_eq!(fs::read_dir(kept.join("02-docs")).unwrap().count(), 5);
    let small = cli.summary(&["dr", "rehearse", "all", "--max-download", "5MB"]);
    assert!(small["steps"][1]["sample"][0].as_u64().unwrap() < 29, "{small}");
    assert!(small["steps"][1]["received"].as_u64().unwrap() < 5_000_000, "{small}");
    let used = cli.run(&["dr", "rehearse", "all", "--scratch", "kept"]);
    assert!(used.code == Some(2) && used.err.contains("not empty"), "{}", used.err);
    let none = cli.run(&["dr", "rehearse", "all", "--max-requests", "0", "--json"]);
    assert_eq!(none.code, Some(3));
    assert!(none.out.contains("not rehearsed"), "{}", none.out);

    // What is damaged shows in a rehearsal.
    for pack in walkdir::WalkDir::new(Path::new(&cli.repository).join("packs")).into_iter().flatten() {
        if pack.file_type().is_file() {
            let mut bytes = fs::read(pack.path()).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(pack.path(), bytes).unwrap();
        }
    }
    let bad = cli.run(&["dr", "rehearse", "all", "--json"]);
    assert_eq!(bad.code, Some(3), "{}", bad.err);
    let report = json(&bad);
    assert_eq!(report["good"], false);
    assert!(report["steps"][1]["problem_count"].as_u64().unwrap() > 0);
}

#[test]
fn a_run_stops_where_it_must_and_goes_on_there() {
    let cli = machine();
    settings(
        &cli,
        "[plans.p]\n\
         [[plans.p.steps]]\nset = 'mail'\ntarget = 'HOME/back/mail'\nprove = 'false'\non_failure = 'continue'\n\
         [[plans.p.steps]]\nset = 'docs'\nmap = { 'HOME/docs' = 'HOME/moved' }\nprove = 'test -e HOME/ready; echo checked'\n\
         [[plans.p.steps]]\nset = 'mail'\ntarget = 'HOME/back/again'\n",
    );
    cli.ok(&["backup"]);
    settings(
        &cli,
        "[plans.p]\n\
         [[plans.p.steps]]\nset = 'mail'\ntarget = 'HOME/back/mail'\nprove = 'test -e HOME/ready'\non_failure = 'continue'\n\
         [[plans.p.steps]]\nset = 'docs'\nmap = { 'HOME/docs' = 'HOME/moved' }\nprove = 'echo checked; test -e HOME/ready'\n\
         [[plans.p.steps]]\nset = 'mail'\ntarget = 'HOME/back/again'\n",
    );
    let ran = cli.run(&["dr", "run", "p", "--json"]);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    let states = |report: &Value| {
        let steps = report["steps"].as_array().unwrap().clone();
        steps.iter().map(|step| step["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(states(&json(&ran)), ["failed", "failed", "waiting"]);
    assert!(ran.out.contains("checked"), "{}", ran.out);
    assert!(!cli.home.path().join("back/again").exists());
    assert_same(&cli.home.path().join("docs"), &cli.home.path().join("moved"));

    fs::write(cli.home.path().join("ready"), "").unwrap();
    let resumed = cli.summary(&["dr", "run", "p", "--resume"]);
    assert_eq!(states(&resumed), ["good", "good", "good"]);
    assert_eq!(resumed["id"], json(&ran)["id"]);
    let nothing = cli.run(&["dr", "run", "p", "--resume"]);
    assert!(
        nothing.code == Some(1) && nothing.err.contains("no run of the plan `p` is open"),
        "{}",
        nothing.err
    );
}

#[test]
fn plans_that_cannot_be_carried_out_are_refused_when_the_settings_are_read() {
    let cli = machine();
    for (plans, word) in [
        ("[plans.a]\nsteps = [{ plan = 'b' }]\n[plans.b]\nsteps = [{ plan = 'a' }]\n", "a -> b -> a"),
        ("[plans.a]\nsteps = [{ plan = 'x' }]\n", "no plan `x`"),
        ("[plans.a]\nsteps = [{ set = 'docs' }]\n", "where to"),
        ("[plans.a]\nsteps = []\n", "no steps"),
    ] {
        settings(&cli, plans);
        let ran = cli.run(&["dr", "list"]);
        assert!(ran.code == Some(1) && ran.err.contains(word), "{}", ran.err);
    }
    settings(&cli, ALL);
    let unknown = cli.run(&["dr", "test", "nope"]);
    assert!(unknown.code == Some(2) && unknown.err.contains("dr list"), "{}", unknown.err);
}
