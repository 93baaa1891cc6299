//! `billet bmc scan`: the search for BMCs, by the service or from here. Nobody logs in anywhere.

use crate::{
    bmc_view as convert,
    cli::{
        args::{DirectArgs, Scan},
        command::bmc::direct,
        connection,
        environment::Environment,
        error::CliError,
        signals::Signals,
        ui::Ui,
        view,
    },
};
use bmc::{ScanError, ScanPorts};
use provisioner_api::{BmcFound, BmcScan};
use provisioner_client::Client;
use std::path::Path;

/// Does it.
pub(super) async fn run(
    scan: Scan,
    direct: &DirectArgs,
    client: Option<&Path>,
    environment: &Environment,
    ui: &mut Ui,
) -> Result<(), CliError> {
    if direct.host.is_some() || direct::is_used(direct) {
        return Err(CliError::Input(
            "a search takes a subnet and logs in nowhere: leave out -H, -U and what goes with them, and add --from-here to search from this computer"
                .to_owned(),
        ));
    }
    let mut signals = Signals::new()?;
    let found = tokio::select! {
        found = search(scan, client, environment, ui) => found?,
        error = signals.next() => return Err(error),
    };
    if found.is_empty() {
        ui.note(&format!(
            "no BMC answered in {}; firewalls between here and there, and IPMI over LAN that is off, hide them",
            scan.subnet
        ));
    }
    ui.list(&found, |wide| view::bmc_found(&found, wide))
}

/// Searches.
async fn search(
    scan: Scan,
    client: Option<&Path>,
    environment: &Environment,
    ui: &mut Ui,
) -> Result<Vec<BmcFound>, CliError> {
    let subnet = scan.subnet;
    if !scan.from_here {
        let client = Client::new(&connection::find(client, environment)?)?;
        ui.note(&format!("the service searches {subnet}; Ctrl-C ends it"));
        return Ok(client.scan_for_bmcs(&BmcScan { subnet: subnet.to_string() }).await?.items);
    }
    ui.note(&format!("searching {subnet} from here; Ctrl-C ends it"));
    let ports = ScanPorts { rmcp: scan.ipmi_port, redfish: scan.redfish_port };
    let found = bmc::scan(subnet, ports).await.map_err(|error| match error {
        ScanError::TooLarge { .. } => CliError::Input(error.to_string()),
        ScanError::Socket(ref source) => CliError::Task(format!("{error}: {source}")),
    })?;
    // Which machines have them is known to the service only.
    Ok(found.into_iter().map(|found| convert::found(found, Vec::new())).collect())
}
