//! The network of an instance that is asked for: what it takes out of the address plan, and what is wrong with it.
//!
//! The addresses are chosen here and taken by the store together with the instance's row, or not at all.

use super::{caller::Caller, error::ApiError, validate::Fields};
use crate::{
    address_plan::Place,
    netconfig::{self, Plan, Stage},
    service::{Service, ServiceError},
    store::{
        AddressRecord, Holder, InstanceRecord, MachineRecord, NewAddress, NewEvent, NewSecret, RESTORE,
        StoreError, Takes, Use,
    },
};
use axum::http::StatusCode;
use jiff::Timestamp;
use provisioner_api::{InstanceId, InstanceSpec, NetworkSpec, NicMatch, StaticAddress};
use provisioner_lifecycle::choose_nics;
use std::{collections::BTreeSet, net::Ipv4Addr};

/// Where the document is in the request.
const AT: &str = "spec.network";

/// How often addresses are chosen anew when others take them meanwhile.
const TRIES: usize = 24;

/// From which try on not the first free address is chosen: those who come at the same time choose others then.
const APART: usize = 2;

/// The most virtual addresses of an instance.
const USES: usize = 64;

/// Checks what can be said before an address is chosen. `machine` is the one that it wants, if it wants exactly one.
pub(super) async fn check(
    fields: &mut Fields,
    (service, caller): (&Service, &Caller),
    spec: &InstanceSpec,
    machine: Option<&MachineRecord>,
) -> Result<(), ServiceError> {
    let Some(network) = &spec.network else { return Ok(()) };
    match netconfig::read(AT, network, Stage::Asked) {
        Err(problems) => fields.add(problems),
        Ok(_) => match Plan::new(AT, network, &service.config.networks) {
            Err(problems) => fields.add(problems),
            Ok(_) => check_written(fields, service, network).await?,
        },
    }
    let inventory = machine.and_then(|machine| machine.machine.facts.inventory.as_deref());
    if let (Some(machine), Some(inventory)) = (machine, inventory) {
        let nics = netconfig::nics_of(network);
        let chosen = choose_nics(&nics, Some(inventory), &machine.spec.macs);
        let name = &machine.name;
        let detail = chosen.err().map(|why| format!("{why}; `billet machine show {name}` lists its cards"));
        fields.check(detail.is_none(), &format!("{AT}.interfaces"), detail.unwrap_or_default());
    }
    let names = &network.virtual_addresses;
    fields.check(
        names.len() <= USES,
        &format!("{AT}.virtual_addresses"),
        format!("at most {USES} can be given"),
    );
    let mut seen = BTreeSet::new();
    for (index, name) in names.iter().take(USES).enumerate() {
        let field = format!("{AT}.virtual_addresses[{index}]");
        fields.check(seen.insert(name), &field, format!("`{name}` is named twice"));
        let known = service.store.address_named(name).await?;
        let known = known.is_some_and(|known| is_theirs(caller, spec, &known));
        let detail = format!(
            "there is no virtual address `{name}`; `billet address claim {name} --subnet SUBNET` claims one"
        );
        fields.check(known, &field, detail);
    }
    Ok(())
}

/// Whether an instance may use a virtual address. A tenant's has only what its own pool has; `spec.pool` is that of the named
/// machine by now.
fn is_theirs(caller: &Caller, spec: &InstanceSpec, known: &AddressRecord) -> bool {
    let pool = &known.taken.pool;
    let own = caller.pools().is_none() || spec.pool.is_none() || *pool == spec.pool;
    own && caller.has_address(pool.as_deref())
}

/// The virtual addresses that an instance uses, each looked at once more: it is taken as it is found here, or not at all.
async fn uses(
    service: &Service,
    caller: &Caller,
    record: &InstanceRecord,
    names: &[String],
) -> Result<Vec<Use>, ApiError> {
    let mut uses = Vec::with_capacity(names.len());
    for name in names {
        let found = service.store.address_named(name).await?;
        let found = found.filter(|known| is_theirs(caller, &record.spec, known));
        let gone = || StoreError::AddressGone { name: name.clone() };
        uses.push(found.and_then(|known| known.to_use()).ok_or_else(gone)?);
    }
    Ok(uses)
}

/// Checks that what is written down by itself is nobody's: an address may be taken that is in no static range any more.
async fn check_written(
    fields: &mut Fields,
    service: &Service,
    network: &NetworkSpec,
) -> Result<(), ServiceError> {
    for (at, interface) in network.interfaces.iter().enumerate() {
        let written = interface.addresses.iter().enumerate().filter(|(_, address)| address.subnet.is_none());
        for (number, address) in written {
            let text = address.address.as_deref().and_then(|text| text.split('/').next());
            let Some(address) = text.and_then(|text| text.parse::<Ipv4Addr>().ok()) else { continue };
            fields.check(
                !service.store.address_is_taken(address).await?,
                &format!("{AT}.interfaces[{at}].addresses[{number}].address"),
                format!("{address} is taken; `billet address list` shows by whom"),
            );
        }
    }
    Ok(())
}

/// Adds an instance, with the addresses of its network.
pub(super) async fn insert(
    service: &Service,
    caller: &Caller,
    record: &mut InstanceRecord,
    user_data: Option<&NewSecret>,
    events: &[NewEvent],
    now: Timestamp,
) -> Result<(), ApiError> {
    let Some(network) = record.spec.network.clone() else {
        let done = service.store.instance_insert(record, user_data, events, now).await;
        return done.map_err(|error| caller.hears(error));
    };
    let plan = Plan::new(AT, &network, &service.config.networks).map_err(ApiError::invalid)?;
    for attempt in 0..TRIES {
        let (settled, addresses) = settle(service, record.id, &plan, attempt).await?;
        let uses = uses(service, caller, record, &settled.virtual_addresses).await?;
        let takes = Takes { addresses, uses };
        // What was not known before: whether a router is on the link of an address that was chosen.
        netconfig::read(AT, &settled, Stage::Settled).map_err(ApiError::invalid)?;
        record.standing.network = Some(settled);
        match service.store.instance_insert_taking(record, user_data, &takes, events, now).await {
            Err(error) if error.is_address_taken() => {}
            done => return done.map_err(|error| caller.hears(error)),
        }
    }
    Err(ServiceError::Contended { what: "the address plan".to_owned() }.into())
}

/// Chooses addresses that nobody has.
async fn settle(
    service: &Service,
    id: InstanceId,
    plan: &Plan<'_>,
    attempt: usize,
) -> Result<(NetworkSpec, Vec<NewAddress>), ApiError> {
    let (mut chosen, mut addresses) = (Vec::new(), Vec::new());
    // Those that are asked for by themselves are not given to another interface.
    let mut own: BTreeSet<Ipv4Addr> = plan.wanted.iter().filter_map(|wanted| wanted.exactly).collect();
    for wanted in &plan.wanted {
        let from = wanted.from;
        let mut taken = taken(service, from).await?;
        let address = match wanted.exactly {
            Some(exactly) => free(exactly, &taken)?,
            None => {
                may_choose(service).await?;
                taken.extend(&own);
                choose(from, &taken, attempt, id.0.as_u128())?
            }
        };
        own.insert(address);
        chosen.push(address);
        let interface = plan.interface(wanted).to_owned();
        addresses.push(new(from, address, Holder::Instance { id, interface }));
    }
    Ok((plan.settle(&chosen), addresses))
}

/// What is taken of a subnet's static addresses.
pub(super) async fn taken(service: &Service, from: Place<'_>) -> Result<BTreeSet<Ipv4Addr>, ServiceError> {
    let ranges = &from.subnet.static_ranges;
    let first = ranges.iter().map(|range| range.0).min().unwrap_or(Ipv4Addr::UNSPECIFIED);
    let last = ranges.iter().map(|range| range.1).max().unwrap_or(Ipv4Addr::UNSPECIFIED);
    let now = service.boot.leases.now();
    Ok(service.store.address_taken(&from.network.name, (first, last), now).await?)
}

/// Whether a free address can be chosen: after a restore nobody knows which were taken since the backup.
pub(super) async fn may_choose(service: &Service) -> Result<(), ApiError> {
    let Some(freeze) = service.frozen().await?.filter(|freeze| freeze.by == RESTORE) else { return Ok(()) };
    let detail = format!(
        "{freeze}. Which addresses were taken since the backup is not known: claim those by name first (`billet address claim NAME --subnet SUBNET --address ADDRESS`), then `billet unfreeze`; or name an address"
    );
    Err(ApiError::conflict(detail).about("address"))
}

/// An address that is asked for by itself, if nobody has it.
pub(super) fn free(exactly: Ipv4Addr, taken: &BTreeSet<Ipv4Addr>) -> Result<Ipv4Addr, ApiError> {
    if !taken.contains(&exactly) {
        return Ok(exactly);
    }
    let detail = format!(
        "{exactly} is taken; `billet address list` shows by whom. Choose another, or leave it out for a free one"
    );
    Err(ApiError::conflict(detail).about("address"))
}

/// The first free address; after a few tries one that others hardly choose, too. `dice` is who asks.
pub(super) fn choose(
    from: Place<'_>,
    taken: &BTreeSet<Ipv4Addr>,
    attempt: usize,
    dice: u128,
) -> Result<Ipv4Addr, ApiError> {
    let skip = if attempt < APART { 0 } else { spread(dice, attempt) };
    let all = || ApiError::new(StatusCode::CONFLICT, "exhausted", from.exhausted());
    from.free(taken, skip).ok_or_else(all)
}

/// A small number that differs between those who ask: of an id's last bits, which are random (RFC 9562).
fn spread(dice: u128, attempt: usize) -> usize {
    let most = (1_usize << attempt.min(8)) - 1;
    usize::try_from(dice & 0xffff).unwrap_or(0) & most
}

/// An address of a place.
pub(super) fn new(from: Place<'_>, address: Ipv4Addr, holder: Holder) -> NewAddress {
    NewAddress { address, network: from.network.name.clone(), subnet: from.subnet.cidr(), holder, pool: None }
}

/// The static addresses of an instance, as they are shown.
pub(super) fn static_addresses(record: &InstanceRecord) -> Vec<StaticAddress> {
    let interfaces = record.standing.network.iter().flat_map(|network| &network.interfaces);
    let of = interfaces.flat_map(|interface| {
        interface.addresses.iter().filter_map(|address| {
            Some(StaticAddress {
                interface: interface.name.clone(),
                address: address.address.clone()?,
                subnet: address.subnet.clone(),
            })
        })
    });
    of.collect()
}

/// Whether the instance asks for an address by DHCP on a card; one without a network of its own does.
pub(super) fn asks_dhcp(record: &InstanceRecord) -> bool {
    let network = record.standing.network.as_ref();
    network.is_none_or(|network| network.interfaces.iter().any(|interface| interface.dhcp4))
}

/// A network as a system reads it at first boot.
pub(super) struct Rendered {
    /// cloud-init's network-config, version 2.
    pub(super) config: String,
    /// OpenStack's `network_data.json`.
    pub(super) data: serde_json::Value,
}

/// The network of an instance on its machine, in both forms.
///
/// # Errors
/// When what is stored of it can't be read.
pub(super) fn rendered(
    record: &InstanceRecord,
    own: &MachineRecord,
) -> Result<Option<Rendered>, ServiceError> {
    use serde::de::Error;
    let Some(network) = &record.standing.network else { return Ok(None) };
    let damaged = |why: &str| crate::store::StoreError::Damaged {
        place: format!("instance {}, its network", record.id),
        source: serde_json::Error::custom(why),
    };
    let model = netconfig::read(AT, network, Stage::Settled).map_err(|problems| {
        damaged(
            &problems.first().map_or_else(String::new, |first| format!("{}: {}", first.field, first.detail)),
        )
    })?;
    let nics: Vec<NicMatch> = netconfig::nics_of(network);
    // A card that was replaced is found by name or place; one that is gone is still named as it was.
    let inventory = own.machine.facts.inventory.as_deref();
    let macs = choose_nics(&nics, inventory, &own.spec.macs).unwrap_or_else(|_| record.standing.nics.clone());
    if macs.len() != nics.len() {
        return Err(damaged("not all of its network cards are known").into());
    }
    let (config, data) = (netconfig::render(&model, &macs), netconfig::network_data(&model, &macs));
    Ok(Some(Rendered { config, data }))
}

#[cfg(test)]
mod tests;
