//! Disaster-recovery plans on the command line: kept in the repository, tested, rehearsed, run.

mod support;

use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
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
    assert_eq!(few["steps"][1]["sample"]["files"], 5);
    assert_eq!(few["steps"][1]["files"], 29);
    assert_eq!(fs::read_dir(kept.join("02-docs")).unwrap().count(), 5);
    let small = cli.summary(&["dr", "rehearse", "all", "--max-download", "5MB"]);
    assert!(small["steps"][1]["sample"]["files"].as_u64().unwrap() < 29, "{small}");
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
fn a_bad_plan_stops_nobody_but_who_asks_for_it() {
    let cli = machine();
    settings(&cli, ALL);
    cli.ok(&["backup"]);
    let plan = "[plans.all]\nsteps = [{ set = 'docs', target = 'HOME/back' }]\n";
    for (bad, words) in [
        ("[plans.a]\nsteps = [{ plan = 'b' }]\n[plans.b]\nsteps = [{ plan = 'a' }]\n", vec!["a -> b -> a"]),
        ("[plans.a]\nsteps = [{ plan = 'x' }]\n", vec!["step 1 of the plan `a`", "`x`"]),
        ("[plans.a]\nsteps = [{ set = 'docs' }]\n", vec!["where to"]),
        ("[plans.a]\nsteps = []\n", vec!["no steps"]),
        ("[plans.a]\ndescription = 'none'\n", vec!["plan `a`", "steps"]),
        ("[plans.a]\nsteps = [{ set = 'docs', targt = '/x' }]\n", vec!["plan `a`", "targt"]),
    ] {
        settings(&cli, &format!("{plan}{bad}"));
        cli.ok(&["snapshots"]);
        let backup = cli.ok(&["backup", "--set", "mail"]);
        let list = cli.run(&["dr", "list"]);
        assert_eq!(list.code, Some(3), "{}", list.err);
        assert!(list.out.contains("all  1 step"), "{}", list.out);
        let refused = cli.run(&["dr", "test", "a"]);
        assert_eq!(refused.code, Some(2), "{}", refused.err);
        for said in [&backup.err, &list.err, &refused.err] {
            assert!(words.iter().all(|word| said.contains(word)), "{words:?} in {said}");
        }
        assert!(backup.err.contains("stay as they were"), "{}", backup.err);
        cli.ok(&["dr", "test", "all"]);
    }
    // What was good is still there for the worst day.
    emptied(&cli);
    assert!(cli.ok(&["dr", "list"]).out.contains("all  2 steps"));
    settings(&cli, ALL);
    let unknown = cli.run(&["dr", "test", "nope"]);
    assert!(unknown.code == Some(2) && unknown.err.contains("dr list"), "{}", unknown.err);
}

#[test]
fn a_test_looks_for_the_packs() {
    let cli = machine();
    settings(&cli, ALL);
    cli.ok(&["backup"]);
    let good = cli.summary(&["dr", "test", "all"]);
    assert!(good["packs"]["packs"].as_u64().unwrap() > 0, "{good}");
    assert_eq!((&good["packs"]["lacking"], &good["steps"][1]["requests"]), (&0.into(), &0.into()));
    let packs = walkdir::WalkDir::new(Path::new(&cli.repository).join("packs")).into_iter().flatten();
    let packs = packs.filter(|entry| entry.file_type().is_file());
    let largest = packs.max_by_key(|entry| entry.metadata().unwrap().len()).unwrap();
    let bytes = fs::read(largest.path()).unwrap();
    let said = |ran: &Ran| {
        assert_eq!(ran.code, Some(3), "{}", ran.err);
        json(ran)["steps"][1]["problems"][0]["message"].as_str().unwrap().to_owned()
    };
    fs::remove_file(largest.path()).unwrap();
    let missing = said(&cli.run(&["dr", "test", "all", "--json"]));
    assert!(missing.contains("it is missing") && missing.contains("docs/"), "{missing}");
    fs::write(largest.path(), &bytes[..bytes.len() - 1]).unwrap();
    let cut = said(&cli.run(&["dr", "test", "all", "--json"]));
    assert!(cut.contains(&format!("instead of {}", bytes.len())), "{cut}");
    // What a check found is known to a test, whatever the listing says.
    let mut spoilt = bytes.clone();
    spoilt[bytes.len() / 2] ^= 1;
    fs::write(largest.path(), &spoilt).unwrap();
    assert_eq!(cli.run(&["check", "--read-data"]).code, Some(1));
    let known = said(&cli.run(&["dr", "test", "all", "--json"]));
    assert!(known.contains("--read-data"), "{known}");
    fs::write(largest.path(), &bytes).unwrap();
    cli.ok(&["check", "--read-data"]);
    cli.ok(&["dr", "test", "all"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_for_packs_takes_a_listing_and_what_that_lacks() {
    let server = support::dav::start().await;
    let journal = server.server.journal();
    let mut cli = machine();
    cli.repository = format!("{}repo", server.server.url());
    cli.ok(&["init"]);
    one_step(&cli, "set = 'docs'\ntarget = '/x'");
    cli.ok(&["backup", "--set", "docs"]);
    journal.take();
    let look = |report: Value| (report["packs"].clone(), report["steps"][0]["requests"].as_u64().unwrap());
    let (packs, requests) = look(cli.summary(&["dr", "test", "p"]));
    assert_eq!((&packs["requests"], requests > 0), (&1.into(), true), "{packs}");
    let seen = journal.take();
    let pack = |seen: &filbert::server::Seen| seen.path.contains("/packs/");
    let of_packs: Vec<_> = seen.iter().filter(|seen| pack(seen)).map(|seen| seen.method.as_str()).collect();
    assert_eq!(of_packs, ["PROPFIND"]);
    let told = cli.ok(&["dr", "test", "p"]).out;
    assert!(told.contains("looked for with 1 request, all there"), "{told}");
}

/// A plan of one step.
fn one_step(cli: &Cli, step: &str) {
    settings(cli, &format!("[plans.p]\n[[plans.p.steps]]\n{step}\n"));
}

#[test]
fn nothing_of_a_rehearsal_can_be_read_by_others() {
    let cli = machine();
    let closed = cli.folder("closed");
    for name in ["one", "two"] {
        fs::write(cli.folder(&format!("closed/{name}")).join("secret"), name).unwrap();
    }
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let home = cli.home.path().display().to_string();
    let set = "[sets.two]\nsources = ['HOME/closed/one', 'HOME/closed/two']\n";
    let plan = "[plans.p]\nsteps = [{ set = 'two', target = '/x', prove = 'pwd; stat -c %a . ..' }]\n";
    settings(&cli, &format!("{set}{plan}").replace("HOME", &home));
    cli.ok(&["backup", "--set", "two"]);
    fs::create_dir(cli.home.path().join("open")).unwrap();
    fs::set_permissions(cli.home.path().join("open"), fs::Permissions::from_mode(0o755)).unwrap();
    for scratch in [&[][..], &["--scratch", "new"], &["--scratch", "open"]] {
        let report = cli.summary(&[&["dr", "rehearse", "p"], scratch].concat());
        let said = report["steps"][0]["proof"]["output"].as_str().unwrap().to_owned();
        let lines: Vec<_> = said.lines().collect();
        assert_eq!(&lines[1..], ["700", "700"], "{said}");
        assert_eq!(Path::new(lines[0]).exists(), !scratch.is_empty());
    }
}

/// Waits for a file that a command writes, and answers what it wrote.
fn waited_for(file: &Path) -> String {
    for _ in 0..1200 {
        match fs::read_to_string(file) {
            Ok(text) if text.ends_with('\n') => return text.trim_end().to_owned(),
            _ => std::thread::sleep(Duration::from_millis(25)),
        }
    }
    panic!("{} is not written", file.display());
}

fn states(cli: &Cli) -> Vec<String> {
    let history = cli.ok(&["dr", "history", "--json"]).out;
    let state =
        |line: &str| serde_json::from_str::<Value>(line).unwrap()["state"].as_str().unwrap().to_owned();
    history.lines().map(state).collect()
}

fn pid(number: &str) -> rustix::process::Pid {
    rustix::process::Pid::from_raw(number.parse().unwrap()).unwrap()
}

#[test]
fn what_a_killed_rehearsal_leaves_goes_with_the_next() {
    let cli = machine();
    one_step(
        &cli,
        "set = 'mail'\ntarget = '/x'\n\
         prove = 'test -e HOME/ready && exit 0; pwd > HOME/where; echo $$ > HOME/pid; exec sleep 60'",
    );
    cli.ok(&["backup", "--set", "mail"]);
    let mut rehearsal = cli.start(&["dr", "rehearse", "p"]);
    let command = waited_for(&cli.home.path().join("pid"));
    assert_eq!(states(&cli), ["under way"]);
    rehearsal.kill().unwrap();
    rehearsal.wait().unwrap();
    rustix::process::kill_process(pid(&command), rustix::process::Signal::KILL).unwrap();
    let left = PathBuf::from(waited_for(&cli.home.path().join("where")));
    assert!(left.join("inbox").exists());
    assert_eq!(states(&cli), ["broken off"]);
    fs::write(cli.home.path().join("ready"), "").unwrap();
    let next = cli.ok(&["dr", "rehearse", "p"]);
    assert!(next.err.contains("removed what rehearsal"), "{}", next.err);
    assert!(!left.parent().unwrap().exists());
    assert_eq!(states(&cli), ["broken off", "good"]);
}

#[test]
fn a_stopped_run_ends_its_command_and_goes_on_later() {
    let cli = machine();
    one_step(
        &cli,
        "set = 'mail'\ntarget = 'HOME/back'\n\
         prove = 'test -e HOME/ready && exit 0; sleep 60 & echo $! > HOME/pid; wait'",
    );
    cli.ok(&["backup", "--set", "mail"]);
    let run = cli.start(&["dr", "run", "p"]);
    let command = waited_for(&cli.home.path().join("pid"));
    let other = cli.run(&["dr", "run", "p"]);
    assert!(other.code == Some(11) && other.err.contains("is being run"), "{}", other.err);
    let began = std::time::Instant::now();
    let id = pid(&run.id().to_string());
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let ended = run.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(130), "{said}");
    assert!(began.elapsed() < Duration::from_secs(30));
    assert!(said.contains("`filbert dr run p --resume`"), "{said}");
    assert!(said.contains("step 1 of 1: set mail") && said.contains("step 1 of 1: running"), "{said}");
    for _ in 0..200 {
        if rustix::process::test_kill_process(pid(&command)).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    assert!(rustix::process::test_kill_process(pid(&command)).is_err(), "what it started is still at work");
    assert_eq!(states(&cli), ["broken off"]);
    fs::write(cli.home.path().join("ready"), "").unwrap();
    let resumed = cli.summary(&["dr", "run", "p", "--resume"]);
    assert_eq!(resumed["steps"][0]["state"], "good");
    assert_eq!(states(&cli), ["good"]);
}

#[test]
fn times_tell_restoring_and_proving_apart_and_a_command_has_a_limit() {
    let cli = machine();
    one_step(&cli, "set = 'mail'\ntarget = 'HOME/back'\nprove = 'sleep 0.3'");
    cli.ok(&["backup", "--set", "mail"]);
    let good = cli.summary(&["dr", "run", "p"]);
    let step = &good["steps"][0];
    let number = |value: &Value| value.as_u64().unwrap();
    assert!(number(&step["prove_ms"]) >= 300, "{good}");
    assert_eq!(number(&step["duration_ms"]), number(&step["restore_ms"]) + number(&step["prove_ms"]));
    assert_eq!(good["recovery_ms"], step["duration_ms"]);
    assert_eq!(good["recovery_is_estimate"], false);
    one_step(
        &cli,
        "set = 'mail'\ntarget = 'HOME/back'\nprove = 'echo begun; sleep 60'\nprove_timeout = '300ms'",
    );
    let late = cli.run(&["dr", "run", "p", "--json"]);
    assert_eq!(late.code, Some(3), "{}", late.err);
    let report = json(&late);
    let message = report["steps"][0]["problems"][0]["message"].as_str().unwrap();
    assert!(
        message.contains("`prove_timeout`") && message.contains("after 0.3 s") && message.contains("begun"),
        "{message}"
    );
    assert_eq!(report["recovery_ms"], Value::Null);
    let told = cli.run(&["dr", "run", "p"]);
    assert!(told.out.contains("recovery time: not recovered"), "{}", told.out);
    assert!(told.err.contains("`filbert dr run p --resume`"), "{}", told.err);
    assert!(cli.ok(&["dr", "history"]).out.contains("not recovered"));
}

#[test]
fn a_sample_is_told_as_one() {
    let cli = machine();
    one_step(
        &cli,
        "set = 'docs'\ntarget = '/x'\ninclude = ['1*.bin']\nprove = 'test -e 10.bin -a -e 19.bin'",
    );
    cli.ok(&["backup", "--set", "docs"]);
    let few = cli.summary(&["dr", "rehearse", "p", "--sample", "1"]);
    let step = &few["steps"][0];
    assert_eq!((&step["sample"]["files"], &step["files"]), (&1.into(), &11.into()));
    assert_eq!(step["bytes"], 11 * 400_000);
    assert!(step["proof"].is_null() && step["not_proven"].as_str().unwrap().contains("sample"), "{few}");
    assert_eq!(few["recovery_ms"], Value::Null, "one file of eleven tells nothing: {few}");
    let most = cli.ok(&["dr", "rehearse", "p", "--sample", "9"]);
    assert!(
        most.out.contains("9 of 11") && most.out.contains("an estimate from 9 of 11 files"),
        "{}",
        most.out
    );
    assert!(most.out.contains("not proven"), "{}", most.out);
    let all = cli.summary(&["dr", "rehearse", "p", "--sample", "11"]);
    assert!(all["steps"][0]["sample"].is_null(), "all is no sample: {all}");
    assert_eq!(all["steps"][0]["proof"]["passed"], true);
}

#[test]
fn a_run_may_go_back_in_time_and_replace_what_is_in_the_way() {
    let cli = machine();
    one_step(&cli, "set = 'mail'\ntarget = 'HOME/back'");
    let first = cli.summary(&["backup", "--set", "mail"])["snapshot"].as_str().unwrap().to_owned();
    fs::write(cli.home.path().join("mail/inbox"), "newer mail").unwrap();
    cli.ok(&["backup", "--set", "mail"]);
    let then = cli.time_of(&first);
    let tested = cli.summary(&["dr", "test", "p", "--at", &then]);
    assert_eq!(tested["steps"][0]["snapshot"], first);
    cli.ok(&["dr", "run", "p", "--at", &then]);
    let inbox = || fs::read_to_string(cli.home.path().join("back/inbox")).unwrap();
    assert_eq!(inbox(), "mail");
    let early = cli.run(&["dr", "run", "p", "--at", "2001-01-01T00:00:00Z"]);
    assert!(early.code == Some(1) && early.err.contains("at or before"), "{}", early.err);

    let refused = cli.run(&["dr", "run", "p"]);
    assert_eq!(refused.code, Some(3), "{}", refused.err);
    assert!(refused.out.contains("`overwrite = true` in this step"), "{}", refused.out);
    assert_eq!(inbox(), "mail");
    one_step(&cli, "set = 'mail'\ntarget = 'HOME/back'\noverwrite = true");
    cli.ok(&["dr", "run", "p", "--resume"]);
    assert_eq!(inbox(), "newer mail");
}

#[test]
fn reports_name_the_restore_and_the_way_back() {
    let cli = machine();
    settings(
        &cli,
        "[plans.p]\nnotify = 'cat > HOME/notice'\nsteps = [{ set = 'mail', map = {} }, { set = 'mail', target = 'HOME/back' }]\n",
    );
    cli.ok(&["backup", "--set", "mail"]);
    let empty = cli.ok(&["dr", "history"]);
    assert!(empty.out.is_empty() && empty.err.contains("dr test PLAN"), "{}{}", empty.out, empty.err);
    fs::write(cli.home.path().join("mail/inbox"), "spoilt").unwrap();
    let ran = cli.ok(&["dr", "run", "p", "--html", "report.html"]);
    let page = fs::read_to_string(cli.home.path().join("report.html")).unwrap();
    let notice = fs::read_to_string(cli.home.path().join("notice")).unwrap();
    assert!(notice.ends_with("}\n"), "{notice}");
    let report: Value = serde_json::from_str(&notice).unwrap();
    for key in ["began", "ended"] {
        chrono::DateTime::parse_from_rfc3339(report[key].as_str().unwrap()).unwrap();
    }
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (session, safety) =
        (text(&report["steps"][0]["session"]), text(&report["steps"][0]["safety_snapshot"]));
    for said in [&ran.out, &page] {
        assert!(said.contains(&format!("`filbert rollback {session}`")), "{said}");
        assert!(said.contains(&safety[..8]), "{said}");
        assert!(said.contains(&text(&report["steps"][1]["session"])), "{said}");
    }
    cli.ok(&["rollback", &session]);
    assert_eq!(fs::read_to_string(cli.home.path().join("mail/inbox")).unwrap(), "spoilt");
    assert!(cli.ok(&["dr", "history"]).out.starts_with("id "));
}
