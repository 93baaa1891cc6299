//! `billet address …`.

use super::{Session, context, losses};
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
        AddressCommand::Claim(Claim { name, subnet, pool, address }) => {
            let claim =
                AddressClaim { name, subnet, pool, address: address.map(|address| address.to_string()) };
            let claimed = session.client.claim_address(&claim).await?;
            let sentence =
                format!("{} of subnet {} is claimed as {}", claimed.address, claimed.subnet, claim.name);
            session.ui.outcome(&claimed, &sentence)
        }
        AddressCommand::Release(gone) => {
            if gone.dry.dry_run {
                let address = session.client.address(&gone.name).await?;
                let what = format!(
                    "{} ({}) would be released, and anybody could get it; used by: {}",
                    gone.name,
                    address.address,
                    if address.used_by.is_empty() { "nobody".to_owned() } else { address.used_by.join(", ") }
                );
                return losses::no_disk(session, gone.dry, what).map(drop);
            }
            session.client.release_address(&gone.name).await?;
            session.ui.done(&format!("the address {} is released", gone.name))
        }
    }
}
