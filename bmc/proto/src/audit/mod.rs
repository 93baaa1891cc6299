//! What is weak about a BMC: from what was observed of it to findings.
//!
//! - `rule`: everything that can be found, how bad it is and what mends it;
//! - `ipmi`, `tls`: the questions that nobody has to be logged in for, as bytes, and their answers;
//! - `accounts`, `certificate`, `services`, `advisories`: what observations mean;
//! - `logins`: which default passwords are worth a try, and how few.
//!
//! Deliberately not here: sockets, logins, and any attempt to use what was found.

mod accounts;
mod advisories;
mod certificate;
mod ipmi;
mod logins;
mod rule;
mod services;
mod tls;

pub use accounts::{AccountFacts, UserFacts, of_accounts};
pub use advisories::{ADVISORIES, Advisory, of_firmware};
pub use certificate::{CertificateFacts, of_certificate};
pub use ipmi::{Capabilities, IpmiFacts, IpmiProbe, of_ipmi};
pub use logins::{DEFAULTS, DefaultLogin, LOGINS_MAX, default_logins, is_default};
pub use rule::{Finding, Rule, Severity, sorted};
pub use services::{ServiceFacts, WebFacts, of_services, of_web};
pub use tls::{TlsAnswer, old_hello, read_hello};

/// Whether a maker's name has this word in it, whatever its case.
fn has_word(names: &[String], word: &str) -> bool {
    let words = |name: &str| {
        name.split(|c: char| !c.is_ascii_alphanumeric()).any(|found| found.eq_ignore_ascii_case(word))
    };
    names.iter().any(|name| words(name))
}
