//! Backs up a folder into another folder and restores it, from a program.
//!
//! ```text
//! cargo run --release --example back_up_and_restore -- SOURCE REPOSITORY TARGET
//! ```

use filbert::backup::{BackupOptions, BackupService};
use filbert::format::descriptor::InitOptions;
use filbert::model::clock::SystemClock;
use filbert::model::entropy::SystemEntropy;
use filbert::model::secret::SecretText;
use filbert::model::set::SetId;
use filbert::progress::Silent;
use filbert::recovery::{RecoveryService, RestoreOptions};
use filbert::repository::select::Selector;
use filbert::repository::{Means, Repository};
use filbert::state::Database;
use filbert::store::FolderStore;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [source, folder, target] = arguments.as_slice() else {
        return Err("usage: back_up_and_restore SOURCE REPOSITORY TARGET".into());
    };
    let password = SecretText::from("correct horse battery staple");
    let means = Means {
        store: Arc::new(FolderStore::new(folder)),
        state: Arc::new(Database::in_memory()?),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
    };
    let repository = Repository::init(means, &password, InitOptions::default()).await?;

    let set = SetId::new("this-machine", "documents");
    let options = BackupOptions::new(set, vec![source.clone()], std::env::current_dir()?);
    let backup = BackupService::new(repository.clone());
    let outcome = backup.run(options, Arc::new(Silent)).await?;
    println!("backed up {} files, {} bytes stored", outcome.tally.files, outcome.tally.bytes_added);

    let selected =
        repository.select(&Selector { set: Some("documents".to_owned()), ..Selector::default() })?;
    let options = RestoreOptions::new(selected.snapshot, target);
    let outcome = RecoveryService::new(repository).run(options, Arc::new(Silent)).await?;
    println!("restored {} files, {} bytes", outcome.files_written, outcome.bytes);
    for problem in &outcome.problems {
        println!("{}: {}", problem.subject, problem.message);
    }
    Ok(())
}
