//! What a BMC's users and its rules for passwords mean.

use super::{Finding, Rule, logins};

/// The fewest characters that a password should have to have.
const SHORTEST: u64 = 8;
/// The most names in a finding.
const NAMES: usize = 8;

/// A user of a BMC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserFacts {
    /// The name; empty: nobody's, or a free slot.
    pub name: String,
    /// Whether the user may log in and do something, as far as the BMC tells.
    pub usable: bool,
    /// Whether the user may do everything.
    pub administrator: bool,
}

/// A BMC's users and rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountFacts {
    /// The users, if they could be listed.
    pub users: Option<Vec<UserFacts>>,
    /// After how many wrong passwords an account is locked; 0: never. `None`: it doesn't tell.
    pub lock_out_after: Option<u64>,
    /// The fewest characters of a password. `None`: it doesn't tell.
    pub shortest_password: Option<u64>,
}

/// What is weak about users and rules. `own`: who Billet logs in as.
pub fn of_accounts(facts: &AccountFacts, own: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if facts.lock_out_after == Some(0) {
        findings.push(Finding::new(
            Rule::NoLockOut,
            "no account is ever locked, however many wrong passwords come",
        ));
    }
    if let Some(shortest) = facts.shortest_password.filter(|shortest| *shortest < SHORTEST) {
        let what = match shortest {
            0 => "no least length is set for passwords".to_owned(),
            shortest => format!("passwords of {shortest} characters are taken"),
        };
        findings.push(Finding::new(Rule::ShortPasswords, what));
    }
    let users = facts.users.as_deref().unwrap_or_default();
    let named = || users.iter().filter(|user| user.usable && !user.name.is_empty());
    let others = listed(named().filter(|user| user.administrator && user.name != own));
    if let Some(others) = others {
        let what = format!("beside `{own}` these may do everything: {others}");
        findings.push(Finding::new(Rule::OtherAdministrators, what));
    }
    if let Some(usual) = listed(named().filter(|user| logins::is_usual_name(&user.name))) {
        let what = format!("names of makers' default users: {usual}");
        findings.push(Finding::new(Rule::DefaultUserName, what));
    }
    findings
}

/// Names in a sentence.
fn listed<'a>(users: impl Iterator<Item = &'a UserFacts>) -> Option<String> {
    let names: Vec<String> = users.map(|user| format!("`{}`", user.name)).collect();
    let more = names.len().saturating_sub(NAMES);
    let mut text = names.get(..NAMES).unwrap_or(&names).join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    (!names.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, usable: bool, administrator: bool) -> UserFacts {
        UserFacts { name: name.into(), usable, administrator }
    }

    fn ids(facts: &AccountFacts) -> Vec<&'static str> {
        of_accounts(facts, "billet").iter().map(|finding| finding.rule.id()).collect()
    }

    #[test]
    fn users_and_rules() {
        assert_eq!(ids(&AccountFacts::default()), [""; 0], "nothing is told, nothing is held against it");
        let good = AccountFacts {
            users: Some(vec![user("billet", true, true), user("root", false, true), user("", true, true)]),
            lock_out_after: Some(5),
            shortest_password: Some(8),
        };
        assert_eq!(ids(&good), [""; 0]);
        let bad = AccountFacts {
            users: Some(vec![user("billet", true, true), user("ROOT", true, true), user("ops", true, false)]),
            lock_out_after: Some(0),
            shortest_password: Some(1),
        };
        assert_eq!(
            ids(&bad),
            ["no-lock-out", "short-passwords", "other-administrators", "default-user-name"]
        );
        let findings = of_accounts(&bad, "billet");
        assert_eq!(findings[2].what, "beside `billet` these may do everything: `ROOT`");
    }

    #[test]
    fn a_long_list_is_cut() {
        let users = (0..20).map(|number| user(&format!("u{number}"), true, true)).collect();
        let facts = AccountFacts { users: Some(users), ..AccountFacts::default() };
        let findings = of_accounts(&facts, "u0");
        assert!(findings[0].what.ends_with("`u8` and 11 more"), "{findings:?}");
    }
}
