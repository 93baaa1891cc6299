//! API tokens.

use super::layout::table;
use crate::cli::{text::Context, ui::HasName};
use provisioner_api::{Token, TokenCreated};

impl HasName for Token {
    fn name(&self) -> String {
        self.name.clone()
    }
}

impl HasName for TokenCreated {
    fn name(&self) -> String {
        self.token.name.clone()
    }
}

/// A table of tokens.
pub(in crate::cli) fn tokens(tokens: &[Token], context: &Context) -> String {
    let rows = tokens.iter().map(|token| {
        [
            token.name.clone(),
            token.role.word().to_owned(),
            pools(token),
            context.age(token.created),
            token.used.map_or_else(|| "never".to_owned(), |used| format!("{} ago", context.age(used))),
            expires(token, context),
        ]
    });
    table(["NAME", "ROLE", "POOLS", "AGE", "USED", "EXPIRES"], rows)
}

/// What is said of one that was made just now.
pub(in crate::cli) fn new_token(token: &Token, context: &Context) -> String {
    format!(
        "token {} is made: role {}, pools {}, expires {}; its secret is shown only now",
        token.name,
        token.role.word(),
        pools(token),
        expires(token, context)
    )
}

fn pools(token: &Token) -> String {
    token.pools.as_ref().map_or_else(|| "all".to_owned(), |pools| pools.join(","))
}

fn expires(token: &Token, context: &Context) -> String {
    match token.expires {
        None => "never".to_owned(),
        Some(at) if at <= context.now => format!("EXPIRED {} ago", context.age(at)),
        Some(at) => context.time(at),
    }
}
