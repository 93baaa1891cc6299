//! `billet bmc sel`, `log`.

use super::{Asked, Question, context, way::Way};
use crate::cli::{
    args::{Clock, LogCommand, SelCommand},
    error::CliError,
    view,
};
use provisioner_api::BmcSelUpdate;

/// `billet bmc sel`.
pub(super) async fn sel(asked: &mut Asked<'_>, way: &Way, command: SelCommand) -> Result<(), CliError> {
    let whose = way.whose();
    match command {
        SelCommand::List(_) => {
            let items = way.sel().await?.items;
            asked.ui.list(&items, |wide| view::bmc_sel(&items, wide, &context()))
        }
        SelCommand::Info(_) => {
            let sel = way.sel_info().await?;
            asked.ui.object(&sel, || view::bmc_sel_info(&sel, &context()))
        }
        SelCommand::Clear { sure, .. } => {
            if !sure.yes {
                let entries = way.sel_info().await?.entries;
                let question = Question {
                    what: &format!("clear the event log of {whose}"),
                    undone: &format!("the event log of {whose} was not cleared"),
                    consequence: &format!("its {entries} entries will be lost"),
                };
                asked.sure(sure, &question)?;
            }
            way.sel_clear().await?;
            asked.ui.done(&format!("{whose}: the event log is empty"))
        }
        SelCommand::Time { set: None, .. } => {
            let sel = way.sel_info().await?;
            asked.ui.outcome(&sel, &view::bmc_sel_clock(&sel, &context()))
        }
        SelCommand::Time { set: Some(clock), .. } => {
            let clock = match clock {
                Clock::Now => crate::clock::now(),
                Clock::At(at) => at,
            };
            way.sel_clock(BmcSelUpdate { clock }).await?;
            asked.ui.done(&format!("{whose}: the event log's clock is set to {}", context().time(clock)))
        }
    }
}

/// `billet bmc log`.
pub(super) async fn log(asked: &mut Asked<'_>, way: &Way, command: LogCommand) -> Result<(), CliError> {
    let whose = way.whose();
    match command {
        LogCommand::List(_) => {
            let logs = way.logs().await?.items;
            asked.ui.list(&logs, |_| view::bmc_logs(&logs))
        }
        LogCommand::Show { id, newest, .. } => {
            let items = way.log(&id, newest).await?.items;
            asked.ui.list(&items, |wide| view::bmc_sel(&items, wide, &context()))
        }
        LogCommand::Clear { id, sure, .. } => {
            let question = Question {
                what: &format!("clear the log {id} of {whose}"),
                undone: &format!("the log {id} of {whose} was not cleared"),
                consequence: "its entries will be lost",
            };
            asked.sure(sure, &question)?;
            way.log_clear(&id).await?;
            asked.ui.done(&format!("{whose}: the log {id} is empty"))
        }
    }
}
