//! Firmware, tasks, parts, logs and reports.

use super::lacks;
use crate::bmc_view as view;
use bmc::{
    Bmc, BmcError, Firmware, FirmwareUpdate, Logs, RecordSettings, Recording, Report, Reports, TaskHandle,
    Tasks,
};
use provisioner_api::{
    BmcFirmwareList, BmcHardware, BmcLogEntries, BmcLogList, BmcSubscription, BmcSubscriptionList, BmcTask,
    BmcTaskList,
};
use tokio::sync::mpsc;

fn firmware_of<'a>(bmc: &'a dyn Bmc, address: &str) -> Result<&'a dyn Firmware, BmcError> {
    bmc.firmware().ok_or_else(|| lacks(address, "list of firmware", "firmware"))
}

/// What firmware there is.
pub(crate) async fn firmware(bmc: &dyn Bmc, address: &str) -> Result<BmcFirmwareList, BmcError> {
    let items = firmware_of(bmc, address)?.firmware().await?;
    Ok(BmcFirmwareList { items: items.into_iter().map(view::firmware).collect() })
}

/// Starts an update; answers its task.
pub(crate) async fn firmware_start(
    bmc: &dyn Bmc,
    address: &str,
    update: &FirmwareUpdate,
) -> Result<TaskHandle, BmcError> {
    firmware_of(bmc, address)?.start_update(update).await
}

fn tasks_of<'a>(bmc: &'a dyn Bmc, address: &str) -> Result<&'a dyn Tasks, BmcError> {
    bmc.tasks().ok_or_else(|| lacks(address, "list of tasks", "tasks"))
}

/// The BMC's tasks.
pub(crate) async fn tasks(bmc: &dyn Bmc, address: &str) -> Result<BmcTaskList, BmcError> {
    Ok(BmcTaskList { items: tasks_of(bmc, address)?.tasks().await?.into_iter().map(view::task).collect() })
}

/// One of the BMC's tasks.
pub(crate) async fn task(bmc: &dyn Bmc, address: &str, id: &str) -> Result<BmcTask, BmcError> {
    tasks_of(bmc, address)?.task(&TaskHandle(id.to_owned())).await.map(view::task)
}

/// The machine's parts.
pub(crate) async fn hardware(bmc: &dyn Bmc, address: &str) -> Result<BmcHardware, BmcError> {
    let can = bmc.hardware().ok_or_else(|| lacks(address, "inventory of hardware", "hardware"))?;
    can.hardware().await.map(view::hardware)
}

/// All that the BMC answers to reading, without what tells whose it is.
pub(crate) async fn record(
    bmc: &dyn Bmc,
    address: &str,
    settings: RecordSettings,
    progress: &(dyn Fn(usize, usize) + Send + Sync),
) -> Result<Recording, BmcError> {
    let can = bmc.recorder().ok_or_else(|| lacks(address, "resources to record", "record"))?;
    can.record(settings, progress).await
}

fn logs_of<'a>(bmc: &'a dyn Bmc, address: &str) -> Result<&'a dyn Logs, BmcError> {
    bmc.logs().ok_or_else(|| lacks(address, "list of logs", "logs"))
}

/// The BMC's logs.
pub(crate) async fn logs(bmc: &dyn Bmc, address: &str) -> Result<BmcLogList, BmcError> {
    Ok(BmcLogList { items: logs_of(bmc, address)?.logs().await?.into_iter().map(view::log).collect() })
}

/// The newest entries of a log.
pub(crate) async fn log(
    bmc: &dyn Bmc,
    address: &str,
    id: &str,
    newest: usize,
) -> Result<BmcLogEntries, BmcError> {
    let entries = logs_of(bmc, address)?.log(id, newest).await?;
    Ok(BmcLogEntries { items: entries.into_iter().map(view::entry).collect() })
}

/// Empties a log.
pub(crate) async fn log_clear(bmc: &dyn Bmc, address: &str, id: &str) -> Result<(), BmcError> {
    logs_of(bmc, address)?.clear_log(id).await
}

fn reports_of<'a>(bmc: &'a dyn Bmc, address: &str) -> Result<&'a dyn Reports, BmcError> {
    bmc.reports().ok_or_else(|| lacks(address, "reports", "reports"))
}

/// What the BMC reports by itself from now on; `view::report` words it.
pub(crate) async fn follow_reports(bmc: &dyn Bmc, address: &str) -> Result<mpsc::Receiver<Report>, BmcError> {
    reports_of(bmc, address)?.follow_reports().await
}

/// The subscriptions to reports.
pub(crate) async fn subscriptions(bmc: &dyn Bmc, address: &str) -> Result<BmcSubscriptionList, BmcError> {
    let items = reports_of(bmc, address)?.subscriptions().await?;
    Ok(BmcSubscriptionList { items: items.into_iter().map(view::subscription).collect() })
}

/// Has the BMC post its reports somewhere; answers the subscription.
pub(crate) async fn subscribe(
    bmc: &dyn Bmc,
    address: &str,
    destination: &str,
    context: &str,
) -> Result<BmcSubscription, BmcError> {
    let can = reports_of(bmc, address)?;
    let id = can.subscribe(destination, context).await?;
    let found = can.subscriptions().await?.into_iter().find(|subscription| subscription.id == id);
    found.map(view::subscription).ok_or_else(|| BmcError::NotDone {
        address: address.to_owned(),
        during: "the subscription",
        found: format!("no subscription {id}"),
    })
}

/// Ends a subscription.
pub(crate) async fn unsubscribe(bmc: &dyn Bmc, address: &str, id: &str) -> Result<(), BmcError> {
    reports_of(bmc, address)?.unsubscribe(id).await
}
