//! `billet network …`. Networks are declared in the configuration file; reservations are data.

use super::{DryRun, Shown, Watched};
use crate::cli::validate;
use clap::{Args, Subcommand};
use std::net::Ipv4Addr;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum NetworkCommand {
    /// List the networks
    List(Watched),
    /// Show one: its subnets, what is free, other DHCP servers that were heard, relays that are not declared
    Show(Shown),
    /// List the leases on one
    Leases(Leases),
    /// Addresses that always go to the same client
    #[command(subcommand)]
    Reservation(ReservationCommand),
}

/// `billet network leases`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Leases {
    /// Its name
    pub(in crate::cli) name: String,
    /// Show those too that ran out or were given back
    #[arg(long)]
    pub(in crate::cli) all: bool,
    #[command(flatten)]
    pub(in crate::cli) watched: Watched,
}

/// `billet network reservation`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ReservationCommand {
    /// List the reservations on a network
    List(Shown),
    /// Reserve an address; the same again changes nothing
    Add(AddReservation),
    /// Take a reservation away. A lease that runs goes on until its end
    Remove {
        /// The network
        network: String,
        /// The client's MAC address
        #[arg(value_parser = validate::mac)]
        mac: String,
        #[command(flatten)]
        dry: DryRun,
    },
}

/// `billet network reservation add`.
#[derive(Debug, Args)]
pub(in crate::cli) struct AddReservation {
    /// The network
    pub(in crate::cli) network: String,
    /// The client's MAC address
    #[arg(value_parser = validate::mac)]
    pub(in crate::cli) mac: String,
    /// The address, in one of the network's subnets
    #[arg(value_parser = validate::address)]
    pub(in crate::cli) address: Ipv4Addr,
}
