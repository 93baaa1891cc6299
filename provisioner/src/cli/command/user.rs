//! `billet user …`. Passwords are typed or in a file, never an argument.

use super::{Session, context, losses, password};
use crate::cli::{
    args::{CreateUser, SetUser, UsersCommand},
    error::CliError,
    view,
};
use provisioner_api::{User, UserCreate, UserUpdate};

/// Does it.
pub(super) async fn run(session: &mut Session<'_>, command: UsersCommand) -> Result<(), CliError> {
    match command {
        UsersCommand::List => {
            let users = session.client.users().await?;
            session.ui.list(&users, |_| view::users(&users, &context()))
        }
        UsersCommand::Show(named) => {
            let user = session.client.user(&named.name).await?;
            session.ui.object(&user, || view::user(&user, &context()))
        }
        UsersCommand::Create(asked) => create(session, asked).await,
        UsersCommand::Set(asked) => set(session, asked).await,
        // It changes the client file, and has been done.
        UsersCommand::Password(_) => Ok(()),
        UsersCommand::Delete(gone) => {
            if gone.dry.dry_run {
                let user = session.client.user(&gone.name).await?;
                let what = format!(
                    "user {} ({}) would be taken away, with their log-ins",
                    user.name,
                    user.role.word()
                );
                return losses::no_disk(session, gone.dry, what).map(drop);
            }
            session.client.delete_user(&gone.name).await?;
            session.ui.done(&format!("user {} is taken away", gone.name))
        }
    }
}

async fn create(session: &mut Session<'_>, asked: CreateUser) -> Result<(), CliError> {
    let password = password::of_new_user(session.environment, session.ui, asked.password_file.as_deref())?;
    let pools = Some(asked.pools).filter(|pools| !pools.is_empty());
    let wanted = UserCreate { name: asked.name, role: asked.role, pools, password };
    let made = session.client.create_user(&wanted).await?;
    let said = format!("user {} is made; they log in with `billet login --user {0}`", made.name);
    session.ui.outcome(&made, &said)
}

async fn set(session: &mut Session<'_>, asked: SetUser) -> Result<(), CliError> {
    let pools = match (asked.all_pools, asked.pools) {
        (true, _) => Some(None),
        (false, pools) => Some(pools).filter(|pools| !pools.is_empty()).map(Some),
    };
    let mut wanted = UserUpdate { role: asked.role, pools, disabled: asked.disabled, password: None };
    let another = asked.new_password || asked.password_file.is_some();
    let changes = another || wanted.role.is_some() || wanted.pools.is_some() || wanted.disabled.is_some();
    if asked.dry.dry_run && changes {
        let user = session.client.user(&asked.name).await?;
        return losses::no_disk(session, asked.dry, would(&user, &wanted, another)).map(drop);
    }
    if asked.new_password || asked.password_file.is_some() {
        let file = asked.password_file.as_deref();
        wanted.password = Some(password::of_new_user(session.environment, session.ui, file)?);
    }
    let nothing = wanted.role.is_none()
        && wanted.pools.is_none()
        && wanted.disabled.is_none()
        && wanted.password.is_none();
    if nothing {
        let detail = "say what to change: --role, --pool or --all-pools, --disabled, --new-password or --password-file";
        return Err(CliError::Input(detail.to_owned()));
    }
    let changed = session.client.update_user(&asked.name, &wanted).await?;
    let said = format!("user {} is changed; whoever was logged in as them has to log in again", changed.name);
    session.ui.outcome(&changed, &said)
}

/// What a change of a user would do, in a sentence. A new password is not asked for.
fn would(user: &User, wanted: &UserUpdate, password: bool) -> String {
    let mut changes = Vec::new();
    if let Some(role) = wanted.role {
        changes.push(format!("the role {} in place of {}", role.word(), user.role.word()));
    }
    if let Some(pools) = &wanted.pools {
        let of = |pools: &Option<Vec<String>>| {
            pools.as_ref().map_or("all pools".to_owned(), |pools| pools.join(", "))
        };
        changes.push(format!("{} in place of {}", of(pools), of(&user.pools)));
    }
    match wanted.disabled {
        Some(true) => changes.push("no log-in any more".to_owned()),
        Some(false) => changes.push("log-ins again".to_owned()),
        None => {}
    }
    changes.extend(password.then(|| "another password".to_owned()));
    format!(
        "user {} would have {}; whoever is logged in as them would have to log in again",
        user.name,
        changes.join(", ")
    )
}
