//! `billet instance …`.

mod rescue;

use super::{
    Session,
    confirm::{Question, confirm},
    context,
    follow::{self, From},
    losses::{self, Go},
    timeline, watch,
};
use crate::{
    cli::{
        args::{
            Adopt, Cancel, Create, Delete, InstanceCommand, Reinstall, SetInstance, Switch, Wait, Watched,
        },
        bell::Bell,
        error::CliError,
        validate, view,
        wait::{Goal, Look, Watch, instance_look, until},
    },
    selector::Selector,
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use provisioner_api::{
    DeleteInstance, Instance, InstanceAction, InstanceCreate, InstanceReinstall, InstanceSpec, InstanceState,
    InstanceUpdate, MachineAdopt, Minimum, NetworkSpec, Spread, WatchKind,
};
use provisioner_client::{Client, ClientError, InstanceFilter, Page, WatchFilter};
use std::{
    cell::Cell,
    path::{Path, PathBuf},
};

/// The most that is sent of a file with user data or a network configuration.
const FILE_LIMIT: u64 = 1024 * 1024;

/// Does it.
pub(super) async fn run(session: &mut Session<'_>, command: InstanceCommand) -> Result<(), CliError> {
    match command {
        InstanceCommand::List { state, limit, watched } => {
            list(session, &InstanceFilter { state }, limit.limit, watched).await
        }
        InstanceCommand::Show(shown) => {
            let client = session.client.clone();
            let page = |instance: &Instance| view::instance(instance, &context());
            let bell = Bell::of(&session.client, WatchKind::Instance, &shown.name);
            watch::show(session.ui, shown.watched, bell, async || client.instance(&shown.name).await, page)
                .await
        }
        InstanceCommand::Create(create) => create_instance(session, *create).await,
        InstanceCommand::Cancel(cancel) => cancel_instance(session, &cancel).await,
        InstanceCommand::Adopt(asked) => adopt(session, asked).await,
        InstanceCommand::Reinstall(reinstall) => reinstall_instance(session, reinstall).await,
        InstanceCommand::Rescue(asked) => rescue::rescue(session, asked).await,
        InstanceCommand::Unrescue(asked) => rescue::unrescue(session, &asked).await,
        InstanceCommand::Retry(named) => {
            let what = |name: &str| format!("what is held or waits for instance {name} would be tried again");
            let asked = (named.name.as_str(), named.dry);
            if losses::of_its_machine(session, asked, what, losses::RETRIED).await? == Go::No {
                return Ok(());
            }
            session.client.instance_action(&named.name, InstanceAction::Retry).await?;
            let name = named.name;
            session.ui.done(&format!("instance {name} is tried again; see `billet why instance/{name}`"))
        }
        InstanceCommand::Set(set) => set_instance(session, set).await,
        InstanceCommand::Delete(delete) => delete_instance(session, delete).await,
        InstanceCommand::Events(events) => {
            let client = session.client.clone();
            let ask = async |from| match from {
                From::Newest(number) => client.instance_newest_events(&events.name, number).await,
                From::After(after) => client.instance_events(&events.name, after).await,
            };
            follow::events(session, events.newest, events.follow, ask, view::events).await
        }
        InstanceCommand::Timeline(asked) => {
            let client = session.client.clone();
            timeline::run(session, &asked, async |filter| client.instance_timeline(&asked.name, filter).await)
                .await
        }
    }
}

async fn list(
    session: &mut Session<'_>,
    filter: &InstanceFilter,
    limit: Option<u32>,
    watched: Watched,
) -> Result<(), CliError> {
    let client = session.client.clone();
    let remarks = session.ui.remarks();
    let told = Cell::new(false);
    let look = async || {
        if limit.is_none() {
            return client.instances_of(filter).await;
        }
        let list = client.instances_page(filter, &Page { after: None, limit }).await?;
        if list.next.is_some() && !told.replace(true) {
            remarks.note("there are more instances than that; without --limit all are listed");
        }
        Ok(list.items)
    };
    let table = |instances: &[Instance], wide| view::instances(instances, wide, &context());
    let narrowed = limit.is_some() || filter.state.is_some();
    let stays = async |name: &str| Ok(narrowed && client.instance(name).await.map(|_| true)?);
    // The first ones of a list are others when one of them goes: that, no change of an object tells.
    if limit.is_some() {
        return watch::list(session.ui, watched, look, stays, table).await;
    }
    let filter = WatchFilter {
        kind: Some(WatchKind::Instance),
        state: filter.state.map(view::word),
        ..WatchFilter::default()
    };
    watch::followed(session, watched, filter, look, stays, table).await
}

async fn create_instance(session: &mut Session<'_>, create: Create) -> Result<(), CliError> {
    let (wait, dry) = (create.wait, create.dry);
    let create = read(create)?;
    if dry.dry_run {
        let loss = losses::of_creating(session, &create.name, &create.spec).await?;
        return losses::sure(session, dry, true, &loss, None).map(drop);
    }
    let instance = session.client.create_instance(&create).await?;
    let name = instance.name.as_str();
    if !wait.wait {
        let sentence = format!("instance {name} is asked for; see `billet why instance/{name}`");
        return session.ui.outcome(&instance, &sentence);
    }
    wait_for(session, name, Goal::Running, &wait, None).await?;
    let instance = session.client.instance(name).await?;
    let addresses = match instance.status.addresses.as_slice() {
        [] => String::new(),
        addresses => format!(" at {}", addresses.join(", ")),
    };
    let machine = instance.status.machine_name.as_deref().unwrap_or("its machine");
    let sentence = format!("instance {name} is running on {machine}{addresses}");
    session.ui.outcome(&instance, &sentence)
}

/// The request, with the files that it names.
fn read(create: Create) -> Result<InstanceCreate, CliError> {
    let ssh_keys = keys(&create.ssh_keys)?;
    let (user_data, user_data_base64) = user_data(create.user_data.as_deref())?;
    let network = create.network.as_deref().map(network).transpose()?;
    let network_config = create.network_config.as_deref().map(text).transpose()?;
    let asked = create.placement;
    let selector =
        Selector::all(asked.selector).map_err(|why| CliError::Input(format!("--selector: {why}")))?;
    let spec = InstanceSpec {
        image: create.image,
        machine: asked.machine,
        pool: asked.pool,
        selector: selector.equal,
        expressions: selector.expressions,
        minimum: Minimum {
            cpu_cores: asked.min_cores,
            memory_bytes: asked.min_memory,
            disk_bytes: asked.min_disk,
            gpus: asked.min_gpus,
            nics: asked.min_nics,
            nic_speed_mbps: asked.min_nic_speed,
        },
        architecture: asked.architecture,
        zone: asked.zone,
        spread: asked.spread.map(|group| Spread { group, by: asked.spread_by.unwrap_or_default() }),
        prefer_machine: asked.prefer_machine,
        sticky: asked.sticky,
        deadline: asked.deadline,
        protected: asked.protected,
        hostname: create.hostname,
        user: create.user,
        ssh_keys,
        user_data,
        user_data_base64,
        network,
        network_config,
        root_disk_serial: create.root_disk_serial,
        root_disk: create.root_disk,
        erase: create.erase.unwrap_or_default(),
    };
    Ok(InstanceCreate { name: create.name, spec })
}

/// An interface model in a file, YAML or JSON.
pub(super) fn network(path: &Path) -> Result<NetworkSpec, CliError> {
    serde_yaml_ng::from_str(&text(path)?)
        .map_err(|error| CliError::Input(format!("{}: {error}", path.display())))
}

/// The SSH public keys in files.
pub(super) fn keys(paths: &[PathBuf]) -> Result<Vec<String>, CliError> {
    let mut all = Vec::new();
    for path in paths {
        let keys = validate::ssh_keys(&text(path)?)
            .map_err(|detail| CliError::Input(format!("{} {detail}", path.display())))?;
        all.extend(keys);
    }
    Ok(all)
}

/// User data in a file: as text if it is text, and else, or if it is a JSON object (Ignition's), as base64.
pub(super) fn user_data(path: Option<&Path>) -> Result<(Option<String>, Option<String>), CliError> {
    let Some(path) = path else { return Ok((None, None)) };
    Ok(match String::from_utf8(bytes(path)?) {
        Ok(text) if !text.starts_with('{') => (Some(text), None),
        Ok(json) => (None, Some(BASE64.encode(json))),
        Err(other) => (None, Some(BASE64.encode(other.as_bytes()))),
    })
}

/// A text file of a sensible size.
pub(super) fn text(path: &Path) -> Result<String, CliError> {
    let no_text = |_| CliError::Input(format!("{} is no text (UTF-8)", path.display()));
    String::from_utf8(bytes(path)?).map_err(no_text)
}

/// A file of a sensible size.
fn bytes(path: &Path) -> Result<Vec<u8>, CliError> {
    let error = |source| CliError::File { what: "read", path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(error)?.len() > FILE_LIMIT {
        return Err(CliError::Input(format!("{} is larger than 1 MiB; that can't be right", path.display())));
    }
    std::fs::read(path).map_err(error)
}

async fn adopt(session: &mut Session<'_>, asked: Adopt) -> Result<(), CliError> {
    let adopt = MachineAdopt {
        name: asked.name,
        protected: !asked.unprotected,
        erase: asked.erase.unwrap_or_default(),
    };
    let instance = session.client.adopt_machine(&asked.machine, &adopt).await?;
    let machine = instance.status.machine_name.as_deref().unwrap_or(&asked.machine);
    let sentence =
        format!("instance {} is adopted: it runs on {machine}, which was not touched", instance.name);
    session.ui.outcome(&instance, &sentence)
}

async fn reinstall_instance(session: &mut Session<'_>, asked: Reinstall) -> Result<(), CliError> {
    let (user_data, user_data_base64) = user_data(asked.user_data.as_deref())?;
    let reinstall = InstanceReinstall {
        image: asked.image,
        user: asked.user,
        ssh_keys: Some(keys(&asked.ssh_keys)?).filter(|keys| !keys.is_empty()),
        user_data,
        user_data_base64,
        network_config: asked.network_config.as_deref().map(text).transpose()?,
        root_disk_serial: asked.root_disk_serial.clone(),
    };
    let before = session.client.instance(&asked.name).await?;
    let name = before.name.as_str();
    let machine = before.status.machine_name.as_deref().unwrap_or("its machine");
    if asked.dry.dry_run || !asked.yes {
        let question = Question {
            what: &format!("install instance {name} anew"),
            undone: &format!("instance {name} was not installed anew"),
            consequence: &format!(
                "machine {machine} is switched off now, and what is on its root disk is lost; its other disks stay"
            ),
        };
        let serial = asked.root_disk_serial.as_deref();
        if !losses::told(session, asked.dry, asked.yes) {
            confirm(session.environment, session.ui, &question)?;
        }
        let loss = losses::of_reinstalling(session, &before, serial).await?;
        if losses::sure(session, asked.dry, asked.yes, &loss, Some(&question))? == Go::No {
            return Ok(());
        }
    }
    let instance = session.client.reinstall_instance(name, &reinstall).await?;
    if !asked.wait.wait {
        let sentence = format!("instance {name} is being installed anew; see `billet why instance/{name}`");
        return session.ui.outcome(&instance, &sentence);
    }
    wait_for(session, name, Goal::Running, &asked.wait, None).await?;
    let instance = session.client.instance(name).await?;
    session.ui.outcome(&instance, &format!("instance {name} is running on {machine}, installed anew"))
}

async fn cancel_instance(session: &mut Session<'_>, cancel: &Cancel) -> Result<(), CliError> {
    let name = cancel.name.as_str();
    let instance = session.client.instance(name).await?;
    let deploys = instance.status.state == InstanceState::Deploying;
    let machine = instance.status.machine_name.as_deref().filter(|_| deploys);
    if cancel.dry.dry_run || machine.is_some() && !cancel.yes {
        let consequence =
            format!("what was written to the disks of machine {} will be wiped", machine.unwrap_or_default());
        let question = Question {
            what: &format!("cancel instance {name}"),
            undone: &format!("instance {name} was not cancelled"),
            consequence: &consequence,
        };
        if !losses::told(session, cancel.dry, cancel.yes) {
            confirm(session.environment, session.ui, &question)?;
        }
        let loss = losses::of_cancelling(session, &instance).await?;
        let question = machine.map(|_| &question);
        if losses::sure(session, cancel.dry, cancel.yes, &loss, question)? == Go::No {
            return Ok(());
        }
    }
    session.client.instance_action(name, InstanceAction::Cancel).await?;
    let sentence = match (instance.status.state, &instance.status.machine_name) {
        (InstanceState::Releasing, Some(machine)) => {
            format!("the wiping of machine {machine} pauses; see `billet why {machine}`")
        }
        (InstanceState::Rescue, Some(machine)) => {
            format!("the rescue of instance {name} ends, and machine {machine} boots its own system")
        }
        (InstanceState::Reinstalling, Some(machine)) => {
            format!(
                "the reinstallation of instance {name} on machine {machine} is stopped; see `billet why {machine}`"
            )
        }
        (_, Some(machine)) => format!("instance {name} ends, and machine {machine} is given back"),
        (_, None) => format!("instance {name} had no machine yet, and is gone"),
    };
    session.ui.done(&sentence)
}

/// `billet instance set`.
async fn set_instance(session: &mut Session<'_>, set: SetInstance) -> Result<(), CliError> {
    let update = InstanceUpdate {
        protected: set.protected.map(|switch| switch == Switch::On),
        deadline: set.deadline.map(|choice| choice.0),
    };
    let instance = session.client.update_instance(&set.name, &update).await?;
    session.ui.outcome(&instance, &format!("instance {} is changed", instance.name))
}

async fn delete_instance(session: &mut Session<'_>, delete: Delete) -> Result<(), CliError> {
    let name = delete.name.as_str();
    let instance = session.client.instance(name).await?;
    if (delete.dry.dry_run || !delete.yes) && ask(session, &instance, &delete).await? == Go::No {
        return Ok(());
    }
    let held_before = instance.status.held.as_ref().map(|held| held.since);
    session.client.delete_instance(name, &DeleteInstance { erase: delete.erase }).await?;
    if !delete.wait.wait {
        return session
            .ui
            .done(&format!("instance {name} is being given back; see `billet why instance/{name}`"));
    }
    wait_for(session, name, Goal::Gone, &delete.wait, held_before).await?;
    session.ui.done(&format!("instance {name} is gone"))
}

/// Tells what is lost, and asks whether it is meant.
async fn ask(session: &mut Session<'_>, instance: &Instance, delete: &Delete) -> Result<Go, CliError> {
    let wiping =
        losses::of_giving_back(session, instance, delete.erase.unwrap_or(instance.spec.erase)).await?;
    let consequence = match &instance.status.machine_name {
        Some(machine) => format!("the disks of machine {machine} will be wiped ({})", wiping.words()),
        None => "it has no machine yet".to_owned(),
    };
    let question = Question {
        what: &format!("delete instance {}", instance.name),
        undone: &format!("instance {} was not deleted", instance.name),
        consequence: &consequence,
    };
    let what = format!("instance {} would be deleted, and its machine given back", instance.name);
    if !losses::told(session, delete.dry, delete.yes) {
        confirm(session.environment, session.ui, &question)?;
    }
    let loss = losses::of_instance(session, what, instance, &wiping.fate()).await?;
    losses::sure(session, delete.dry, delete.yes, &loss, Some(&question))
}

/// Waits for an instance.
async fn wait_for(
    session: &mut Session<'_>,
    name: &str,
    goal: Goal,
    patience: &Wait,
    held_before: Option<jiff::Timestamp>,
) -> Result<(), CliError> {
    let watch = Watch { kind: "instance", name, goal, timeout: patience.timeout, held_before };
    let client = session.client.clone();
    let bell = Bell::of(&client, WatchKind::Instance, name);
    until(session.ui, &watch, bell, async || look(&client, name, goal).await).await
}

/// Looks at an instance and at its machine.
async fn look(client: &Client, name: &str, goal: Goal) -> Result<Look, ClientError> {
    let instance = match client.instance(name).await {
        Err(error) if goal == Goal::Gone && error.status() == Some(404) => return Ok(Look::gone()),
        instance => instance?,
    };
    let machine = match instance.status.machine {
        Some(id) => match client.machine(&id.to_string()).await {
            // Given back between the two calls.
            Err(error) if error.status() == Some(404) => None,
            machine => Some(machine?),
        },
        None => None,
    };
    Ok(instance_look(&instance, machine.as_ref(), goal))
}
