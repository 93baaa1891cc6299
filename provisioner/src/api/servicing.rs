//! `POST /v1/machines/{machine}/service`: a machine is taken out for planned work, and given back as it was.
//!
//! Whether it may be, and on which disks, is the lifecycle's to say.

use super::{
    error::{ApiError, Body},
    instance_update::check_unprotected,
    machines::shown,
    validate::Fields,
};
use crate::{
    service::{Change, Service, ServiceError},
    store::{MachineRecord, NewEvent},
    text::word,
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use provisioner_api::{MachineService, ServiceStep};
use provisioner_lifecycle::{Request, admit_in_pool};
use std::sync::Arc;

/// Takes a machine out for planned work.
#[utoipa::path(
    post, path = provisioner_api::paths::MACHINE_SERVICE, tag = "machines",
    operation_id = "service",
    request_body = MachineService,
    responses((status = 202, body = provisioner_api::Machine), (status = 409)),
)]
pub(crate) async fn begin(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Body(body): Body<MachineService>,
) -> Result<Response, ApiError> {
    check(&body)?;
    let record = service.machine(&key).await?;
    if body.steps.iter().any(|step| matches!(step, ServiceStep::Erase { .. })) {
        check_owner(&service, &record).await?;
    }
    let told = format!("an operator asks for it to be serviced: {}", in_words(&body.steps));
    let request = Request::Service(body.steps);
    let least = service.store.pool_least_wiping().await?;
    let record = service
        .machine_change(record.id(), |record, _| {
            let machine = admit_in_pool(&record.machine, &request, least.of(&record.spec.pool))?;
            Ok::<_, ServiceError>((machine != record.machine).then(|| {
                let mut events = vec![NewEvent::machine(record.id(), "request", told.clone())];
                let message = format!("its machine {} is to be serviced", record.name);
                events.extend(record.owner().map(|owner| NewEvent::instance(owner, "request", message)));
                Change::new(MachineRecord { machine, ..record.clone() }, events)
            }))
        })
        .await?
        .ok_or_else(|| ApiError::not_found("machine", &key))?;
    Ok((StatusCode::ACCEPTED, shown(&service, &record).await?).into_response())
}

/// What no machine could be asked for.
fn check(body: &MachineService) -> Result<(), ApiError> {
    let mut fields = Fields::default();
    let none =
        "say what is to be done: {\"do\": \"inspect\"}, or {\"do\": \"erase\", \"disks\": [\"SERIAL\"]}";
    fields.check(!body.steps.is_empty(), "steps", none);
    for (at, step) in body.steps.iter().enumerate() {
        if let ServiceStep::Erase { disks, .. } = step {
            let field = format!("steps[{at}].disks");
            fields.check(
                !disks.is_empty(),
                &field,
                "give the serial numbers of the disks that are to be erased",
            );
            let blank = disks.iter().any(|disk| disk.trim().is_empty());
            fields.check(!blank, &field, "a serial number is empty; a disk without one can't be named");
        }
    }
    fields.done()
}

/// Whoever has the machine may have said that what is on its disks stays.
async fn check_owner(service: &Service, record: &MachineRecord) -> Result<(), ApiError> {
    let Some(owner) = record.owner() else { return Ok(()) };
    let instance = service.store.instance_get(owner).await.map_err(ServiceError::from)?;
    instance.map_or(Ok(()), |instance| check_unprotected(&instance))
}

fn in_words(steps: &[ServiceStep]) -> String {
    let step = |step: &ServiceStep| match step {
        ServiceStep::Inspect => "inspect".to_owned(),
        ServiceStep::Erase { disks, method } => {
            format!("erase {} ({})", disks.join(", "), word(method))
        }
    };
    steps.iter().map(step).collect::<Vec<_>>().join(", then ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use provisioner_api::ErasePolicy;

    fn erase(disks: &[&str]) -> ServiceStep {
        let disks = disks.iter().map(|disk| (*disk).to_owned()).collect();
        ServiceStep::Erase { disks, method: ErasePolicy::Overwrite }
    }

    #[test]
    fn the_timeline_tells_what_was_asked_for() {
        let steps = [ServiceStep::Inspect, erase(&["A", "B"])];
        assert_eq!(in_words(&steps), "inspect, then erase A, B (overwrite)");
    }

    #[test]
    fn what_no_machine_could_do_names_its_field() {
        for (steps, good) in [
            (vec![], false),
            (vec![ServiceStep::Inspect], true),
            (vec![ServiceStep::Inspect, erase(&["A"])], true),
            (vec![erase(&[])], false),
            (vec![erase(&["A", " "])], false),
        ] {
            assert_eq!(check(&MachineService { steps: steps.clone() }).is_ok(), good, "{steps:?}");
        }
    }
}
