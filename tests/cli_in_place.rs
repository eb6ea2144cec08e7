//! Restores to where the files came from: with a net, taken back, mapped to other folders, and never
//! removing what the backup did not take.

mod support;

use filbert::files::place::Target;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use support::cli::{Cli, Ran, assert_same};
use support::tree::noise;

fn machine() -> (Cli, PathBuf) {
    let mut cli = Cli::new("");
    cli.repository = cli.home.path().join("repository").to_str().unwrap().to_owned();
    cli.ok(&["init"]);
    let docs = cli.folder("docs");
    fs::create_dir_all(docs.join("sub/deep")).unwrap();
    fs::write(docs.join("kept.txt"), "kept").unwrap();
    fs::write(docs.join("edited.txt"), "as it was").unwrap();
    fs::write(docs.join("sub/removed.bin"), noise(1, 300_000)).unwrap();
    fs::write(docs.join("sub/deep/a"), "a").unwrap();
    symlink("kept.txt", docs.join("link")).unwrap();
    cli.ok(&["backup", docs.to_str().unwrap(), "--set", "docs", "--exclude", "*.tmp"]);
    (cli, docs)
}

/// Some work goes wrong.
fn spoil(docs: &Path) {
    fs::write(docs.join("edited.txt"), "spoilt").unwrap();
    fs::set_permissions(docs.join("edited.txt"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::remove_file(docs.join("sub/removed.bin")).unwrap();
    fs::remove_file(docs.join("link")).unwrap();
    symlink("elsewhere", docs.join("link")).unwrap();
    fs::create_dir_all(docs.join("new/below")).unwrap();
    fs::write(docs.join("new/below/file"), "new").unwrap();
    fs::write(docs.join("sub/scratch.tmp"), "never backed up").unwrap();
    fs::write(docs.join("new/scratch.tmp"), "never backed up").unwrap();
    // A folder where a file was, and a file where a folder was.
    fs::remove_file(docs.join("kept.txt")).unwrap();
    fs::create_dir(docs.join("kept.txt")).unwrap();
    fs::write(docs.join("kept.txt/inside"), "inside").unwrap();
    fs::remove_dir_all(docs.join("sub/deep")).unwrap();
    fs::write(docs.join("sub/deep"), "now a file").unwrap();
}

/// A copy to compare with, times and modes as well.
fn copy_of(folder: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(folder).arg(to).status().unwrap().success());
}

fn state(folder: &Path) -> String {
    let find = Command::new("find")
        .arg(".")
        .args(["-printf", "%p %y %m %T@ %l\n"])
        .current_dir(folder)
        .output()
        .unwrap();
    let mut lines: Vec<_> = String::from_utf8(find.stdout).unwrap().lines().map(str::to_owned).collect();
    lines.sort();
    lines.join("\n")
}

fn session(summary: &Value) -> &str {
    summary["session"].as_str().unwrap()
}

fn restores(cli: &Cli) -> Vec<Value> {
    let ran: Ran = cli.ok(&["restores", "--json"]);
    ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn all_is_as_it_was_and_can_be_taken_back_and_brought_again() {
    let (cli, docs) = machine();
    let before = cli.home.path().join("before");
    copy_of(&docs, &before);
    spoil(&docs);
    let spoilt = cli.home.path().join("spoilt");
    copy_of(&docs, &spoilt);
    let spoilt_state = state(&docs);

    let dry = cli.summary(&["restore", "latest", "--set", "docs", "--in-place", "--delete", "--dry-run"]);
    assert_eq!((&dry["removed"], &dry["session"]), (&5.into(), &Value::Null));
    assert_eq!(state(&docs), spoilt_state, "a dry run changes nothing");

    let restored = cli.summary(&["restore", "latest", "--set", "docs", "--in-place", "--delete", "--verify"]);
    assert!(restored["safety_snapshot"].is_string());
    // What the backup leaves out stays, and so does the folder that holds it.
    assert_eq!(fs::read(docs.join("new/scratch.tmp")).unwrap(), b"never backed up");
    assert_eq!(fs::read(docs.join("sub/scratch.tmp")).unwrap(), b"never backed up");
    assert!(!docs.join("new/below").exists());
    for kept in ["new/scratch.tmp", "sub/scratch.tmp"] {
        fs::remove_file(docs.join(kept)).unwrap();
    }
    fs::remove_dir(docs.join("new")).unwrap();
    assert_same(&before, &docs);

    // What came in between is not lost either.
    fs::write(docs.join("edited.txt"), "edited after the restore").unwrap();
    let undone = cli.summary(&["rollback", session(&restored)]);
    for kept in ["new/scratch.tmp", "sub/scratch.tmp"] {
        fs::write(docs.join(kept), "never backed up").unwrap();
    }
    assert_same(&spoilt, &docs);
    let mode = fs::metadata(docs.join("edited.txt")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);

    let listed = restores(&cli);
    let states: Vec<_> = listed.iter().map(|line| line["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["undone", "done"]);
    assert_eq!(listed[1]["undoes"], listed[0]["session"]);
    let again = cli.run(&["rollback", session(&restored)]);
    assert!(again.code == Some(1) && again.err.contains("taken back already"), "{}", again.err);

    cli.ok(&["rollback", session(&undone)]);
    assert_eq!(fs::read(docs.join("edited.txt")).unwrap(), b"edited after the restore");
    // What was kept is never taken for the latest state.
    let latest = cli.ok(&["show", "latest", "--json"]).json();
    assert_eq!(latest["set"], "docs");
    assert_eq!(cli.ok(&["snapshots", "--tag", "safety", "--json"]).json().as_array().unwrap().len(), 3);
}

#[test]
fn nothing_is_kept_where_nothing_changes_and_nothing_on_wish() {
    let (cli, docs) = machine();
    let right = cli.summary(&["restore", "latest", "--set", "docs", "--in-place"]);
    assert_eq!((&right["safety_snapshot"], &right["files_written"]), (&Value::Null, &0.into()));
    fs::write(docs.join("edited.txt"), "spoilt").unwrap();
    let without = cli.summary(&["restore", "latest", "--set", "docs", "--in-place", "--no-safety"]);
    assert_eq!((&without["safety_snapshot"], &without["files_replaced"]), (&Value::Null, &1.into()));
    assert_eq!(fs::read(docs.join("edited.txt")).unwrap(), b"as it was");
    let refused = cli.run(&["rollback", session(&without)]);
    assert!(refused.code == Some(1) && refused.err.contains("no safety snapshot"), "{}", refused.err);
}

#[test]
fn what_cannot_be_kept_is_not_touched() {
    if rustix::process::geteuid().is_root() {
        // Root reads everything: what cannot be read is made so by the repository instead.
        let (cli, docs) = machine();
        fs::write(docs.join("edited.txt"), "spoilt").unwrap();
        let repository = Path::new(&cli.repository);
        let hidden = cli.home.path().join("hidden");
        // Without its packs folder nothing can be sent.
        fs::rename(repository.join("packs"), &hidden).unwrap();
        fs::write(repository.join("packs"), "in the way").unwrap();
        let refused = cli.run(&["restore", "latest", "--set", "docs", "--in-place"]);
        assert_ne!(refused.code, Some(0), "{}", refused.err);
        assert!(refused.err.contains("could not be kept"), "{}", refused.err);
        assert_eq!(fs::read(docs.join("edited.txt")).unwrap(), b"spoilt");
        assert_eq!(restores(&cli)[0]["state"], "failed");
        return;
    }
    let (cli, docs) = machine();
    fs::write(docs.join("edited.txt"), "spoilt").unwrap();
    fs::set_permissions(docs.join("edited.txt"), fs::Permissions::from_mode(0o000)).unwrap();
    let refused = cli.run(&["restore", "latest", "--set", "docs", "--in-place"]);
    assert!(refused.code == Some(1) && refused.err.contains("could not be kept"), "{}", refused.err);
}

#[test]
fn another_machine_has_its_own_folders() {
    let (cli, docs) = machine();
    let other = cli.home.path().join("other/place");
    let map = format!("{}={}", docs.display(), other.display());
    let restored = cli.summary(&["restore", "latest", "--set", "docs", "--in-place", "--map", &map]);
    assert_same(&docs, &other);
    // Nothing was there: to take that back leaves nothing, not even the folders above.
    cli.ok(&["rollback", session(&restored)]);
    assert!(!cli.home.path().join("other").exists());
    // A part of a source may go elsewhere, and the rest to where it came from.
    fs::remove_file(docs.join("edited.txt")).unwrap();
    let map = format!("{}={}", docs.join("sub").display(), other.display());
    cli.ok(&["restore", "latest", "--set", "docs", "--in-place", "--delete", "--map", &map]);
    assert_same(&docs.join("sub"), &other);
    assert_eq!(fs::read(docs.join("edited.txt")).unwrap(), b"as it was");
    for bad in ["relative=/x", "/x", "/x="] {
        let ran = cli.run(&["restore", "latest", "--set", "docs", "--in-place", "--map", bad]);
        assert_eq!(ran.code, Some(2), "{bad}: {}", ran.err);
    }
}

#[test]
fn sources_may_be_files_and_links_and_lie_apart() {
    let (cli, docs) = machine();
    let apart = cli.folder("apart/real");
    fs::write(apart.join("x"), "x").unwrap();
    let link = cli.home.path().join("apart/link");
    symlink(&apart, &link).unwrap();
    let file = docs.join("edited.txt");
    let sources = [link.to_str().unwrap(), file.to_str().unwrap()];
    cli.ok(&["backup", sources[0], sources[1], "--set", "two"]);
    fs::write(apart.join("x"), "spoilt").unwrap();
    fs::write(&file, "spoilt").unwrap();
    fs::write(apart.join("more"), "more").unwrap();
    let restored = cli.summary(&["restore", "latest", "--set", "two", "--in-place", "--delete"]);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink(), "the link itself stays");
    assert_eq!(fs::read(apart.join("x")).unwrap(), b"x");
    assert_eq!(fs::read(&file).unwrap(), b"as it was");
    assert!(!apart.join("more").exists());
    assert!(docs.join("kept.txt").exists(), "beside a single file nothing is removed");
    cli.ok(&["rollback", session(&restored)]);
    assert_eq!(fs::read(apart.join("more")).unwrap(), b"more");
    assert_eq!(fs::read(&file).unwrap(), b"spoilt");
}

#[test]
fn a_part_is_restored_and_only_that_part_is_cleared() {
    let (cli, docs) = machine();
    fs::write(docs.join("edited.txt"), "spoilt").unwrap();
    fs::write(docs.join("sub/extra.bin"), "extra").unwrap();
    fs::write(docs.join("extra.bin"), "extra").unwrap();
    fs::remove_file(docs.join("sub/removed.bin")).unwrap();
    cli.ok(&["restore", "latest", "--set", "docs", "--in-place", "--delete", "--include", "/sub"]);
    assert!(docs.join("sub/removed.bin").exists() && !docs.join("sub/extra.bin").exists());
    assert_eq!(fs::read(docs.join("edited.txt")).unwrap(), b"spoilt");
    assert!(docs.join("extra.bin").exists());
}

#[test]
fn a_snapshot_that_lacks_files_removes_none() {
    let (cli, docs) = machine();
    let gone = cli.folder("gone");
    cli.ok(&["backup", docs.to_str().unwrap(), gone.to_str().unwrap(), "--set", "lacking"]);
    fs::remove_dir(&gone).unwrap();
    let ran = cli.run(&["backup", "--set", "lacking"]);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    let refused = cli.run(&["restore", "latest", "--set", "lacking", "--in-place", "--delete"]);
    assert!(refused.code == Some(1) && refused.err.contains("needs a whole snapshot"), "{}", refused.err);
}

#[test]
fn links_in_place_that_lead_outside_are_not_followed() {
    let (cli, docs) = machine();
    let outside = cli.folder("outside");
    fs::write(outside.join("removed.bin"), "mine").unwrap();
    fs::remove_dir_all(docs.join("sub")).unwrap();
    symlink(&outside, docs.join("sub")).unwrap();
    let restored = cli.summary(&["restore", "latest", "--set", "docs", "--in-place"]);
    assert_eq!(fs::read(outside.join("removed.bin")).unwrap(), b"mine");
    assert!(
        docs.join("sub/deep/a").exists() && !fs::symlink_metadata(docs.join("sub")).unwrap().is_symlink()
    );
    cli.ok(&["rollback", session(&restored)]);
    assert_eq!(fs::read_link(docs.join("sub")).unwrap(), outside);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}

#[test]
fn one_restore_at_a_time() {
    let (cli, docs) = machine();
    let _held = Target::open_or_create(&docs, None).unwrap();
    let busy = cli.run(&["restore", "latest", "--set", "docs", "--in-place", "--no-safety"]);
    assert_eq!(busy.code, Some(11), "{}", busy.err);
}

#[test]
fn a_restore_that_is_not_known_cannot_be_taken_back_or_gone_on_with() {
    let (cli, _docs) = machine();
    for arguments in [&["rollback", "00000000"][..], &["restore", "--resume", "00000000"]] {
        let ran = cli.run(arguments);
        assert!(ran.code == Some(1) && ran.err.contains("filbert restores"), "{}", ran.err);
    }
    assert_eq!(cli.run(&["restore", "--resume", "x", "latest"]).code, Some(2));
    assert_eq!(cli.run(&["restore", "latest", "--delete", "--target", "x"]).code, Some(2));
}

#[test]
fn a_slip_in_a_map_writes_nothing() {
    let (cli, docs) = machine();
    fs::write(docs.join("edited.txt"), "precious").unwrap();
    let home = cli.home.path().display().to_string();
    let maps = [
        vec![format!("{home}/dosc={home}/other")],
        vec![format!("{home}/docs/nope={home}/other")],
        vec![format!("{home}/docs/edited.txt={home}/other.txt")],
        vec![format!("{home}/docs={home}/one"), format!("{home}/docs={home}/two")],
        vec![format!("{home}/docs={home}/one"), format!("{home}/docs/sub={home}/one")],
    ];
    for maps in maps {
        let mut arguments = vec!["restore", "latest", "--set", "docs", "--in-place", "--no-safety"];
        maps.iter().for_each(|map| arguments.extend(["--map", map]));
        let ran = cli.run(&arguments);
        assert_eq!(ran.code, Some(2), "{maps:?}: {}", ran.err);
        assert_eq!(fs::read(docs.join("edited.txt")).unwrap(), b"precious");
        for made in ["other", "other.txt", "one", "two"] {
            assert!(!cli.home.path().join(made).exists(), "{made} of {maps:?}");
        }
    }
}

#[test]
fn places_in_places_keep_what_is_theirs() {
    let (cli, docs) = machine();
    let other = cli.folder("second");
    fs::write(other.join("theirs"), "theirs").unwrap();
    cli.ok(&["backup", docs.to_str().unwrap(), other.to_str().unwrap(), "--set", "two"]);
    let home = cli.home.path().display();
    let maps = [format!("{home}/docs={home}/new"), format!("{home}/second={home}/new/inner")];
    let wish =
        ["restore", "latest", "--set", "two", "--in-place", "--delete", "--map", &maps[0], "--map", &maps[1]];
    for _ in 0..2 {
        cli.ok(&wish);
        assert_eq!(fs::read(cli.home.path().join("new/inner/theirs")).unwrap(), b"theirs");
    }
}

#[test]
fn a_safety_snapshot_never_tells_what_is_to_go() {
    let (cli, docs) = machine();
    fs::write(docs.join("edited.txt"), "spoilt").unwrap();
    cli.ok(&["restore", "latest", "--set", "docs", "--in-place"]);
    let wish = ["restore", "latest", "--set", "filbert-safety", "--in-place", "--delete"];
    let refused = cli.run(&wish);
    assert!(refused.code == Some(1) && refused.err.contains("filbert rollback"), "{}", refused.err);
    assert!(docs.join("kept.txt").exists());
    let refused = cli.run(&["backup", "docs", "--set", "filbert-safety"]);
    assert!(refused.code == Some(2) && refused.err.contains("filbert's own"), "{}", refused.err);
}

#[test]
fn what_was_made_and_worked_on_since_is_kept_by_the_rollback() {
    let (cli, docs) = machine();
    fs::remove_file(docs.join("edited.txt")).unwrap();
    let restored = cli.summary(&["restore", "latest", "--set", "docs", "--in-place"]);
    fs::write(docs.join("edited.txt"), "weeks of work").unwrap();
    let undone = cli.summary(&["rollback", session(&restored)]);
    assert!(!docs.join("edited.txt").exists());
    cli.ok(&["rollback", session(&undone)]);
    assert_eq!(fs::read(docs.join("edited.txt")).unwrap(), b"weeks of work");
}

#[test]
fn folders_on_the_way_stay_as_they_are() {
    let (cli, docs) = machine();
    fs::set_permissions(&docs, fs::Permissions::from_mode(0o700)).unwrap();
    fs::remove_file(docs.join("sub/deep/a")).unwrap();
    cli.ok(&["restore", "latest", "--set", "docs", "--in-place", "--include", "/sub/deep/a"]);
    assert!(docs.join("sub/deep/a").exists());
    assert_eq!(fs::metadata(&docs).unwrap().permissions().mode() & 0o777, 0o700);
}
