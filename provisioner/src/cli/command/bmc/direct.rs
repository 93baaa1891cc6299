//! A BMC by its address: from what was typed to a driver.

use crate::{
    bmcs::read_bmc_key,
    cli::{
        args::{DirectArgs, SessionPrivilege},
        command::{authorities, password},
        environment::Environment,
        error::CliError,
        ui::Ui,
    },
};
use bmc::{Bmc, Cipher, Credentials, Drivers, Endpoint, Privilege, Protocol, Settings, Trust};
use std::{path::Path, sync::Arc};
use zeroize::Zeroizing;

/// A BMC that is asked from here.
#[derive(Clone)]
pub(super) struct Direct {
    /// Its driver.
    pub(super) bmc: Arc<dyn Bmc>,
    /// What made it.
    pub(super) drivers: Drivers,
    /// Where it is and how we log in.
    pub(super) endpoint: Endpoint,
    /// `host:port`.
    pub(super) address: String,
    /// The user that we log in as.
    pub(super) username: String,
    /// The IPMI cipher suite.
    pub(super) cipher: Option<u8>,
    /// What was typed of it, but for where secrets are, so that it can be typed again.
    pub(super) typed: String,
    /// Whether any certificate is believed that it shows.
    first_use: bool,
}

impl Direct {
    /// Says which certificate was believed without anybody having said so, and how to insist on it.
    pub(super) async fn tell_certificate(&self, ui: &mut Ui) {
        if !self.first_use {
            return;
        }
        // What was asked for is done; that this can't be told is no failure.
        let seen = self.bmc.info().await.ok().and_then(|info| info.tls_sha256);
        if let Some(seen) = seen.map(hex::encode) {
            ui.note(&format!(
                "the certificate that {} showed was believed; to believe no other, add --tls-sha256 {seen}",
                self.address
            ));
        }
    }
}

/// What was typed of it, if it can be used with a machine, too: nothing.
pub(super) fn is_used(args: &DirectArgs) -> bool {
    args.user.is_some()
        || args.port.is_some()
        || args.password_file.is_some()
        || args.cipher.is_some()
        || args.privilege.is_some()
        || args.key_file.is_some()
        || args.redfish
        || args.tls_sha256.is_some()
        || args.tls_ca.is_some()
}

/// Makes the driver; nothing is sent yet.
pub(super) fn connect(
    args: &DirectArgs,
    host: &(String, Option<u16>),
    environment: &Environment,
    ui: &mut Ui,
) -> Result<Direct, CliError> {
    fits(args, host.1)?;
    let username = args.user.clone().ok_or_else(|| {
        CliError::Input(
            "the BMC's user name is missing: give it with -U, `-U ''` for the anonymous user".to_owned(),
        )
    })?;
    let bmc_key = key(args, environment, ui)?;
    let password = password::direct(environment, ui, args.password_file.as_deref())?;
    let port = host.1.or(args.port);
    let cipher = (!args.redfish).then_some(args.cipher.unwrap_or(17));
    let protocol = protocol(args, cipher)?;
    let first_use = protocol == Protocol::Redfish { trust: Trust::FirstUse };
    let endpoint = Endpoint {
        protocol,
        host: host.0.clone(),
        port,
        credentials: Credentials {
            username: username.clone(),
            password: Zeroizing::new(password.reveal().to_owned()),
            bmc_key,
        },
        // A session ends with the command.
        keeper: None,
    };
    let sessions = environment.state.as_ref().map(|state| state.join("billet").join("ipmi-sessions"));
    let drivers = Drivers::new(Settings { sessions, ..Settings::default() });
    let bmc = drivers.connect(endpoint.clone());
    let port = port.unwrap_or(if args.redfish { 443 } else { 623 });
    let address =
        if host.0.contains(':') { format!("[{}]:{port}", host.0) } else { format!("{}:{port}", host.0) };
    Ok(Direct {
        bmc,
        drivers,
        endpoint,
        typed: typed(args, &address, &username),
        address,
        username,
        cipher,
        first_use,
    })
}

/// The options that say which BMC is meant and who logs in.
fn typed(args: &DirectArgs, address: &str, username: &str) -> String {
    let mut typed = format!("-H {address} -U {}", if username.is_empty() { "''" } else { username });
    if args.redfish {
        typed.push_str(" --redfish");
    }
    if let Some(print) = &args.tls_sha256 {
        typed.push_str(&format!(" --tls-sha256 {print}"));
    }
    if let Some(file) = &args.tls_ca {
        typed.push_str(&format!(" --tls-ca {}", file.display()));
    }
    if let Some(suite) = args.cipher {
        typed.push_str(&format!(" -C {suite}"));
    }
    typed
}

/// Options that exclude each other. Not by the parser: it does not look at options given before the verb.
fn fits(args: &DirectArgs, port: Option<u16>) -> Result<(), CliError> {
    let wrong = |text: &str| Err(CliError::Input(text.to_owned()));
    if port.is_some() && args.port.is_some() {
        return wrong("the port is given twice, behind the host and with -p");
    }
    if args.redfish && (args.cipher.is_some() || args.privilege.is_some() || args.key_file.is_some()) {
        return wrong("-C, -L and -k are of IPMI; leave them out with --redfish");
    }
    if !args.redfish && args.tls_sha256.is_some() {
        return wrong("--tls-sha256 is of Redfish; add --redfish");
    }
    if !args.redfish && args.tls_ca.is_some() {
        return wrong("--tls-ca is of Redfish; add --redfish");
    }
    if args.tls_sha256.is_some() && args.tls_ca.is_some() {
        return wrong("believe one certificate with --tls-sha256, or those of a CA with --tls-ca, not both");
    }
    if args.password_file.as_deref() == Some(Path::new("-"))
        && args.key_file.as_deref() == Some(Path::new("-"))
    {
        return wrong("standard input can't be both the password and the key; put one into a file");
    }
    Ok(())
}

/// The protocol with its settings.
fn protocol(args: &DirectArgs, cipher: Option<u8>) -> Result<Protocol, CliError> {
    if args.redfish {
        return Ok(Protocol::Redfish { trust: trust(args)? });
    }
    Ok(Protocol::Ipmi {
        cipher: if cipher == Some(3) { Cipher::Suite3 } else { Cipher::Suite17 },
        privilege: match args.privilege {
            Some(SessionPrivilege::Operator) => Privilege::Operator,
            Some(SessionPrivilege::Administrator) | None => Privilege::Administrator,
        },
    })
}

/// Whose certificate is believed.
fn trust(args: &DirectArgs) -> Result<Trust, CliError> {
    if let Some(file) = &args.tls_ca {
        return authorities(file).map(Trust::Authorities);
    }
    let Some(print) = &args.tls_sha256 else { return Ok(Trust::FirstUse) };
    let mut pin = [0; 32];
    hex::decode_to_slice(print, &mut pin)
        .map_err(|_| CliError::Input("--tls-sha256 is no hash".to_owned()))?;
    Ok(Trust::Pinned(pin))
}

/// The BMC key Kg, if there is one.
fn key(
    args: &DirectArgs,
    environment: &Environment,
    ui: &mut Ui,
) -> Result<Option<Zeroizing<Vec<u8>>>, CliError> {
    if args.redfish {
        return Ok(None);
    }
    let (text, place) = match password::given(environment, ui, password::BMC_KEY, args.key_file.as_deref())? {
        Some(key) => (key, "the file of -k"),
        None => match &environment.bmc_key {
            Some(key) => (provisioner_api::Secret::new(key.as_str()), "IPMI_KGKEY"),
            None => return Ok(None),
        },
    };
    let wrong = |why| CliError::Input(format!("the BMC's key in {place} can't be right: {why}"));
    read_bmc_key(text.reveal()).map(Some).map_err(wrong)
}
