//! What people confirm of machines that nothing else can tell about.

use super::{ApiError, no_bmc};
use crate::{
    api::error::Body,
    service::{Change, Service},
    store::{MachineRecord, NewEvent},
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use provisioner_api::{BmcConfirm, BmcPower, Power};
use provisioner_lifecycle::{Fact, observe};
use std::sync::Arc;

/// Confirms what somebody did at the machine, where nothing else tells.
#[utoipa::path(
    post, path = provisioner_api::paths::MACHINE_BMC_CONFIRM, tag = "bmc",
    request_body = BmcConfirm,
    responses((status = 200, body = BmcPower)),
)]
pub(in crate::api) async fn confirm(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Body(body): Body<BmcConfirm>,
) -> Result<Json<BmcPower>, ApiError> {
    let (on, word) = match body.power {
        Power::On => (true, "on"),
        Power::Off => (false, "off"),
        Power::Unknown => {
            return Err(ApiError::field("power", "say on or off: what you did, or what you see"));
        }
    };
    let record = service.machine(&key).await?;
    asks_person(&record)?;
    service
        .machine_change(record.id(), |record, now| {
            asks_person(record)?;
            let machine = observe(&record.machine, &Fact::Power { on }, now);
            let event =
                NewEvent::machine(record.id(), "bmc", format!("an operator confirms that it is {word}"));
            Ok::<_, ApiError>(Some(Change::new(MachineRecord { machine, ..record.clone() }, vec![event])))
        })
        .await?;
    Ok(Json(BmcPower { power: body.power }))
}

/// Only where nothing else tells: elsewhere the word of a person would hide what the BMC says.
fn asks_person(record: &MachineRecord) -> Result<(), ApiError> {
    let Some(bmc) = &record.spec.bmc else { return Err(no_bmc(&record.name)) };
    if bmc.protocol.asks_person() {
        return Ok(());
    }
    let detail =
        format!("how the power of {0} is, its BMC tells; `billet bmc power status {0}` asks it", record.name);
    Err(ApiError::new(StatusCode::CONFLICT, "refused", detail))
}
