//! `/v1/networks`: read-only, they are declared in the configuration.

use super::error::ApiError;
use crate::{
    clock,
    config::Network as Declared,
    service::{Service, ServiceError},
};
use axum::{
    Json,
    extract::{Path, State},
};
use provisioner_api::{Lease, LeaseList, Network, NetworkList};
use std::sync::Arc;

pub(crate) async fn list(State(service): State<Arc<Service>>) -> Result<Json<NetworkList>, ApiError> {
    let mut items = Vec::new();
    for declared in &service.config.networks {
        items.push(network(&service, declared).await?);
    }
    items.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Json(NetworkList { items }))
}

pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
) -> Result<Json<Network>, ApiError> {
    let declared = find(&service, &name)?;
    Ok(Json(network(&service, declared).await?))
}

pub(crate) async fn leases(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
) -> Result<Json<LeaseList>, ApiError> {
    find(&service, &name)?;
    let now = clock::now();
    let mut items = Vec::new();
    for lease in service.store.lease_list(&name).await? {
        if lease.expires > now && !lease.declined {
            let machine = service.store.machine_by_mac(&lease.mac).await?.map(|record| record.id());
            let address = lease.address.to_string();
            items.push(Lease {
                network: name.clone(),
                address,
                mac: lease.mac,
                machine,
                expires: lease.expires,
            });
        }
    }
    Ok(Json(LeaseList { items }))
}

fn find<'a>(service: &'a Service, name: &str) -> Result<&'a Declared, ApiError> {
    let found = service.config.networks.iter().find(|network| network.name == name);
    found.ok_or_else(|| ApiError::not_found("network", name))
}

async fn network(service: &Service, declared: &Declared) -> Result<Network, ServiceError> {
    let now = clock::now();
    let leases = service.store.lease_list(&declared.name).await?;
    let in_use = leases.iter().filter(|lease| lease.expires > now && !lease.declined).count();
    Ok(Network {
        name: declared.name.clone(),
        interface: declared.interface.clone(),
        subnet: format!("{}/{}", declared.subnet.0, declared.subnet.1),
        range: (declared.range.0.to_string(), declared.range.1.to_string()),
        dhcp: declared.dhcp,
        address: declared.address.to_string(),
        gateway: declared.gateway.map(|gateway| gateway.to_string()),
        dns: declared.dns.iter().map(ToString::to_string).collect(),
        discovery: declared.discovery,
        leases: in_use as u64,
    })
}
