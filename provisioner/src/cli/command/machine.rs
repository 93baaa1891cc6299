//! `billet machine …`.

use super::{
    Session, authorities,
    confirm::Question,
    console, context,
    follow::{self, From},
    losses::{self, Go},
    password, restored, servicing, timeline, watch,
};
use crate::cli::{
    args::{
        Add, Choose, DryRun, Forget, Gone, MachineCommand, NamedWait, PowerCommand, Set, Switch, Wait,
        Watched,
    },
    bell::Bell,
    error::CliError,
    validate::Pin,
    view,
    wait::{Goal, Watch, machine_look, until},
};
use provisioner_api::{
    BmcProtocol, BmcSpec, Choice, ErasePolicy, JobKind, Machine, MachineAction, MachineAdopt, MachineCreate,
    MachineScrap, MachineState, MachineUpdate, Secret, WatchKind,
};
use provisioner_client::{MachineFilter, Page, WatchFilter};
use std::{cell::Cell, path::Path};

/// Does it.
pub(super) async fn run(session: &mut Session<'_>, command: MachineCommand) -> Result<(), CliError> {
    match command {
        MachineCommand::List { state, pool, held, selector, limit, watched } => {
            let filter = MachineFilter { state, pool, held: held.then_some(true), labels: selector };
            list(session, &filter, limit.limit, watched).await
        }
        MachineCommand::Show(shown) => {
            let client = session.client.clone();
            let page = |machine: &Machine| view::machine(machine, &context());
            let bell = Bell::of(&session.client, WatchKind::Machine, &shown.name);
            watch::show(session.ui, shown.watched, bell, async || client.machine(&shown.name).await, page)
                .await
        }
        MachineCommand::Add(add) => add_machine(session, *add).await,
        MachineCommand::Accept(asked) => {
            let what = "taken in: it is switched off, and inspected from RAM";
            inspect(session, asked, MachineAction::Accept, what, |_| Goal::Available).await
        }
        MachineCommand::Inspect(asked) => {
            let goal =
                |before: &Machine| Goal::Inspected(before.status.job.as_ref().map(|job| (job.id, job.epoch)));
            let what = "switched off, and inspected anew from RAM";
            inspect(session, asked, MachineAction::Inspect, what, goal).await
        }
        MachineCommand::Service(asked) => servicing::run(session, asked).await,
        MachineCommand::Retry(asked) => {
            let what = "told to try again what is held, or what waits";
            act_unless_dry(session, &asked, MachineAction::Retry, (what, losses::RETRIED)).await
        }
        MachineCommand::Cancel(cancel) => {
            let machine = session.client.machine(&cancel.name).await?;
            if sure(session, &machine, "cancel", cancel.yes, cancel.dry).await? == Go::No {
                return Ok(());
            }
            act(session, &cancel.name, MachineAction::Cancel).await
        }
        MachineCommand::Choose(choose) => answer(session, &choose).await,
        MachineCommand::Confirm(asked) => restored::confirm(session, &asked).await,
        MachineCommand::Power(PowerCommand::On(named)) => {
            act(session, &named.name, MachineAction::PowerOn).await
        }
        MachineCommand::Power(PowerCommand::Off(asked)) => {
            let told = ("switched off, hard", losses::CUT);
            act_unless_dry(session, &asked, MachineAction::PowerOff, told).await
        }
        MachineCommand::Set(set) => change(session, *set).await,
        MachineCommand::Console(asked) => {
            let line = console::Line::Service { client: session.client.clone(), machine: asked.machine };
            console::run(session.environment, session.ui, line, &asked.options).await
        }
        MachineCommand::Events(events) => {
            let client = session.client.clone();
            let ask = async |from| match from {
                From::Newest(number) => client.machine_newest_events(&events.name, number).await,
                From::After(after) => client.machine_events(&events.name, after).await,
            };
            follow::events(session, events.newest, events.follow, ask, view::events).await
        }
        MachineCommand::Timeline(asked) => {
            let client = session.client.clone();
            timeline::run(session, &asked, async |filter| client.machine_timeline(&asked.name, filter).await)
                .await
        }
        MachineCommand::Delete(delete) => forget(session, delete).await,
    }
}

async fn list(
    session: &mut Session<'_>,
    filter: &MachineFilter,
    limit: Option<u32>,
    watched: Watched,
) -> Result<(), CliError> {
    let client = session.client.clone();
    let remarks = session.ui.remarks();
    let told = Cell::new(false);
    let look = async || {
        if limit.is_none() {
            return client.machines(filter).await;
        }
        let list = client.machines_page(filter, &Page { after: None, limit }).await?;
        if list.next.is_some() && !told.replace(true) {
            remarks.note("there are more machines than that; without --limit all are listed");
        }
        Ok(list.items)
    };
    let table = |machines: &[Machine], wide| view::machines(machines, wide, &context());
    let narrowed = limit.is_some()
        || filter.state.is_some()
        || filter.pool.is_some()
        || filter.held.is_some()
        || filter.labels.is_some();
    let stays = async |name: &str| Ok(narrowed && client.machine(name).await.map(|_| true)?);
    // The first ones of a list are others when one of them goes: that, no change of an object tells.
    if limit.is_some() {
        return watch::list(session.ui, watched, look, stays, table).await;
    }
    let filter = WatchFilter {
        kind: Some(WatchKind::Machine),
        state: filter.state.map(view::word),
        pool: filter.pool.clone(),
        held: filter.held,
        labels: filter.labels.clone(),
        object: None,
    };
    watch::followed(session, watched, filter, look, stays, table).await
}

async fn add_machine(session: &mut Session<'_>, add: Add) -> Result<(), CliError> {
    let bmc_key =
        password::given(session.environment, session.ui, password::BMC_KEY, add.bmc_key_file.as_deref())?;
    let file = add.bmc_password_file.as_deref();
    let bmc_password = if add.bmc.protocol.needs_login() {
        password::required(session.environment, session.ui, file)?
    } else {
        password::optional(session.environment, session.ui, file)?
    };
    let create = MachineCreate {
        name: add.name,
        pool: add.pool,
        macs: add.macs,
        bmc: believed(add.bmc, add.bmc_tls_ca.as_deref(), add.bmc_tls_sha256.map(Pin::This))?,
        bmc_password,
        bmc_key,
        boot_mode: add.boot_mode,
        boot_chain: add.boot_chain,
        labels: add.labels.into_iter().collect(),
        zone: add.zone,
        rack: add.rack,
        accept: add.adopt_as.is_none(),
    };
    if add.dry.dry_run {
        let what = match &add.adopt_as {
            Some(instance) => {
                format!("machine {} would be added untouched, with an instance {instance}", create.name)
            }
            None => format!(
                "machine {} would be added, switched off, and inspected from RAM; its disks are not touched",
                create.name
            ),
        };
        return losses::no_disk(session, add.dry, what).map(drop);
    }
    let machine = session.client.add_machine(&create).await?;
    if let Some(name) = add.adopt_as {
        let adopt = MachineAdopt { name, protected: true, erase: ErasePolicy::default() };
        // If that fails, it is a machine that nobody accepted: nothing is done to it.
        let adopted = session.client.adopt_machine(&machine.name, &adopt).await;
        let instance = adopted.map_err(|error| CliError::from(error).with_hint(format!(
            "machine {0} is added, and was not touched: `billet instance adopt OTHER --machine {0}` (don't accept it: that switches it off)",
            machine.name
        )))?;
        let (machine, instance_name) = (&machine.name, &instance.name);
        let sentence =
            format!("machine {machine} is added, and was not touched; instance {instance_name} runs on it");
        return session.ui.outcome(&instance, &sentence);
    }
    if !add.wait.wait {
        let sentence = format!("machine {0} is added; see `billet why {0}`", machine.name);
        return session.ui.outcome(&machine, &sentence);
    }
    wait(session, &machine.name, Goal::Available, &add.wait, None).await
}

/// Asks whether it is meant, if that ends a deployment.
async fn sure(
    session: &mut Session<'_>,
    machine: &Machine,
    verb: &str,
    yes: bool,
    dry: DryRun,
) -> Result<Go, CliError> {
    let status = &machine.status;
    let running = status.job.as_ref().filter(|job| job.ended.is_none());
    // Stopped in time it leads back to the old system, and else to a hold.
    let reinstalls = verb == "cancel" && running.is_some_and(|job| job.kind == JobKind::Reinstall);
    let deploys = matches!(status.state, MachineState::Deploying | MachineState::Available) && !reinstalls;
    let name = &machine.name;
    let Some(instance) = status.instance_name.as_deref().filter(|_| deploys) else {
        let what = format!("what machine {name} does would stop ({verb})");
        // Whether an answer ends an instance is the service's to know.
        let fate = if verb == "cancel" { losses::STAYS } else { "wiped, if an instance ends by that" };
        let loss = losses::all(what, machine, fate);
        return losses::sure(session, dry, yes, &loss, None);
    };
    let consequence = format!("instance {instance} ends, and what was written to the disks is wiped");
    let question = Question {
        what: &format!("{verb} what machine {name} does"),
        undone: "nothing was done",
        consequence: &consequence,
    };
    let what = format!("what machine {name} does would stop ({verb}): {consequence}");
    let wiping = match losses::told(session, dry, yes) {
        true => losses::of_owners_machine(session, machine, instance).await?,
        false => None,
    };
    // The instance may be gone between two questions.
    let fate =
        wiping.map_or_else(|| "wiped, as the instance and its pool say".to_owned(), |wiping| wiping.fate());
    let loss = losses::all(what, machine, &fate);
    losses::sure(session, dry, yes, &loss, Some(&question))
}

/// Answers a hold.
async fn answer(session: &mut Session<'_>, choose: &Choose) -> Result<(), CliError> {
    let before = session.client.machine(&choose.machine).await?;
    let Some(held) = &before.status.held else {
        return Err(CliError::Input(format!(
            "machine {} is not held: there is nothing to choose",
            before.name
        )));
    };
    let number = choose.hold.unwrap_or(held.number);
    if told(session, &before, choose).await? == Go::No {
        return Ok(());
    }
    match choose.disk.as_deref() {
        Some(disk) if choose.choice == Choice::SkipDisk => {
            session.client.skip_disk(&choose.machine, number, disk).await?;
        }
        Some(disk) if choose.choice == Choice::UseDisk => {
            session.client.use_disk(&choose.machine, number, disk).await?;
        }
        Some(_) => return Err(CliError::Input("--disk goes with skip-disk and use-disk alone".into())),
        None => session.client.choose(&choose.machine, number, choose.choice).await?,
    }
    let machine = session.client.machine(&choose.machine).await?;
    let (name, word) = (&machine.name, choose.choice.word());
    session.ui.outcome(&machine, &format!("machine {name}: {word} is chosen; see `billet why {name}`"))
}

/// Tells what is lost by an answer, and asks whether it is meant.
async fn told(session: &mut Session<'_>, machine: &Machine, choose: &Choose) -> Result<Go, CliError> {
    let name = &machine.name;
    match (choose.choice, choose.disk.as_deref()) {
        (Choice::GiveBack | Choice::Abandon, None) => {
            sure(session, machine, "end", choose.yes, choose.dry).await
        }
        (Choice::SkipDisk, Some(disk)) => {
            let question = Question {
                what: &format!("leave disk {disk} of machine {name} unwiped"),
                undone: "nothing was done",
                consequence: "what the last instance wrote to it stays there, and the machine is retired",
            };
            let what =
                format!("disk {disk} of machine {name} would be left unwiped, and the machine be retired");
            let fate = "stays: whoever gets the disk can read it";
            let loss = losses::these(what, machine, &[disk.to_owned()], fate);
            losses::sure(session, choose.dry, choose.yes, &loss, Some(&question))
        }
        (Choice::UseDisk, Some(disk)) => {
            let question = Question {
                what: &format!("write the image to disk {disk} of machine {name}"),
                undone: "nothing was done",
                consequence: "what is on that disk is lost",
            };
            let what = format!("disk {disk} of machine {name} would get the system");
            let fate = "lost: the image is written over it";
            let loss = losses::these(what, machine, &[disk.to_owned()], fate);
            losses::sure(session, choose.dry, choose.yes, &loss, Some(&question))
        }
        (choice, _) => {
            let what = format!("{} would be chosen for machine {name}", choice.word());
            let fate = match choice {
                Choice::Retry => losses::RETRIED,
                _ => losses::STAYS,
            };
            losses::sure(session, choose.dry, choose.yes, &losses::all(what, machine, fate), None)
        }
    }
}

/// Forgets a machine: one that is nobody's, or one that is scrap.
async fn forget(session: &mut Session<'_>, delete: Forget) -> Result<(), CliError> {
    let Forget { name, scrap, unwiped, yes, dry } = delete;
    if !scrap {
        if dry.dry_run {
            let machine = session.client.machine(&name).await?;
            let loss = losses::all(format!("machine {name} would be forgotten"), &machine, losses::UNTOUCHED);
            return losses::sure(session, dry, true, &loss, None).map(drop);
        }
        session.client.delete_machine(&name).await?;
        return session.ui.done(&format!("machine {name} is forgotten"));
    }
    let machine = session.client.machine(&name).await?;
    let instance = machine.status.instance_name.as_deref();
    let instance = instance.map(|name| format!("instance {name} ends, and ")).unwrap_or_default();
    let disks = match &*unwiped {
        [] => "no disk of it is named as unwiped".to_owned(),
        disks => format!("what is on disk {} can be read by whoever gets it", disks.join(", ")),
    };
    let consequence = format!("{instance}{disks}");
    let question = Question {
        what: &format!("forget machine {} as scrap", machine.name),
        undone: "nothing was done",
        consequence: &consequence,
    };
    let what = format!("machine {} would be forgotten as scrap: {consequence}", machine.name);
    let loss = losses::these(what, &machine, &unwiped, "stays: whoever gets the disk can read it");
    if losses::sure(session, dry, yes, &loss, Some(&question))? == Go::No {
        return Ok(());
    }
    let hold = machine.status.held.as_ref().map(|held| held.number);
    session.client.scrap_machine(&machine.name, &MachineScrap { hold, unwiped }).await?;
    session.ui.done(&format!("machine {} is forgotten as scrap", machine.name))
}

/// Asks an action of a machine.
async fn act(session: &mut Session<'_>, name: &str, action: MachineAction) -> Result<(), CliError> {
    session.client.machine_action(name, action).await?;
    let machine = session.client.machine(name).await?;
    let sentence =
        format!("machine {0}: {1} is asked for; see `billet why {0}`", machine.name, view::word(action));
    session.ui.outcome(&machine, &sentence)
}

/// The same, or tells what that would do, and what becomes of the disks.
async fn act_unless_dry(
    session: &mut Session<'_>,
    asked: &Gone,
    action: MachineAction,
    (what, fate): (&str, &str),
) -> Result<(), CliError> {
    let what = |name: &str| format!("machine {name} would be {what}");
    match losses::of_machine(session, asked, what, fate).await? {
        Go::No => Ok(()),
        Go::On => act(session, &asked.name, action).await,
    }
}

/// Asks an action that begins with an inspection, or tells what that would do.
async fn inspect(
    session: &mut Session<'_>,
    NamedWait { name, wait, dry }: NamedWait,
    action: MachineAction,
    what: &str,
    goal: impl FnOnce(&Machine) -> Goal,
) -> Result<(), CliError> {
    let asked = Gone { name, dry };
    let what = |name: &str| format!("machine {name} would be {what}");
    match losses::of_machine(session, &asked, what, losses::CUT).await? {
        Go::No => Ok(()),
        Go::On => act_and_wait(session, &asked.name, action, wait, goal).await,
    }
}

/// Asks an action of a machine and waits for its end, if that is wanted.
async fn act_and_wait(
    session: &mut Session<'_>,
    name: &str,
    action: MachineAction,
    patience: Wait,
    goal: impl FnOnce(&Machine) -> Goal,
) -> Result<(), CliError> {
    if !patience.wait {
        return act(session, name, action).await;
    }
    let before = session.client.machine(name).await?;
    session.client.machine_action(name, action).await?;
    wait(session, &before.name, goal(&before), &patience, Some(&before)).await
}

/// Waits for a machine.
pub(super) async fn wait(
    session: &mut Session<'_>,
    name: &str,
    goal: Goal,
    patience: &Wait,
    before: Option<&Machine>,
) -> Result<(), CliError> {
    let held_before = before.and_then(|machine| machine.status.held.as_ref()).map(|held| held.since);
    let watch = Watch { kind: "machine", name, goal, timeout: patience.timeout, held_before };
    let client = session.client.clone();
    let bell = Bell::of(&client, WatchKind::Machine, name);
    until(session.ui, &watch, bell, async || Ok(machine_look(&client.machine(name).await?, goal))).await?;
    let machine = session.client.machine(name).await?;
    session.ui.outcome(&machine, &format!("machine {name} is {}", view::word(machine.status.state)))
}

/// A BMC whose certificate has to be signed by those in a file, or to be a certain one, if that was said.
fn believed(bmc: BmcSpec, ca: Option<&Path>, pin: Option<Pin>) -> Result<BmcSpec, CliError> {
    let option = match (ca, &pin) {
        (None, None) => return Ok(bmc),
        (Some(_), _) => "--bmc-tls-ca",
        (None, Some(_)) => "--bmc-tls-sha256",
    };
    if !matches!(bmc.protocol, BmcProtocol::Redfish | BmcProtocol::Webhook) {
        let protocol = view::word(bmc.protocol);
        return Err(CliError::Input(format!(
            "{option} goes with redfish and webhook; {protocol} has no certificates"
        )));
    }
    // Each stands in place of the other: a certificate that was pinned would go on being the only one.
    let tls_ca = ca.map(authorities).transpose()?;
    let tls_sha256 = match pin {
        Some(Pin::This(pin)) => Some(pin),
        Some(Pin::First) | None => None,
    };
    Ok(BmcSpec { tls_ca, tls_sha256, ..bmc })
}

/// `billet machine set`.
async fn change(session: &mut Session<'_>, set: Set) -> Result<(), CliError> {
    let before = session.client.machine(&set.machine).await?;
    let labels = (!set.labels.is_empty() || !set.remove_labels.is_empty()).then(|| {
        let mut labels = before.spec.labels.clone();
        labels.retain(|key, _| !set.remove_labels.contains(key));
        labels.extend(set.labels);
        labels
    });
    let bmc = match (set.bmc, &set.bmc_tls_ca, set.bmc_tls_sha256) {
        (None, None, None) => None,
        (given, ca, pin) => {
            let bmc = given.or_else(|| before.spec.bmc.clone()).ok_or_else(|| {
                CliError::Input(format!("machine {} has no BMC; give it one with --bmc", before.name))
            })?;
            Some(believed(bmc, ca.as_deref(), pin)?)
        }
    };
    let update = MachineUpdate {
        name: set.name,
        pool: set.pool,
        macs: Some(set.macs).filter(|macs| !macs.is_empty()),
        bmc,
        bmc_password: password::given(
            session.environment,
            session.ui,
            password::BMC_PASSWORD,
            set.bmc_password_file.as_deref(),
        )?,
        bmc_key: if set.no_bmc_key {
            Some(Secret::new(""))
        } else {
            password::given(session.environment, session.ui, password::BMC_KEY, set.bmc_key_file.as_deref())?
        },
        maintenance: set.maintenance.map(|switch| switch == Switch::On),
        protected: set.protected.map(|switch| switch == Switch::On),
        retired: set.retired.map(|switch| switch == Switch::On),
        boot_chain: set.boot_chain.map(|chain| chain.0),
        labels,
        zone: set.zone.map(Some).or(set.no_zone.then_some(None)),
        rack: set.rack.map(Some).or(set.no_rack.then_some(None)),
    };
    let machine =
        session.client.update_seen_machine(&set.machine, (before.id, before.version), &update).await?;
    session.ui.outcome(&machine, &format!("machine {} is changed", machine.name))
}
