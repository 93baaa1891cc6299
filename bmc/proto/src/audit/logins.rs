//! Passwords that makers deliver, and which of them are tried.
//!
//! A try that fails may count towards a lock-out. So there are few, never two for one user, never one for the user
//! that is logged in, and none for users that the BMC is known not to have.

use super::{UserFacts, has_word};

/// The most tries at one BMC.
pub const LOGINS_MAX: usize = 3;

/// A user and a password that a maker delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultLogin {
    /// A word in the maker's name; empty: many makers.
    pub maker: &'static str,
    /// The user.
    pub user: &'static str,
    /// The password.
    pub password: &'static str,
    /// Where that is told.
    pub source: &'static str,
}

const fn login(
    maker: &'static str,
    user: &'static str,
    password: &'static str,
    source: &'static str,
) -> DefaultLogin {
    DefaultLogin { maker, user, password, source }
}

/// A list of several makers' BMCs.
const RAPID7: &str = "https://www.rapid7.com/blog/post/2013/07/02/a-penetration-testers-guide-to-ipmi/";
/// A list of everything, where BMCs were added to it.
const CHEAT_SHEET: &str = "https://github.com/ihebski/DefaultCreds-cheat-sheet/pull/103";
const LENOVO: &str =
    "https://github.com/xcat2/confluent/blob/master/confluent_server/confluent/discovery/handlers/bmc.py";
const ILOM: &str = "https://docs.oracle.com/en/servers/management/ilom/5.1.x/admin-guide/preconfigured-user-accounts-enabled-default.html";
const OPENBMC: &str = "https://github.com/openbmc/docs/blob/master/development/dev-environment.md";
const ASROCK: &str = "https://blog.kingj.net/2014/03/15/how-to/resetting-the-ipmi-password-on-the-e3c224d2i/";

/// All that are known here. HPE is not among them: each of its BMCs has a password of its own on a tag; so do newer ones
/// of Dell, Supermicro and Gigabyte, which does not help those that were set back by hand.
pub const DEFAULTS: &[DefaultLogin] = &[
    login(
        "dell",
        "root",
        "calvin",
        "https://www.dell.com/support/kbdoc/en-us/000133536/dell-poweredge-what-is-the-default-username-and-password-for-idrac",
    ),
    login("supermicro", "ADMIN", "ADMIN", RAPID7),
    login("super", "ADMIN", "ADMIN", RAPID7),
    login("lenovo", "USERID", "PASSW0RD", LENOVO),
    login("ibm", "USERID", "PASSW0RD", "https://www.ibm.com/support/pages/node/854978"),
    login("fujitsu", "admin", "admin", RAPID7),
    login(
        "cisco",
        "admin",
        "password",
        "https://www.techworm.net/2016/01/cisco-shipped-servers-wrong-default-password-seven-weeks.html",
    ),
    // Before March 2020.
    login("gigabyte", "admin", "password", "https://www.gigabyte.com/Support/Security/1762"),
    login("asrock", "admin", "admin", ASROCK),
    login("asrockrack", "admin", "admin", ASROCK),
    login("asus", "admin", "admin", RAPID7),
    login("asustek", "admin", "admin", RAPID7),
    login("tyan", "root", "superuser", "https://github.com/idealhack/notes/blob/master/IPMI.md"),
    login("inspur", "admin", "admin", "https://manualshive.com/ru/manual/inspur/ob5161m5/2069421?page=101"),
    // iBMC before V250, and from then on.
    login(
        "huawei",
        "root",
        "Huawei12#$",
        "https://github.com/OleHolmNielsen/ITwiki/blob/master/docs/Huawei_server.rst",
    ),
    login("huawei", "Administrator", "Admin@9000", CHEAT_SHEET),
    login("oracle", "root", "changeme", ILOM),
    login("sun", "root", "changeme", ILOM),
    // BlueField, and what has a BMC of AMI's.
    login(
        "nvidia",
        "root",
        "0penBmc",
        "https://docs.nvidia.com/networking/display/bluefieldbmcv2310/connecting+to+bmc+interfaces",
    ),
    login(
        "nvidia",
        "admin",
        "admin",
        "https://docs.nvidia.com/dgx/dgxgb200-fw-update-guide/bmc-cred-factory-reset.html",
    ),
    login("openbmc", "root", "0penBmc", OPENBMC),
    login("ami", "admin", "admin", CHEAT_SHEET),
    login("megatrends", "admin", "admin", CHEAT_SHEET),
    login("", "admin", "admin", "https://www.easymanua.ls/avocent/mergepoint-sp-manager/manual?p=55"),
    login("", "root", "0penBmc", OPENBMC),
    login("", "USERID", "PASSW0RD", RAPID7),
];

/// Names that makers give, in small letters.
const NAMES: [&str; 6] = ["root", "admin", "administrator", "userid", "sysadmin", "superuser"];

/// Whether a user's name is one that makers give.
pub(super) fn is_usual_name(name: &str) -> bool {
    NAMES.iter().any(|usual| usual.eq_ignore_ascii_case(name))
}

/// Whether these are a maker's; asks nobody.
pub fn is_default(user: &str, password: &str) -> bool {
    DEFAULTS.iter().any(|login| login.user == user && login.password == password)
}

/// What is worth a try at a BMC of these makers, in this order: those of the maker, and of a maker that is not known
/// here the usual ones. `own`: who is logged in. `users`: those that the BMC has, if it told.
pub fn default_logins(
    makers: &[String],
    own: &str,
    users: Option<&[UserFacts]>,
) -> Vec<&'static DefaultLogin> {
    let of_maker: Vec<_> =
        DEFAULTS.iter().filter(|login| !login.maker.is_empty() && has_word(makers, login.maker)).collect();
    let has_own = of_maker.is_empty() && NONE.iter().any(|maker| has_word(makers, maker));
    let usual = DEFAULTS.iter().filter(|login| login.maker.is_empty() && !has_own);
    let candidates = if of_maker.is_empty() { usual.collect() } else { of_maker };
    let mut chosen: Vec<&DefaultLogin> = Vec::new();
    for login in candidates {
        let same = |name: &str| name.eq_ignore_ascii_case(login.user);
        let there = users.is_none_or(|users| users.iter().any(|user| user.usable && user.name == login.user));
        // Some BMCs don't tell capitals from small letters: one try for both.
        if there && !same(own) && !chosen.iter().any(|chosen| same(chosen.user)) && chosen.len() < LOGINS_MAX
        {
            chosen.push(login);
        }
    }
    chosen
}

/// Makers that deliver no password that is the same everywhere.
const NONE: [&str; 3] = ["hpe", "hewlett", "hp"];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tried(makers: &[&str], own: &str, users: Option<&[UserFacts]>) -> Vec<(&'static str, &'static str)> {
        let makers: Vec<String> = makers.iter().map(ToString::to_string).collect();
        default_logins(&makers, own, users).iter().map(|login| (login.user, login.password)).collect()
    }

    #[test]
    fn those_of_the_maker_are_tried() {
        assert_eq!(tried(&["Dell Inc."], "billet", None), [("root", "calvin")]);
        assert_eq!(tried(&["Dell Inc."], "root", None), []);
        assert_eq!(tried(&["Supermicro"], "billet", None), [("ADMIN", "ADMIN")]);
        assert_eq!(tried(&["Supermicro"], "admin", None), [], "it may be the same user there");
        assert_eq!(tried(&["AMI", "Lenovo"], "x", None), [("USERID", "PASSW0RD"), ("admin", "admin")]);
        assert_eq!(tried(&["Miami Servers"], "x", None).len(), 3, "not AMI: the usual ones");
        assert_eq!(tried(&["HPE"], "x", None), []);
        assert_eq!(tried(&["ASRockRack"], "x", None), [("admin", "admin")]);
        assert_eq!(tried(&["NVIDIA"], "x", None), [("root", "0penBmc"), ("admin", "admin")]);
        assert_eq!(tried(&[], "ROOT", None), [("admin", "admin"), ("USERID", "PASSW0RD")]);
    }

    #[test]
    fn users_that_are_not_there_are_not_tried() {
        let user = |name: &str, usable| UserFacts { name: name.into(), usable, administrator: true };
        assert_eq!(tried(&["Dell"], "x", Some(&[])), []);
        assert_eq!(tried(&["Dell"], "x", Some(&[user("root", false)])), [], "locked or disabled");
        assert_eq!(tried(&["Dell"], "x", Some(&[user("root", true)])), [("root", "calvin")]);
        assert_eq!(tried(&["Dell"], "x", Some(&[user("Root", true)])), [], "another user");
    }

    #[test]
    fn every_row_has_a_source() {
        for login in DEFAULTS {
            assert!(
                login.source.starts_with("https://")
                    && !login.source.contains(' ')
                    && !login.user.is_empty()
                    && !login.password.is_empty(),
                "{login:?}"
            );
        }
        assert!(is_default("root", "calvin") && !is_default("root", "Calvin") && !is_default("x", "calvin"));
    }

    proptest! {
        /// Whatever a BMC says of itself: few tries, each for another user, none for ours.
        #[test]
        fn tries_are_few(
            makers in proptest::collection::vec("(Dell|AMI|Lenovo|ASUS|HPE|Oracle|x)( Inc)?", 0..6),
            own in "(root|ROOT|admin|ADMIN|UserId|billet|)",
        ) {
            let logins = default_logins(&makers, &own, None);
            prop_assert!(logins.len() <= LOGINS_MAX);
            for (index, login) in logins.iter().enumerate() {
                prop_assert!(!login.user.eq_ignore_ascii_case(&own));
                prop_assert!(logins[..index].iter().all(|other| !other.user.eq_ignore_ascii_case(login.user)));
            }
        }
    }
}
