//! `/v1/networks`: declared in the configuration, so read-only; with what is so on them, and their leases.

use super::{
    error::{ApiError, Query},
    pages,
};
use crate::{
    config::{Network as Declared, Subnet as DeclaredSubnet},
    service::{Service, ServiceError},
    store::LeaseCounts,
    text::format_mac,
};
use axum::{
    Json,
    extract::{Path, State},
};
use jiff::Timestamp;
use provisioner_api::{
    BootChain, Lease, LeaseList, LeaseRelay, LeaseState, Network, NetworkList, NetworkStatus, OtherServer,
    Subnet, UndeclaredRelay,
};
use pxe::leases::{Lease as Kept, LeaseState as KeptState};
use pxe_proto::boot::Preference;
use serde::Deserialize;
use std::{net::Ipv4Addr, sync::Arc};

/// Lists the networks by name.
#[utoipa::path(
    get, path = provisioner_api::paths::NETWORKS, tag = "networks",
    responses((status = 200, body = NetworkList)),
)]
pub(crate) async fn list(State(service): State<Arc<Service>>) -> Result<Json<NetworkList>, ApiError> {
    let mut items = Vec::new();
    for declared in &service.config.networks {
        items.push(network(&service, declared).await?);
    }
    items.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Json(NetworkList { items }))
}

/// Shows a network.
#[utoipa::path(
    get, path = provisioner_api::paths::NETWORK, tag = "networks",
    responses((status = 200, body = Network)),
)]
pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
) -> Result<Json<Network>, ApiError> {
    let declared = find(&service, &name)?;
    Ok(Json(network(&service, declared).await?))
}

/// Which page of leases or reservations.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    /// How many at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    pub(super) limit: Option<String>,
    /// The `next` of the page before: an IPv4 address.
    pub(super) after: Option<String>,
}

/// Lists the leases of a network by address.
#[utoipa::path(
    get, path = provisioner_api::paths::LEASES, tag = "networks",
    params(Page),
    responses((status = 200, body = LeaseList)),
)]
pub(crate) async fn leases(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
    Query(page): Query<Page>,
) -> Result<Json<LeaseList>, ApiError> {
    find(&service, &name)?;
    let limit = pages::limit(page.limit.as_deref())?;
    let after = pages::cursor(page.after.as_deref())?;
    let now = service.boot.leases.now();
    let rows = service.store.lease_page(&name, after, pages::rows(limit)).await?;
    let (rows, next) = pages::cut(rows, limit, |lease| lease.address.to_string());
    let macs: Vec<_> = rows.iter().map(|lease| format_mac(lease.mac)).collect();
    let machines = service.store.machine_names_by_mac(&macs).await?;
    let wire = |kept: Kept| {
        let mac = format_mac(kept.mac);
        let (machine, machine_name) = machines.get(&mac).cloned().unzip();
        Lease {
            network: name.clone(),
            address: kept.address.to_string(),
            state: state(&kept, now),
            machine,
            machine_name,
            mac,
            hostname: kept.hostname.clone(),
            relay: kept.relay.as_ref().map(|relay| LeaseRelay {
                address: relay.address.map(|address| address.to_string()),
                circuit: relay.circuit_id.as_deref().map(readable),
                remote: relay.remote_id.as_deref().map(readable),
            }),
            expires: time(kept.expires),
        }
    };
    let items = rows.into_iter().map(wire).collect();
    Ok(Json(LeaseList { items, next }))
}

/// A declared network.
pub(super) fn find<'a>(service: &'a Service, name: &str) -> Result<&'a Declared, ApiError> {
    let found = service.config.networks.iter().find(|network| network.name == name);
    found.ok_or_else(|| ApiError::not_found("network", name))
}

async fn network(service: &Service, declared: &Declared) -> Result<Network, ServiceError> {
    let everything = vec![(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST)];
    let plans = declared.subnets.iter().map(DeclaredSubnet::leasable);
    let parts: Vec<_> = std::iter::once(everything).chain(plans).collect();
    let now = service.boot.leases.now();
    let counts = service.store.lease_counts(&declared.name, &parts, now).await?;
    let all = counts.first().copied().unwrap_or_default();
    let seen = service.boot.status.network(&declared.name).unwrap_or_default();
    let other = |server: &pxe::OtherServer| OtherServer {
        server: server.server.to_string(),
        mac: format_mac(server.mac),
        gives_addresses: server.gives_addresses,
        first_seen: time(server.first_seen),
        last_seen: time(server.last_seen),
    };
    let relay = |relay: &pxe::UndeclaredRelay| UndeclaredRelay {
        relay: relay.relay.to_string(),
        packets: relay.packets,
        last_seen: time(relay.last_seen),
    };
    let status = NetworkStatus {
        silent: seen.silent,
        warnings: seen.warnings.clone(),
        leases: all.active,
        reservations: all.reserved,
        quarantined: all.quarantined,
        rogues: seen.rogues.iter().map(other).collect(),
        known: seen.known.iter().map(other).collect(),
        undeclared_relays: seen.undeclared_relays.iter().map(relay).collect(),
    };
    Ok(Network {
        name: declared.name.clone(),
        interface: declared.interface.clone(),
        dhcp: declared.dhcp,
        address: declared.address.to_string(),
        server_identifier: declared.server_identifier.to_string(),
        discovery: declared.discovery,
        boot_chain: chain(declared.boot_chain),
        subnets: declared.subnets.iter().zip(counts.iter().skip(1)).map(subnet).collect(),
        status,
    })
}

fn subnet((declared, counts): (&DeclaredSubnet, &LeaseCounts)) -> Subnet {
    let told = &declared.told;
    let taken = counts.active + counts.quarantined + counts.idle;
    let spans = |spans: &[(Ipv4Addr, Ipv4Addr)]| {
        spans.iter().map(|(first, last)| (first.to_string(), last.to_string())).collect()
    };
    Subnet {
        name: declared.name.clone(),
        subnet: format!("{}/{}", told.address, told.prefix),
        relay: told.relay.map(|relay| relay.to_string()),
        ranges: spans(&declared.ranges),
        exclude: spans(&declared.exclude),
        static_ranges: spans(&declared.static_ranges),
        gateway: told.routers.first().map(ToString::to_string),
        dns: told.dns.iter().map(ToString::to_string).collect(),
        addresses: declared.size(),
        used: counts.active,
        free: declared.size().saturating_sub(taken),
    }
}

/// What a lease is by now.
fn state(lease: &Kept, now: u64) -> LeaseState {
    match lease.state {
        KeptState::Released => LeaseState::Released,
        _ if lease.expires <= now => LeaseState::Expired,
        KeptState::Leased => LeaseState::Active,
        KeptState::Quarantined => LeaseState::Quarantined,
    }
}

fn chain(preference: Preference) -> BootChain {
    match preference {
        Preference::Auto => BootChain::Auto,
        Preference::Snponly => BootChain::Snponly,
        Preference::Ipxe => BootChain::Ipxe,
        Preference::Uki => BootChain::Uki,
    }
}

/// What a relay says, as text if it is some.
fn readable(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.is_empty() && !text.contains(char::is_control) => text.to_owned(),
        _ => hex::encode(bytes),
    }
}

/// A time in milliseconds since 1970.
fn time(millis: u64) -> Timestamp {
    i64::try_from(millis)
        .ok()
        .and_then(|millis| Timestamp::from_millisecond(millis).ok())
        .unwrap_or(Timestamp::MAX)
}
