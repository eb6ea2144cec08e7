//! `filbert demo`: the main job for real, on a WebDAV server of its own and a copy of a folder:
//! two states backed up, both restored, both compared byte for byte.

mod compare;
mod copy;
mod edit;
mod report;
mod scene;
mod server;

use super::args::{DemoArguments, DemoServer, GlobalArguments};
use super::environment;
use super::error::CliError;
use super::exit::Exit;
use super::interrupt::Interrupt;
use super::output::Output;
use super::render::{counted, size};
use report::Report;
use scene::Scene;
use std::path::Path;

/// The set that is backed up.
const SET: &str = "demo";

pub(super) async fn run(global: &GlobalArguments, wish: &DemoArguments) -> Result<Exit, CliError> {
    let output = Output { json: global.json, quiet: global.quiet, verbose: global.verbose };
    let current_dir =
        environment::current_dir().map_err(|error| CliError::failed("find the current folder", error))?;
    let folder = match &wish.folder {
        Some(folder) => current_dir.join(folder),
        None => current_dir,
    };
    let folder =
        folder.canonicalize().ok().filter(|folder| folder.is_dir()).ok_or_else(|| {
            CliError::Failed(format!("{} is no folder to show this with", folder.display()))
        })?;
    let interrupt = Interrupt::default();
    interrupt.listen(output);
    let matched = interrupt.or(play(&folder, wish.server, Report::new(output), &interrupt)).await?;
    Ok(if matched { Exit::Done } else { Exit::Failed })
}

/// The whole play; answers whether both states came back as they were.
async fn play(
    folder: &Path,
    server: DemoServer,
    mut report: Report,
    interrupt: &Interrupt,
) -> Result<bool, CliError> {
    let mut scene = Scene::set_up(server, interrupt.cancel.clone()).await?;
    report.opening(&scene.place(), &scene.url(), scene.introduction());

    let copied = copy::bounded(folder, &scene.source())
        .map_err(|error| CliError::failed(format!("copy {}", folder.display()), error))?;
    report.step(&format!("Copied {} (the original is not touched)", folder.display()), &copied.words(), None);

    scene.settle().await;
    report.resume();
    scene.init().await?;
    report.step("Made an encrypted repository on the server", "", Some(scene.take_requests()));

    let first = scene.backup().await?;
    report.step("Backed it up", &report::backup_words(&first), Some(scene.take_requests()));
    scene.keep().map_err(|error| CliError::failed("keep a copy to compare with", error))?;

    let edits = edit::change(&scene.source()).map_err(|error| CliError::failed("edit files", error))?;
    report.step("Changed files", &edits.words(), None);

    scene.settle().await;
    report.resume();
    let second = scene.backup().await?;
    report.step("Backed up what changed", &report::backup_words(&second), Some(scene.take_requests()));
    let third = scene.backup().await?;
    report.step("Backed up once more, unchanged", &report::backup_words(&third), Some(scene.take_requests()));

    let mut matched = true;
    let states = [("earlier", &first, scene.kept()), ("later", &second, scene.source())];
    for (word, backup, original) in states {
        let target = scene.target(word);
        let restored = scene.restore(backup, &target).await?;
        let words = format!("{}, {}", counted(restored.files, "file"), size(restored.bytes));
        report.step(&format!("Restored the {word} state"), &words, Some(scene.take_requests()));
        let compared = compare::trees(&original, &target)
            .map_err(|error| CliError::failed("compare what was restored", error))?;
        let same = compared.differences.is_empty() && restored.problem_count == 0 && restored.left_alone == 0;
        report.step("Compared it with what was backed up", &compared.words(), None);
        report.differences(&compared.differences);
        matched &= same;
    }
    report.closing(matched, scene.stored_bytes(), scene.account());
    scene.tear_down().await;
    Ok(matched)
}
