//! The IPMI driver: one cached session per BMC, one request at a time, a new login when the session is lost.
//!
//! - `hub`: what all drivers of a process share: `network` (sockets) and `ledger` (open sessions);
//! - `actor`: one BMC's orders, one after the other; `link`: a session on the shared sockets; `port`: the way for other
//!   payloads; `breaker`: when a BMC is let alone;
//! - `errors`: what the session's and the BMC's refusals mean to an operator;
//! - `power`, `boot` and the like: what takes more than one command.
//!
//! Deliberately not here: the protocol (`bmc_proto::ipmi`), choosing a cipher suite (it is a setting).

mod actor;
mod boot;
mod console;
mod dcmi;
mod device;
mod errors;
mod fru;
mod hub;
mod identify;
mod lan;
mod ledger;
mod link;
mod network;
mod optional;
mod port;
mod power;
mod sdr;
mod sel;
mod sensors;
mod timing;
mod users;
mod watchdog;

use crate::capability::{
    AssetTag, EventLog, Identify, Inventory, NetworkSettings, PowerMeter, Sensors, SerialConsole, Users,
    Watchdog,
};
use crate::driver::{Bmc, BmcError, BmcInfo, BootOverride, Button, Cipher, Endpoint, Health, PowerState};
use actor::{Actor, PORT, Repeat};
use async_trait::async_trait;
use bmc_proto::ipmi::{Answer, CipherSuite, IpmiCommand, Message};
use errors::Errors;
pub(crate) use hub::Hub;
use port::PayloadPort;
use std::sync::Arc;
use std::time::Duration;
use timing::{BUSY_TRIES, Timing};

/// An IPMI BMC. Clones are the same driver; its session ends with the last of them.
#[derive(Clone)]
pub(crate) struct Ipmi {
    errors: Arc<Errors>,
    timing: Arc<Timing>,
    actor: Actor,
    known: Arc<power::Known>,
    records: Arc<sdr::Cache>,
    console: Arc<console::Desk>,
    _alive: Arc<Alive>,
}

/// Ends the session when the last clone of the driver is dropped.
struct Alive(Actor);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Ipmi {
    /// The driver; it logs in when it is first needed.
    pub(crate) fn new(hub: Arc<Hub>, endpoint: Endpoint, cipher: Cipher) -> Self {
        Self::assemble(hub, endpoint, cipher, Timing::shared())
    }

    fn assemble(hub: Arc<Hub>, endpoint: Endpoint, cipher: Cipher, timing: impl Into<Arc<Timing>>) -> Self {
        let timing = timing.into();
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
        let errors = Arc::new(Errors { address, username: endpoint.credentials.username.clone(), suite });
        let actor = Actor::new(hub, endpoint, Arc::clone(&timing), Arc::clone(&errors));
        let alive = Arc::new(Alive(actor.clone()));
        Self {
            errors,
            timing,
            actor,
            known: Arc::default(),
            records: Arc::default(),
            console: Arc::default(),
            _alive: alive,
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

    /// The same, for a reading that a user may ask for and that mostly comes alone.
    async fn glance<C: IpmiCommand>(&self, command: C, during: &'static str) -> Result<C::Output, BmcError> {
        let answer = self.patiently(command.into(), Repeat::Reading, during).await?;
        self.read::<C>(&answer, during)
    }

    fn read<C: IpmiCommand>(&self, answer: &Answer, during: &'static str) -> Result<C::Output, BmcError> {
        if answer.completion != Answer::OK {
            return Err(self.errors.refused(answer, during));
        }
        C::parse_success_response(&answer.data).map_err(|_| self.errors.malformed(during))
    }

    /// The BMC's answer, whatever it is; repeated a few times while it is busy, and once in a new session when the old
    /// one was lost. So for commands that name an end only.
    async fn answer(&self, message: Message, during: &'static str) -> Result<Answer, BmcError> {
        self.patiently(message, Repeat::Harmless, during).await
    }

    async fn patiently(
        &self,
        message: Message,
        repeat: Repeat,
        during: &'static str,
    ) -> Result<Answer, BmcError> {
        let mut tries = 1;
        loop {
            let answer = self.actor.exchange(message.clone(), repeat, during).await?;
            if !answer.is_transient() || tries == BUSY_TRIES {
                return Ok(answer);
            }
            tries += 1;
            tokio::time::sleep(self.timing.busy).await;
        }
    }

    /// The BMC's answer to a command that is not the same when it is done twice. `Unknown` when the answer is lost.
    async fn answer_once(&self, message: Message, during: &'static str) -> Result<Answer, BmcError> {
        self.actor.exchange(message, Repeat::Never, during).await
    }

    /// A way for serial over LAN to use the session, which it keeps open. Whoever had it before loses it.
    async fn attach_payload(&self, during: &'static str) -> Result<PayloadPort, BmcError> {
        self.actor.attach(during).await
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
        self.finish_console().await;
        self.actor.close().await;
    }

    async fn press(&self, button: Button) -> Result<(), BmcError> {
        self.bounded(self.timing.call, power::READING, self.prepare_press()).await?;
        match tokio::time::timeout(self.timing.call, self.press_button(button)).await {
            Ok(result) => result,
            Err(_) => Err(self.errors.unknown(power::PRESSING)),
        }
    }

    fn health(&self) -> Health {
        self.actor.health()
    }

    fn identify(&self) -> Option<&dyn Identify> {
        Some(self)
    }

    fn sensors(&self) -> Option<&dyn Sensors> {
        Some(self)
    }

    fn event_log(&self) -> Option<&dyn EventLog> {
        Some(self)
    }

    fn inventory(&self) -> Option<&dyn Inventory> {
        Some(self)
    }

    fn users(&self) -> Option<&dyn Users> {
        Some(self)
    }

    fn network_settings(&self) -> Option<&dyn NetworkSettings> {
        Some(self)
    }

    fn power_meter(&self) -> Option<&dyn PowerMeter> {
        Some(self)
    }

    fn asset_tag(&self) -> Option<&dyn AssetTag> {
        Some(self)
    }

    fn watchdog(&self) -> Option<&dyn Watchdog> {
        Some(self)
    }

    fn console(&self) -> Option<&dyn SerialConsole> {
        Some(self)
    }
}

#[cfg(test)]
impl Ipmi {
    /// A driver with sockets of its own.
    fn with_timing(endpoint: Endpoint, cipher: Cipher, timing: Timing) -> Self {
        Self::assemble(Arc::new(Hub::new(None)), endpoint, cipher, timing)
    }
}

#[cfg(test)]
mod tests;
