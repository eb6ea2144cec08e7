//! `filbert plan`: what a backup, a restore or a check will cost, and when it will be done.

use super::args::{BackupArguments, CheckArguments, PlanArguments, PlanCommand, RestoreArguments};
use super::error::CliError;
use super::exit::Exit;
use super::plan_words::{self, Told};
use super::session::{Opened, Session};
use super::{backup, check, restore, told};
use crate::backup::{BackupOptions, BackupPlan, BackupService, SampleOptions};
use crate::check::CheckService;
use crate::guard::{Account, Forecast, Limits, Moment, Need, Purpose, forecast};
use crate::model::clock::SystemClock;
use crate::recovery::RecoveryService;
use crate::store::{Quota, TrafficCount};
use std::time::Duration;

pub(super) async fn run(session: &Session, wish: PlanArguments) -> Result<Exit, CliError> {
    match wish.command {
        PlanCommand::Backup(wish) => plan_backup(session, &wish).await,
        PlanCommand::Restore(wish) => plan_restore(session, wish).await,
        PlanCommand::Check(wish) => plan_check(session, &wish).await,
    }
}

fn forecast_of(
    opened: &Opened,
    purpose: Purpose,
    cost: &TrafficCount,
    work: Duration,
) -> Result<Forecast, CliError> {
    let need = Need { requests: cost.total(), up: cost.bytes_up, down: cost.bytes_down, work };
    Ok(match &opened.guard {
        Some(guard) => {
            let (account, now) = guard.account()?;
            forecast(&account, now, guard.limits(), purpose, need)
        }
        // A local folder, where nobody counts.
        None => forecast(&Account::default(), Moment::now(&SystemClock), &Limits::none(), purpose, need),
    })
}

async fn plan_backup(session: &Session, wish: &BackupArguments) -> Result<Exit, CliError> {
    let mut opened = Vec::new();
    if let Some(name) = &wish.set {
        return plan_set(session, wish, name, &mut opened).await;
    }
    backup::expect_sets(session)?;
    let mut exit = Exit::Done;
    for (name, _) in &session.settings.sets {
        session.output.note(&format!("set {name}:"));
        let ended = plan_set(session, wish, name, &mut opened).await;
        exit = exit.worse(ended.unwrap_or_else(|error| told(session.output, &error)));
        if session.interrupt.cancel.is_cancelled() {
            return Ok(exit.worse(Exit::Interrupted));
        }
    }
    Ok(exit)
}

/// The room at the server, if it tells. Not asked where that would have to wait.
async fn room(session: &Session, opened: &Opened) -> Result<Option<Quota>, CliError> {
    if let Some(guard) = &opened.guard {
        let (account, now) = guard.account()?;
        let asking = Need { requests: 1, ..Need::default() };
        if !forecast(&account, now, guard.limits(), guard.purpose(), asking).waiting.is_zero() {
            return Ok(None);
        }
    }
    let asking = async { Ok::<_, CliError>(opened.store.quota().await) };
    Ok(session.interrupt.or(asking).await?.unwrap_or_else(|error| {
        session.output.note(&format!("how much room there is could not be asked: {error}"));
        None
    }))
}

async fn plan_set(
    session: &Session,
    wish: &BackupArguments,
    name: &str,
    all: &mut Vec<Opened>,
) -> Result<Exit, CliError> {
    let (opened, before) = backup::open(session, name, all).await?;
    let options = backup::options(session, wish, name, &opened.destination);
    let options = BackupOptions { writer: opened.writer(), ..options };
    let set = options.set.clone();
    let service = BackupService::new(opened.repository.clone());
    let planned = service.plan(options, SampleOptions::default(), session.display.clone()).await;
    session.display.finish();
    let plan: BackupPlan = planned?;
    plan.problems.iter().for_each(|problem| session.display.problem(problem));
    let told = Told {
        quota: room(session, &opened).await?,
        forecast: forecast_of(&opened, Purpose::Other, &plan.cost, plan.work)?,
        cost: plan.cost.clone(),
        spent: opened.store.traffic().since(&before),
    };
    plan_words::backup(session, &set, &plan, &told);
    Ok(Exit::Done)
}

async fn plan_restore(session: &Session, wish: RestoreArguments) -> Result<Exit, CliError> {
    let (opened, problems) = session.open_up_to_date().await?;
    problems.iter().for_each(|problem| session.display.problem(problem));
    let options = restore::options(session, &opened, wish)?;
    let snapshot = options.snapshot.clone();
    let service = RecoveryService::new(opened.repository.clone());
    let planned = service.plan(options, session.display.clone()).await;
    session.display.finish();
    let plan = planned?;
    plan.outcome.problems.iter().for_each(|problem| session.display.problem(problem));
    let told = Told {
        forecast: forecast_of(&opened, Purpose::Restore, &plan.cost, Duration::ZERO)?,
        cost: plan.cost.clone(),
        spent: opened.store.traffic(),
        quota: None,
    };
    plan_words::restore(session, &snapshot, &plan, &told);
    Ok(Exit::Done)
}

async fn plan_check(session: &Session, wish: &CheckArguments) -> Result<Exit, CliError> {
    let opened = session.open(None).await?;
    let service = CheckService::new(opened.repository.clone());
    let planned = session.interrupt.or(service.plan(&check::options(session, wish))).await;
    session.display.finish();
    let plan = planned?;
    plan.problems.iter().for_each(|problem| session.display.problem(problem));
    let told = Told {
        forecast: forecast_of(&opened, Purpose::Other, &plan.cost, Duration::ZERO)?,
        cost: plan.cost.clone(),
        spent: opened.store.traffic(),
        quota: None,
    };
    plan_words::check(session, &plan, &told);
    Ok(Exit::Done)
}
