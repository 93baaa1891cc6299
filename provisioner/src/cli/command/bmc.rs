//! `billet bmc …`: a machine's BMC through the service, or one by its address from here.
//!
//! - `way`: what can be asked, the same over both ways;
//! - `direct`: from options to a driver;
//! - `user`: the verbs about users.

mod direct;
mod user;
mod way;

use super::{
    confirm::{Question, confirm},
    console, context,
};
use crate::cli::{
    args::{
        BmcArgs, BmcCommand, Boot, BootVerb, Clock, DirectArgs, Identify, PowerVerb, SelCommand,
        WatchdogCommand,
    },
    connection,
    environment::Environment,
    error::CliError,
    signals::Signals,
    ui::Ui,
    view,
};
use provisioner_api::{
    BmcBoot, BmcBootDevice, BmcIdentify, BmcSelUpdate, BmcSensorHealth, BmcSettingsUpdate,
};
use provisioner_client::Client;
use std::path::Path;
use way::Way;

/// For how long the lamp shines if nothing is said, as ipmitool has it.
const LAMP_SECONDS: u8 = 15;

/// What the verbs need beside the way.
struct Asked<'a> {
    environment: &'a Environment,
    ui: &'a mut Ui,
}

/// Does it.
pub(super) async fn run(
    args: BmcArgs,
    client: Option<&Path>,
    environment: &Environment,
    ui: &mut Ui,
) -> Result<(), CliError> {
    if args.direct.typed_password.is_some() {
        return Err(CliError::Input(
            "-P is not taken: what is typed can be read by everybody in the list of processes, and stays in the shell's history; use -f FILE, BILLET_BMC_PASSWORD or IPMI_PASSWORD, or leave it out and be asked"
                .to_owned(),
        ));
    }
    let way = match (&args.direct.host, machine(&args.command, &args.direct)) {
        (Some(_), Some(machine)) => return Err(both(machine)),
        (None, None) => return Err(neither()),
        (None, Some(machine)) => {
            if direct::is_used(&args.direct) {
                return Err(CliError::Input(format!(
                    "-U, -p, -f, -C, -L, -k, --redfish and --tls-sha256 go with -H; what the service needs to know of the BMC of machine {machine} is set by `billet machine set`"
                )));
            }
            let connection = connection::find(client, environment)?;
            Way::Machine { client: Client::new(&connection)?, name: machine.to_owned() }
        }
        (Some(host), None) => Way::Direct(direct::connect(&args.direct, host, environment, ui)?),
    };
    let mut asked = Asked { environment, ui };
    let Way::Direct(direct) = &way else { return perform(&mut asked, &way, args.command).await };
    // BMCs have few sessions: ours is given back also when a signal ends this.
    let mut signals = Signals::new()?;
    // A console attends to signals itself: it lets go of the BMC before the session is closed.
    let attends = matches!(args.command, BmcCommand::Console { .. });
    let result = tokio::select! {
        result = perform(&mut asked, &way, args.command) => result,
        error = signals.next(), if !attends => Err(error),
    };
    if attends {
        // The one that ended it was heard here, too.
        signals = Signals::new()?;
    }
    // Who can't wait for a BMC that does not answer signals again.
    tokio::select! {
        () = direct.bmc.close() => {}
        _ = signals.next() => {}
    }
    result
}

/// The machine that was named.
fn machine<'a>(command: &'a BmcCommand, direct: &DirectArgs) -> Option<&'a str> {
    let of = match command {
        BmcCommand::Power { of, .. }
        | BmcCommand::Boot(Boot { of, .. })
        | BmcCommand::Sel(
            SelCommand::List(of)
            | SelCommand::Info(of)
            | SelCommand::Clear { of, .. }
            | SelCommand::Time { of, .. },
        )
        | BmcCommand::Sensors { of, .. }
        | BmcCommand::Fru { of, .. }
        | BmcCommand::Console { of, .. }
        | BmcCommand::Info(of)
        | BmcCommand::AssetTag { of, .. }
        | BmcCommand::Watchdog(WatchdogCommand::Show(of) | WatchdogCommand::Stop(of)) => of,
        BmcCommand::User(command) => user::of(command),
        BmcCommand::Identify(identify) => {
            // The machine comes last; a single word is the machine unless there is an address.
            let alone = if direct.host.is_none() { identify.first.as_deref() } else { None };
            return identify.second.as_deref().or(alone);
        }
    };
    of.machine.as_deref()
}

fn both(machine: &str) -> CliError {
    CliError::Input(format!(
        "name a machine or give -H, not both: with the name `{machine}` the service asks the BMC, with -H HOST -U USER it is asked from here"
    ))
}

fn neither() -> CliError {
    CliError::Input(
        "whose BMC? Name a machine, as in `billet bmc info m1`, or give the BMC's address, as in `billet bmc info -H 10.0.0.9 -U admin`"
            .to_owned(),
    )
}

/// Does it over the way.
async fn perform(asked: &mut Asked<'_>, way: &Way, command: BmcCommand) -> Result<(), CliError> {
    match command {
        BmcCommand::Power { verb, .. } => power(asked, way, verb).await,
        BmcCommand::Boot(boot) => self::boot(asked, way, &boot).await,
        BmcCommand::Sel(command) => sel(asked, way, command).await,
        BmcCommand::Sensors { kind, bad, .. } => sensors(asked, way, kind.as_deref(), bad).await,
        BmcCommand::Fru { id, .. } => fru(asked, way, id).await,
        BmcCommand::Identify(identify) => lamp(asked, way, &identify).await,
        BmcCommand::User(command) => user::run(asked, way, command).await,
        BmcCommand::Console { options, take_over, .. } => {
            console::run(asked.environment, asked.ui, way.line(take_over)?, &options).await
        }
        BmcCommand::Info(_) => {
            let details = way.details().await?;
            asked.ui.object(&details, || view::bmc(&details))
        }
        BmcCommand::AssetTag { set: None, .. } => {
            let details = way.details().await?;
            let tag = details.asset_tag.clone().unwrap_or_default();
            asked.ui.outcome(&details, &tag)
        }
        BmcCommand::AssetTag { set: Some(tag), .. } => {
            let done = format!("{}: the asset tag is `{tag}`", way.whose());
            let update = BmcSettingsUpdate { asset_tag: Some(tag), ..BmcSettingsUpdate::default() };
            let details = way.update(&update).await?;
            asked.ui.outcome(&details, &done)
        }
        BmcCommand::Watchdog(WatchdogCommand::Show(_)) => {
            let details = way.details().await?;
            asked.ui.outcome(&details, &view::bmc_watchdog(details.watchdog.as_ref()))
        }
        BmcCommand::Watchdog(WatchdogCommand::Stop(_)) => {
            let update = BmcSettingsUpdate { watchdog: Some(false), ..BmcSettingsUpdate::default() };
            let details = way.update(&update).await?;
            asked.ui.outcome(&details, &format!("{}: the watchdog is stopped", way.whose()))
        }
    }
}

/// `billet bmc power`.
async fn power(asked: &mut Asked<'_>, way: &Way, verb: PowerVerb) -> Result<(), CliError> {
    let whose = way.whose();
    if let Some(button) = way::button(verb) {
        way.press(button).await?;
        let what = match verb {
            PowerVerb::Cycle => "goes off and on again",
            PowerVerb::Reset => "is reset",
            PowerVerb::Soft => "is asked to shut down",
            _ => "got a diagnostic interrupt",
        };
        return asked.ui.done(&format!("{whose} {what}"));
    }
    let power = match verb {
        PowerVerb::On => way.switch(true).await?,
        PowerVerb::Off => way.switch(false).await?,
        _ => Some(way.power().await?),
    };
    match power {
        Some(power) => asked.ui.outcome(&power, &format!("{whose} is {}", view::word(power.power))),
        None => asked.ui.done(&format!(
            "{whose}: power {} is asked for; `billet bmc power status` says when it is so",
            if verb == PowerVerb::On { "on" } else { "off" }
        )),
    }
}

/// `billet bmc boot`.
async fn boot(asked: &mut Asked<'_>, way: &Way, boot: &Boot) -> Result<(), CliError> {
    let device = match boot.device {
        BootVerb::Show => {
            if boot.persistent || boot.mode.is_some() {
                return Err(CliError::Input(
                    "--persistent and --mode set something; say from what, or leave them out to show what is set"
                        .to_owned(),
                ));
            }
            let set = way.boot().await?;
            return asked.ui.object(&set, || view::bmc_boot(&set));
        }
        BootVerb::None => BmcBootDevice::None,
        BootVerb::Pxe => BmcBootDevice::Pxe,
        BootVerb::Disk => BmcBootDevice::Disk,
        BootVerb::Cdrom => BmcBootDevice::Cdrom,
        BootVerb::Bios => BmcBootDevice::Bios,
    };
    let wanted = BmcBoot { device, persistent: boot.persistent, mode: boot.mode };
    let set = way.set_boot(&wanted).await?;
    asked.ui.outcome(&set, &format!("{}: {}", way.whose(), view::bmc_boot_sentence(&set)))
}

/// `billet bmc sel`.
async fn sel(asked: &mut Asked<'_>, way: &Way, command: SelCommand) -> Result<(), CliError> {
    let whose = way.whose();
    match command {
        SelCommand::List(_) => {
            let items = way.sel().await?.items;
            asked.ui.list(&items, |wide| view::bmc_sel(&items, wide, &context()))
        }
        SelCommand::Info(_) => {
            let sel = way.sel_info().await?;
            asked.ui.object(&sel, || view::bmc_sel_info(&sel, &context()))
        }
        SelCommand::Clear { yes, .. } => {
            if !yes {
                let entries = way.sel_info().await?.entries;
                let question = Question {
                    what: &format!("clear the event log of {whose}"),
                    undone: &format!("the event log of {whose} was not cleared"),
                    consequence: &format!("its {entries} entries will be lost"),
                };
                confirm(asked.environment, asked.ui, &question)?;
            }
            way.sel_clear().await?;
            asked.ui.done(&format!("{whose}: the event log is empty"))
        }
        SelCommand::Time { set: None, .. } => {
            let sel = way.sel_info().await?;
            asked.ui.outcome(&sel, &view::bmc_sel_clock(&sel, &context()))
        }
        SelCommand::Time { set: Some(clock), .. } => {
            let clock = match clock {
                Clock::Now => crate::clock::now(),
                Clock::At(at) => at,
            };
            way.sel_clock(BmcSelUpdate { clock }).await?;
            asked.ui.done(&format!("{whose}: the event log's clock is set to {}", context().time(clock)))
        }
    }
}

/// `billet bmc sensors`.
async fn sensors(asked: &mut Asked<'_>, way: &Way, kind: Option<&str>, bad: bool) -> Result<(), CliError> {
    let kind = kind.map(str::to_lowercase);
    let mut sensors = way.sensors().await?.items;
    sensors.retain(|sensor| {
        let fits = kind.as_ref().is_none_or(|kind| sensor.kind.to_lowercase().contains(kind));
        fits && (!bad || sensor.health >= BmcSensorHealth::Warning)
    });
    asked.ui.list(&sensors, |wide| view::bmc_sensors(&sensors, wide))
}

/// `billet bmc fru`.
async fn fru(asked: &mut Asked<'_>, way: &Way, id: Option<u8>) -> Result<(), CliError> {
    let mut units = way.fru().await?.items;
    if let Some(id) = id {
        units.retain(|unit| unit.id == id);
        if units.is_empty() {
            return Err(CliError::Missing(format!("{} has no unit with the number {id}", way.whose())));
        }
    }
    asked.ui.list(&units, |_| view::bmc_fru(&units))
}

/// `billet bmc identify`.
async fn lamp(asked: &mut Asked<'_>, way: &Way, identify: &Identify) -> Result<(), CliError> {
    let given = match way {
        Way::Direct(_) => identify.first.as_deref(),
        Way::Machine { .. } => identify.second.as_ref().and(identify.first.as_deref()),
    };
    let wrong = || {
        CliError::Input("the lamp shines for 0 to 255 seconds; give a number, or --on or --off".to_owned())
    };
    let given = given.map(|text| text.parse::<u8>().map_err(|_| wrong())).transpose()?;
    if given.is_some() && (identify.on || identify.off) {
        return Err(CliError::Input("give a number of seconds, --on or --off, not two of them".to_owned()));
    }
    let (seconds, done) = match (identify.on, identify.off, given) {
        (true, ..) => (None, "shines until it is switched off".to_owned()),
        (_, true, _) | (.., Some(0)) => (Some(0), "is out".to_owned()),
        (.., given) => {
            let seconds = given.unwrap_or(LAMP_SECONDS);
            (Some(seconds), format!("shines for {seconds} s"))
        }
    };
    way.identify(&BmcIdentify { seconds }).await?;
    asked.ui.done(&format!("{}: the lamp {done}", way.whose()))
}
