//! `billet token …`.

use super::{Session, context};
use crate::cli::{
    args::{CreateToken, TokenCommand},
    error::CliError,
    view,
};
use provisioner_api::TokenCreate;

/// Does it.
pub(super) async fn run(session: &mut Session<'_>, command: TokenCommand) -> Result<(), CliError> {
    match command {
        TokenCommand::List => {
            let tokens = session.client.tokens().await?;
            session.ui.list(&tokens, |_| view::tokens(&tokens, &context()))
        }
        TokenCommand::Create(asked) => create(session, asked).await,
        TokenCommand::Revoke(named) => {
            session.client.revoke_token(&named.name).await?;
            session.ui.done(&format!("token {} is taken away", named.name))
        }
    }
}

/// The secret alone is the result, so that it can be put into a file; what goes with it is said beside.
async fn create(session: &mut Session<'_>, asked: CreateToken) -> Result<(), CliError> {
    let pools = Some(asked.pools).filter(|pools| !pools.is_empty());
    let wanted = TokenCreate { name: asked.name, role: asked.role, pools, expires: asked.expires.0 };
    let made = session.client.create_token(&wanted).await?;
    if session.ui.is_for_people() {
        session.ui.note(&view::new_token(&made.token, &context()));
        return session.ui.line(made.secret.reveal());
    }
    session.ui.object(&made, String::new)
}
