//! `POST /v1/instances/{instance}/rescue` and `/unrescue`: its machine runs a small system in RAM, in which somebody mends
//! what is on its disks; and back.
//!
//! Only the machine's wish changes here; the instance follows its machine. Protection forbids neither: nothing is destroyed.

use super::{
    convert,
    error::{ApiError, Body},
    instances::{find, tagged},
    validate::Fields,
};
use crate::{
    clock,
    service::{Service, ServiceError},
    store::{InstanceRecord, ListedInstance, MachineRecord},
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use provisioner_api::{InstanceRescue, RescueAccess};
use provisioner_lifecycle::{Refusal, Request};
use std::{net::IpAddr, sync::Arc};

/// Has the machine of an instance run a rescue system in RAM.
#[utoipa::path(
    post, path = provisioner_api::paths::INSTANCE_RESCUE, tag = "instances",
    request_body = InstanceRescue,
    responses((status = 202, body = provisioner_api::Instance), (status = 409)),
)]
pub(crate) async fn rescue(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Body(body): Body<InstanceRescue>,
) -> Result<Response, ApiError> {
    let mut fields = Fields::default();
    fields.rescue(&body.ssh_keys);
    fields.done()?;
    let (record, own) = with_machine(&service, &key).await?;
    if let Err(none) = service.rescue.of(own.machine.facts.inventory.as_deref()) {
        return Err(ApiError::conflict(none.to_string()));
    }
    let request = Request::Rescue { instance: record.id, authorized_keys: body.ssh_keys };
    let event = format!("instance {} is to be rescued, as an operator asks", record.name);
    service.admit(own.id(), &request, &event).await?;
    answer(&service, &key).await
}

/// Ends the rescue of an instance.
#[utoipa::path(
    post, path = provisioner_api::paths::INSTANCE_UNRESCUE, tag = "instances",
    responses((status = 202, body = provisioner_api::Instance), (status = 409)),
)]
pub(crate) async fn unrescue(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
) -> Result<Response, ApiError> {
    let (record, own) = with_machine(&service, &key).await?;
    let request = Request::Unrescue { instance: record.id };
    let event = format!("the rescue of instance {} is to end, as an operator asks", record.name);
    service.admit(own.id(), &request, &event).await?;
    answer(&service, &key).await
}

/// The instance with its machine, if it has one and was not given back.
async fn with_machine(service: &Service, key: &str) -> Result<(InstanceRecord, MachineRecord), ApiError> {
    let ListedInstance { record, machine } = find(service, key).await?;
    let Some(own) = machine else {
        let detail = format!(
            "instance `{0}` has no machine yet, so there is nothing to rescue; `billet why instance/{0}` says what it waits for",
            record.name
        );
        return Err(ApiError::conflict(detail));
    };
    // Of which its machine need not know yet.
    if record.given_back(Some(&own)).is_some() {
        return Err(ServiceError::from(Refusal::GivenBack).into());
    }
    Ok((record, own))
}

async fn answer(service: &Service, key: &str) -> Result<Response, ApiError> {
    let ListedInstance { record, machine } = find(service, key).await?;
    let instance = convert::instance(service, &record, machine.as_ref(), clock::now());
    Ok((StatusCode::ACCEPTED, tagged(instance)).into_response())
}

/// What an agent says of how it is reached, if it is no more than that: it becomes a command that people copy.
pub(super) fn checked(access: RescueAccess) -> Result<RescueAccess, ApiError> {
    let addresses = access.addresses.len() <= 64
        && access.addresses.iter().all(|address| address.parse::<IpAddr>().is_ok());
    let print = access.host_key.strip_prefix("SHA256:").unwrap_or_default();
    let known = |letter: char| letter.is_ascii_alphanumeric() || "+/".contains(letter);
    if !addresses {
        return Err(ApiError::field("outcome.access.addresses", "64 IP addresses at most are needed"));
    }
    if !(1..=64).contains(&print.len()) || !print.chars().all(known) {
        return Err(ApiError::field(
            "outcome.access.host_key",
            "`SHA256:` and a digest in base64 are needed",
        ));
    }
    Ok(access)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_agent_says_of_itself_is_an_address_and_a_fingerprint_or_nothing() {
        let access =
            |address: &str, key: &str| RescueAccess { addresses: vec![address.into()], host_key: key.into() };
        let good = access("10.0.0.7", "SHA256:Qx3vT+t/U");
        assert_eq!(checked(good.clone()).unwrap(), good);
        for (address, key) in [
            ("10.0.0.7 -oProxyCommand=evil", "SHA256:x"),
            ("host.example", "SHA256:x"),
            ("10.0.0.7", "SHA256:"),
            ("10.0.0.7", "MD5:00"),
            ("10.0.0.7", "SHA256:x; evil"),
        ] {
            assert!(checked(access(address, key)).is_err(), "{address} {key}");
        }
        let many = RescueAccess { addresses: vec!["10.0.0.7".into(); 65], host_key: "SHA256:x".into() };
        assert!(checked(many).is_err());
    }
}
