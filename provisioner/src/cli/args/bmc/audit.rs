//! The audit.

use super::Of;
use clap::Args;

/// `billet bmc audit`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Audit {
    #[command(flatten)]
    pub(in crate::cli) of: Of,
    /// Every machine that has a BMC with Redfish or IPMI
    #[arg(long, conflicts_with = "machine")]
    pub(in crate::cli) all: bool,
    /// Try no default passwords. Without it up to three logins are tried at each BMC: those that its maker delivers, each
    /// for another user, none for the one that Billet logs in as. A wrong one may count towards a lock-out of that user
    #[arg(long)]
    pub(in crate::cli) no_logins: bool,
    /// The UDP port where IPMI is expected [default: 623, or the BMC's]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(in crate::cli) ipmi_port: Option<u16>,
    /// The TCP port where Redfish is expected [default: 443, or the BMC's]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(in crate::cli) https_port: Option<u16>,
    /// The TCP port where plain HTTP is looked for [default: 80]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(in crate::cli) http_port: Option<u16>,
}
