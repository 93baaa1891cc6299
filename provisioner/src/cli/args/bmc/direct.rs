//! A BMC by its address: the options of `-H`.

use crate::cli::validate;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// A BMC by its address, asked from here without the service.
#[derive(Debug, Args)]
#[command(next_help_heading = "A BMC by its address, in place of MACHINE")]
pub(in crate::cli) struct DirectArgs {
    /// Ask the BMC at this address, from here: the service is not needed. IPv6 addresses with a port in brackets
    #[arg(short = 'H', long, global = true, value_name = "HOST[:PORT]", value_parser = validate::host)]
    pub(in crate::cli) host: Option<(String, Option<u16>)>,
    /// Its user name
    #[arg(short = 'U', long, global = true, value_name = "USER")]
    pub(in crate::cli) user: Option<String>,
    /// Its port [default: 623, or 443 with --redfish]
    #[arg(short, long, global = true, value_parser = clap::value_parser!(u16).range(1..))]
    pub(in crate::cli) port: Option<u16>,
    /// File with its password, `-` for standard input; or set BILLET_BMC_PASSWORD or IPMI_PASSWORD; or it is asked
    #[arg(short = 'f', long, global = true, value_name = "FILE")]
    pub(in crate::cli) password_file: Option<PathBuf>,
    /// IPMI cipher suite: 17, or 3 for an old BMC, which is weak [default: 17]
    #[arg(short = 'C', long, global = true, value_name = "SUITE", value_parser = validate::cipher)]
    pub(in crate::cli) cipher: Option<u8>,
    /// IPMI privilege to ask for; a user who may not be administrator is operator then [default: administrator]
    #[arg(short = 'L', long, global = true, value_enum, ignore_case = true, value_name = "LEVEL")]
    pub(in crate::cli) privilege: Option<SessionPrivilege>,
    /// File with the BMC key Kg, as text or as hex:…, where one is set; or set IPMI_KGKEY
    #[arg(short = 'k', long, global = true, value_name = "FILE")]
    pub(in crate::cli) key_file: Option<PathBuf>,
    /// Speak Redfish instead of IPMI
    #[arg(long, global = true)]
    pub(in crate::cli) redfish: bool,
    /// SHA-256 of its Redfish certificate. Without it and --tls-ca the certificate that it shows is believed and told
    #[arg(long, global = true, value_name = "HEX", value_parser = validate::fingerprint)]
    pub(in crate::cli) tls_sha256: Option<String>,
    /// File with the CA certificates (PEM) that its Redfish certificate has to be signed by
    #[arg(long, global = true, value_name = "FILE")]
    pub(in crate::cli) tls_ca: Option<PathBuf>,
    // ipmitool's. Taken, so that it can be refused without being repeated.
    #[arg(short = 'P', id = "typed_password", global = true, hide = true, num_args = 0..=1, value_name = "PASSWORD")]
    pub(in crate::cli) typed_password: Option<Option<String>>,
}

/// What an IPMI session asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum SessionPrivilege {
    /// Read, and switch the power
    Operator,
    /// Everything
    Administrator,
}
