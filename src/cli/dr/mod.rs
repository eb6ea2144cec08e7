//! `filbert dr`: disaster-recovery plans.

mod commands;
mod words;

use super::args::{DrArguments, DrCommand, DrRehearseArguments};
use super::environment;
use super::error::CliError;
use super::exit::Exit;
use super::render::counted;
use super::restore;
use super::session::{Opened, Session};
use crate::disaster::plans::{
    DrillReport, PlanService, PlansError, Rehearsal, StoredPlans, keep_plans, page, stored_plans,
};
use crate::model::plan::{PlanError, Plans};
use commands::Shell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) async fn run(session: &Session, wish: DrArguments) -> Result<Exit, CliError> {
    let (opened, problems) = session.open_up_to_date().await?;
    problems.iter().for_each(|problem| session.display.problem(problem));
    let service = service(session, &opened, wish.host.as_deref()).await?;
    let (report, html) = match wish.command {
        DrCommand::List => return list(session, &service),
        DrCommand::Show(plan) => return show(session, &service, &plan.name),
        DrCommand::History(wish) => return history(session, &service, wish.name.as_deref()),
        DrCommand::Test(wish) => (service.test(&wish.plan.name).await.map_err(CliError::from), wish.html),
        DrCommand::Rehearse(wish) => {
            let html = wish.html.clone();
            (rehearse(session, &service, wish).await, html)
        }
        DrCommand::Run(wish) => {
            let name = &wish.plan.name;
            let ended = if wish.resume { service.resume(name).await } else { service.run(name).await };
            (ended.map_err(CliError::from), wish.html)
        }
    };
    session.display.finish();
    let report = session.interrupt.instead(report)?;
    words::report(session, &report);
    if let Some(file) = html {
        let file = session.current_dir.join(file);
        std::fs::write(&file, page(&report))
            .map_err(|error| CliError::failed(format!("write the report {}", file.display()), error))?;
    }
    Ok(if report.is_good() { Exit::Done } else { Exit::NotAll })
}

/// Keeps the plans of the settings in the repository, if they changed: a failure is told, and no
/// reason to fail for.
pub(super) async fn keep(session: &Session, opened: &Opened) {
    let (plans, host, cancel) =
        (&session.settings.plans, environment::host(), session.interrupt.cancel.clone());
    let kept = keep_plans(&opened.repository, plans, &host, opened.writer(), cancel).await;
    match kept {
        Ok(true) => session.output.note("the disaster-recovery plans are kept in the repository"),
        Ok(false) => {}
        Err(error) => session.output.warn(&error.to_string()),
    }
}

async fn service(session: &Session, opened: &Opened, host: Option<&str>) -> Result<PlanService, CliError> {
    let own = &session.settings.plans;
    let (host, plans) = match host {
        None if !own.is_empty() => {
            keep(session, opened).await;
            (environment::host(), own.clone())
        }
        host => stored(stored_plans(&opened.repository).await?, host)?,
    };
    Ok(PlanService {
        repository: opened.repository.clone(),
        plans,
        host,
        sessions: restore::sessions(session, opened),
        commands: Arc::new(Shell),
        observer: session.display.clone(),
        cancel: session.interrupt.cancel.clone(),
    })
}

/// The plans of one machine among those that the repository keeps.
fn stored(all: Vec<StoredPlans>, host: Option<&str>) -> Result<(String, Plans), CliError> {
    let hosts: Vec<_> = all.iter().map(|stored| stored.host.clone()).collect();
    let this = environment::host();
    let wanted = host.unwrap_or(&this);
    let is_only = host.is_none() && all.len() == 1;
    match all.into_iter().find(|stored| stored.host == wanted || is_only) {
        Some(StoredPlans { host, plans }) => Ok((host, plans)),
        None if hosts.is_empty() => Ok((this, Plans::new())),
        None => Err(CliError::Usage(format!(
            "the repository keeps no plans of {wanted}, but of {}: say which with --host",
            hosts.join(", ")
        ))),
    }
}

fn list(session: &Session, service: &PlanService) -> Result<Exit, CliError> {
    session.display.finish();
    if session.output.json {
        session.output.json(&service.plans);
        return Ok(Exit::Done);
    }
    if service.plans.is_empty() {
        session
            .output
            .note("no plans: describe some in the settings ([plans.NAME] with [[plans.NAME.steps]])");
    }
    for (name, plan) in &service.plans {
        let steps = counted(plan.steps.len() as u64, "step");
        session.output.line(&format!("{name}  {steps}  {}", plan.description));
    }
    Ok(Exit::Done)
}

fn show(session: &Session, service: &PlanService, name: &str) -> Result<Exit, CliError> {
    session.display.finish();
    let plan = service.plans.get(name);
    let plan = plan.ok_or_else(|| PlansError::from(PlanError::Unknown { name: name.to_owned() }))?;
    match session.output.json {
        true => session.output.json(plan),
        false => words::plan(name, plan).iter().for_each(|line| session.output.line(line)),
    }
    Ok(Exit::Done)
}

fn history(session: &Session, service: &PlanService, name: Option<&str>) -> Result<Exit, CliError> {
    session.display.finish();
    let mut reports: Vec<DrillReport> = service.history()?;
    reports.retain(|report| name.is_none_or(|name| report.plan == name));
    words::history(session, &reports);
    Ok(Exit::Done)
}

async fn rehearse(
    session: &Session,
    service: &PlanService,
    wish: DrRehearseArguments,
) -> Result<DrillReport, CliError> {
    let (scratch, temporary) = match &wish.scratch {
        Some(folder) => (session.current_dir.join(folder), None),
        None => {
            let temporary = tempfile::Builder::new().prefix("filbert-rehearsal-").tempdir();
            let temporary = temporary.map_err(|error| CliError::failed("make a scratch folder", error))?;
            (temporary.path().to_owned(), Some(temporary))
        }
    };
    refuse_used(&scratch)?;
    let rehearsal = Rehearsal {
        scratch,
        sample: wish.sample,
        most_requests: wish.max_requests,
        most_received: wish.max_download.map(|size| size.0),
    };
    let report = service.rehearse(&wish.plan.name, &rehearsal).await;
    if let Some(folder) = temporary {
        let path: PathBuf = folder.path().to_owned();
        if let Err(error) = folder.close() {
            session.output.warn(&format!("the scratch folder {} stays: {error}", path.display()));
        }
    }
    Ok(report?)
}

/// A rehearsal must find nothing that it would take for what it restored.
fn refuse_used(scratch: &Path) -> Result<(), CliError> {
    match std::fs::read_dir(scratch).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Err(CliError::Usage(format!(
            "{} is not empty: name an empty folder, or one that is not there",
            scratch.display()
        ))),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(CliError::failed(format!("look into {}", scratch.display()), error))
        }
        _ => Ok(()),
    }
}
