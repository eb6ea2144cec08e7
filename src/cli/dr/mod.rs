//! `filbert dr`: disaster-recovery plans.

mod commands;
mod tail;
mod words;

use super::args::{DrArguments, DrCommand, DrRehearseArguments, DrRunArguments};
use super::environment;
use super::error::CliError;
use super::exit::Exit;
use super::render::counted;
use super::restore;
use super::session::{Opened, Session};
use crate::disaster::plans::{
    DrillReport, PlanService, PlansError, Rehearsal, Scratch, StoredPlans, keep_plans, page, stored_plans,
};
use crate::model::plan::{PlanError, Plans};
use crate::model::time::Timestamp;
use commands::Shell;
use std::sync::Arc;

pub(super) async fn run(session: &Session, wish: DrArguments) -> Result<Exit, CliError> {
    let own = wish.host.is_none();
    if let Some(name) = wish.command.plan().filter(|_| own) {
        refuse_bad(session, name)?;
    }
    let (opened, problems) = session.open_up_to_date().await?;
    problems.iter().for_each(|problem| session.display.problem(problem));
    let service = service(session, &opened, wish.host.as_deref(), wish.command.at()).await?;
    let (report, html) = match wish.command {
        DrCommand::List => return list(session, &service, own),
        DrCommand::Show(plan) => return show(session, &service, &plan.name),
        DrCommand::History(wish) => return history(session, &service, wish.name.as_deref()),
        DrCommand::Test(wish) => (service.test(&wish.plan.name).await, wish.html),
        DrCommand::Rehearse(wish) => (rehearse(session, &service, &wish).await, wish.html),
        DrCommand::Run(wish) => (carry_out(session, &service, &wish).await, wish.html),
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
/// reason to fail for. While one of them is bad those that are kept stay as they are.
pub(super) async fn keep(session: &Session, opened: &Opened) {
    let plans = &session.settings.plans;
    for error in plans.bad.values() {
        session.output.warn(&bad_plan(session, error));
    }
    if !plans.bad.is_empty() {
        let stay = "the plans in the repository stay as they were until every plan of the settings is right";
        return session.output.warn(stay);
    }
    let (host, cancel) = (environment::host(), session.interrupt.cancel.clone());
    let kept = keep_plans(&opened.repository, &plans.good, &host, opened.writer(), cancel).await;
    match kept {
        Ok(true) => session.output.note("the disaster-recovery plans are kept in the repository"),
        Ok(false) => {}
        Err(error) => session.output.warn(&error.to_string()),
    }
}

/// What is wrong with a plan of the settings.
fn bad_plan(session: &Session, error: &PlanError) -> String {
    let file = session.settings.file.as_ref().map_or(String::new(), |file| format!("{}: ", file.display()));
    format!("{file}{error}")
}

/// A bad plan is refused before anything is asked of the repository.
fn refuse_bad(session: &Session, name: &str) -> Result<(), CliError> {
    let Some(error) = session.settings.plans.bad.get(name) else { return Ok(()) };
    let host = environment::host();
    Err(CliError::Usage(format!(
        "{}; mend it, or take the plans that the repository keeps (--host {host})",
        bad_plan(session, error)
    )))
}

async fn service(
    session: &Session,
    opened: &Opened,
    host: Option<&str>,
    at: Option<Timestamp>,
) -> Result<PlanService, CliError> {
    let own = &session.settings.plans;
    let (host, plans) = match host {
        None if !own.is_empty() => {
            keep(session, opened).await;
            (environment::host(), own.good.clone())
        }
        host => stored(stored_plans(&opened.repository).await?, host)?,
    };
    Ok(PlanService {
        repository: opened.repository.clone(),
        is_folder: opened.guard.is_none(),
        plans,
        host,
        at,
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

fn list(session: &Session, service: &PlanService, own: bool) -> Result<Exit, CliError> {
    session.display.finish();
    // What is wrong with the others was told.
    let is_all = !own || session.settings.plans.bad.is_empty();
    let exit = if is_all { Exit::Done } else { Exit::NotAll };
    if session.output.json {
        session.output.json(&service.plans);
        return Ok(exit);
    }
    if service.plans.is_empty() && is_all {
        session
            .output
            .note("no plans: describe some in the settings ([plans.NAME] with [[plans.NAME.steps]])");
    }
    for (name, plan) in &service.plans {
        let steps = counted(plan.steps.len() as u64, "step");
        session.output.line(&format!("{name}  {steps}  {}", plan.description));
    }
    Ok(exit)
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
    let under_way = reports.iter().map(|report| service.is_under_way(report));
    let under_way = under_way.collect::<Result<Vec<_>, _>>()?;
    words::history(session, &reports, &under_way);
    Ok(Exit::Done)
}

async fn rehearse(
    session: &Session,
    service: &PlanService,
    wish: &DrRehearseArguments,
) -> Result<DrillReport, PlansError> {
    let scratch = match &wish.scratch {
        Some(folder) => Scratch::Kept(session.current_dir.join(folder)),
        None => Scratch::Temporary(environment::temporary_folder()),
    };
    let rehearsal = Rehearsal {
        scratch,
        sample: wish.sample,
        most_requests: wish.max_requests,
        most_received: wish.max_download.map(|size| size.0),
    };
    service.rehearse(&wish.plan.name, &rehearsal).await
}

async fn carry_out(
    session: &Session,
    service: &PlanService,
    wish: &DrRunArguments,
) -> Result<DrillReport, PlansError> {
    let name = &wish.plan.name;
    let ended = if wish.resume { service.resume(name).await } else { service.run(name).await };
    if ended.is_err() && session.interrupt.cancel.is_cancelled() {
        session.display.finish();
        session.output.note(&words::way_on(name));
    }
    ended
}
