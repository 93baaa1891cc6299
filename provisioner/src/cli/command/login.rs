//! `billet login`, `logout`, `whoami`: the token of a log-in is kept in the client file that is meant, and taken out again.

use super::{Session, context, password};
use crate::cli::{
    args::{ChangePassword, Login},
    connection,
    environment::Environment,
    error::CliError,
    ui::Ui,
    view,
};
use provisioner_api::PasswordChange;
use provisioner_client::Client;
use std::path::Path;

/// Logs in. A token that somebody made is never overwritten: nobody could get it back.
pub(super) async fn login(
    asked: &Login,
    file: Option<&Path>,
    environment: &Environment,
    ui: &mut Ui,
) -> Result<(), CliError> {
    let (path, mut kept) = connection::located(file, environment)?;
    if kept.token.is_some() && kept.user.is_none() {
        return Err(CliError::Input(format!(
            "{} holds an API token, which a log-in would overwrite; give the log-in a context of its own: `billet context add NAME --url {} --ca FILE`, then `billet --service NAME login --user USER`",
            path.display(),
            kept.url
        )));
    }
    let user = asked.user.clone().or_else(|| kept.user.clone());
    let user = user.ok_or_else(|| CliError::Input("say who you are with --user".to_owned()))?;
    let connection = connection::of_file(&path, &kept)?;
    let client = Client::new(&connection)?;
    let password = password::of_user(environment, ui, asked.password_file.as_deref())?;
    let done = client.login(&provisioner_api::Login { user, password }).await?;
    let before = kept.token.replace(done.secret);
    kept.user = Some(done.who.name.clone());
    if let Err(error) = connection::write(&path, &kept) {
        let before = "the log-in before, if there was any, is as it was";
        return Err(unkept(error, &Client::new(&connection::of_file(&path, &kept)?)?, before).await);
    }
    if before.is_some() {
        // What was before is of no use any more; it ends by itself if it can't be ended now.
        let _ = client.logout().await;
    }
    ui.done(&view::logged_in(&done.who, &context()))
}

/// Changes the password of who is logged in, and keeps the log-in that comes of it.
pub(super) async fn password(
    asked: &ChangePassword,
    file: Option<&Path>,
    environment: &Environment,
    ui: &mut Ui,
) -> Result<(), CliError> {
    let (path, mut kept) = connection::located(file, environment)?;
    if kept.token.is_none() || kept.user.is_none() {
        return Err(CliError::Input(format!(
            "{} holds no log-in; only who is logged in changes the own password: `billet login` first",
            path.display()
        )));
    }
    let client = Client::new(&connection::of_file(&path, &kept)?)?;
    let old = password::of_user(environment, ui, asked.old_password_file.as_deref())?;
    let new = password::of_new_user(environment, ui, asked.password_file.as_deref())?;
    let done = client.change_password(&PasswordChange { old, new }).await?;
    kept.token = Some(done.secret);
    if let Err(error) = connection::write(&path, &kept) {
        let before = "the password was changed all the same, and all log-ins before ended: `billet login` with the new one";
        return Err(unkept(error, &Client::new(&connection::of_file(&path, &kept)?)?, before).await);
    }
    ui.done("the password is changed; all other log-ins of yours ended")
}

/// Ends a log-in whose token could not be kept, so that none is left that nobody has. `before`: what became of the former.
async fn unkept(error: CliError, new: &Client, before: &str) -> CliError {
    match new.logout().await {
        Ok(()) => {
            error.with_hint(format!("the new log-in could not be kept, and was ended again; {before}"))
        }
        Err(other) => error.with_hint(format!(
            "the new log-in could not be kept, and not be ended again ({other}): it ends by itself, or by `billet user set NAME --new-password`; {before}"
        )),
    }
}

/// Ends the log-in, and takes its token out of the file.
pub(super) async fn logout(
    file: Option<&Path>,
    environment: &Environment,
    ui: &mut Ui,
) -> Result<(), CliError> {
    let (path, mut kept) = connection::located(file, environment)?;
    if kept.token.is_some() && kept.user.is_none() {
        return Err(CliError::Input(format!(
            "{} holds an API token, and no log-in; `billet token revoke NAME` takes a token away",
            path.display()
        )));
    }
    if kept.token.is_none() {
        return ui.done("nobody is logged in");
    }
    let client = Client::new(&connection::of_file(&path, &kept)?)?;
    match client.logout().await {
        Ok(()) => {}
        // It ended before.
        Err(error) if error.status() == Some(401) => {}
        Err(error) => return Err(error.into()),
    }
    kept.token = None;
    connection::write(&path, &kept)?;
    ui.done("logged out")
}

/// Shows who one is.
pub(super) async fn whoami(session: &mut Session<'_>) -> Result<(), CliError> {
    let who = session.client.whoami().await?;
    session.ui.object(&who, || view::whoami(&who, &context()))
}
