//! `filbert kit`: makes a recovery kit, or proves one. What else can be done with keys is in `kit_keys`.

use super::args::KitArguments;
use super::environment;
use super::error::CliError;
use super::exit::Exit;
use super::kit_keys;
use super::render::{Requests, counted, local_time, requests, rfc3339};
use super::session::Session;
use crate::config::Place;
use crate::disaster::kit::{self, KitOptions};
use crate::format::recovery_key::RecoveryKey;
use crate::model::path::display_bytes;
use crate::repository::recovery_slots::{Ended, Proof};
use crate::store::TrafficCount;
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Serialize)]
struct Made {
    r#type: &'static str,
    repository: String,
    key: String,
    html: String,
    txt: String,
    generation: u32,
    older_keys: usize,
    requests: Requests,
    duration_ms: u64,
}

#[derive(Serialize)]
struct Proven {
    r#type: &'static str,
    repository: String,
    newest: bool,
    ended_keys: usize,
    files_left: Vec<String>,
    snapshot: Option<String>,
    snapshot_time: Option<String>,
    requests: Requests,
    duration_ms: u64,
}

pub(super) async fn run(session: &Session, wish: &KitArguments) -> Result<Exit, CliError> {
    match &wish.out {
        Some(out) => make(session, out).await,
        None if wish.list => kit_keys::list(session).await,
        None if !wish.end.is_empty() => kit_keys::end(session, wish).await,
        None => check(session).await,
    }
}

async fn make(session: &Session, out: &Path) -> Result<Exit, CliError> {
    if out.file_name().is_none() {
        return Err(CliError::Usage(format!("{} is no name for files: --out FOLDER/NAME", out.display())));
    }
    let out = session.current_dir.join(out);
    let ready = session.prepare(None, false)?;
    let destination = ready.destination.clone();
    refuse_beside(&out, &destination.own_folders())?;
    session.interrupt.listen(session.output);
    let secret = ready.password.clone();
    let opened = session.open_ready(ready).await?;
    let problems = session.interrupt.or(opened.repository.catch_up()).await?;
    for problem in problems {
        session.output.warn(&format!("{}: {}", problem.subject, problem.message));
    }
    let address = match &destination.place {
        Place::Url(url) => url.trim().to_owned(),
        Place::Folder(folder) => folder.display().to_string(),
    };
    let options = KitOptions {
        out,
        address,
        user: destination.user().map(str::to_owned),
        connection: destination.connection()?,
        program: concat!("filbert ", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    let made = session.interrupt.or(kit::make(&opened.repository, &secret, &options)).await?;
    session.display.finish();
    let traffic = opened.store.traffic();
    let shown = |path: &PathBuf| display_bytes(path.as_os_str().as_encoded_bytes()).into_owned();
    let (html, txt) = (shown(&made.html), shown(&made.txt));
    if session.output.json {
        session.output.json(&Made {
            r#type: "summary",
            repository: opened.repository.id().to_string(),
            key: made.key,
            html,
            txt,
            generation: made.generation,
            older_keys: made.older,
            requests: Requests(traffic),
            duration_ms: session.duration_ms(),
        });
        return Ok(Exit::Done);
    }
    let output = session.output;
    output.summary(&format!("wrote {html} and {txt}"));
    output.summary(&format!(
        "its key {} opens repository {}, {}",
        made.key,
        opened.repository.id().short(),
        requests(&traffic)
    ));
    if made.older > 0 {
        let older = counted(made.older as u64, "older recovery key");
        output.summary(&format!("until it is proven it opens beside {older}: `filbert kit --check`"));
    } else {
        output.summary("print it, then prove it by typing it: `filbert kit --check`");
    }
    output.warn("whoever has these files and can reach the server reads everything: print or move them, and remove them here");
    Ok(Exit::Done)
}

/// Who finds a repository must not find its key beside it.
fn refuse_beside(out: &Path, own: &[PathBuf]) -> Result<(), CliError> {
    let real = environment::real_path(out);
    match own.iter().find(|folder| real.starts_with(environment::real_path(folder))) {
        Some(folder) => Err(CliError::Usage(format!(
            "{} is in {}, beside what the kit opens or in filbert's own folder: name another place",
            out.display(),
            folder.display()
        ))),
        None => Ok(()),
    }
}

async fn check(session: &Session) -> Result<Exit, CliError> {
    let (means, text) = session.prepare_proof()?;
    let key = RecoveryKey::parse(text.expose()).map_err(|fault| {
        let hint = match RecoveryKey::is_meant_by(text.expose()) {
            true => "",
            false => " (wanted is the key of the kit, which begins with `filbert1`, and not a password)",
        };
        CliError::Usage(format!("the recovery key is not as it stands on the kit: {fault}{hint}"))
    })?;
    session.interrupt.listen(session.output);
    let store = means.store.clone();
    let proof = session.interrupt.or(Proof::new(means, &key)).await?;
    let repository = proof.repository().id();
    let newest = session.interrupt.or(proof.repository().read_newest_snapshot()).await?;
    let ended = session.interrupt.or(proof.end_older()).await?;
    session.display.finish();
    let snapshot = newest.map(|name| (name.object.short(), name.time_ms as i64));
    let (is_newest, count, left) = match ended {
        Ended::NotTheNewest => (false, 0, Vec::new()),
        Ended::Older { count, left } => (true, count, left),
    };
    for (name, reason) in &left {
        session.output.warn(&format!(
            "{name} still opens with an older recovery key and could not be removed ({reason}): run this again, or \
             remove that file"
        ));
    }
    let exit = if left.is_empty() { Exit::Done } else { Exit::NotAll };
    let traffic = store.traffic();
    if session.output.json {
        session.output.json(&Proven {
            r#type: "summary",
            repository: repository.to_string(),
            newest: is_newest,
            ended_keys: count,
            files_left: left.into_iter().map(|(name, _)| name).collect(),
            snapshot_time: snapshot.as_ref().map(|(_, time_ms)| rfc3339(*time_ms)),
            snapshot: snapshot.map(|(id, _)| id),
            requests: Requests(traffic),
            duration_ms: session.duration_ms(),
        });
        return Ok(exit);
    }
    tell(
        session,
        &format!("the recovery key opens repository {}", repository.short()),
        snapshot,
        is_newest,
        count,
        &traffic,
    );
    Ok(exit)
}

fn tell(
    session: &Session,
    opens: &str,
    snapshot: Option<(String, i64)>,
    is_newest: bool,
    ended: usize,
    traffic: &TrafficCount,
) {
    let output = session.output;
    let read = match snapshot {
        Some((id, time_ms)) => {
            format!("and reads the newest snapshot there, {id} of {}", local_time(time_ms))
        }
        None => "in which there is no snapshot yet".to_owned(),
    };
    output.summary(&format!("{opens} {read} ({})", requests(traffic)));
    output.summary(&match (is_newest, ended) {
        (false, _) => {
            "there is a newer kit: this key works until that one is proven; nothing was changed".to_owned()
        }
        (true, 0) => "it is the newest, and there is no older one".to_owned(),
        (true, count) => format!("it is the newest: {} ended", counted(count as u64, "older recovery key")),
    });
}
