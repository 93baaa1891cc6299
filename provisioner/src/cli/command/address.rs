//! `billet address …`.

use super::{Session, context};
use crate::cli::{
    args::{AddressCommand, Claim},
    error::CliError,
    view,
};
use provisioner_api::AddressClaim;

/// Does it.
pub(super) async fn run(session: &mut Session<'_>, command: AddressCommand) -> Result<(), CliError> {
    match command {
        AddressCommand::List => {
            let addresses = session.client.addresses().await?;
            session.ui.list(&addresses, |_| view::addresses(&addresses, &context()))
        }
        AddressCommand::Show(named) => {
            let address = session.client.address(&named.name).await?;
            session.ui.object(&address, || view::address(&address, &context()))
        }
        AddressCommand::Claim(Claim { name, subnet, address }) => {
            let claim = AddressClaim { name, subnet, address: address.map(|address| address.to_string()) };
            let claimed = session.client.claim_address(&claim).await?;
            let sentence =
                format!("{} of subnet {} is claimed as {}", claimed.address, claimed.subnet, claim.name);
            session.ui.outcome(&claimed, &sentence)
        }
        AddressCommand::Release(named) => {
            session.client.release_address(&named.name).await?;
            session.ui.done(&format!("the address {} is released", named.name))
        }
    }
}
