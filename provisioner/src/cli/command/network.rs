//! `billet network …`.

use super::{Session, context};
use crate::cli::{args::NetworkCommand, error::CliError, view};
use provisioner_client::MachineFilter;
use std::collections::HashMap;

/// Does it.
pub(super) async fn run(session: &mut Session<'_>, command: NetworkCommand) -> Result<(), CliError> {
    match command {
        NetworkCommand::List => {
            let networks = session.client.networks().await?;
            session.ui.list(&networks, |wide| view::networks(&networks, wide))
        }
        NetworkCommand::Show(named) => {
            let network = session.client.network(&named.name).await?;
            session.ui.object(&network, || view::network(&network))
        }
        NetworkCommand::Leases(named) => {
            let filter = MachineFilter::default();
            let (leases, machines) =
                tokio::join!(session.client.leases(&named.name), session.client.machines(&filter));
            let (leases, machines) = (leases?, machines?);
            let names: HashMap<_, _> =
                machines.into_iter().map(|machine| (machine.id, machine.name)).collect();
            session.ui.list(&leases, |_| {
                view::leases(&leases, &context(), |lease| names.get(&lease.machine?).cloned())
            })
        }
    }
}
