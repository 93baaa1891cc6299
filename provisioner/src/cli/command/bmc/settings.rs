//! `billet bmc media`, `secure-boot`, `boot-order`.

use super::{Asked, Question, way::Way};
use crate::cli::{
    args::{BootOrderCommand, KeysWord, MediaCommand, MediaWord, Output, SecureBootCommand},
    error::CliError,
    view,
};
use provisioner_api::{BmcBootOrderUpdate, BmcMediaInsert, BmcMediaKind, BmcSecureBootKeys};

/// `billet bmc media`.
pub(super) async fn media(asked: &mut Asked<'_>, way: &Way, command: MediaCommand) -> Result<(), CliError> {
    let whose = way.whose();
    match command {
        MediaCommand::List(_) => {
            let slots = way.media().await?.items;
            asked.ui.list(&slots, |_| view::bmc_media(&slots))
        }
        MediaCommand::Insert { url, slot, kind, .. } => {
            let kind = match kind {
                MediaWord::Cd => BmcMediaKind::Cd,
                MediaWord::Dvd => BmcMediaKind::Dvd,
                MediaWord::Usb => BmcMediaKind::Usb,
                MediaWord::Floppy => BmcMediaKind::Floppy,
            };
            let slot = way.media_insert(&BmcMediaInsert { image: url.clone(), slot, kind }).await?;
            let done = format!("{whose}: {url} is in slot {}", slot.id);
            asked.ui.outcome(&slot, &done)
        }
        MediaCommand::Eject { slot, .. } => {
            way.media_eject(slot.as_deref()).await?;
            let which = slot.map_or_else(|| "all slots are".to_owned(), |slot| format!("slot {slot} is"));
            asked.ui.done(&format!("{whose}: {which} empty"))
        }
    }
}

/// `billet bmc secure-boot`.
pub(super) async fn secure_boot(
    asked: &mut Asked<'_>,
    way: &Way,
    command: SecureBootCommand,
) -> Result<(), CliError> {
    let whose = way.whose();
    match command {
        SecureBootCommand::Show(_) => {
            let state = way.secure_boot().await?;
            asked.ui.object(&state, || view::bmc_secure_boot(&state))
        }
        SecureBootCommand::Enable(_) | SecureBootCommand::Disable(_) => {
            let enable = matches!(command, SecureBootCommand::Enable(_));
            let state = way.secure_boot_set(enable).await?;
            let holds = if enable { "holds" } else { "does not hold" };
            let from = if state.current == Some(enable) { "" } else { " from the next boot on" };
            asked.ui.outcome(&state, &format!("{whose}: Secure Boot {holds}{from}"))
        }
        SecureBootCommand::ResetKeys { to, sure, .. } => {
            let (keys, consequence, done) = match to {
                KeysWord::Default => (
                    BmcSecureBootKeys::Default,
                    "keys that were added are lost, and what is signed with them does not boot any more",
                    "the keys are those of the maker",
                ),
                KeysWord::None => (
                    BmcSecureBootKeys::None,
                    "all keys are lost: Secure Boot does not hold until new ones are put in",
                    "there are no keys, it is in Setup Mode",
                ),
                KeysWord::NoPk => (
                    BmcSecureBootKeys::NoPk,
                    "the platform key is lost: Secure Boot does not hold until a new one is put in",
                    "there is no platform key, it is in Setup Mode",
                ),
            };
            let question = Question {
                what: &format!("reset the Secure Boot keys of {whose}"),
                undone: &format!("the Secure Boot keys of {whose} were not reset"),
                consequence,
            };
            asked.sure(sure, &question)?;
            let state = way.secure_boot_reset_keys(keys).await?;
            asked.ui.outcome(&state, &format!("{whose}: after the next boot {done}"))
        }
    }
}

/// `billet bmc boot-order`.
pub(super) async fn boot_order(
    asked: &mut Asked<'_>,
    way: &Way,
    command: BootOrderCommand,
) -> Result<(), CliError> {
    match command {
        BootOrderCommand::Show(_) => {
            let options = way.boot_order().await?.items;
            asked.ui.list(&options, |wide| view::bmc_boot_order(&options, wide))
        }
        BootOrderCommand::Set { words } => {
            let first = BootOrderCommand::references(&words, way.is_direct()).to_vec();
            if first.is_empty() {
                return Err(CliError::Input(
                    "what comes first? Give references before the machine, as in `billet bmc boot-order set Boot0003 m1`; `billet bmc boot-order show m1` lists them"
                        .to_owned(),
                ));
            }
            let told = first.join(", ");
            let options = way.boot_order_set(&BmcBootOrderUpdate { first: first.clone() }).await?.items;
            let is_so = options.iter().zip(&first).all(|(option, first)| option.reference == *first);
            let come = if first.len() == 1 { "comes" } else { "come" };
            let when = if is_so { "first" } else { "first after the next boot" };
            match asked.ui.output {
                Output::Table | Output::Wide => {
                    asked.ui.line(&format!("{}: {told} {come} {when}", way.whose()))
                }
                _ => asked.ui.list(&options, |_| String::new()),
            }
        }
    }
}
