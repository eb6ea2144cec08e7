//! Looking into snapshots on the command line: show, find, diff, dump, export.

mod support;

use serde_json::Value;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;
use support::cli::{Cli, Ran};
use support::tree;

fn machine() -> Cli {
    let mut cli = Cli::new("");
    cli.repository = cli.home.path().join("repository").to_str().unwrap().to_owned();
    cli.ok(&["init"]);
    cli
}

fn backup(cli: &Cli, more: &[&str]) -> String {
    let mut arguments = vec!["backup", "work", "--set", "work"];
    arguments.extend(more);
    cli.summary(&arguments)["snapshot"].as_str().unwrap().to_owned()
}

/// What a call wrote, byte for byte.
fn bytes(cli: &Cli, arguments: &[&str]) -> Vec<u8> {
    let output = cli.start(arguments).wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn lines(ran: &Ran) -> Vec<Value> {
    ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Ages a tree, so that nothing in it is read again for being new.
fn age(root: &Path) {
    assert!(
        Command::new("find")
            .arg(root)
            .args(["-exec", "touch", "-h", "-d", "2020-05-06 07:08:09.123456789", "{}", "+"])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn a_tar_holds_what_was_there() {
    let cli = machine();
    let work = cli.folder("work");
    fs::create_dir_all(work.join("a/b")).unwrap();
    fs::write(work.join("a/b/text.txt"), "text\n".repeat(1000)).unwrap();
    fs::write(work.join("a/empty"), "").unwrap();
    fs::write(work.join(std::ffi::OsStr::from_bytes(b"not \xFF utf-8")), "bytes").unwrap();
    fs::write(work.join(format!("{}.txt", "long".repeat(50))), "a long name").unwrap();
    let long = [&b"\xFE\xFF "[..], &[b'x'; 150]].concat();
    fs::write(work.join(std::ffi::OsStr::from_bytes(&long)), "neither short nor UTF-8").unwrap();
    std::os::unix::fs::symlink("a//b/./text.txt/", work.join("odd link")).unwrap();
    let far = format!("{}/end", "folder/".repeat(20));
    std::os::unix::fs::symlink(&far, work.join("long link")).unwrap();
    // Larger than what is asked for at once.
    fs::write(work.join("large"), tree::noise(1, 40 << 20)).unwrap();
    fs::File::create(work.join("hole")).unwrap().set_len(3 << 20).unwrap();
    let sparse = fs::File::create(work.join("large with holes")).unwrap();
    sparse.set_len(70 << 20).unwrap();
    for at in [0, 33 << 20, 60 << 20] {
        std::os::unix::fs::FileExt::write_all_at(&sparse, &tree::noise(at, 7 << 20), at).unwrap();
    }
    drop(sparse);
    fs::hard_link(work.join("a/b/text.txt"), work.join("second name")).unwrap();
    std::os::unix::fs::symlink("a/b/text.txt", work.join("link")).unwrap();
    assert!(Command::new("mkfifo").arg(work.join("pipe")).status().unwrap().success());
    let attribute = xattr::set(work.join("a/empty"), "user.origin", b"here");
    age(&work);
    backup(&cli, &[]);

    let archive = cli.home.path().join("all.tar");
    let ran = cli.ok(&["export", "latest", "--format", "tar", "--output", "all.tar"]);
    assert!(ran.out.is_empty() && ran.err.contains("exported snapshot"), "{}{}", ran.out, ran.err);
    assert_eq!(bytes(&cli, &["export", "latest", "--format", "tar"]), fs::read(&archive).unwrap());
    let out = cli.folder("out");
    let mut tar = Command::new("tar");
    tar.args(["--xattrs", "-xpf"]).arg(&archive).arg("-C").arg(&out);
    assert!(tar.status().unwrap().success());
    let (mut wanted, mut found) = (tree::read(&work), tree::read(&out));
    // The shown root itself is not in the archive, tar makes no holes, and folders of links are new.
    for tree in [&mut wanted, &mut found] {
        tree.remove("");
        for thing in tree.values_mut() {
            if let tree::What::File { sparse, .. } = &mut thing.what {
                *sparse = false;
            }
            if attribute.is_err() {
                thing.xattrs.clear();
            }
        }
    }
    assert_eq!(tree::differences(&wanted, &found), Vec::<String>::new());

    let again = cli.run(&["export", "latest", "--format", "tar", "--output", "all.tar"]);
    assert_eq!(again.code, Some(1));
    assert!(again.err.contains("exists"), "nothing is overwritten: {}", again.err);
}

#[test]
fn a_zip_holds_files_and_tells_what_it_cannot() {
    let cli = machine();
    let work = cli.folder("work");
    fs::create_dir_all(work.join("docs")).unwrap();
    fs::write(work.join("docs/a.txt"), "a".repeat(100_000)).unwrap();
    fs::write(work.join("b.bin"), tree::noise(2, 100_000)).unwrap();
    std::os::unix::fs::symlink("b.bin", work.join("link")).unwrap();
    fs::write(work.join(std::ffi::OsStr::from_bytes(b"a \xFF")), "content").unwrap();
    assert!(Command::new("mkfifo").arg(work.join("pipe")).status().unwrap().success());
    backup(&cli, &[]);

    let ran = cli.run(&["export", "latest", "--format", "zip", "--output", "all.zip"]);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert!(ran.err.contains("pipe") && ran.err.contains("--format tar"), "{}", ran.err);
    let mut zip = zip::ZipArchive::new(fs::File::open(cli.home.path().join("all.zip")).unwrap()).unwrap();
    let mut names: Vec<_> = zip.file_names().map(|name| name.unwrap().into_owned()).collect();
    names.sort();
    assert_eq!(names, ["b.bin", "docs/", "docs/a.txt", "link"]);
    for name in ["docs/a.txt", "b.bin"] {
        let mut content = Vec::new();
        zip.by_name(name).unwrap().read_to_end(&mut content).unwrap();
        assert_eq!(content, fs::read(work.join(name)).unwrap(), "{name}");
    }
    let some =
        ["export", "latest", "--format", "zip", "--include", "docs/**", "--output", "some.zip", "--json"];
    assert_eq!(cli.ok(&some).summary()["entries"], 2);
    assert_eq!(cli.run(&["export", "latest", "--format", "zip", "--json"]).code, Some(2));
    let nothing = ["export", "latest", "--format", "zip", "--include", "*.pdf", "--output", "nothing.zip"];
    let ran = cli.run(&nothing);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("nothing in snapshot"), "{}", ran.err);
    assert!(!cli.home.path().join("nothing.zip").exists());
}

#[test]
fn a_file_is_dumped_as_it_was_then() {
    let cli = machine();
    let work = cli.folder("work");
    let hole = fs::File::create(work.join("hole")).unwrap();
    hole.set_len(1 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&hole, b"in the middle", 300_000).unwrap();
    fs::write(work.join("file"), "first").unwrap();
    let first = backup(&cli, &[]);
    let time = cli.time_of(&first);
    std::thread::sleep(std::time::Duration::from_millis(20));
    fs::write(work.join("file"), "second, and longer").unwrap();
    backup(&cli, &[]);

    assert_eq!(bytes(&cli, &["dump", "latest", "hole"]), fs::read(work.join("hole")).unwrap());
    assert_eq!(cli.ok(&["dump", "latest", "file"]).out, "second, and longer");
    assert_eq!(cli.ok(&["dump", &first, "./file"]).out, "first");
    let whole = work.join("file");
    assert_eq!(cli.ok(&["dump", &format!("@{time}"), whole.to_str().unwrap()]).out, "first");
    assert_eq!(cli.ok(&["dump", "latest", "file", "--set", "work", "--at", &time]).out, "first");
    assert_eq!(cli.ok(&["ls", "latest", "--at", &time, "--long"]).out.lines().count(), 2);
    for (arguments, code, said) in [
        (["dump", "latest", "."], 1, "filbert export"),
        (["dump", "latest", "nothing"], 1, "no such path"),
        (["dump", "@yesterday", "file"], 2, "RFC 3339"),
        (["dump", "@2001-01-01T00:00:00Z", "file"], 1, "no snapshot at or before"),
    ] {
        let ran = cli.run(&arguments);
        assert_eq!(ran.code, Some(code), "{arguments:?}: {}", ran.err);
        assert!(ran.err.contains(said), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn a_pattern_is_followed_through_time() {
    let cli = machine();
    let work = cli.folder("work");
    let report = work.join("report.txt");
    fs::write(&report, "one").unwrap();
    fs::write(work.join("other"), "other").unwrap();
    let first = backup(&cli, &["--tag", "weekly", "--description", "the first one"]);
    let second = backup(&cli, &[]);
    fs::write(&report, "two, changed").unwrap();
    let third = backup(&cli, &[]);
    fs::remove_file(&report).unwrap();
    let fourth = backup(&cli, &[]);

    let found = cli.ok(&["find", "*.txt", "--json"]).json();
    assert_eq!(found.as_array().unwrap().len(), 1);
    let versions = found[0]["versions"].as_array().unwrap();
    let held: Vec<_> = versions.iter().map(|version| version["snapshots"].clone()).collect();
    assert_eq!(held, [serde_json::json!([first, second]), serde_json::json!([third])]);
    assert_eq!((&versions[0]["size"], &versions[1]["size"]), (&3.into(), &12.into()));
    assert!(found[0]["gone_since"].is_string());
    let told = cli.ok(&["find", "report.*"]);
    assert!(told.out.contains("2 snapshots") && told.out.contains("gone since snapshot"), "{}", told.out);
    assert!(cli.ok(&["find", "*.pdf"]).err.contains("nothing matches in 4 snapshots"));
    assert_eq!(cli.run(&["find", "[a-"]).code, Some(2));

    let ran = cli.ok(&["diff", &second, &third, "--json"]);
    let told = lines(&ran);
    assert_eq!((told[0]["change"].as_str(), told[0]["path"].as_str()), (Some("content"), Some("report.txt")));
    assert_eq!(
        (&told[1]["changed"], &told[1]["added"], &told[1]["removed"]),
        (&1.into(), &0.into(), &0.into())
    );
    assert_eq!(cli.ok(&["diff", &third, &fourth]).out, "- report.txt\n");
    assert_eq!(cli.ok(&["diff", &fourth, "latest"]).out, "");
    assert_eq!(cli.ok(&["diff", &fourth, &first]).out, "+ report.txt\n");

    let shown = cli.ok(&["show", &first]).out;
    for said in [&*first, "weekly", "the first one", "2 files", "work of "] {
        assert!(shown.contains(said), "{said} in {shown}");
    }
    assert_eq!(cli.ok(&["show", "latest", "--json"]).json()["id"], *fourth);
    let time = cli.time_of(&second);
    let ids = |arguments: &[&str]| -> Vec<String> {
        let list = cli.ok(&[&["snapshots", "--json"], arguments].concat()).json();
        list.as_array().unwrap().iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&["--tag", "weekly"]), [&*first]);
    assert_eq!(ids(&["--until", &time]), [first, second.clone()]);
    assert_eq!(ids(&["--since", &time]), [second, third, fourth]);
    assert_eq!(ids(&["--host", "elsewhere"]), Vec::<String>::new());
}

#[test]
fn what_is_spoilt_is_told_and_the_rest_is_exported() {
    let cli = machine();
    let work = cli.folder("work");
    fs::write(work.join("a"), tree::noise(3, 1_000_000)).unwrap();
    backup(&cli, &[]);
    let packs = || -> Vec<_> {
        let folder = cli.home.path().join("repository/packs/000");
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let before = packs();
    fs::write(work.join("b"), tree::noise(4, 1_000_000)).unwrap();
    backup(&cli, &[]);
    for pack in packs().iter().filter(|pack| !before.contains(pack)) {
        let mut bytes = fs::read(pack).unwrap();
        bytes[500_000] ^= 1;
        fs::write(pack, bytes).unwrap();
    }
    let ran = cli.run(&["export", "latest", "--format", "tar", "--output", "rest.tar"]);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert!(ran.err.contains("b: not exported"), "{}", ran.err);
    let listed = Command::new("tar").arg("-tf").arg(cli.home.path().join("rest.tar")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&listed.stdout), "a\n");
    let ran = cli.run(&["dump", "latest", "b"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("packs/000/"), "{}", ran.err);
    assert_eq!(bytes(&cli, &["dump", "latest", "a"]), fs::read(work.join("a")).unwrap());

    // Of a large file the beginning is in the archive when the damage shows.
    fs::write(work.join("large"), tree::noise(5, 40 << 20)).unwrap();
    let before = packs();
    backup(&cli, &["--exclude", "b"]);
    // A pack that holds a part behind the first 16 MiB: which one that is, is left to chance.
    let is_late = |pack: &std::path::PathBuf| {
        let sound = fs::read(pack).unwrap();
        let mut bytes = sound.clone();
        bytes[300_000] ^= 1;
        fs::write(pack, bytes).unwrap();
        let dumped = cli.start(&["dump", "latest", "large"]).wait_with_output().unwrap();
        let is_late = !dumped.status.success() && dumped.stdout.len() >= 16 << 20;
        if !is_late {
            fs::write(pack, sound).unwrap();
        }
        is_late
    };
    let spoilt = packs().into_iter().filter(|pack| !before.contains(pack)).find(is_late);
    assert!(spoilt.is_some(), "40 MiB lie in packs of 16 MiB");
    let ran = cli.run(&["export", "latest", "--format", "tar", "--output", "large.tar"]);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(ran.err.contains("large cannot be had whole") && ran.err.contains("packs/"), "{}", ran.err);
    assert!(!cli.home.path().join("large.tar").exists());
    let without = ["export", "latest", "--format", "tar", "--exclude", "large", "--output", "large.tar"];
    cli.ok(&without);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_that_is_gone_is_told_and_counted_on_again_when_it_is_back() {
    let server = support::dav::start().await;
    let cli = Cli::new(format!("{}repo", server.server.url()));
    cli.ok(&["init"]);
    let work = cli.folder("work");
    fs::write(work.join("a"), tree::noise(6, 1_000_000)).unwrap();
    backup(&cli, &[]);
    let packs = server.dir.path().join("repo/packs/000");
    let pack = fs::read_dir(&packs).unwrap().next().unwrap().unwrap().path();
    let bytes = fs::read(&pack).unwrap();
    fs::remove_file(&pack).unwrap();
    let ran = cli.run(&["export", "latest", "--format", "tar", "--output", "a.tar"]);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert!(ran.err.contains("a: not exported"), "{}", ran.err);
    // It was noted as bad, and is good again.
    fs::write(&pack, bytes).unwrap();
    assert_eq!(cli.ok(&["dump", "latest", "a"]).err, "");
}
