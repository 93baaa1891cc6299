//! `/v1/networks/{network}/reservations`: addresses that one client always gets.

use super::{
    error::{ApiError, Body, Query},
    networks::{self, Page},
    pages,
    validate::Fields,
};
use crate::{
    address_plan,
    config::Network,
    service::Service,
    text::{format_mac, parse_mac_bytes},
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use provisioner_api::{Reservation, ReservationList};
use pxe::leases::{LeaseState, Reservation as Kept};
use std::{net::Ipv4Addr, sync::Arc};

/// Lists the reservations of a network by address.
#[utoipa::path(
    get, path = provisioner_api::paths::RESERVATIONS, tag = "networks",
    operation_id = "reservations",
    params(Page),
    responses((status = 200, body = ReservationList)),
)]
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
    Query(page): Query<Page>,
) -> Result<Json<ReservationList>, ApiError> {
    networks::find(&service, &name)?;
    let limit = pages::limit(page.limit.as_deref())?;
    let after = pages::cursor(page.after.as_deref())?;
    let rows = service.store.reservation_page(&name, after, pages::rows(limit)).await?;
    let (rows, next) = pages::cut(rows, limit, |reservation| reservation.address.to_string());
    Ok(Json(ReservationList { items: rows.into_iter().map(wire).collect(), next }))
}

/// Adds one. The same again changes nothing; of a client that has another one, this takes its place.
#[utoipa::path(
    post, path = provisioner_api::paths::RESERVATIONS, tag = "networks",
    summary = "Reserves an address for a client",
    operation_id = "reserve",
    request_body = Reservation,
    responses(
        (status = 200, body = Reservation, description = "It was reserved already"),
        (status = 201, body = Reservation),
        (status = 409)
    ),
)]
pub(crate) async fn add(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
    Body(body): Body<Reservation>,
) -> Result<Response, ApiError> {
    let network = networks::find(&service, &name)?;
    let wanted = read(&service, &name, &body)?;
    let known = service.store.reservation_list(&name).await?;
    if known.contains(&wanted) {
        return Ok((StatusCode::OK, Json(wire(wanted))).into_response());
    }
    if let Some(other) = known.iter().find(|other| other.address == wanted.address) {
        let detail = format!(
            "{} is reserved for {} already; take that reservation away first, or choose another address",
            wanted.address,
            format_mac(other.mac)
        );
        return Err(taken(detail));
    }
    unplanned(&service, network, wanted.address).await?;
    unleased(&service, &name, wanted).await?;
    service.store.reservation_insert(&name, wanted).await?;
    service.boot.leases.reserve(&name, wanted).await;
    Ok((StatusCode::CREATED, Json(wire(wanted))).into_response())
}

/// Takes a reservation away.
#[utoipa::path(
    delete, path = provisioner_api::paths::RESERVATION, tag = "networks",
    operation_id = "unreserve",
    responses((status = 204)),
)]
pub(crate) async fn remove(
    State(service): State<Arc<Service>>,
    Path((name, mac)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    networks::find(&service, &name)?;
    let missing = || {
        let detail = format!(
            "nothing is reserved for `{mac}` on network `{name}`; `billet network reservation list {name}` shows what is"
        );
        ApiError::new(StatusCode::NOT_FOUND, "not-found", detail)
    };
    let mac = parse_mac_bytes(&mac).ok_or_else(missing)?;
    if !service.store.reservation_delete(&name, mac).await? {
        return Err(missing());
    }
    service.boot.leases.unreserve(&name, mac);
    Ok(StatusCode::NO_CONTENT)
}

/// What is asked for, if it could be.
fn read(service: &Service, network: &str, body: &Reservation) -> Result<Kept, ApiError> {
    let (mac, address) = (parse_mac_bytes(&body.mac), body.address.parse::<Ipv4Addr>().ok());
    let mut fields = Fields::default();
    let detail = format!("`{}` is not a unicast MAC address like 52:54:00:12:34:56", body.mac);
    fields.check(mac.is_some(), "mac", detail);
    match address {
        None => fields.check(false, "address", format!("`{}` is not an IPv4 address", body.address)),
        Some(address) => {
            if let Some(Err(problem)) = service.boot.leases.check_reservation(network, address) {
                fields.check(false, "address", problem.to_string());
            }
        }
    }
    fields.done()?;
    // Both are there, or `done` had said so.
    match (mac, address) {
        (Some(mac), Some(address)) => Ok(Kept { mac, address }),
        _ => Err(ApiError::field("address", "it is missing")),
    }
}

/// Refuses an address of the address plan: a static one, or one that was taken when it was one.
async fn unplanned(service: &Service, network: &Network, address: Ipv4Addr) -> Result<(), ApiError> {
    if address_plan::is_static(network, address) {
        let detail = format!(
            "{address} is among the network's static addresses, which DHCP gives to nobody; choose another, or take it out of `static_ranges`"
        );
        return Err(ApiError::field("address", detail));
    }
    let before = u32::from(address).checked_sub(1).map(Ipv4Addr::from);
    let next = service.store.address_page(before, 1).await?;
    if next.first().is_some_and(|next| next.taken.address == address) {
        let detail =
            format!("{address} is taken as a static or virtual address; `billet address list` shows by whom");
        return Err(taken(detail));
    }
    Ok(())
}

/// Refuses an address that another client has now.
async fn unleased(service: &Service, network: &str, wanted: Kept) -> Result<(), ApiError> {
    let now = service.boot.leases.now();
    let lease = service.store.lease_at(network, wanted.address).await?;
    let Some(lease) = lease.filter(|lease| lease.expires > now) else { return Ok(()) };
    let address = wanted.address;
    match lease.state {
        LeaseState::Leased if lease.mac != wanted.mac => Err(taken(format!(
            "{address} is leased to {} now; choose another address, or wait until that client gives it back",
            format_mac(lease.mac)
        ))),
        LeaseState::Quarantined => Err(taken(format!(
            "{address} is used by another host, which was found there; find that host, or choose another address"
        ))),
        _ => Ok(()),
    }
}

fn taken(detail: String) -> ApiError {
    ApiError::conflict(detail).about("address")
}

fn wire(kept: Kept) -> Reservation {
    Reservation { mac: format_mac(kept.mac), address: kept.address.to_string() }
}
