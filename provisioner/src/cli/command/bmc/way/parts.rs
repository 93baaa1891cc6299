//! What a BMC has and keeps, over both ways: firmware, tasks, hardware, logs, subscriptions.

use super::Way;
use crate::{
    bmc_calls as calls, bmc_view as convert,
    cli::{command::bmc::direct::Direct, error::CliError},
};
use bmc::{BmcError, FirmwareSource, FirmwareUpdate, RecordSettings};
use provisioner_api::{
    BmcFirmwareList, BmcFirmwareUpdate, BmcHardware, BmcLogEntries, BmcLogList, BmcSubscribe,
    BmcSubscription, BmcSubscriptionList, BmcTask, BmcTaskList, BmcTaskState,
};
use std::path::PathBuf;

/// Where an image of firmware comes from.
pub(in crate::cli::command::bmc) enum Image {
    /// The BMC fetches it.
    Url(String),
    /// It is pushed from here.
    File(PathBuf),
}

impl Way {
    /// What firmware there is.
    pub(in crate::cli::command::bmc) async fn firmware(&self) -> Result<BmcFirmwareList, CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_firmware(name).await?),
            Self::Direct(Direct { bmc, address, .. }) => Ok(calls::firmware(&**bmc, address).await?),
        }
    }

    /// Starts an update; its task.
    pub(in crate::cli::command::bmc) async fn firmware_update(
        &self,
        image: Image,
        targets: Vec<String>,
        apply: Option<provisioner_api::BmcApplyTime>,
    ) -> Result<BmcTask, CliError> {
        match (self, image) {
            (Self::Machine { client, name }, Image::Url(url)) => {
                let update = BmcFirmwareUpdate { url, targets, apply };
                Ok(client.machine_bmc_firmware_update(name, &update).await?)
            }
            (Self::Machine { .. }, Image::File(_)) => Err(CliError::Input(
                "a file is pushed from here, with -H; of a machine the BMC fetches the image: put it on a web server that the BMC reaches, and give its --url"
                    .to_owned(),
            )),
            (Self::Direct(Direct { bmc, address, .. }), image) => {
                let source = match image {
                    Image::Url(url) => FirmwareSource::Url(url),
                    Image::File(path) => FirmwareSource::File(path),
                };
                let update = FirmwareUpdate { source, targets, apply: apply.map(convert::apply_time) };
                let handle = calls::firmware_start(&**bmc, address, &update).await?;
                Ok(match calls::task(&**bmc, address, &handle.0).await {
                    Ok(task) => task,
                    // It was started; that it can't be looked at just now is no reason to forget it.
                    Err(_) => started(handle.0),
                })
            }
        }
    }

    /// All tasks.
    pub(in crate::cli::command::bmc) async fn tasks(&self) -> Result<BmcTaskList, CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_tasks(name).await?),
            Self::Direct(Direct { bmc, address, .. }) => Ok(calls::tasks(&**bmc, address).await?),
        }
    }

    /// One task.
    pub(in crate::cli::command::bmc) async fn task(&self, id: &str) -> Result<BmcTask, CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_task(name, id).await?),
            Self::Direct(Direct { bmc, address, .. }) => Ok(calls::task(&**bmc, address, id).await?),
        }
    }

    /// Has the service follow a task no longer.
    pub(in crate::cli::command::bmc) async fn task_forget(&self, id: &str) -> Result<(), CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_task_forget(name, id).await?),
            Self::Direct(Direct { address, .. }) => Err(CliError::Bmc(BmcError::Unsupported {
                address: address.clone(),
                what: "only the service follows tasks, so only of a machine one can be forgotten".to_owned(),
            })),
        }
    }

    /// The machine's parts.
    pub(in crate::cli::command::bmc) async fn hardware(&self) -> Result<BmcHardware, CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_hardware(name).await?),
            Self::Direct(Direct { bmc, address, .. }) => Ok(calls::hardware(&**bmc, address).await?),
        }
    }

    /// All logs.
    pub(in crate::cli::command::bmc) async fn logs(&self) -> Result<BmcLogList, CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_logs(name).await?),
            Self::Direct(Direct { bmc, address, .. }) => Ok(calls::logs(&**bmc, address).await?),
        }
    }

    /// The newest entries of a log.
    pub(in crate::cli::command::bmc) async fn log(
        &self,
        id: &str,
        newest: u32,
    ) -> Result<BmcLogEntries, CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_log(name, id, Some(newest)).await?),
            Self::Direct(Direct { bmc, address, .. }) => {
                let newest = usize::try_from(newest).unwrap_or(usize::MAX);
                Ok(calls::log(&**bmc, address, id, newest).await?)
            }
        }
    }

    /// Empties a log.
    pub(in crate::cli::command::bmc) async fn log_clear(&self, id: &str) -> Result<(), CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_log_clear(name, id).await?),
            Self::Direct(Direct { bmc, address, .. }) => Ok(calls::log_clear(&**bmc, address, id).await?),
        }
    }

    /// All that it answers to reading, without what tells whose it is. `progress` is told only from here.
    pub(in crate::cli::command::bmc) async fn record(
        &self,
        progress: &(dyn Fn(usize, usize) + Send + Sync),
    ) -> Result<serde_json::Value, CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_record(name).await?),
            Self::Direct(Direct { bmc, address, .. }) => {
                let recording = calls::record(&**bmc, address, RecordSettings::default(), progress).await?;
                serde_json::to_value(recording).map_err(|error| CliError::Print(error.into()))
            }
        }
    }

    /// The subscriptions.
    pub(in crate::cli::command::bmc) async fn subscriptions(&self) -> Result<BmcSubscriptionList, CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_subscriptions(name).await?),
            Self::Direct(Direct { bmc, address, .. }) => Ok(calls::subscriptions(&**bmc, address).await?),
        }
    }

    /// Subscribes.
    pub(in crate::cli::command::bmc) async fn subscribe(
        &self,
        destination: String,
        context: String,
    ) -> Result<BmcSubscription, CliError> {
        match self {
            Self::Machine { client, name } => {
                let subscribe = BmcSubscribe { destination, context: Some(context) };
                Ok(client.machine_bmc_subscribe(name, &subscribe).await?)
            }
            Self::Direct(Direct { bmc, address, .. }) => {
                Ok(calls::subscribe(&**bmc, address, &destination, &context).await?)
            }
        }
    }

    /// Ends a subscription.
    pub(in crate::cli::command::bmc) async fn unsubscribe(&self, id: &str) -> Result<(), CliError> {
        match self {
            Self::Machine { client, name } => Ok(client.machine_bmc_unsubscribe(name, id).await?),
            Self::Direct(Direct { bmc, address, .. }) => Ok(calls::unsubscribe(&**bmc, address, id).await?),
        }
    }
}

/// A task of which no more is known than that it was started.
fn started(id: String) -> BmcTask {
    BmcTask {
        id,
        name: String::new(),
        state: BmcTaskState::Running,
        percent: None,
        messages: Vec::new(),
        followed: false,
    }
}
