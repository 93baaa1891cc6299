//! `billet bmc …`: a machine's BMC through the service, or one by its address from here.
//!
//! - `way`: what can be asked, the same over both ways;
//! - `direct`: from options to a driver;
//! - the others: the verbs.

mod audit;
mod bios;
mod direct;
mod dry;
mod events;
mod firmware;
mod hint;
mod log;
mod parts;
mod power;
mod record;
mod scan;
mod settings;
mod user;
mod way;

use super::{
    confirm::{Question, confirm},
    console, context, password,
};
use crate::cli::{
    args::{BmcArgs, BmcCommand, ConfirmedPower, FirmwareCommand, Sure, TaskCommand, WatchdogCommand},
    connection,
    environment::Environment,
    error::CliError,
    signals::Signals,
    ui::Ui,
    view,
};
use provisioner_api::{BmcSettingsUpdate, Power};
use provisioner_client::Client;
use std::path::Path;
use way::Way;

/// What the verbs need beside the way.
struct Asked<'a> {
    environment: &'a Environment,
    ui: &'a mut Ui,
}

impl Asked<'_> {
    /// Asks whether it is meant, unless that was said.
    fn sure(&mut self, sure: Sure, question: &Question<'_>) -> Result<(), CliError> {
        if sure.yes { Ok(()) } else { confirm(self.environment, self.ui, question) }
    }
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
    if args.dry_run {
        return dry::run(&args, client, environment, ui).await;
    }
    match &args.command {
        BmcCommand::Scan(search) => return scan::run(*search, &args.direct, client, environment, ui).await,
        BmcCommand::Audit(all) if all.all => {
            return audit::all(all, &args.direct, client, environment, ui).await;
        }
        BmcCommand::Confirm { .. } if args.direct.host.is_some() => return Err(nothing_to_confirm()),
        _ => {}
    }
    let way = match (&args.direct.host, args.command.machine(args.direct.host.is_some())) {
        (Some(_), Some(machine)) => return Err(both(machine)),
        (None, None) => return Err(neither()),
        (None, Some(machine)) => {
            if direct::is_used(&args.direct) {
                return Err(CliError::Input(format!(
                    "-U, -p, -f, -C, -L, -k, --redfish, --tls-sha256 and --tls-ca go with -H; what the service needs to know of the BMC of machine {machine} is set by `billet machine set`"
                )));
            }
            let connection = connection::find(client, environment)?;
            Way::Machine { client: Client::new(&connection)?, name: machine.to_owned() }
        }
        (Some(host), None) => Way::Direct(direct::connect(&args.direct, host, environment, ui)?),
    };
    let mut asked = Asked { environment, ui };
    let Way::Direct(direct) = &way else {
        let result = perform(&mut asked, &way, args.command).await;
        return result.map_err(|error| hint::of_machine(error, &way.typed()));
    };
    // BMCs have few sessions: ours is given back also when a signal ends this.
    let mut signals = Signals::new()?;
    let attends = attends(&args.command);
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
        () = finish(direct, asked.ui, result.is_ok()) => {}
        _ = signals.next() => {}
    }
    result.map_err(|error| hint::of_direct(error, direct.cipher.is_some()))
}

/// Ends the session; before that, if all went well, tells which certificate was believed.
async fn finish(direct: &direct::Direct, ui: &mut Ui, done: bool) {
    if done {
        direct.tell_certificate(ui).await;
    }
    direct.bmc.close().await;
}

/// Whether a verb attends to signals itself, because it has something to put in order or to say: a console lets go of
/// the BMC before the session is closed, an update goes on without us.
fn attends(command: &BmcCommand) -> bool {
    matches!(
        command,
        BmcCommand::Console { .. }
            | BmcCommand::Firmware(FirmwareCommand::Update(_))
            | BmcCommand::Task(TaskCommand::Show { wait: true, .. })
    )
}

fn both(machine: &str) -> CliError {
    CliError::Input(format!(
        "name a machine or give -H, not both: with the name `{machine}` the service asks the BMC, with -H HOST -U USER it is asked from here"
    ))
}

fn nothing_to_confirm() -> CliError {
    CliError::Input(
        "what somebody saw is confirmed to the service, of a machine by its name: leave out -H; a BMC with an address tells its power itself"
            .to_owned(),
    )
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
        BmcCommand::Power(power) => power::power(asked, way, &power).await,
        BmcCommand::Boot(boot) => power::boot(asked, way, boot).await,
        BmcCommand::BootOrder(command) => settings::boot_order(asked, way, command).await,
        BmcCommand::Media(command) => settings::media(asked, way, command).await,
        BmcCommand::SecureBoot(command) => settings::secure_boot(asked, way, command).await,
        BmcCommand::Bios(command) => bios::run(asked, way, command).await,
        BmcCommand::Firmware(command) => firmware::run(asked, way, command).await,
        BmcCommand::Task(command) => firmware::task(asked, way, command).await,
        BmcCommand::Hardware(_) => {
            let hardware = way.hardware().await?;
            asked.ui.object(&hardware, || view::bmc_hardware(&hardware))
        }
        BmcCommand::Sel(command) => log::sel(asked, way, command).await,
        BmcCommand::Log(command) => log::log(asked, way, command).await,
        BmcCommand::Events { follow, .. } => events::run(asked, way, follow).await,
        BmcCommand::Subscription(command) => events::subscription(asked, way, command).await,
        BmcCommand::Sensors { kind, bad, .. } => parts::sensors(asked, way, kind.as_deref(), bad).await,
        BmcCommand::Fru { id, .. } => parts::fru(asked, way, id).await,
        BmcCommand::Identify(identify) => parts::lamp(asked, way, &identify).await,
        BmcCommand::User(command) => user::run(asked, way, command).await,
        BmcCommand::RotatePassword(_) => {
            way.rotate_password().await?;
            asked.ui.done(&format!("{}: Billet logs in with a new random password from now on", way.whose()))
        }
        BmcCommand::Confirm { power, .. } => {
            let power = match power {
                ConfirmedPower::On => Power::On,
                ConfirmedPower::Off => Power::Off,
            };
            let known = way.confirm(power).await?;
            asked.ui.outcome(&known, &format!("{} is {}, as you say", way.whose(), view::word(known.power)))
        }
        BmcCommand::Console { options, take_over, .. } => {
            console::run(asked.environment, asked.ui, way.line(take_over)?, &options).await
        }
        BmcCommand::Info(_) => {
            let details = way.details().await?;
            asked.ui.object(&details, || view::bmc(&details))
        }
        BmcCommand::AssetTag { set, .. } => asset_tag(asked, way, set).await,
        BmcCommand::Watchdog(WatchdogCommand::Show(_)) => {
            let details = way.details().await?;
            asked.ui.outcome(&details, &view::bmc_watchdog(details.watchdog.as_ref()))
        }
        BmcCommand::Watchdog(WatchdogCommand::Stop(_)) => {
            let update = BmcSettingsUpdate { watchdog: Some(false), ..BmcSettingsUpdate::default() };
            let details = way.update(&update).await?;
            asked.ui.outcome(&details, &format!("{}: the watchdog is stopped", way.whose()))
        }
        BmcCommand::Audit(args) => audit::one(asked, way, &args).await,
        BmcCommand::Record(args) => record::run(asked, way, &args).await,
        BmcCommand::Restart { sure, .. } => restart(asked, way, sure).await,
        // Done before any BMC is chosen.
        BmcCommand::Scan(_) => Ok(()),
    }
}

/// `billet bmc asset-tag`.
async fn asset_tag(asked: &mut Asked<'_>, way: &Way, set: Option<String>) -> Result<(), CliError> {
    let Some(tag) = set else {
        let details = way.details().await?;
        let tag = details.asset_tag.clone().unwrap_or_default();
        return asked.ui.outcome(&details, &tag);
    };
    let done = format!("{}: the asset tag is `{tag}`", way.whose());
    let update = BmcSettingsUpdate { asset_tag: Some(tag), ..BmcSettingsUpdate::default() };
    let details = way.update(&update).await?;
    asked.ui.outcome(&details, &done)
}

/// `billet bmc restart`.
async fn restart(asked: &mut Asked<'_>, way: &Way, sure: Sure) -> Result<(), CliError> {
    let whose = way.whose();
    let question = Question {
        what: &format!("restart the BMC of {whose}"),
        undone: &format!("the BMC of {whose} was not restarted"),
        consequence: "it does not answer for some minutes, and what it is at (consoles, media, updates) may end",
    };
    asked.sure(sure, &question)?;
    way.restart().await?;
    asked.ui.done(&format!("{whose}: the BMC restarts; it answers again in some minutes"))
}
