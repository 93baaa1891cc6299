//! The first log-in: a token for the administrator, the file that the CLI reads, and what the first start prints.
//!
//! There is no default password. Only the token's hash belongs into the database; that is the caller's part.

use crate::{
    config::Config,
    secret_file::{self, Readers, SecretFileError},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use provisioner_api::Secret;
use serde::Serialize;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// What every token begins with, so that scanners find leaked ones.
const PREFIX: &str = "billet_";

/// A new token: 32 random bytes, base64url.
///
/// # Errors
/// When the system gives no random bytes.
pub(crate) fn first_token() -> Result<Secret, getrandom::Error> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice())?;
    Ok(Secret::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes.as_slice()))))
}

/// The administrator's file under the data folder.
pub(crate) fn admin_file(data: &Path) -> PathBuf {
    data.join("admin.toml")
}

/// Writes the file with which the CLI on this host logs in, readable by its owner alone.
///
/// # Errors
/// When it can't be written.
pub(crate) fn write_admin_file(
    config: &Config,
    token: &Secret,
    ca: &Path,
) -> Result<PathBuf, SecretFileError> {
    #[derive(Serialize)]
    struct File<'a> {
        url: String,
        token: &'a str,
        ca: String,
    }
    let path = admin_file(&config.data);
    let file = File { url: url(config.api.listen), token: token.reveal(), ca: ca.display().to_string() };
    // Three strings always make a TOML document.
    let text = toml::to_string(&file).expect("strings are TOML");
    secret_file::write(&path, text.as_bytes(), Readers::Owner)?;
    Ok(path)
}

/// The service's address as seen from this host.
fn url(listen: SocketAddr) -> String {
    let ip = match listen.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) | IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("https://{}", SocketAddr::new(ip, listen.port()))
}

/// What the first start prints: how to log in. It holds no secret, so that it may go into a log.
pub(crate) fn welcome(config: &Config, admin_file: &Path, ca: &Path, ca_sha256: &str) -> String {
    let url = url(config.api.listen);
    let file = admin_file.display();
    format!(
        "Billet is set up. There is no default password; this is how to log in:\n\
         \n  on this host:   billet --client {file} machine list\n\
         \n  elsewhere:      copy {file} to ~/.config/billet/client.toml there, put this host's name\n\
         \x20                 into `url` (now {url}) and the text of {ca} into `ca`\n\
         \n  CA certificate: SHA-256 {ca_sha256}\n",
        ca = ca.display(),
    )
}

#[cfg(test)]
mod tests {
    use super::{first_token, url};

    #[test]
    fn tokens_are_long_and_never_the_same() {
        let (one, two) = (first_token().unwrap(), first_token().unwrap());
        assert!(one.reveal().starts_with("billet_"));
        assert_eq!(one.reveal().len(), "billet_".len() + 43);
        assert_ne!(one.reveal(), two.reveal());
    }

    #[test]
    fn the_address_from_this_host() {
        let table = [
            ("0.0.0.0:7443", "https://127.0.0.1:7443"),
            ("[::]:7443", "https://127.0.0.1:7443"),
            ("10.77.0.1:1", "https://10.77.0.1:1"),
            ("[fd00::1]:7443", "https://[fd00::1]:7443"),
        ];
        for (listen, want) in table {
            assert_eq!(url(listen.parse().unwrap()), want);
        }
    }
}
