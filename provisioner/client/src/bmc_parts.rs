//! Calls about what a machine's BMC sets, knows and does: virtual media, Secure Boot, the firmware's setup, firmware
//! and its tasks, parts, logs, reports. Those about power, sensors and users are in `bmc`.

use crate::{Client, ClientError, answer, sse};
use provisioner_api::{
    BmcAudit, BmcAuditRequest, BmcBiosChange, BmcBiosList, BmcBiosUpdate, BmcBootOrder, BmcBootOrderUpdate,
    BmcFirmwareList, BmcFirmwareUpdate, BmcFoundList, BmcHardware, BmcLogEntries, BmcLogList, BmcMediaInsert,
    BmcMediaList, BmcMediaSlot, BmcReport, BmcScan, BmcSecureBoot, BmcSecureBootKeys, BmcSecureBootReset,
    BmcSecureBootUpdate, BmcSubscribe, BmcSubscription, BmcSubscriptionList, BmcTask, BmcTaskList, paths,
};
use reqwest::{Method, Response, header};
use std::time::Duration;

/// How long a stream may be followed at once: in effect for ever. A connection that is gone is found by TCP.
pub(crate) const WATCH_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 3600);

impl Client {
    /// The slots for virtual media.
    ///
    /// # Errors
    /// See `ClientError`; so for every method below.
    pub async fn machine_bmc_media(&self, machine: &str) -> Result<BmcMediaList, ClientError> {
        self.bmc_get(paths::MACHINE_BMC_MEDIA, machine).await
    }

    /// Puts an image into a slot for virtual media; the slot then.
    pub async fn machine_bmc_media_insert(
        &self,
        machine: &str,
        insert: &BmcMediaInsert,
    ) -> Result<BmcMediaSlot, ClientError> {
        self.bmc_send(Method::POST, paths::MACHINE_BMC_MEDIA, &[machine], insert).await
    }

    /// Takes out what is in a slot for virtual media, or in all of them.
    pub async fn machine_bmc_media_eject(
        &self,
        machine: &str,
        slot: Option<&str>,
    ) -> Result<(), ClientError> {
        match slot {
            Some(slot) => {
                self.bmc_order(Method::DELETE, paths::MACHINE_BMC_MEDIA_SLOT, &[machine, slot]).await
            }
            None => self.bmc_order(Method::DELETE, paths::MACHINE_BMC_MEDIA, &[machine]).await,
        }
    }

    /// The state of Secure Boot.
    pub async fn machine_bmc_secure_boot(&self, machine: &str) -> Result<BmcSecureBoot, ClientError> {
        self.bmc_get(paths::MACHINE_BMC_SECURE_BOOT, machine).await
    }

    /// Sets whether Secure Boot holds from the next boot on; its state then.
    pub async fn machine_bmc_secure_boot_set(
        &self,
        machine: &str,
        enabled: bool,
    ) -> Result<BmcSecureBoot, ClientError> {
        let update = BmcSecureBootUpdate { enabled };
        self.bmc_send(Method::PATCH, paths::MACHINE_BMC_SECURE_BOOT, &[machine], &update).await
    }

    /// Resets the keys of Secure Boot; its state then.
    pub async fn machine_bmc_secure_boot_reset_keys(
        &self,
        machine: &str,
        keys: BmcSecureBootKeys,
    ) -> Result<BmcSecureBoot, ClientError> {
        let reset = BmcSecureBootReset { keys };
        self.bmc_send(Method::POST, paths::MACHINE_BMC_SECURE_BOOT_KEYS, &[machine], &reset).await
    }

    /// The firmware's setup.
    pub async fn machine_bmc_bios(&self, machine: &str) -> Result<BmcBiosList, ClientError> {
        self.bmc_get(paths::MACHINE_BMC_BIOS, machine).await
    }

    /// Sets attributes of the firmware's setup; when they hold.
    pub async fn machine_bmc_bios_set(
        &self,
        machine: &str,
        update: &BmcBiosUpdate,
    ) -> Result<BmcBiosChange, ClientError> {
        self.bmc_send(Method::PATCH, paths::MACHINE_BMC_BIOS, &[machine], update).await
    }

    /// Sets the firmware's setup to the maker's defaults, at the next boot.
    pub async fn machine_bmc_bios_reset(&self, machine: &str) -> Result<(), ClientError> {
        self.bmc_order(Method::POST, paths::MACHINE_BMC_BIOS_RESET, &[machine]).await
    }

    /// The firmware's boot order.
    pub async fn machine_bmc_boot_order(&self, machine: &str) -> Result<BmcBootOrder, ClientError> {
        self.bmc_get(paths::MACHINE_BMC_BOOT_ORDER, machine).await
    }

    /// Sets what comes first in the firmware's boot order; the order then.
    pub async fn machine_bmc_boot_order_set(
        &self,
        machine: &str,
        update: &BmcBootOrderUpdate,
    ) -> Result<BmcBootOrder, ClientError> {
        self.bmc_send(Method::PUT, paths::MACHINE_BMC_BOOT_ORDER, &[machine], update).await
    }

    /// What firmware there is.
    pub async fn machine_bmc_firmware(&self, machine: &str) -> Result<BmcFirmwareList, ClientError> {
        self.bmc_get(paths::MACHINE_BMC_FIRMWARE, machine).await
    }

    /// Starts a firmware update; its task, which the service follows to its end.
    pub async fn machine_bmc_firmware_update(
        &self,
        machine: &str,
        update: &BmcFirmwareUpdate,
    ) -> Result<BmcTask, ClientError> {
        self.bmc_send(Method::POST, paths::MACHINE_BMC_FIRMWARE, &[machine], update).await
    }

    /// The BMC's tasks.
    pub async fn machine_bmc_tasks(&self, machine: &str) -> Result<BmcTaskList, ClientError> {
        self.bmc_get(paths::MACHINE_BMC_TASKS, machine).await
    }

    /// One of the BMC's tasks.
    pub async fn machine_bmc_task(&self, machine: &str, id: &str) -> Result<BmcTask, ClientError> {
        answer::json(self.bmc_request(Method::GET, paths::MACHINE_BMC_TASK, &[machine, id])?).await
    }

    /// Has the service follow a task no longer, and let the machine be switched again.
    pub async fn machine_bmc_task_forget(&self, machine: &str, id: &str) -> Result<(), ClientError> {
        self.bmc_order(Method::DELETE, paths::MACHINE_BMC_TASK, &[machine, id]).await
    }

    /// The machine's parts as the BMC knows them.
    pub async fn machine_bmc_hardware(&self, machine: &str) -> Result<BmcHardware, ClientError> {
        self.bmc_get(paths::MACHINE_BMC_HARDWARE, machine).await
    }

    /// The BMC's logs.
    pub async fn machine_bmc_logs(&self, machine: &str) -> Result<BmcLogList, ClientError> {
        self.bmc_get(paths::MACHINE_BMC_LOGS, machine).await
    }

    /// The newest entries of one of the BMC's logs; 100, if it is not said how many.
    pub async fn machine_bmc_log(
        &self,
        machine: &str,
        id: &str,
        newest: Option<u32>,
    ) -> Result<BmcLogEntries, ClientError> {
        let newest = newest.map(|newest| newest.to_string());
        let query: Vec<_> = newest.iter().map(|newest| ("newest", newest.as_str())).collect();
        let request = self.request_with(Method::GET, paths::MACHINE_BMC_LOG, &[machine, id], &query)?;
        answer::json(request.timeout(crate::bmc::BMC_TIMEOUT)).await
    }

    /// Empties one of the BMC's logs.
    pub async fn machine_bmc_log_clear(&self, machine: &str, id: &str) -> Result<(), ClientError> {
        self.bmc_order(Method::DELETE, paths::MACHINE_BMC_LOG, &[machine, id]).await
    }

    /// What the BMC reports by itself from now on, until it is dropped.
    pub async fn machine_bmc_reports(&self, machine: &str) -> Result<ReportStream, ClientError> {
        let request = self.request(Method::GET, paths::MACHINE_BMC_REPORTS, &[machine])?;
        let request = request.timeout(WATCH_TIMEOUT).header(header::ACCEPT, "text/event-stream");
        Ok(ReportStream { response: answer::send(request).await?, events: sse::Events::default() })
    }

    /// The subscriptions that the BMC posts reports to.
    pub async fn machine_bmc_subscriptions(&self, machine: &str) -> Result<BmcSubscriptionList, ClientError> {
        self.bmc_get(paths::MACHINE_BMC_SUBSCRIPTIONS, machine).await
    }

    /// Has the BMC post its reports somewhere; the subscription.
    pub async fn machine_bmc_subscribe(
        &self,
        machine: &str,
        subscribe: &BmcSubscribe,
    ) -> Result<BmcSubscription, ClientError> {
        self.bmc_send(Method::POST, paths::MACHINE_BMC_SUBSCRIPTIONS, &[machine], subscribe).await
    }

    /// Ends a subscription.
    pub async fn machine_bmc_unsubscribe(&self, machine: &str, id: &str) -> Result<(), ClientError> {
        self.bmc_order(Method::DELETE, paths::MACHINE_BMC_SUBSCRIPTION, &[machine, id]).await
    }

    /// Restarts the BMC; the machine goes on.
    pub async fn machine_bmc_restart(&self, machine: &str) -> Result<(), ClientError> {
        self.bmc_order(Method::POST, paths::MACHINE_BMC_RESTART, &[machine]).await
    }

    /// Audits a machine's BMC.
    pub async fn machine_bmc_audit(
        &self,
        machine: &str,
        request: &BmcAuditRequest,
    ) -> Result<BmcAudit, ClientError> {
        self.bmc_send(Method::POST, paths::MACHINE_BMC_AUDIT, &[machine], request).await
    }

    /// Has the service search a subnet for BMCs, which its configuration must declare.
    pub async fn scan_for_bmcs(&self, scan: &BmcScan) -> Result<BmcFoundList, ClientError> {
        self.bmc_send(Method::POST, paths::BMC_SCANS, &[], scan).await
    }

    /// Has the service change the password that it logs in with to a new random one. Nobody is told which.
    pub async fn machine_bmc_rotate_password(&self, machine: &str) -> Result<(), ClientError> {
        self.bmc_order(Method::POST, paths::MACHINE_BMC_ROTATE_PASSWORD, &[machine]).await
    }
}

/// What a BMC reports, as it comes. Dropping it leaves the stream.
#[derive(Debug)]
pub struct ReportStream {
    response: Response,
    events: sse::Events,
}

impl ReportStream {
    /// The next report; none when the BMC or the service ended the stream.
    ///
    /// # Errors
    /// When the connection breaks, or an event is no report.
    pub async fn next(&mut self) -> Result<Option<BmcReport>, ClientError> {
        let garbled = |response: &Response, why: String| ClientError::Garbled {
            url: response.url().origin().ascii_serialization(),
            why,
        };
        loop {
            let next = self.events.next().map_err(|error| garbled(&self.response, error.to_string()))?;
            if let Some(event) = next {
                let report = serde_json::from_str(&event.data);
                return report.map(Some).map_err(|error| garbled(&self.response, error.to_string()));
            }
            // What HTTP calls undecodable is a body that ended too early.
            let Some(bytes) = self.response.chunk().await.map_err(ClientError::broken)? else {
                return Ok(None);
            };
            self.events.push(&bytes);
        }
    }
}
