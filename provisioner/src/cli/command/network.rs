//! `billet network …`.

use super::{Session, context};
use crate::cli::{
    args::{AddReservation, NetworkCommand, ReservationCommand},
    error::CliError,
    view,
};
use provisioner_api::{LeaseState, Reservation};

/// Does it.
pub(super) async fn run(session: &mut Session<'_>, command: NetworkCommand) -> Result<(), CliError> {
    match command {
        NetworkCommand::List => {
            let networks = session.client.networks().await?;
            session.ui.list(&networks, |wide| view::networks(&networks, wide))
        }
        NetworkCommand::Show(named) => {
            let network = session.client.network(&named.name).await?;
            session.ui.object(&network, || view::network(&network, &context()))
        }
        NetworkCommand::Leases(which) => leases(session, &which.name, which.all).await,
        NetworkCommand::Reservation(command) => reservations(session, command).await,
    }
}

async fn leases(session: &mut Session<'_>, network: &str, all: bool) -> Result<(), CliError> {
    let mut leases = session.client.leases(network).await?;
    leases.retain(|lease| all || matches!(lease.state, LeaseState::Active | LeaseState::Quarantined));
    session.ui.list(&leases, |wide| view::leases(&leases, wide, &context()))
}

async fn reservations(session: &mut Session<'_>, command: ReservationCommand) -> Result<(), CliError> {
    match command {
        ReservationCommand::List(named) => {
            let reservations = session.client.reservations(&named.name).await?;
            session.ui.list(&reservations, |_| view::reservations(&reservations))
        }
        ReservationCommand::Add(AddReservation { network, mac, address }) => {
            let wanted = Reservation { mac, address: address.to_string() };
            let made = session.client.add_reservation(&network, &wanted).await?;
            let sentence = format!("{} on network {network} is reserved for {}", made.address, made.mac);
            session.ui.outcome(&made, &sentence)
        }
        ReservationCommand::Remove { network, mac } => {
            session.client.delete_reservation(&network, &mac).await?;
            session.ui.done(&format!("nothing on network {network} is reserved for {mac} any more"))
        }
    }
}
