//! What the boot server asks: may this client boot, by which chain, with which script. From memory where it can.
//!
//! Addresses are not here (`leases`), nor what was observed (`trace`).

use crate::{
    boot_index::BootMachine,
    clock,
    config::Network,
    service::{Service, ServiceError},
    store::{MachineRecord, NewEvent, Window},
    text::{format_mac, logged},
    windows,
};
use async_trait::async_trait;
use provisioner_api::{BootChain, MachineId};
use provisioner_lifecycle::Fact;
use pxe::{BootAnswer, Client, Directory, Files, Mac};
use pxe_proto::boot::{self, Arch, BootScript, Chain, Firmware, Preference};
use pxe_proto::trace::Entry;
use std::{net::Ipv4Addr, sync::Arc, time::Duration};

/// How long a chain that failed is not tried again while there is another, in milliseconds: a week.
const LEARNT: u64 = 7 * 24 * 3600 * 1000;

/// How long a client is kept waiting for what the database says. One that asks by HTTP counts its attempts, not the time.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many other replicas an agent is told of at most: a kernel's command line has 2048 bytes.
const OTHERS: usize = 4;

/// How long a script is kept back until the window is open, less than [`PATIENCE`]; whoever asked asks again.
const START: Duration = Duration::from_millis(1500);

/// How often it is looked meanwhile.
const LOOK: Duration = Duration::from_millis(200);

/// What the boot server asks.
pub(crate) struct BootDirectory {
    service: Arc<Service>,
    files: Arc<Files>,
}

/// Why a client may boot our agent.
enum Leave {
    /// It may not.
    No,
    /// The window of its machine's job is open.
    Job(Window),
    /// Its instance ran from RAM, and is to be started again: the window of that job is about to be opened.
    Again(MachineId),
    /// Its network inventories whoever comes.
    Discovery,
}

impl BootDirectory {
    /// A directory of this service; `files` say which chains there are.
    pub(crate) fn new(service: Arc<Service>, files: Arc<Files>) -> Arc<Self> {
        Arc::new(Self { service, files })
    }

    async fn may_boot(&self, client: &Client) -> Result<BootAnswer, ServiceError> {
        // An operating system's plain DHCP boots nothing.
        let Some(firmware) = client.firmware else { return Ok(BootAnswer::Disk) };
        let Some(network) = self.network(&client.network) else { return Ok(BootAnswer::Disk) };
        let machine = self.service.store.boot_machine(&format_mac(client.mac)).await?;
        match leave(machine.as_deref(), network) {
            Leave::No => return Ok(BootAnswer::Disk),
            // Nobody waits for the window here: it is open by the time at which the loader asks for its script.
            Leave::Again(id) => self.boots_again(id).await?,
            Leave::Job(_) | Leave::Discovery => {}
        }
        let own = machine.and_then(|machine| machine.boot_chain).map(preference);
        let chain = self.chain(firmware, own.unwrap_or(network.boot_chain), client.mac);
        if chain.is_none() {
            tracing::warn!(
                mac = format_mac(client.mac),
                network = network.name,
                architecture = firmware.arch().word(),
                "a machine is expected, but there is nothing to boot it with: `boot` in the configuration names the \
                 files, `boot_chain` the way"
            );
        }
        Ok(chain.map_or(BootAnswer::Disk, BootAnswer::Boot))
    }

    /// The chain for a client, past those that failed for it.
    fn chain(&self, firmware: Firmware, preference: Preference, mac: Mac) -> Option<Chain> {
        let since = u64::try_from(clock::now().as_millisecond()).unwrap_or(0).saturating_sub(LEARNT);
        let failures = if preference == Preference::Auto {
            let entries = self.service.traces.of(&[mac]);
            boot::failures(entries.iter().map(|(_, entry)| entry.as_ref()), since)
        } else {
            Vec::new()
        };
        boot::choose(firmware, preference, &failures, |chain, arch| self.has(chain, arch))
    }

    /// Whether we have what a chain needs.
    fn has(&self, chain: Chain, arch: Arch) -> bool {
        match chain {
            Chain::Uki => self.files.has_uki(arch),
            // There is no packaged iPXE for 64-bit Arm.
            Chain::Snponly => arch == Arch::X64 && self.files.has("snponly.efi"),
            Chain::Ipxe => arch == Arch::X64 && self.files.has("ipxe.efi"),
        }
    }

    fn network(&self, name: &str) -> Option<&Network> {
        self.service.config.networks.iter().find(|network| network.name == name)
    }

    /// Where an agent on this network finds the service: here, and at the other replicas.
    fn urls(&self, network: &Network) -> String {
        let ours = format!("https://{}:{}", network.address, self.service.api_port);
        let others = self.service.standing.others();
        let theirs = others.iter().filter_map(|other| other.networks.get(&network.name)).take(OTHERS);
        theirs.fold(ours, |all, other| format!("{all},{other}"))
    }

    /// Takes down that a machine boots whose instance ran from RAM.
    async fn boots_again(&self, id: MachineId) -> Result<(), ServiceError> {
        let event =
            NewEvent::machine(id, "boot", "it boots from the network again; its instance runs from RAM");
        let record = self.service.store.machine_get(id).await?;
        // One boot asks several times.
        let news =
            |record: &MachineRecord| record.machine.boots_again() && !record.machine.is_to_boot_again();
        if let Some(record) = record.filter(news) {
            self.service.observe_loaded(&record, &[Fact::BootsAgain], &[event]).await?;
        }
        Ok(())
    }

    /// The window of the job that starts its instance again, once it is open; none, if that takes too long.
    async fn window_of_start(&self, id: MachineId, mac: &str) -> Result<Option<Window>, ServiceError> {
        let end = tokio::time::Instant::now() + START;
        let mut watch = self.service.hub.watch(id);
        self.boots_again(id).await?;
        loop {
            let machine = self.service.store.boot_machine(mac).await?;
            if let Some(window) = machine.and_then(|machine| machine.open_window(clock::now()).cloned()) {
                return Ok(Some(window));
            }
            let next = end.min(tokio::time::Instant::now() + LOOK);
            // Poked or not, it is looked: a window is opened without a poke.
            if tokio::time::timeout_at(next, watch.poked()).await.is_err() && next == end {
                return Ok(None);
            }
        }
    }

    /// None: it is not known yet.
    async fn boot_script(&self, mac: Mac, from: Ipv4Addr) -> Result<Option<BootScript>, ServiceError> {
        let text = format_mac(mac);
        let network = self.service.config.networks.iter().find(|network| network.contains(from));
        let Some(network) = network else { return Ok(Some(BootScript::Disk)) };
        let machine = self.service.store.boot_machine(&text).await?;
        let window = match leave(machine.as_deref(), network) {
            Leave::No => None,
            Leave::Job(window) => Some(window),
            Leave::Again(id) => match self.window_of_start(id, &text).await? {
                None => return Ok(None),
                window => window,
            },
            Leave::Discovery => windows::discovery_window(&self.service, &text).await?,
        };
        let Some(window) = window else { return Ok(Some(BootScript::Disk)) };
        let mut parameters = vec![
            ("billet.url".to_owned(), self.urls(network)),
            ("billet.token".to_owned(), windows::claim_token(&self.service.key, &window)),
            // A machine whose battery died would find every certificate not valid yet.
            ("billet.now".to_owned(), clock::now().as_second().to_string()),
        ];
        parameters.extend(self.service.config.boot.kernel_parameters.iter().cloned());
        Ok(Some(BootScript::Agent { parameters }))
    }
}

/// Whether a client of this machine, or of none that is known, may boot our agent.
///
/// A machine that is known, but not accepted, has been looked at: from then on it boots from its disk, so that a server
/// in production that tries the network first runs its own system again.
fn leave(machine: Option<&BootMachine>, network: &Network) -> Leave {
    match machine {
        Some(machine) if machine.accepted => match machine.open_window(clock::now()) {
            Some(window) => Leave::Job(window.clone()),
            None if machine.boots_again => Leave::Again(machine.id),
            None => Leave::No,
        },
        Some(machine) if machine.inventoried => Leave::No,
        Some(_) | None if network.discovery => Leave::Discovery,
        Some(_) | None => Leave::No,
    }
}

fn preference(chain: BootChain) -> Preference {
    match chain {
        BootChain::Auto => Preference::Auto,
        BootChain::Snponly => Preference::Snponly,
        BootChain::Ipxe => Preference::Ipxe,
        BootChain::Uki => Preference::Uki,
    }
}

/// An answer in time. Our own failure is said once, here: the client is neither told to boot our agent nor its disk, and
/// asks again.
async fn said<T>(what: &str, answer: impl Future<Output = Result<T, ServiceError>>) -> Option<T> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(Ok(answer)) => return Some(answer),
        Ok(Err(error)) => tracing::error!(error = logged(&error), "the boot directory can't answer: {what}"),
        Err(_) => tracing::error!("the boot directory can't answer within {PATIENCE:?}: {what}"),
    }
    None
}

#[async_trait]
impl Directory for BootDirectory {
    async fn boot(&self, client: &Client) -> Option<BootAnswer> {
        said("may it boot", self.may_boot(client)).await
    }

    async fn script(&self, mac: Mac, _uuid: Option<&str>, from: Ipv4Addr, _arch: Arch) -> Option<BootScript> {
        said("its boot script", self.boot_script(mac, from)).await.flatten()
    }

    fn trace(&self, entry: Entry) {
        self.service.traces.record(entry);
    }
}
