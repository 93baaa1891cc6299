//! What journeys wait for, asked of the API, wherever the service runs; it may be between a kill and its restart.

use crate::eventually;
use anyhow::{Result, bail};
use provisioner_api::{Instance, InstanceState, Machine, MachineState};
use provisioner_client::Client;

/// Waits until a machine is in a state and not held.
///
/// # Errors
/// When it is held, or never gets there.
pub async fn machine_in(client: &Client, name: &str, state: MachineState) -> Result<Machine> {
    eventually(&format!("machine {name} is {state:?}"), async || {
        let Ok(machine) = client.machine(name).await else { return Ok(None) };
        if let Some(held) = &machine.status.held {
            bail!("machine {name} is held: {}", held.why);
        }
        Ok((machine.status.state == state).then_some(machine))
    })
    .await
}

/// Waits until an instance is in a state.
///
/// # Errors
/// When it never gets there.
pub async fn instance_in(client: &Client, name: &str, state: InstanceState) -> Result<Instance> {
    eventually(&format!("instance {name} is {state:?}"), async || {
        let Ok(instance) = client.instance(name).await else { return Ok(None) };
        Ok((instance.status.state == state).then_some(instance))
    })
    .await
}

/// Waits until an instance is gone.
///
/// # Errors
/// When it never is.
pub async fn instance_gone(client: &Client, name: &str) -> Result<()> {
    eventually(&format!("instance {name} is gone"), async || {
        Ok(client.instance(name).await.is_err_and(|error| error.status() == Some(404)).then_some(()))
    })
    .await
}
