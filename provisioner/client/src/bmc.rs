//! Calls about a machine's BMC and its serial console: one method for each path and verb.

use crate::{Client, ClientError, answer};
use bytes::Bytes;
use provisioner_api::{
    BmcBoot, BmcButton, BmcConfirm, BmcDetails, BmcFruList, BmcIdentify, BmcPower, BmcPress, BmcSel,
    BmcSelUpdate, BmcSensorList, BmcSettingsUpdate, BmcUserAdd, BmcUserEntry, BmcUserList, BmcUserUpdate,
    CONSOLE_POSITION, ConsoleStatus, paths,
};
use reqwest::{Method, RequestBuilder, Response, header};
use serde::{Serialize, de::DeserializeOwned};
use std::time::Duration;

/// How long a call may take that the service has to ask a BMC for. A slow BMC with a full event log needs minutes; the
/// service gives up before, and says why.
pub(crate) const BMC_TIMEOUT: Duration = Duration::from_secs(240);

/// How long a console may be watched at once: in effect for ever. A connection that is gone is found by TCP.
const WATCH_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 3600);

impl Client {
    /// What a machine's BMC says of itself.
    ///
    /// # Errors
    /// See `ClientError`; so for every method below.
    pub async fn machine_bmc(&self, machine: &str) -> Result<BmcDetails, ClientError> {
        self.bmc_get(paths::MACHINE_BMC, machine).await
    }

    /// Changes small settings of a BMC; what it says of itself then.
    pub async fn machine_bmc_update(
        &self,
        machine: &str,
        update: &BmcSettingsUpdate,
    ) -> Result<BmcDetails, ClientError> {
        self.bmc_send(Method::PATCH, paths::MACHINE_BMC, &[machine], update).await
    }

    /// The power as the BMC says it.
    pub async fn machine_bmc_power(&self, machine: &str) -> Result<BmcPower, ClientError> {
        self.bmc_get(paths::MACHINE_BMC_POWER, machine).await
    }

    /// Presses a button. When it is not known whether it was done, the error says so: it is never done twice.
    pub async fn machine_bmc_press(&self, machine: &str, button: BmcButton) -> Result<(), ClientError> {
        let request = self.bmc_request(Method::POST, paths::MACHINE_BMC_POWER, &[machine])?;
        answer::send(request.json(&BmcPress { button })).await.map(drop)
    }

    /// Confirms what somebody did or saw at a machine that nothing else can tell about.
    pub async fn machine_bmc_confirm(
        &self,
        machine: &str,
        confirm: &BmcConfirm,
    ) -> Result<BmcPower, ClientError> {
        self.bmc_send(Method::POST, paths::MACHINE_BMC_CONFIRM, &[machine], confirm).await
    }

    /// The boot override that is set.
    pub async fn machine_bmc_boot(&self, machine: &str) -> Result<BmcBoot, ClientError> {
        self.bmc_get(paths::MACHINE_BMC_BOOT, machine).await
    }

    /// Sets the boot override; what was set.
    pub async fn machine_bmc_set_boot(&self, machine: &str, boot: &BmcBoot) -> Result<BmcBoot, ClientError> {
        self.bmc_send(Method::PUT, paths::MACHINE_BMC_BOOT, &[machine], boot).await
    }

    /// The sensors, read now.
    pub async fn machine_bmc_sensors(&self, machine: &str) -> Result<BmcSensorList, ClientError> {
        self.bmc_get(paths::MACHINE_BMC_SENSORS, machine).await
    }

    /// The hardware's event log with all its entries.
    pub async fn machine_bmc_sel(&self, machine: &str) -> Result<BmcSel, ClientError> {
        self.bmc_get(paths::MACHINE_BMC_SEL, machine).await
    }

    /// Empties the hardware's event log.
    pub async fn machine_bmc_sel_clear(&self, machine: &str) -> Result<(), ClientError> {
        let request = self.bmc_request(Method::DELETE, paths::MACHINE_BMC_SEL, &[machine])?;
        answer::send(request).await.map(drop)
    }

    /// Sets the clock of the hardware's event log.
    pub async fn machine_bmc_sel_clock(
        &self,
        machine: &str,
        update: &BmcSelUpdate,
    ) -> Result<(), ClientError> {
        let request = self.bmc_request(Method::PATCH, paths::MACHINE_BMC_SEL, &[machine])?;
        answer::send(request.json(update)).await.map(drop)
    }

    /// The field replaceable units.
    pub async fn machine_bmc_fru(&self, machine: &str) -> Result<BmcFruList, ClientError> {
        self.bmc_get(paths::MACHINE_BMC_FRU, machine).await
    }

    /// Switches the lamp.
    pub async fn machine_bmc_identify(
        &self,
        machine: &str,
        identify: &BmcIdentify,
    ) -> Result<(), ClientError> {
        let request = self.bmc_request(Method::POST, paths::MACHINE_BMC_IDENTIFY, &[machine])?;
        answer::send(request.json(identify)).await.map(drop)
    }

    /// The BMC's users.
    pub async fn machine_bmc_users(&self, machine: &str) -> Result<BmcUserList, ClientError> {
        self.bmc_get(paths::MACHINE_BMC_USERS, machine).await
    }

    /// Adds a user to the BMC; the user then.
    pub async fn machine_bmc_user_add(
        &self,
        machine: &str,
        add: &BmcUserAdd,
    ) -> Result<BmcUserEntry, ClientError> {
        self.bmc_send(Method::POST, paths::MACHINE_BMC_USERS, &[machine], add).await
    }

    /// Removes one of the BMC's users.
    pub async fn machine_bmc_user_remove(&self, machine: &str, id: &str) -> Result<(), ClientError> {
        self.bmc_order(Method::DELETE, paths::MACHINE_BMC_USER, &[machine, id]).await
    }

    /// Changes one of the BMC's users; the user then.
    pub async fn machine_bmc_user_update(
        &self,
        machine: &str,
        id: &str,
        update: &BmcUserUpdate,
    ) -> Result<BmcUserEntry, ClientError> {
        self.bmc_send(Method::PATCH, paths::MACHINE_BMC_USER, &[machine, id], update).await
    }

    /// The serial console's bytes: what is recorded from the position `from` on (what is no longer recorded is left
    /// out), or the last `tail` bytes of the record, or all of it; then, with `follow`, what comes, until it is dropped.
    ///
    /// A `from` behind the record's end begins there. Without `follow` it ends with the record, and no console is
    /// connected for it.
    pub async fn console_read(
        &self,
        machine: &str,
        from: Option<u64>,
        tail: Option<u64>,
        follow: bool,
    ) -> Result<ConsoleStream, ClientError> {
        let (from, tail) = (from.map(|from| from.to_string()), tail.map(|tail| tail.to_string()));
        let mut query: Vec<(&str, &str)> = Vec::new();
        query.extend(from.as_deref().map(|from| ("from", from)));
        query.extend(tail.as_deref().map(|tail| ("tail", tail)));
        if follow {
            query.push(("follow", "true"));
        }
        let request = self.request_with(Method::GET, paths::MACHINE_CONSOLE, &[machine], &query)?;
        let response = answer::send(request.timeout(WATCH_TIMEOUT)).await?;
        let position = response.headers().get(CONSOLE_POSITION).and_then(|value| value.to_str().ok());
        let position = position.and_then(|value| value.parse().ok()).ok_or_else(|| ClientError::Garbled {
            url: response.url().origin().ascii_serialization(),
            why: format!("a console without the header {CONSOLE_POSITION}"),
        })?;
        Ok(ConsoleStream { position, response })
    }

    /// Types on the serial console, 4096 bytes at the most. Returns when the BMC took them all.
    pub async fn console_type(&self, machine: &str, bytes: Vec<u8>) -> Result<(), ClientError> {
        let request = self
            .bmc_request(Method::POST, paths::MACHINE_CONSOLE, &[machine])?
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .body(bytes);
        answer::send(request).await.map(drop)
    }

    /// Sends a break on the serial console.
    pub async fn console_break(&self, machine: &str) -> Result<(), ClientError> {
        let request = self.bmc_request(Method::POST, paths::MACHINE_CONSOLE_BREAK, &[machine])?;
        answer::send(request).await.map(drop)
    }

    /// Whether the serial console is connected, and what of it is recorded.
    pub async fn console_status(&self, machine: &str) -> Result<ConsoleStatus, ClientError> {
        answer::json(self.request(Method::GET, paths::MACHINE_CONSOLE_STATUS, &[machine])?).await
    }

    /// An order without a body, whose answer has none that matters.
    pub(crate) async fn bmc_order(
        &self,
        method: Method,
        path: &str,
        names: &[&str],
    ) -> Result<(), ClientError> {
        answer::send(self.bmc_request(method, path, names)?).await.map(drop)
    }

    pub(crate) fn bmc_request(
        &self,
        method: Method,
        path: &str,
        names: &[&str],
    ) -> Result<RequestBuilder, ClientError> {
        Ok(self.request(method, path, names)?.timeout(BMC_TIMEOUT))
    }

    pub(crate) async fn bmc_get<T: DeserializeOwned>(
        &self,
        path: &str,
        machine: &str,
    ) -> Result<T, ClientError> {
        answer::json(self.bmc_request(Method::GET, path, &[machine])?).await
    }

    pub(crate) async fn bmc_send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        names: &[&str],
        body: &(impl Serialize + Sync),
    ) -> Result<T, ClientError> {
        answer::json(self.bmc_request(method, path, names)?.json(body)).await
    }
}

/// The bytes of a serial console, as they come. Dropping it leaves the console.
#[derive(Debug)]
pub struct ConsoleStream {
    position: u64,
    response: Response,
}

impl ConsoleStream {
    /// The position of the byte that comes next: `from` for going on here in another call.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next bytes; none when it is over.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        // Bytes can't be garbled: what HTTP calls undecodable is a body that ended too early.
        let bytes = self.response.chunk().await.map_err(ClientError::broken)?;
        self.position += bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
        Ok(bytes)
    }
}
