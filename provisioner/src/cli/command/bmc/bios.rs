//! `billet bmc bios …`.

mod typed;

use super::{Asked, Question, way::Way};
use crate::cli::{
    args::{BiosCommand, Output},
    error::CliError,
    view,
};
use provisioner_api::{BmcBiosAttribute, BmcBiosUpdate};

/// Does it.
pub(super) async fn run(asked: &mut Asked<'_>, way: &Way, command: BiosCommand) -> Result<(), CliError> {
    let whose = way.whose();
    match command {
        BiosCommand::List { words, pending } => {
            let names = BiosCommand::attributes(&words, way.is_direct());
            let items = pick(way.bios().await?.items, names, pending, &whose)?;
            asked.ui.list(&items, |wide| view::bmc_bios(&items, wide))
        }
        BiosCommand::Set { words } => set(asked, way, &words).await,
        BiosCommand::Reset { sure, .. } => {
            let question = Question {
                what: &format!("reset the firmware's setup of {whose}"),
                undone: &format!("the firmware's setup of {whose} was not reset"),
                consequence: "all its settings become the maker's defaults at the next boot: boot mode, boot order and others that the machine may need to boot",
            };
            asked.sure(sure, &question)?;
            way.bios_reset().await?;
            asked.ui.done(&format!("{whose}: the firmware's setup is reset at the next boot"))
        }
    }
}

/// Those that were named, in the order in which they were; or all.
fn pick(
    all: Vec<BmcBiosAttribute>,
    names: &[String],
    pending: bool,
    whose: &str,
) -> Result<Vec<BmcBiosAttribute>, CliError> {
    let mut items = if names.is_empty() {
        all
    } else {
        let named = names.iter().map(|name| typed::find(&all, name, whose).cloned());
        named.collect::<Result<_, _>>().map_err(CliError::Missing)?
    };
    items.retain(|item| !pending || item.pending.is_some());
    Ok(items)
}

/// `billet bmc bios set`.
async fn set(asked: &mut Asked<'_>, way: &Way, words: &[String]) -> Result<(), CliError> {
    let whose = way.whose();
    let words = BiosCommand::attributes(words, way.is_direct());
    let typed = typed::read(words).map_err(CliError::Input)?;
    // Values are typed as text; what they are is known from what is there.
    let known = way.bios().await?.items;
    let attributes = typed::fit(&known, typed, &whose).map_err(CliError::Input)?;
    let change = way.bios_set(&BmcBiosUpdate { attributes }).await?;
    if !matches!(asked.ui.output, Output::Table | Output::Wide) {
        return if asked.ui.output == Output::Name {
            asked.ui.list(&change.items, |_| String::new())
        } else {
            asked.ui.data(&change)
        };
    }
    view::bmc_bios_change(&change).iter().try_for_each(|line| asked.ui.line(&format!("{whose}: {line}")))
}
