//! `billet bmc … --dry-run`: what would be done, and whose disks are in the machine. The BMC is asked nothing, and of the
//! service only the machine. Whether the BMC would do it is not known by that.

use super::{both, neither};
use crate::cli::{
    args::{
        BiosCommand, BmcArgs, BmcCommand, Boot, BootOrderCommand, BootVerb, ConfirmedPower, FirmwareCommand,
        LogCommand, MediaCommand, Power, PowerVerb, SecureBootCommand, SelCommand, SubscriptionCommand,
        TaskCommand, UserCommand, WatchdogCommand,
    },
    command::losses::{self, CUT},
    connection,
    environment::Environment,
    error::CliError,
    ui::Ui,
    view::{self, Loss},
};
use clap::ValueEnum;
use provisioner_client::Client;
use std::path::Path;

/// What a verb would do to a machine or its BMC, and what becomes of the disks by that; none: nothing.
struct Deed {
    what: String,
    fate: Option<&'static str>,
}

impl Deed {
    /// Something that no disk notices.
    fn of(what: impl Into<String>) -> Option<Self> {
        Some(Self { what: what.into(), fate: None })
    }

    /// Something by which a running system ends.
    fn cutting(what: impl Into<String>) -> Option<Self> {
        Some(Self { what: what.into(), fate: Some(CUT) })
    }
}

/// Tells it.
pub(super) async fn run(
    args: &BmcArgs,
    client: Option<&Path>,
    environment: &Environment,
    ui: &mut Ui,
) -> Result<(), CliError> {
    let direct = args.direct.host.is_some();
    let named = args.command.machine(direct);
    let host = args.direct.host.as_ref().map(|(host, _)| host.as_str());
    let deed = deed(&args.command, direct).ok_or_else(|| {
        CliError::Input("this only looks, and changes nothing: leave --dry-run out".to_owned())
    })?;
    let text = match (host, named) {
        (Some(_), Some(machine)) => return Err(both(machine)),
        (None, None) => return Err(neither()),
        (Some(host), None) => {
            let what = format!("{host}: {}", deed.what);
            let loss = Loss { what, machine: None, instance: None, disks: Vec::new() };
            let disks =
                "Its disks are known to the service alone: name the machine in place of -H to see them.\n";
            let disks = if deed.fate.is_some() { disks } else { "" };
            ui.object(&loss, || format!("{}\n{disks}", loss.what))
        }
        (None, Some(machine)) => {
            let machine = Client::new(&connection::find(client, environment)?)?.machine(machine).await?;
            let what = format!("machine {}: {}", machine.name, deed.what);
            let loss = match deed.fate {
                Some(fate) => losses::all(what, &machine, fate),
                None => Loss {
                    what,
                    machine: None,
                    instance: machine.status.instance_name.clone(),
                    disks: Vec::new(),
                },
            };
            ui.object(&loss, || view::losses(&loss))
        }
    };
    text?;
    ui.done("dry run: nothing was done, and the BMC was not asked whether it would do it")
}

/// What a verb would do; none: it only looks.
fn deed(command: &BmcCommand, direct: bool) -> Option<Deed> {
    match command {
        BmcCommand::Power(Power { verb, .. }) => power(*verb),
        BmcCommand::Boot(boot) => boots(boot),
        BmcCommand::BootOrder(BootOrderCommand::Set { words }) => {
            let first = BootOrderCommand::references(words, direct).join(", ");
            Deed::of(format!("{first} would come first of what is booted from"))
        }
        BmcCommand::Media(command) => media(command),
        BmcCommand::SecureBoot(command) => secure_boot(command),
        BmcCommand::Bios(BiosCommand::Set { words }) => {
            let set = BiosCommand::attributes(words, direct).join(", ");
            Deed::of(format!("the firmware's setup would be changed: {set}"))
        }
        BmcCommand::Bios(BiosCommand::Reset { .. }) => Deed::of(
            "all settings of the firmware's setup would become the maker's defaults at the next boot",
        ),
        BmcCommand::Firmware(FirmwareCommand::Update(update)) => {
            let of = match update.targets.as_slice() {
                [] => "what the BMC finds it to be for".to_owned(),
                targets => targets.join(", "),
            };
            Deed::cutting(format!(
                "the firmware of {of} would be updated; the machine or its BMC may be reset by that"
            ))
        }
        BmcCommand::Task(command) => task(command),
        BmcCommand::Sel(command) => sel(command),
        BmcCommand::Log(command) => log(command),
        BmcCommand::Subscription(command) => subscription(command),
        BmcCommand::Identify(_) => Deed::of("its lamp would be switched"),
        BmcCommand::User(command) => user(command),
        BmcCommand::RotatePassword(_) => Deed::of(
            "the user that Billet logs in with would get a new random password, which only Billet knows",
        ),
        BmcCommand::Confirm { power, .. } => Deed::of(format!(
            "it would count as {}, as you say",
            if *power == ConfirmedPower::On { "on" } else { "off" }
        )),
        BmcCommand::AssetTag { set: Some(tag), .. } => Deed::of(format!("the asset tag would be `{tag}`")),
        BmcCommand::Watchdog(WatchdogCommand::Stop(_)) => Deed::of("the watchdog would be stopped"),
        BmcCommand::Restart { .. } => Deed::of(
            "the BMC would be restarted: it does not answer for some minutes, and what it is at (consoles, media, updates) may end; the machine goes on",
        ),
        BmcCommand::BootOrder(BootOrderCommand::Show(_))
        | BmcCommand::Bios(BiosCommand::List { .. })
        | BmcCommand::Firmware(FirmwareCommand::List(_))
        | BmcCommand::AssetTag { set: None, .. }
        | BmcCommand::Watchdog(WatchdogCommand::Show(_))
        | BmcCommand::Hardware(_)
        | BmcCommand::Events { .. }
        | BmcCommand::Sensors { .. }
        | BmcCommand::Fru { .. }
        | BmcCommand::Audit(_)
        | BmcCommand::Record(_)
        | BmcCommand::Scan(_)
        | BmcCommand::Console { .. }
        | BmcCommand::Info(_) => None,
    }
}

fn task(command: &TaskCommand) -> Option<Deed> {
    match command {
        TaskCommand::List(_) | TaskCommand::Show { .. } => None,
        TaskCommand::Forget { id, .. } => Deed::of(format!(
            "the task {id} would not be waited for any more, and the machine could be switched off while it goes on"
        )),
    }
}

fn sel(command: &SelCommand) -> Option<Deed> {
    match command {
        SelCommand::List(_) | SelCommand::Info(_) | SelCommand::Time { set: None, .. } => None,
        SelCommand::Clear { .. } => Deed::of("the event log would be cleared, and its entries be lost"),
        SelCommand::Time { set: Some(_), .. } => Deed::of("the clock of the event log would be set"),
    }
}

fn log(command: &LogCommand) -> Option<Deed> {
    match command {
        LogCommand::List(_) | LogCommand::Show { .. } => None,
        LogCommand::Clear { id, .. } => {
            Deed::of(format!("the log {id} would be cleared, and its entries be lost"))
        }
    }
}

fn subscription(command: &SubscriptionCommand) -> Option<Deed> {
    match command {
        SubscriptionCommand::List(_) => None,
        SubscriptionCommand::Add { url, .. } => Deed::of(format!("the BMC would post its reports to {url}")),
        SubscriptionCommand::Remove { id, .. } => {
            Deed::of(format!("the BMC would post no reports by the subscription {id} any more"))
        }
    }
}

fn power(verb: PowerVerb) -> Option<Deed> {
    match verb {
        PowerVerb::Status => None,
        PowerVerb::On => Deed::of("it would be switched on"),
        PowerVerb::Resume => Deed::of("it would go on that was suspended or halted"),
        PowerVerb::Off => Deed::cutting("it would be switched off, hard: its operating system is not asked"),
        PowerVerb::Cycle => Deed::cutting("it would be switched off, hard, and on again"),
        PowerVerb::Reset => Deed::cutting("it would be reset, hard"),
        PowerVerb::Soft => Deed::cutting("its operating system would be asked to shut down"),
        PowerVerb::Restart => Deed::cutting("its operating system would be asked to start anew"),
        PowerVerb::Push => {
            Deed::cutting("its power button would be pressed; what that does depends on the state")
        }
        PowerVerb::Diag => Deed::cutting("it would get a diagnostic interrupt, which many systems end by"),
        PowerVerb::FullCycle => Deed::cutting("it would lose all power, its BMC too, and get it again"),
        PowerVerb::Suspend => Deed::cutting("it would be suspended to RAM"),
        PowerVerb::Pause => Deed::cutting("its processors would be halted"),
    }
}

fn boots(boot: &Boot) -> Option<Deed> {
    if boot.device == BootVerb::Show {
        return None;
    }
    let which = if boot.persistent { "every boot" } else { "the next boot" };
    // No variant is left out of what can be typed.
    let device = boot.device.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    Deed::of(match boot.device {
        BootVerb::None => "the firmware's own order would hold for what is booted from".to_owned(),
        _ => format!("{which} would come from {device}"),
    })
}

fn media(command: &MediaCommand) -> Option<Deed> {
    match command {
        MediaCommand::List(_) => None,
        MediaCommand::Insert { url, slot, .. } => Deed::of(format!(
            "{url} would be put into {}, and what is in there be taken out",
            slot.as_ref()
                .map_or_else(|| "the first slot that is fit".to_owned(), |slot| format!("slot {slot}"))
        )),
        MediaCommand::Eject { slot, .. } => Deed::of(match slot {
            Some(slot) => format!("slot {slot} would be emptied"),
            None => "all slots would be emptied".to_owned(),
        }),
    }
}

fn secure_boot(command: &SecureBootCommand) -> Option<Deed> {
    match command {
        SecureBootCommand::Show(_) => None,
        SecureBootCommand::Enable(_) => Deed::of("Secure Boot would hold from the next boot on"),
        SecureBootCommand::Disable(_) => Deed::of("Secure Boot would not hold from the next boot on"),
        SecureBootCommand::ResetKeys { .. } => Deed::of(
            "the keys of Secure Boot would be reset: what is signed with those that are lost does not boot any more",
        ),
    }
}

fn user(command: &UserCommand) -> Option<Deed> {
    match command {
        UserCommand::List(_) => None,
        UserCommand::Add { name, level, .. } => {
            Deed::of(format!("a user {name} would be added, who may log in as {}", view::word(*level)))
        }
        UserCommand::Remove { id, .. } => Deed::of(format!("user {} would be removed", id.id)),
        UserCommand::SetName { id, name, .. } if name.is_empty() => {
            Deed::of(format!("the slot of user {} would be freed", id.id))
        }
        UserCommand::SetName { id, name, .. } => {
            Deed::of(format!("user {} would have the name {name}", id.id))
        }
        UserCommand::SetPassword { id, .. } => {
            Deed::of(format!("user {} would have another password", id.id))
        }
        UserCommand::Enable { id, .. } => Deed::of(format!("user {} could log in", id.id)),
        UserCommand::Disable { id, .. } => Deed::of(format!("user {} could not log in any more", id.id)),
        UserCommand::SetPrivilege { id, level, .. } => {
            Deed::of(format!("user {} would have the privilege {}", id.id, view::word(*level)))
        }
    }
}
