//! What the kernel command line tells the agent. Pure: text in, parameters out.

use jiff::Timestamp;
use provisioner_api::Secret;

/// The parameters of one boot.
#[derive(Debug, Clone)]
pub struct BootParameters {
    /// `billet.url`: the service, `https://10.77.0.1:7443`.
    pub url: String,
    /// `billet.token`: works once, for this boot window.
    pub token: Secret,
    /// `BOOTIF`: MAC address of the NIC that netbooted, lower case with colons.
    pub mac: Option<String>,
    /// `billet.now`: the service's clock when it wrote the command line, Unix seconds. A machine whose battery died
    /// would find every certificate "not valid yet".
    pub now: Option<Timestamp>,
}

/// Why a command line can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCommandLine {
    /// A parameter is missing.
    #[error("the kernel command line has no `{name}=`; was this kernel started by Billet's boot script?")]
    Missing {
        /// Its name.
        name: &'static str,
    },
    /// A parameter makes no sense.
    #[error("the kernel command line's `{name}={value}` is not {expected}")]
    Bad {
        /// Its name.
        name: &'static str,
        /// What it is.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
}

impl BootParameters {
    /// Reads `/proc/cmdline`'s text. The last of several equal parameters counts, as with the kernel's own.
    ///
    /// # Errors
    /// When the address or the token is missing, or a parameter makes no sense.
    pub fn parse(command_line: &str) -> Result<Self, BadCommandLine> {
        let find = |name: &'static str| {
            let value = |word: &str| word.strip_prefix(name)?.strip_prefix('=').map(str::to_owned);
            command_line.split_ascii_whitespace().rev().find_map(value).filter(|value| !value.is_empty())
        };
        let need = |name: &'static str| find(name).ok_or(BadCommandLine::Missing { name });
        let now = find("billet.now").map(|value| {
            let seconds = value.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
            seconds.ok_or(BadCommandLine::Bad {
                name: "billet.now",
                value,
                expected: "a number of seconds since 1970",
            })
        });
        Ok(Self {
            url: need("billet.url")?,
            token: Secret::new(need("billet.token")?),
            mac: find("BOOTIF").map(|value| boot_interface(&value)).transpose()?,
            now: now.transpose()?,
        })
    }
}

/// The MAC address in a `BOOTIF` as PXELINUX defined it: hardware type 01, then six bytes in hex, with dashes.
fn boot_interface(value: &str) -> Result<String, BadCommandLine> {
    let bytes: Vec<&str> = value.split(['-', ':']).collect();
    let is_byte = |byte: &&str| byte.len() == 2 && byte.bytes().all(|b| b.is_ascii_hexdigit());
    match bytes.as_slice() {
        ["01", mac @ ..] | mac if mac.len() == 6 && mac.iter().all(is_byte) => {
            Ok(mac.join(":").to_ascii_lowercase())
        }
        _ => Err(BadCommandLine::Bad {
            name: "BOOTIF",
            value: value.to_owned(),
            expected: "01- and a MAC address with dashes",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_command_line() {
        let line = "BOOTIF=01-52-54-00-AA-bb-01 billet.url=https://10.77.0.1:7443 billet.token=old billet.token=t0k \
                    console=ttyS0,115200 quiet billet.now=1795246369\n";
        let boot = BootParameters::parse(line).unwrap();
        assert_eq!(boot.url, "https://10.77.0.1:7443");
        assert_eq!(boot.token.reveal(), "t0k");
        assert_eq!(boot.mac.as_deref(), Some("52:54:00:aa:bb:01"));
        assert_eq!(boot.now.unwrap().as_second(), 1_795_246_369);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let table = [
            ("", "billet.url"),
            ("billet.url= billet.token=x", "billet.url"),
            ("billet.url=https://a", "billet.token"),
            ("xbillet.url=https://a billet.token=x", "billet.url"),
            ("billet.url=https://a billet.token=x BOOTIF=01-02", "BOOTIF"),
            ("billet.url=https://a billet.token=x BOOTIF=01-gg-54-00-aa-bb-01", "BOOTIF"),
            ("billet.url=https://a billet.token=x billet.now=tomorrow", "billet.now"),
        ];
        for (line, name) in table {
            let error = BootParameters::parse(line).unwrap_err().to_string();
            assert!(error.contains(&format!("`{name}=")), "{line:?}: {error}");
        }
    }

    #[test]
    fn without_optional_parameters() {
        let boot = BootParameters::parse("billet.token=t billet.url=https://a").unwrap();
        assert!(boot.mac.is_none() && boot.now.is_none());
    }
}
