//! Local users, and who one is oneself.

use super::{
    layout::{Page, table},
    word,
};
use crate::cli::{text::Context, ui::HasName};
use provisioner_api::{User, WhoAmI};

impl HasName for User {
    fn name(&self) -> String {
        self.name.clone()
    }
}

impl HasName for WhoAmI {
    fn name(&self) -> String {
        self.name.clone()
    }
}

/// A table of users.
pub(in crate::cli) fn users(users: &[User], context: &Context) -> String {
    let rows = users.iter().map(|user| {
        [
            user.name.clone(),
            user.role.word().to_owned(),
            pools(user.pools.as_deref()),
            if user.disabled { "disabled" } else { "" }.to_owned(),
            context.age(user.created),
            login(user, context),
        ]
    });
    table(["NAME", "ROLE", "POOLS", "STATE", "AGE", "LOGIN"], rows)
}

/// A page about one.
pub(in crate::cli) fn user(user: &User, context: &Context) -> String {
    let mut page = Page::default();
    page.line("Name", &user.name).line("Role", user.role.word()).line("Pools", pools(user.pools.as_deref()));
    page.line("Disabled", if user.disabled { "yes" } else { "no" });
    page.line("Made", context.time(user.created)).line("Logged in", login(user, context));
    page.end()
}

/// A page about oneself.
pub(in crate::cli) fn whoami(who: &WhoAmI, context: &Context) -> String {
    let mut page = Page::default();
    page.line("Name", &who.name).line("Kind", word(who.kind)).line("Role", who.role.word());
    page.line("Pools", pools(who.pools.as_deref()));
    page.line("Expires", who.expires.map_or_else(|| "never".to_owned(), |at| context.time(at)));
    page.end()
}

/// What is said of a log-in that began just now.
pub(in crate::cli) fn logged_in(who: &WhoAmI, context: &Context) -> String {
    let until = who.expires.map(|at| format!(", until {}", context.time(at))).unwrap_or_default();
    format!(
        "logged in as {}: role {}, pools {}{until}",
        who.name,
        who.role.word(),
        pools(who.pools.as_deref())
    )
}

fn pools(pools: Option<&[String]>) -> String {
    pools.map_or_else(|| "all".to_owned(), |pools| pools.join(","))
}

fn login(user: &User, context: &Context) -> String {
    user.login.map_or_else(|| "never".to_owned(), |at| format!("{} ago", context.age(at)))
}
