//! `billet bmc user …`.

use super::{Asked, Question, confirm, password, way::Way};
use crate::cli::{args::UserCommand, error::CliError, view};
use provisioner_api::{BmcUserAdd, BmcUserEntry, BmcUserUpdate};
use std::path::Path;

/// Does it.
pub(super) async fn run(asked: &mut Asked<'_>, way: &Way, command: UserCommand) -> Result<(), CliError> {
    let (id, update, done) = match command {
        UserCommand::List(_) => {
            let mut users = way.users().await?.items;
            users.sort_by_key(|user| user.id.parse().unwrap_or(u32::MAX));
            return asked.ui.list(&users, |_| view::bmc_users(&users));
        }
        UserCommand::Add { name, level, new_password_file, .. } => {
            let password = password::new(asked.environment, asked.ui, new_password_file.as_deref())?;
            let user = way.user_add(&BmcUserAdd { name, password, privilege: level }).await?;
            let done = format!("{}: user {} is added with id {}", way.whose(), user.name, user.id);
            return asked.ui.outcome(&user, &done);
        }
        UserCommand::Remove { id, sure, .. } => {
            let question = Question {
                what: &format!("remove user {} of {}", id.id, way.whose()),
                undone: &format!("user {} of {} was not removed", id.id, way.whose()),
                consequence: "nobody can log in as that user any more",
            };
            named(way, &id.id, true).await?;
            asked.sure(sure, &question)?;
            way.user_remove(&id.id).await?;
            return asked.ui.done(&format!("{}: user {} is removed", way.whose(), id.id));
        }
        UserCommand::SetPassword { id, new_password_file, yes, .. } => {
            return set_password(asked, way, &id.id, new_password_file.as_deref(), yes).await;
        }
        UserCommand::SetName { id, name, .. } => {
            let done = if name.is_empty() { "is removed".to_owned() } else { format!("has the name {name}") };
            (id.id, BmcUserUpdate { name: Some(name), ..BmcUserUpdate::default() }, done)
        }
        UserCommand::Enable { id, .. } => (id.id, enabled(true), "may log in".to_owned()),
        UserCommand::Disable { id, .. } => (id.id, enabled(false), "may not log in any more".to_owned()),
        UserCommand::SetPrivilege { id, level, .. } => {
            let update = BmcUserUpdate { privilege: Some(level), ..BmcUserUpdate::default() };
            (id.id, update, format!("has the privilege {}", view::word(level)))
        }
    };
    named(way, &id, false).await?;
    way.user_update(&id, &update).await?;
    asked.ui.done(&format!("{}: user {id} {done}", way.whose()))
}

fn enabled(enabled: bool) -> BmcUserUpdate {
    BmcUserUpdate { enabled: Some(enabled), ..BmcUserUpdate::default() }
}

/// A word where numbers are usual may be a user's name: then it is told which id that user has, before anything is
/// changed. `may_lack`: that there is no such user is fine.
async fn named(way: &Way, id: &str, may_lack: bool) -> Result<(), CliError> {
    if id.parse::<u32>().is_ok() {
        return Ok(());
    }
    let users = way.users().await?.items;
    if may_lack && !users.iter().any(|user| user.id == id || user.name == id) {
        return Ok(());
    }
    pick(users, id, way).map(drop)
}

/// The user with this id.
fn pick(users: Vec<BmcUserEntry>, id: &str, way: &Way) -> Result<BmcUserEntry, CliError> {
    if let Some(user) = users.iter().find(|user| user.id == id) {
        return Ok(user.clone());
    }
    let hint = match users.iter().find(|user| user.name == id) {
        Some(user) => format!("; the id of user {id} is {}", user.id),
        None => format!("; `billet bmc user list {}` lists them", way.typed()),
    };
    Err(CliError::Missing(format!("{} has no user with the id {id}{hint}", way.whose())))
}

/// Sets a password. That of the user which we log in as is asked about first: others may log in with it, too.
async fn set_password(
    asked: &mut Asked<'_>,
    way: &Way,
    id: &str,
    file: Option<&Path>,
    yes: bool,
) -> Result<(), CliError> {
    let own = way.own_user().await?;
    let user = pick(way.users().await?.items, id, way)?;
    let is_own = !user.name.is_empty() && own.as_ref() == Some(&user.name);
    if is_own && !yes {
        let consequence = if way.is_direct() {
            "it is the user that you are logged in as; whoever else uses it, a Billet service too, has to be told"
        } else {
            "Billet itself logs in as this user and keeps the new password; other programs that use it have to be told"
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
    way.user_update(id, &update).await?;
    let name = if user.name.is_empty() { String::new() } else { format!(" ({})", user.name) };
    asked.ui.done(&format!("{}: the password of user {id}{name} is set", way.whose()))
}
