//! Time and peak memory of each step over many tiny files, and with many known chunks. Each step is a
//! process of its own with a real key derivation, against a server in this one.
//!
//! ```text
//! cargo bench --bench scale                                               20,000 files, 100,000 chunks
//! cargo bench --bench scale -- --files 1000000 --chunks 2000000           the goals
//! cargo bench --bench scale -- --tree FOLDER --chunks 0                   files that are there
//! ```
//!
//! `--in FOLDER` is where everything is put; the default is the system's folder for such. A million
//! files take 5 GB there, and as much again when they are restored.

#![allow(clippy::unwrap_used, reason = "a failed step of a bench ends it")]

#[path = "../material/mod.rs"]
#[allow(dead_code, reason = "other benches use more of it")]
mod material;
mod memory;
mod step;
mod trees;

use clap::Parser;
use filbert::format::chunker::ChunkerParams;
use filbert::server::{ServerOptions, serve};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use step::{Place, Step};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

#[derive(Parser)]
struct Arguments {
    /// Tiny files, 100 to a folder; 0 leaves them out.
    #[arg(long, default_value_t = 20_000)]
    files: u64,
    /// About so many tiny chunks in files of 1,000 each; 0 leaves them out.
    #[arg(long, default_value_t = 100_000)]
    chunks: u64,
    /// A tree that is there instead of tiny files; it is not edited.
    #[arg(long)]
    tree: Option<PathBuf>,
    /// Where everything is put.
    #[arg(long = "in")]
    folder: Option<PathBuf>,
    /// Only these steps.
    #[arg(long, value_delimiter = ',')]
    steps: Vec<Step>,
    /// What `cargo bench` hands to every bench.
    #[arg(long, hide = true)]
    bench: bool,
    /// This process is one step.
    #[arg(long, hide = true, num_args = 2, value_names = ["STEP", "PLACE"])]
    child: Option<Vec<String>>,
}

fn main() {
    let arguments = Arguments::parse();
    if let Some([step, place]) = arguments.child.as_deref() {
        let place: Place = serde_json::from_str(place).unwrap();
        return step::run(step.parse().unwrap(), &place);
    }
    if !arguments.bench {
        // `cargo test` runs what is in benches too.
        return;
    }
    println!("| step | wall s | CPU s | peak MiB | without the key derivation | |");
    println!("| --- | ---: | ---: | ---: | ---: | --- |");
    if let Some(tree) = &arguments.tree {
        println!("| **{}** |", tree.display());
        in_turn(&arguments, 0, |_| tree.clone(), None);
    } else if arguments.files > 0 {
        println!("| **{} tiny files** |", arguments.files);
        let write = |folder: &Path| trees::write_tiny_files(folder, arguments.files);
        let edit = |folder: &Path| trees::edit_tiny_files(folder, arguments.files);
        in_turn(&arguments, 0, write, Some(&edit));
    }
    if arguments.chunks > 0 {
        println!("| **about {} chunks** |", arguments.chunks);
        let write = |folder: &Path| trees::write_chunky_files(folder, arguments.chunks);
        let edit = |folder: &Path| trees::edit_chunky_files(folder, arguments.chunks);
        in_turn(&arguments, trees::chunky_files(arguments.chunks), write, Some(&edit));
    }
}

/// All steps on one tree, each in a process of its own.
fn in_turn(
    arguments: &Arguments,
    chunky_files: u64,
    write: impl Fn(&Path) -> PathBuf,
    edit: Option<&dyn Fn(&Path)>,
) {
    let folder = match &arguments.folder {
        Some(folder) => TempDir::new_in(folder),
        None => TempDir::new(),
    };
    let folder = folder.unwrap();
    let served = folder.path().join("server");
    fs::create_dir(&served).unwrap();
    let source = write(&folder.path().join("source"));
    // What was read within 2 s of its last change is read once more.
    std::thread::sleep(Duration::from_millis(2_100));

    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        serve(listener, ServerOptions { root: served, user: "user".to_owned(), password: None }).unwrap()
    });
    let place = Place {
        url: server.url(),
        state: folder.path().join("state"),
        fresh_state: folder.path().join("fresh"),
        source,
        target: folder.path().join("restored"),
        chunker: if chunky_files > 0 { trees::TINY } else { ChunkerParams::DEFAULT },
        chunky_files,
    };
    step::init(&runtime, &place);
    for step in Step::ALL {
        if step == Step::Edited {
            let Some(edit) = edit else { continue };
            edit(&place.source);
            std::thread::sleep(Duration::from_millis(2_100));
        }
        let wanted = arguments.steps.is_empty() || arguments.steps.contains(&step);
        if !wanted || (step == Step::Lookups && chunky_files == 0) {
            continue;
        }
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--child", step.name(), &serde_json::to_string(&place).unwrap()])
            .stdin(Stdio::null())
            .status();
        assert!(status.unwrap().success(), "{}", step.name());
    }
}
