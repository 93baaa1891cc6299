//! `/v1/bmc-scans`: the search for BMCs on subnets that the configuration declares. Nobody logs in anywhere, and
//! nothing is stored.

use super::error::{ApiError, Body};
use crate::{bmc_view as view, bmcs::split_address, service::Service, store::MachineRecord};
use axum::{Json, extract::State, http::StatusCode};
use bmc::{ScanError, Subnet};
use provisioner_api::{BmcFoundList, BmcScan};
use std::{collections::HashMap, net::Ipv4Addr, sync::Arc, time::Duration};

/// How long a search may take: less than clients wait, and enough for 4,096 addresses with nobody behind them.
const PATIENCE: Duration = Duration::from_secs(200);

/// Answers when all was searched. A client that goes away ends the search.
#[utoipa::path(
    post, path = provisioner_api::paths::BMC_SCANS, tag = "bmc",
    summary = "Searches a declared subnet for BMCs",
    request_body = BmcScan,
    responses((status = 200, body = BmcFoundList), (status = 409), (status = 504)),
)]
pub(super) async fn scan(
    State(service): State<Arc<Service>>,
    Body(body): Body<BmcScan>,
) -> Result<Json<BmcFoundList>, ApiError> {
    let subnet: Subnet = body.subnet.parse().map_err(|detail: String| ApiError::field("subnet", detail))?;
    let settings = &service.config.bmc;
    declared(&settings.subnets, subnet)?;
    let Ok(_alone) = service.scanning.try_lock() else {
        return Err(ApiError::conflict("another search for BMCs runs; ask again when it has ended"));
    };
    tracing::info!(%subnet, "searching for BMCs");
    let search = tokio::time::timeout(PATIENCE, bmc::scan(subnet, settings.scan_ports));
    let found = search.await.map_err(|_| slow(subnet))?.map_err(|error| match error {
        ScanError::TooLarge { .. } => ApiError::field("subnet", error.to_string()),
        ScanError::Socket(_) => ApiError::internal(&error),
    })?;
    let mut known = owners(&service.store.machine_list().await?);
    let mut already = |address| known.remove(&address).unwrap_or_default();
    let items = found.into_iter().map(|found| {
        let already = already(found.address);
        view::found(found, already)
    });
    Ok(Json(BmcFoundList { items: items.collect() }))
}

/// Searching a network that is somebody else's is an attack: only those that the operator of this host declared.
fn declared(subnets: &[Subnet], wanted: Subnet) -> Result<(), ApiError> {
    if subnets.iter().any(|subnet| subnet.covers(wanted)) {
        return Ok(());
    }
    let there_are = match subnets {
        [] => "none is".to_owned(),
        some => {
            format!("declared are {}", some.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
        }
    };
    let detail = format!(
        "{wanted} is not declared ({there_are}): write `subnets = [\"{wanted}\"]` below `[bmc]` in the service's configuration and restart it, or search from your own computer with `billet bmc scan {wanted} --from-here`"
    );
    Err(ApiError::field("subnet", detail))
}

fn slow(subnet: Subnet) -> ApiError {
    let detail = format!(
        "the search of {subnet} was not done after {} s: search it in smaller parts",
        PATIENCE.as_secs()
    );
    ApiError::new(StatusCode::GATEWAY_TIMEOUT, "bmc-slow", detail)
}

/// The names of the machines with a BMC at an address. Those with a host name are not resolved for this.
fn owners(machines: &[MachineRecord]) -> HashMap<Ipv4Addr, Vec<String>> {
    let mut owners: HashMap<_, Vec<_>> = HashMap::new();
    for machine in machines {
        let address = machine.spec.bmc.as_ref().and_then(|bmc| split_address(&bmc.address).0.parse().ok());
        if let Some(address) = address {
            owners.entry(address).or_default().push(machine.name.clone());
        }
    }
    owners
}

#[cfg(test)]
mod tests {
    use super::declared;

    #[test]
    fn only_what_is_declared_is_searched() {
        let subnet = |text: &str| text.parse().unwrap();
        let two = [subnet("10.0.0.0/22"), subnet("192.0.2.0/28")];
        for (wanted, may) in
            [("10.0.3.0/24", true), ("192.0.2.7/32", true), ("10.0.4.0/24", false), ("10.0.0.0/21", false)]
        {
            assert_eq!(declared(&two, subnet(wanted)).is_ok(), may, "{wanted}");
        }
        let told = format!("{:?}", declared(&[], subnet("10.0.0.0/24")).unwrap_err());
        assert!(told.contains("none is") && told.contains("[bmc]") && told.contains("--from-here"), "{told}");
    }
}
