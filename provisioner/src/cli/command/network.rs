//! `billet network …`.

use super::{Session, context, losses, watch};
use crate::cli::{
    args::{AddReservation, Leases, NetworkCommand, ReservationCommand},
    bell::Bell,
    error::CliError,
    view,
};
use provisioner_api::{Lease, LeaseState, Reservation};

/// Does it.
pub(super) async fn run(session: &mut Session<'_>, command: NetworkCommand) -> Result<(), CliError> {
    match command {
        NetworkCommand::List(watched) => {
            let client = session.client.clone();
            watch::list(session.ui, watched, async || client.networks().await, watch::never, view::networks)
                .await
        }
        NetworkCommand::Show(shown) => {
            let client = session.client.clone();
            let page = |network: &_| view::network(network, &context());
            watch::show(
                session.ui,
                shown.watched,
                Bell::none(),
                async || client.network(&shown.name).await,
                page,
            )
            .await
        }
        NetworkCommand::Leases(which) => leases(session, &which).await,
        NetworkCommand::Reservation(command) => reservations(session, command).await,
    }
}

async fn leases(session: &mut Session<'_>, which: &Leases) -> Result<(), CliError> {
    let client = session.client.clone();
    let look = async || {
        let mut leases = client.leases(&which.name).await?;
        let counts = |lease: &Lease| matches!(lease.state, LeaseState::Active | LeaseState::Quarantined);
        leases.retain(|lease| which.all || counts(lease));
        Ok(leases)
    };
    let table = |leases: &[Lease], wide| view::leases(leases, wide, &context());
    watch::list(session.ui, which.watched, look, watch::never, table).await
}

async fn reservations(session: &mut Session<'_>, command: ReservationCommand) -> Result<(), CliError> {
    match command {
        ReservationCommand::List(shown) => {
            let client = session.client.clone();
            let table = |reservations: &[Reservation], _| view::reservations(reservations);
            watch::list(
                session.ui,
                shown.watched,
                async || client.reservations(&shown.name).await,
                watch::never,
                table,
            )
            .await
        }
        ReservationCommand::Add(AddReservation { network, mac, address }) => {
            let wanted = Reservation { mac, address: address.to_string() };
            let made = session.client.add_reservation(&network, &wanted).await?;
            let sentence = format!("{} on network {network} is reserved for {}", made.address, made.mac);
            session.ui.outcome(&made, &sentence)
        }
        ReservationCommand::Remove { network, mac, dry } if dry.dry_run => {
            let reserved = session.client.reservations(&network).await?;
            let one = reserved.iter().find(|one| one.mac == mac).ok_or_else(|| {
                CliError::Missing(format!(
                    "nothing on network {network} is reserved for {mac}; `billet network reservation list {network}` shows what is"
                ))
            })?;
            let what = format!(
                "{} on network {network} would not be reserved for {mac} any more, and anybody could get it",
                one.address
            );
            losses::no_disk(session, dry, what).map(drop)
        }
        ReservationCommand::Remove { network, mac, .. } => {
            session.client.delete_reservation(&network, &mac).await?;
            session.ui.done(&format!("nothing on network {network} is reserved for {mac} any more"))
        }
    }
}
