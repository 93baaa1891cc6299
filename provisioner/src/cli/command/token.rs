//! `billet token …`.

use super::{Session, context, losses};
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
        TokenCommand::Revoke(gone) => {
            if gone.dry.dry_run {
                let tokens = session.client.tokens().await?;
                let token = tokens.iter().find(|token| token.name == gone.name);
                let token = token.ok_or_else(|| {
                    CliError::Missing(format!(
                        "there is no token `{}`; `billet token list` shows what there is",
                        gone.name
                    ))
                })?;
                let what = format!("token {} ({}) would be taken away", token.name, token.role.word());
                return losses::no_disk(session, gone.dry, what).map(drop);
            }
            session.client.revoke_token(&gone.name).await?;
            session.ui.done(&format!("token {} is taken away", gone.name))
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
