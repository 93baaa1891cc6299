//! The IPMI driver: one cached session per BMC, one request at a time, a new login when the session is lost.
//!
//! - `link`: a session on its socket;
//! - `errors`: what the session's and the BMC's refusals mean to an operator;
//! - `power`, `boot`: the two things with more than one command.
//!
//! Deliberately not here: the protocol (`bmc_proto::ipmi`), choosing a cipher suite (it is a setting).

mod boot;
mod errors;
mod link;
mod power;
mod timing;

use crate::driver::{Bmc, BmcError, BmcInfo, BootOverride, Cipher, Endpoint, PowerState};
use async_trait::async_trait;
use bmc_proto::ipmi::{
    Answer, CipherSuite, Config, GetDeviceId, IpmiCommand, Message, command::GetSystemGuid, guid_to_uuid,
};
use errors::Errors;
use link::{Link, LinkError};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use timing::{BUSY_TRIES, Timing};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The UDP port of RMCP (primary).
const PORT: u16 = 623;

/// An IPMI BMC.
pub(crate) struct Ipmi {
    endpoint: Endpoint,
    suite: CipherSuite,
    timing: Timing,
    errors: Errors,
    slot: Arc<Mutex<Slot>>,
    /// Ends the keeper, and with it the session, when the driver is dropped.
    dropped: CancellationToken,
    _guard: DropGuard,
}

/// The session, if there is one.
#[derive(Default)]
struct Slot {
    link: Option<Link>,
    /// Whether a task waits to close the idle session.
    kept: bool,
}

impl Ipmi {
    /// The driver; it logs in when it is first needed.
    pub(crate) fn new(endpoint: Endpoint, cipher: Cipher) -> Self {
        Self::with_timing(endpoint, cipher, Timing::default())
    }

    fn with_timing(endpoint: Endpoint, cipher: Cipher, timing: Timing) -> Self {
        let suite = match cipher {
            Cipher::Suite3 => CipherSuite::Three,
            Cipher::Suite17 => CipherSuite::Seventeen,
        };
        let port = endpoint.port.unwrap_or(PORT);
        let address = if endpoint.host.contains(':') {
            format!("[{}]:{port}", endpoint.host)
        } else {
            format!("{}:{port}", endpoint.host)
        };
        let dropped = CancellationToken::new();
        Self {
            errors: Errors { address, username: endpoint.credentials.username.clone(), suite },
            endpoint,
            suite,
            timing,
            slot: Arc::default(),
            _guard: dropped.clone().drop_guard(),
            dropped,
        }
    }

    /// Bounds a call in time. The time covers waiting for another call's turn, too.
    async fn bounded<T>(
        &self,
        limit: Duration,
        during: &'static str,
        call: impl Future<Output = Result<T, BmcError>>,
    ) -> Result<T, BmcError> {
        match tokio::time::timeout(limit, call).await {
            Ok(result) => result,
            Err(_) => Err(self.errors.unreachable(during)),
        }
    }

    /// Executes a command and reads its answer; a refusal is an error.
    async fn call<C: IpmiCommand>(&self, command: C, during: &'static str) -> Result<C::Output, BmcError> {
        let answer = self.answer(command.into(), during).await?;
        self.read::<C>(&answer, during)
    }

    fn read<C: IpmiCommand>(&self, answer: &Answer, during: &'static str) -> Result<C::Output, BmcError> {
        if answer.completion != Answer::OK {
            return Err(self.errors.refused(answer, during));
        }
        C::parse_success_response(&answer.data).map_err(|_| self.errors.malformed(during))
    }

    /// The BMC's answer, whatever it is; repeated a few times while it is busy.
    async fn answer(&self, message: Message, during: &'static str) -> Result<Answer, BmcError> {
        let mut tries = 1;
        loop {
            let answer = self.exchange(&message, during).await?;
            if !answer.is_transient() || tries == BUSY_TRIES {
                return Ok(answer);
            }
            tries += 1;
            tokio::time::sleep(self.timing.busy).await;
        }
    }

    /// One exchange. A cached session that gives no answer is taken for lost, and a new one opened once.
    ///
    /// All our commands name an end, so that executing one twice is harmless.
    async fn exchange(&self, message: &Message, during: &'static str) -> Result<Answer, BmcError> {
        let mut slot = self.slot.lock().await;
        if let Some(link) = &mut slot.link {
            match link.exchange(message.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => tracing::debug!(address = %self.errors.address, %error, "IPMI session lost"),
            }
            slot.link = None;
        }
        let link = self.log_in(during).await?;
        // Kept before it is used, so that also a call that is dropped now leaves no session open at the BMC.
        self.keep(&mut slot);
        let result = slot.link.insert(link).exchange(message.clone()).await;
        if result.is_err() {
            slot.link = None;
        }
        result.map_err(|error| self.errors.link(error, during))
    }

    /// Opens a session; a key exchange that went wrong half-way (not: a refusal) is tried a second time.
    async fn log_in(&self, during: &'static str) -> Result<Link, BmcError> {
        let config =
            Config::new(self.suite, &self.endpoint.credentials.username, &self.endpoint.credentials.password)
                .map_err(|error| self.errors.config(&error))?
                .with_retransmission(self.timing.retransmission);
        let address = self.resolve().await?;
        match Link::open(address, config.clone()).await {
            Err(LinkError::Session(error)) if errors::is_worth_another_login(&error) => {
                tracing::debug!(address = %self.errors.address, %error, "IPMI login repeated");
                Link::open(address, config).await
            }
            result => result,
        }
        .map_err(|error| self.errors.link(error, during))
    }

    async fn resolve(&self) -> Result<SocketAddr, BmcError> {
        let port = self.endpoint.port.unwrap_or(PORT);
        let mut addresses = tokio::net::lookup_host((self.endpoint.host.as_str(), port))
            .await
            .map_err(|_| self.errors.unreachable("looking its name up"))?;
        addresses.next().ok_or_else(|| self.errors.unreachable("looking its name up"))
    }

    /// Sees to it that a task closes the session when it was idle for long, or when the driver is gone.
    fn keep(&self, slot: &mut Slot) {
        if !slot.kept {
            slot.kept = true;
            tokio::spawn(keep(Arc::clone(&self.slot), self.dropped.clone(), self.timing.idle));
        }
    }
}

async fn keep(slot: Arc<Mutex<Slot>>, dropped: CancellationToken, idle: Duration) {
    let mut until = Instant::now() + idle;
    loop {
        tokio::select! {
            () = dropped.cancelled() => {}
            () = tokio::time::sleep_until(until) => {}
        }
        let mut slot = slot.lock().await;
        if let Some(link) = &slot.link {
            until = link.used + idle;
            if !dropped.is_cancelled() && until > Instant::now() {
                continue;
            }
        }
        slot.kept = false;
        if let Some(link) = slot.link.take() {
            link.close().await;
        }
        return;
    }
}

#[async_trait]
impl Bmc for Ipmi {
    async fn power(&self) -> Result<PowerState, BmcError> {
        self.bounded(self.timing.call, power::READING, self.read_power()).await
    }

    async fn set_power(&self, target: PowerState) -> Result<(), BmcError> {
        let limit = self.timing.power + self.timing.call;
        self.bounded(limit, power::SWITCHING, self.switch_power(target)).await
    }

    async fn set_boot(&self, boot: BootOverride) -> Result<(), BmcError> {
        self.bounded(self.timing.call, boot::WRITING, self.write_boot(boot)).await
    }

    async fn boot(&self) -> Result<Option<BootOverride>, BmcError> {
        self.bounded(self.timing.call, boot::READING, self.read_boot()).await
    }

    async fn info(&self) -> Result<BmcInfo, BmcError> {
        self.bounded(self.timing.call, "reading the device id", self.read_info()).await
    }

    async fn close(&self) {
        // If another call holds it for so long, the keeper will close it.
        let Ok(mut slot) = tokio::time::timeout(self.timing.call, self.slot.lock()).await else { return };
        if let Some(link) = slot.link.take() {
            link.close().await;
        }
    }
}

impl Ipmi {
    async fn read_info(&self) -> Result<BmcInfo, BmcError> {
        let device = self.call(GetDeviceId, "reading the device id").await?;
        let during = "reading the system GUID";
        let answer = self.answer(GetSystemGuid.into(), during).await?;
        // Optional by the specification.
        let guid = self.read::<GetSystemGuid>(&answer, during).ok();
        Ok(BmcInfo {
            manufacturer: (device.manufacturer_id != 0).then(|| device.manufacturer_id.to_string()),
            product: Some(format!("{:#06x}", device.product_id)),
            firmware: Some(format!("{}.{:02}", device.major_fw_revision, device.minor_fw_revision)),
            system_uuid: guid.and_then(guid_to_uuid),
            tls_sha256: None,
        })
    }
}

#[cfg(test)]
mod tests;
