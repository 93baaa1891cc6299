//! `billet bmc user …`.

use super::{Asked, way::Way};
use crate::cli::{
    args::{Of, UserCommand},
    command::{
        confirm::{Question, confirm},
        password,
    },
    error::CliError,
    view,
};
use provisioner_api::BmcUserUpdate;
use std::path::Path;

/// Does it.
pub(super) async fn run(asked: &mut Asked<'_>, way: &Way, command: UserCommand) -> Result<(), CliError> {
    let (slot, update, done) = match command {
        UserCommand::List(_) => {
            let users = way.users().await?.items;
            return asked.ui.list(&users, |_| view::bmc_users(&users));
        }
        UserCommand::SetPassword { slot, new_password_file, yes, .. } => {
            return set_password(asked, way, slot.slot, new_password_file.as_deref(), yes).await;
        }
        UserCommand::SetName { slot, name, .. } => {
            let done = if name.is_empty() { "is free".to_owned() } else { format!("is {name}'s") };
            (slot.slot, BmcUserUpdate { name: Some(name), ..BmcUserUpdate::default() }, done)
        }
        UserCommand::Enable { slot, .. } => (slot.slot, enabled(true), "may log in".to_owned()),
        UserCommand::Disable { slot, .. } => {
            (slot.slot, enabled(false), "may not log in any more".to_owned())
        }
        UserCommand::SetPrivilege { slot, level, .. } => {
            let update = BmcUserUpdate { privilege: Some(level), ..BmcUserUpdate::default() };
            (slot.slot, update, format!("has the privilege {}", view::word(level)))
        }
    };
    way.user_update(slot, &update).await?;
    asked.ui.done(&format!("{}: user slot {slot} {done}", way.whose()))
}

fn enabled(enabled: bool) -> BmcUserUpdate {
    BmcUserUpdate { enabled: Some(enabled), ..BmcUserUpdate::default() }
}

/// Whose BMC is meant.
pub(super) fn of(command: &UserCommand) -> &Of {
    match command {
        UserCommand::List(of)
        | UserCommand::SetName { of, .. }
        | UserCommand::SetPassword { of, .. }
        | UserCommand::Enable { of, .. }
        | UserCommand::Disable { of, .. }
        | UserCommand::SetPrivilege { of, .. } => of,
    }
}

/// Sets a password. That of the user which we log in as is asked about first: others may log in with it, too.
async fn set_password(
    asked: &mut Asked<'_>,
    way: &Way,
    slot: u8,
    file: Option<&Path>,
    yes: bool,
) -> Result<(), CliError> {
    let own = way.own_user().await?;
    let users = way.users().await?.items;
    let Some(user) = users.into_iter().find(|user| user.slot == slot) else {
        return Err(CliError::Missing(format!("{} has no user slot {slot}", way.whose())));
    };
    let is_own = !user.name.is_empty() && own.as_ref() == Some(&user.name);
    if is_own && !yes {
        let consequence = match way {
            Way::Machine { .. } => {
                "Billet itself logs in as this user and keeps the new password; other programs that use it have to be told"
            }
            Way::Direct(_) => {
                "it is the user that you are logged in as; whoever else uses it, a Billet service too, has to be told"
            }
        };
        let question = Question {
            what: &format!("set the password of user {} of {}", user.name, way.whose()),
            undone: "the password was not set",
            consequence,
        };
        confirm(asked.environment, asked.ui, &question)?;
    }
    let password = password::new(asked.environment, asked.ui, file)?;
    let update = BmcUserUpdate { password: Some(password), ..BmcUserUpdate::default() };
    way.user_update(slot, &update).await?;
    let name = if user.name.is_empty() { String::new() } else { format!(" ({})", user.name) };
    asked.ui.done(&format!("{}: the password of user slot {slot}{name} is set", way.whose()))
}
