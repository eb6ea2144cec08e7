//! `filbert init`: makes a repository.

use super::error::CliError;
use super::exit::Exit;
use super::render::{Requests, requests};
use super::session::Session;
use crate::repository::{InitOptions, Repository};
use serde::Serialize;

#[derive(Serialize)]
struct Summary {
    r#type: &'static str,
    repository: String,
    address: String,
    requests: Requests,
    duration_ms: u64,
}

pub(super) async fn run(session: &Session) -> Result<Exit, CliError> {
    let ready = session.prepare(None, true)?;
    session.interrupt.listen(session.output);
    let store = ready.means.store.clone();
    let made = Repository::init(ready.means, &ready.password, InitOptions::default());
    let repository = session.interrupt.or(made).await?;
    let traffic = store.traffic();
    if session.output.json {
        session.output.json(&Summary {
            r#type: "summary",
            repository: repository.id().to_string(),
            address: store.address(),
            requests: Requests(traffic),
            duration_ms: session.duration_ms(),
        });
    } else {
        session.output.summary(&format!(
            "made repository {} at {}",
            repository.id().short(),
            store.address()
        ));
        session.output.summary(&format!("{}, AES-256-GCM under an Argon2id password", requests(&traffic)));
    }
    // Told even to who wants silence: there is no second chance.
    session.output.warn(
        "without the encryption password, or a recovery kit, everything in this repository is lost for \
         good. Nobody can reset it: keep it in a password manager or on paper, away from this machine.",
    );
    Ok(Exit::Done)
}
