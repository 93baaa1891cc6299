//! A network that is declared, compared with the one that the service has. Networks come from its configuration file, so a
//! difference is a mistake in one of both files, and nothing is done.

use super::plan::{self, Planned};
use crate::cli::{
    command::Session,
    error::CliError,
    manifest::{Fault, NetworkDoc, Place},
    view::word,
};
use provisioner_api::Network;

/// That it is so, or all that is otherwise.
pub(super) async fn plan(
    session: &Session<'_>,
    place: &Place,
    doc: &NetworkDoc,
) -> Result<Result<Planned, Vec<Fault>>, CliError> {
    let name = doc.name.0.as_str();
    let Some(there) = plan::found(session.client.network(name).await)? else {
        let why = format!(
            "there is no network `{name}`; declare it in the service's configuration file (`[[network]]`), and start the service again"
        );
        return Ok(Err(vec![Fault::new(place, "name", why)]));
    };
    let faults: Vec<_> = otherwise(doc, &there)
        .into_iter()
        .map(|(field, is, wanted)| {
            let why = format!(
                "network {name} has {is}, and not {wanted}; change the service's configuration file (`[[network]]`) and start the service again, or declare what it has"
            );
            Fault::new(place, field, why)
        })
        .collect();
    Ok(if faults.is_empty() { Ok(Planned::unchanged("network", name)) } else { Err(faults) })
}

/// What is declared otherwise: the field, what is so, and what is declared.
fn otherwise(doc: &NetworkDoc, there: &Network) -> Vec<(&'static str, String, String)> {
    // The first is that of the link.
    let link = there.subnets.first();
    let none = || "none".to_owned();
    let subnet = link.map_or_else(none, |link| link.subnet.clone());
    let gateway = link.and_then(|link| link.gateway.clone()).unwrap_or_else(none);
    [
        ("interface", there.interface.clone(), doc.interface.as_ref().map(|name| name.0.clone())),
        ("dhcp", word(there.dhcp), doc.dhcp.as_ref().map(|mode| word(mode.0))),
        ("discovery", there.discovery.to_string(), doc.discovery.as_ref().map(|on| on.0.to_string())),
        ("subnet", subnet, doc.subnet.as_ref().map(|subnet| subnet.0.clone())),
        ("gateway", gateway, doc.gateway.as_ref().map(|address| address.0.to_string())),
    ]
    .into_iter()
    .filter_map(|(field, is, wanted)| Some((field, is, wanted?)))
    .filter(|(_, is, wanted)| is != wanted)
    .collect()
}
