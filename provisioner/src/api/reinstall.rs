//! `POST /v1/instances/{instance}/reinstall`: the root disk is written anew; machine, name, addresses and all other disks
//! stay.
//!
//! Whether it may be, and onto which disk, is the lifecycle's to say. Here is what the instance becomes, and what it was
//! before, for as long as that may come back.

use super::{
    convert,
    error::{ApiError, Body},
    image_seed,
    instance_update::check_unprotected,
    instances::{find, secret_owner, tagged, user_data_place},
    user_data,
    validate::Fields,
};
use crate::{
    clock,
    hub::Poke,
    service::{Change, Service, ServiceError, TRIES},
    store::{Before, InstanceRecord, ListedInstance, MachineRecord, NewEvent, NewSecret, Swap},
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use provisioner_api::{Image, InstanceReinstall, InstanceSpec, InstanceState};
use provisioner_lifecycle::{Refusal, Reinstall, Request, admit};
use std::sync::Arc;

/// Has the root disk of an instance written anew.
#[utoipa::path(
    post, path = provisioner_api::paths::INSTANCE_REINSTALL, tag = "instances",
    request_body = InstanceReinstall,
    responses((status = 202, body = provisioner_api::Instance), (status = 409)),
)]
pub(crate) async fn reinstall(
    State(service): State<Arc<Service>>,
    Path(key): Path<String>,
    Body(body): Body<InstanceReinstall>,
) -> Result<Response, ApiError> {
    for _ in 0..TRIES {
        let ListedInstance { record, machine: own } = find(&service, &key).await?;
        check_unprotected(&record)?;
        let Some(own) = own else { return Err(nothing_to_install(&record)) };
        let asked = Asked::of(&service, &record, &body).await?;
        let now = clock::now();
        let machine = MachineRecord { machine: asked.admitted(&record, &own)?, ..own.clone() };
        let next = asked.becomes(&record, &machine, now);
        let secrets = asked.secrets(&service, &next)?;
        let message = format!("an operator asks for it to be installed anew: image {}", asked.image.name);
        let events = [
            NewEvent::instance(record.id, "request", message),
            NewEvent::machine(
                own.id(),
                "request",
                format!("instance {} is to be installed anew", record.name),
            ),
        ];
        let pair = (&own, &machine);
        let swap = service.store.instance_reinstall(&next, pair, &secrets, &events, now).await?;
        if swap == Swap::Updated {
            let own = service.written(&own, Change::new(machine, Vec::new()));
            service.hub.poke(Poke::Instance(record.id));
            let next = InstanceRecord { version: next.version + 1, ..next };
            let instance = convert::instance(&service, &next, Some(&own), now);
            return Ok((StatusCode::ACCEPTED, tagged(instance)).into_response());
        }
    }
    Err(ServiceError::Contended { what: format!("instance {key}") }.into())
}

fn nothing_to_install(record: &InstanceRecord) -> ApiError {
    let detail = format!(
        "instance `{0}` has no machine yet, so there is nothing to install anew; `billet instance delete {0}` takes the request back, and another one can be made",
        record.name
    );
    ApiError::new(StatusCode::CONFLICT, "refused", detail)
}

/// What is asked for, once it was found to be good.
struct Asked {
    image: Image,
    /// As it is stored: without user data.
    spec: InstanceSpec,
    /// Other user data; the innermost nothing: none any more.
    user_data: Option<Option<Vec<u8>>>,
    root_disk_serial: Option<String>,
}

impl Asked {
    async fn of(
        service: &Service,
        record: &InstanceRecord,
        body: &InstanceReinstall,
    ) -> Result<Self, ApiError> {
        let mut spec = merged(&record.spec, body);
        let mut fields = Fields::default();
        fields.reinstalled(&spec, body.root_disk_serial.as_deref());
        let own = body.user.is_some() || body.ssh_keys.is_some();
        for (field, given) in [("user_data", &body.user_data), ("user_data_base64", &body.user_data_base64)] {
            let why = format!("give either {field} or user and ssh_keys, not both");
            fields.check(given.is_none() || !own, field, why);
        }
        let image = service.store.image_find(&spec.image).await.map_err(ServiceError::from)?;
        let no_image = match spec.image.as_str() {
            "" => "the instance was adopted and has no image; say which one is to be written".to_owned(),
            name => format!("there is no image `{name}`; `billet image list` shows what there is"),
        };
        fields.check(image.is_some(), "image", no_image);
        let from_ram = image.as_ref().is_some_and(|image| image.spec.runs_from_ram());
        // Of an instance that runs from RAM itself, the lifecycle says what to do instead.
        if body.image.is_some() {
            let why = format!(
                "image `{}` runs from RAM, so it can't be written in the place of another; an instance of its own runs it",
                spec.image
            );
            fields.check(!from_ram, "image", why);
        }
        let made_for = image.as_ref().and_then(|image| image.spec.architecture.as_deref());
        if let (Some(asked), Some(made_for)) = (spec.architecture.as_deref(), made_for) {
            let other = format!("image `{}` is for {made_for}, and the instance is for {asked}", spec.image);
            fields.check(asked == made_for, "image", other);
        }
        image_seed::check(&mut fields, "", &spec, image.as_ref());
        fields.done()?;
        // `done` refused if there was none.
        let Some(image) = image else { return Err(ApiError::field("image", "there is no such image")) };
        let given = user_data::take(&mut spec)?;
        let replaced = body.user.is_some() || body.ssh_keys.is_some();
        let user_data = if given.is_some() || replaced { Some(given) } else { None };
        Ok(Self { image, spec, user_data, root_disk_serial: body.root_disk_serial.clone() })
    }

    /// Its machine, if the lifecycle admits it.
    fn admitted(
        &self,
        record: &InstanceRecord,
        own: &MachineRecord,
    ) -> Result<provisioner_lifecycle::Machine, ServiceError> {
        // Of which its machine need not know yet.
        if record.given_back(Some(own)).is_some() {
            return Err(Refusal::GivenBack.into());
        }
        if record.standing.before.is_some() {
            return Err(Refusal::Reinstalling.into());
        }
        let asked = Reinstall {
            instance: record.id,
            manifest: self.image.status.manifest_sha256.clone(),
            disk_bytes: self.image.status.disk_bytes,
            root_disk_serial: self.root_disk_serial.clone(),
        };
        Ok(admit(&own.machine, &Request::Reinstall(asked))?)
    }

    /// What the instance becomes with that.
    fn becomes(&self, record: &InstanceRecord, own: &MachineRecord, now: Timestamp) -> InstanceRecord {
        let mut next = record.clone();
        let standing = &mut next.standing;
        standing.installation = own.machine.want.owner.as_ref().map_or(0, |owner| owner.installation);
        standing.before = Some(Box::new(Before {
            spec: record.spec.clone(),
            phoned_home: standing.phoned_home.take(),
            host_keys: std::mem::take(&mut standing.host_keys),
            user_data_bytes: standing.user_data_bytes,
            second_user_data: standing.second_user_data,
        }));
        if let Some(user_data) = &self.user_data {
            standing.user_data_bytes = user_data.as_ref().map(|data| data.len() as u64);
            standing.second_user_data = !standing.second_user_data;
        }
        next.spec = self.spec.clone();
        (next.image_before, next.image) = (record.image, Some(self.image.id));
        // Whoever looks at once must not take the old system for the new one.
        (next.state, next.since) = (InstanceState::Reinstalling, now);
        next
    }

    /// What its place for user data is to hold.
    fn secrets(&self, service: &Service, next: &InstanceRecord) -> Result<Vec<NewSecret>, ServiceError> {
        let Some(user_data) = &self.user_data else { return Ok(Vec::new()) };
        let (owner, name) = (secret_owner(next.id), user_data_place(next.standing.second_user_data));
        let seal = |data: &Vec<u8>| service.key.seal(&owner, name, data);
        let sealed = user_data.as_ref().map(seal).transpose()?;
        Ok(vec![NewSecret { owner, name, sealed }])
    }
}

/// What was asked for, with what is given anew. What one way of saying who may log in takes the place of is gone.
fn merged(spec: &InstanceSpec, body: &InstanceReinstall) -> InstanceSpec {
    let mut next = spec.clone();
    if let Some(image) = &body.image {
        next.image.clone_from(image);
    }
    if body.user_data.is_some() || body.user_data_base64.is_some() {
        (next.user, next.ssh_keys) = (None, Vec::new());
    }
    if body.user.is_some() {
        next.user.clone_from(&body.user);
    }
    if let Some(keys) = &body.ssh_keys {
        next.ssh_keys.clone_from(keys);
    }
    if body.network_config.is_some() {
        next.network_config.clone_from(&body.network_config);
    }
    next.user_data.clone_from(&body.user_data);
    next.user_data_base64.clone_from(&body.user_data_base64);
    next
}

#[cfg(test)]
mod tests;
