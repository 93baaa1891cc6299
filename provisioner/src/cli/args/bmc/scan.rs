//! The search for BMCs.

use bmc::Subnet;
use clap::Args;

/// `billet bmc scan`.
#[derive(Debug, Clone, Copy, Args)]
pub(in crate::cli) struct Scan {
    /// The subnet, such as 10.0.0.0/24, a /20 at the most
    #[arg(value_name = "SUBNET")]
    pub(in crate::cli) subnet: Subnet,
    /// Search from this computer. Without it the service does, in subnets that its configuration declares
    #[arg(long)]
    pub(in crate::cli) from_here: bool,
    /// With --from-here, the TCP port where Redfish is expected
    #[arg(long, value_name = "PORT", default_value_t = 443, requires = "from_here", value_parser = clap::value_parser!(u16).range(1..))]
    pub(in crate::cli) redfish_port: u16,
    /// With --from-here, the UDP port where IPMI is expected
    #[arg(long, value_name = "PORT", default_value_t = 623, requires = "from_here", value_parser = clap::value_parser!(u16).range(1..))]
    pub(in crate::cli) ipmi_port: u16,
}
