//! `/v1/addresses`: what is taken out of the address plan, and virtual addresses that are claimed by name.
//!
//! What a Cluster API control plane endpoint needs: the same name gives the same address, however often it is asked for,
//! and it stays until it is released.

use super::{
    error::{ApiError, Body, Query},
    instance_network::{choose, free, may_choose, new, taken},
    networks::Page,
    pages,
    validate::Fields,
};
use crate::{
    address_plan::Place,
    clock,
    service::{Service, ServiceError},
    store::{AddressRecord, Holder, NewAddress, PoolGiven, StoreError},
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use provisioner_api::{Address, AddressClaim, AddressList};
use std::{net::Ipv4Addr, sync::Arc};
use uuid::Uuid;

/// How often an address is chosen anew when others take it meanwhile.
const TRIES: usize = 24;

/// Lists the addresses that are taken, by address.
#[utoipa::path(
    get, path = provisioner_api::paths::ADDRESSES, tag = "addresses",
    params(Page),
    responses((status = 200, body = AddressList)),
)]
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    Query(page): Query<Page>,
) -> Result<Json<AddressList>, ApiError> {
    let limit = pages::limit(page.limit.as_deref())?;
    let after = pages::cursor(page.after.as_deref())?;
    let rows = service.store.address_page(after, pages::rows(limit)).await?;
    let (rows, next) = pages::cut(rows, limit, |row| row.taken.address.to_string());
    Ok(Json(AddressList { items: rows.into_iter().map(wire).collect(), next }))
}

/// Shows a virtual address.
#[utoipa::path(
    get, path = provisioner_api::paths::ADDRESS, tag = "addresses",
    responses((status = 200, body = Address)),
)]
pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
) -> Result<Json<Address>, ApiError> {
    let found = service.store.address_named(&name).await?;
    found.map(|record| Json(wire(record))).ok_or_else(|| missing(&name))
}

/// Claims one. The same name again answers the address that it has; with a pool it is given to one that has none, if
/// whatever uses it is of that pool.
#[utoipa::path(
    post, path = provisioner_api::paths::ADDRESSES, tag = "addresses",
    summary = "Claims a virtual address, or gives a pool to one that has none",
    request_body = AddressClaim,
    responses(
        (status = 200, body = Address, description = "The name has it already"),
        (status = 201, body = Address),
        (status = 409)
    ),
)]
pub(crate) async fn claim(
    State(service): State<Arc<Service>>,
    Body(body): Body<AddressClaim>,
) -> Result<Response, ApiError> {
    // What it has stays its own, also when the configuration has no such range any more.
    if let Some(known) = service.store.address_named(&body.name).await?
        && has(&service, &known, &body)
    {
        return Ok((StatusCode::OK, Json(wire(known))).into_response());
    }
    let (from, exactly) = read(&service, &body)?;
    if let Some(given) = pool_given(&service, &body).await? {
        return Ok((StatusCode::OK, Json(given)).into_response());
    }
    for attempt in 0..TRIES {
        // First what is taken, then the name: who took the last one under this name is seen.
        let taken = taken(&service, from).await?;
        if let Some(known) = service.store.address_named(&body.name).await? {
            same(&known, from, exactly, &body)?;
            return Ok((StatusCode::OK, Json(wire(known))).into_response());
        }
        let address = match exactly {
            Some(exactly) => free(exactly, &taken)?,
            None => {
                may_choose(&service).await?;
                choose(from, &taken, attempt, Uuid::new_v4().as_u128())?
            }
        };
        let pool = body.pool.clone();
        let claimed = NewAddress { pool, ..new(from, address, Holder::Name(body.name.clone())) };
        match service.store.address_claim(&claimed, clock::now()).await {
            Err(error) if error.is_address_taken() => {}
            done => {
                done?;
                let found = service.store.address_named(&body.name).await?;
                let found = found.ok_or_else(|| missing(&body.name))?;
                return Ok((StatusCode::CREATED, Json(wire(found))).into_response());
            }
        }
    }
    Err(ServiceError::Contended { what: "the address plan".to_owned() }.into())
}

/// Releases one that nobody uses.
#[utoipa::path(
    delete, path = provisioner_api::paths::ADDRESS, tag = "addresses",
    summary = "Releases a virtual address that nobody uses",
    responses((status = 204), (status = 409)),
)]
pub(crate) async fn release(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    let used = match service.store.address_release(&name).await {
        Ok(true) => return Ok(StatusCode::NO_CONTENT),
        Ok(false) => return Err(missing(&name)),
        Err(error @ StoreError::InUse { .. }) => error,
        Err(error) => return Err(error.into()),
    };
    let by = service.store.address_named(&name).await?.map(|record| record.used_by).unwrap_or_default();
    if by.is_empty() {
        return Err(used.into());
    }
    Err(ApiError::conflict(format!(
        "the address `{name}` is in use by {}; delete what uses it first",
        by.iter().map(|name| format!("instance `{name}`")).collect::<Vec<_>>().join(", ")
    )))
}

/// Gives the pool that a claim names to what its name has already, if that has none and all that uses it is of that pool.
async fn pool_given(service: &Service, body: &AddressClaim) -> Result<Option<Address>, ApiError> {
    let Some(pool) = &body.pool else { return Ok(None) };
    for _ in 0..TRIES {
        let Some(known) = service.store.address_named(&body.name).await? else { return Ok(None) };
        let without = AddressClaim { pool: None, ..body.clone() };
        let Some(of) = known.to_use().filter(|_| known.taken.pool.is_none()) else { return Ok(None) };
        if !has(service, &known, &without) {
            return Ok(None);
        }
        match service.store.address_give_pool(&of, pool).await? {
            PoolGiven::Done => {
                let taken = NewAddress { pool: Some(pool.clone()), ..known.taken };
                return Ok(Some(wire(AddressRecord { taken, ..known })));
            }
            PoolGiven::Used(others) => {
                let detail = format!(
                    "`{}` is used by {}, not of pool `{pool}`; move them there, or give them back, before the address",
                    body.name,
                    others.join(", ")
                );
                return Err(ApiError::conflict(detail).about("pool"));
            }
            PoolGiven::Stale => {}
        }
    }
    Err(ServiceError::Contended { what: format!("the address {}", body.name) }.into())
}

/// What is asked for, if it can be.
fn read<'a>(service: &'a Service, body: &AddressClaim) -> Result<(Place<'a>, Option<Ipv4Addr>), ApiError> {
    let mut fields = Fields::default();
    fields.name("name", &body.name);
    body.pool.iter().for_each(|pool| fields.name("pool", pool));
    let from = Place::find(&service.config.networks, &body.subnet);
    fields.check(from.is_ok(), "subnet", from.as_ref().err().cloned().unwrap_or_default());
    let exactly = body.address.as_ref().map(|text| {
        text.parse::<Ipv4Addr>()
            .map_err(|_| format!("`{text}` is not an IPv4 address; write it like 10.77.0.200"))
    });
    let exactly = exactly.transpose();
    let problem = match (&from, &exactly) {
        (Ok(from), Ok(Some(exactly))) => from.check(*exactly).err(),
        (_, exactly) => exactly.as_ref().err().cloned(),
    };
    fields.check(problem.is_none(), "address", problem.unwrap_or_default());
    fields.done()?;
    // `done` refused otherwise.
    match (from, exactly) {
        (Ok(from), Ok(exactly)) => Ok((from, exactly)),
        _ => Err(ApiError::field("subnet", "there is no such subnet")),
    }
}

/// Whether a claim is of exactly what its name has, by the name that the subnet has now or by its CIDR.
fn has(service: &Service, known: &AddressRecord, body: &AddressClaim) -> bool {
    let taken = &known.taken;
    let subnets = service.config.networks.iter().flat_map(|network| &network.subnets);
    let named = subnets.filter(|subnet| subnet.name.as_deref() == Some(&*body.subnet));
    let subnet = [&taken.subnet, &taken.network].contains(&&body.subnet)
        || named.into_iter().any(|subnet| subnet.cidr() == taken.subnet);
    let address = taken.address.to_string();
    subnet && body.pool == taken.pool && body.address.as_ref().is_none_or(|asked| *asked == address)
}

/// Whether a name has what is asked for.
fn same(
    known: &AddressRecord,
    from: Place<'_>,
    exactly: Option<Ipv4Addr>,
    body: &AddressClaim,
) -> Result<(), ApiError> {
    let has = known.taken.address;
    let Holder::Name(name) = &known.taken.holder else { return Ok(()) };
    let mend = format!("release it with `billet address release {name}`, or choose another name");
    if known.taken.subnet != from.subnet.cidr() {
        let detail = format!("`{name}` is {has} of subnet {}; {mend}", known.taken.subnet);
        return Err(ApiError::conflict(detail).about("subnet"));
    }
    if known.taken.pool != body.pool {
        let whose = known.taken.pool.as_ref().map_or("the site".to_owned(), |pool| format!("pool {pool}"));
        return Err(ApiError::conflict(format!("`{name}` is of {whose}; {mend}")).about("pool"));
    }
    match exactly {
        Some(exactly) if exactly != has => {
            Err(ApiError::conflict(format!("`{name}` is {has}, not {exactly}; {mend}")).about("address"))
        }
        _ => Ok(()),
    }
}

fn missing(name: &str) -> ApiError {
    let detail = format!("there is no virtual address `{name}`; `billet address list` shows what there is");
    ApiError::new(StatusCode::NOT_FOUND, "not-found", detail)
}

fn wire(record: AddressRecord) -> Address {
    let (name, instance, interface) = match record.taken.holder {
        Holder::Name(name) => (Some(name), None, None),
        Holder::Instance { id, interface } => (None, Some(id), Some(interface)),
    };
    Address {
        address: record.taken.address.to_string(),
        subnet: record.taken.subnet,
        network: record.taken.network,
        pool: record.taken.pool,
        name,
        instance,
        instance_name: record.instance_name,
        interface,
        used_by: record.used_by,
        since: record.since,
    }
}

#[cfg(test)]
pub(super) mod tests;
