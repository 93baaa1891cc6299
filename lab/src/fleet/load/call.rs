//! Calls to the API that change something, each written down before and after.
//!
//! One that nobody answered may have happened: it is repeated until somebody answers. What a repeat meets of its own
//! first try (409 with our own words, 404 after a deletion) counts as done.

use crate::fleet::Eyes;
use crate::fleet::entry::What;
use provisioner_api::{
    DeleteInstance, InstanceCreate, InstanceReinstall, InstanceState, MachineAction, MachineActionRequest,
    MachineCreate, paths,
};
use provisioner_client::{Client, ClientError};
use serde::Serialize;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between the first two tries; it doubles up to `LONGEST`.
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

/// How often an answer that says "I am not well" is taken for a passing trouble.
const UNWELL: u32 = 20;

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is done, by this call or by one before it.
    Done,
    /// The service does not want to.
    Refused(String),
    /// The run ended before anybody answered.
    Ended,
}

/// Makes calls.
pub(crate) struct Caller {
    client: Client,
    eyes: Arc<Eyes>,
    next: AtomicU64,
    stop: CancellationToken,
}

/// What is written down of a call.
struct Words<'a> {
    method: &'static str,
    path: String,
    about: &'a str,
    body: serde_json::Value,
}

impl Caller {
    pub(crate) fn new(client: Client, eyes: Arc<Eyes>, stop: CancellationToken) -> Self {
        Self { client, eyes, next: AtomicU64::new(1), stop }
    }

    /// Adds a machine.
    pub(crate) async fn add(&self, machine: &MachineCreate) -> Outcome {
        let words = Words {
            method: "POST",
            path: paths::MACHINES.into(),
            about: &machine.name,
            body: without_secrets(machine),
        };
        let answer =
            self.until_answered(&words, || async { self.client.add_machine(machine).await.map(drop) });
        match answer.await {
            Some(Err(error)) if error.status() == Some(409) => self.same_machine(machine, &error).await,
            answer => outcome(answer),
        }
    }

    async fn same_machine(&self, machine: &MachineCreate, error: &ClientError) -> Outcome {
        let found = self.until_read(|| self.client.machine(&machine.name)).await;
        let ours = found.is_some_and(|found| found.spec.macs == machine.macs);
        if ours { Outcome::Done } else { Outcome::Refused(error.to_string()) }
    }

    /// Asks for an instance.
    pub(crate) async fn create(&self, instance: &InstanceCreate) -> Outcome {
        let words = Words {
            method: "POST",
            path: paths::INSTANCES.into(),
            about: &instance.name,
            body: serde_json::to_value(instance).unwrap_or_default(),
        };
        let create = || async { self.client.create_instance(instance).await.map(drop) };
        match self.until_answered(&words, create).await {
            Some(Err(error)) if error.status() == Some(409) => self.same_instance(instance, &error).await,
            answer => outcome(answer),
        }
    }

    async fn same_instance(&self, instance: &InstanceCreate, error: &ClientError) -> Outcome {
        let found = self.until_read(|| self.client.instance(&instance.name)).await;
        let ours = found.is_some_and(|found| found.spec == instance.spec);
        if ours { Outcome::Done } else { Outcome::Refused(error.to_string()) }
    }

    /// Gives an instance back.
    pub(crate) async fn delete(&self, name: &str, delete: &DeleteInstance) -> Outcome {
        let words = Words {
            method: "DELETE",
            path: paths::INSTANCE.replace("{instance}", name),
            about: name,
            body: serde_json::to_value(delete).unwrap_or_default(),
        };
        match self.until_answered(&words, || self.client.delete_instance(name, delete)).await {
            // It is gone, which is what was asked for.
            Some(Err(error)) if error.status() == Some(404) => Outcome::Done,
            answer => outcome(answer),
        }
    }

    /// Asks for an instance to be installed anew whose installation has this number.
    pub(crate) async fn reinstall(&self, name: &str, installation: u32) -> Outcome {
        let anew = InstanceReinstall::default();
        let words = Words {
            method: "POST",
            path: paths::INSTANCE_REINSTALL.replace("{instance}", name),
            about: name,
            body: serde_json::to_value(&anew).unwrap_or_default(),
        };
        let ask = || async {
            // A try that nobody answered may have been heard: one more would install it twice.
            let status = self.client.instance(name).await?.status;
            if status.state == InstanceState::Reinstalling || status.installation > installation {
                return Ok(());
            }
            self.client.reinstall_instance(name, &anew).await.map(drop)
        };
        outcome(self.until_answered(&words, ask).await)
    }

    /// Asks something of a machine.
    pub(crate) async fn act(&self, name: &str, action: MachineAction) -> Outcome {
        let words = Words {
            method: "POST",
            path: paths::MACHINE_ACTIONS.replace("{machine}", name),
            about: name,
            body: serde_json::to_value(MachineActionRequest { action }).unwrap_or_default(),
        };
        outcome(self.until_answered(&words, || self.client.machine_action(name, action)).await)
    }

    /// Makes the call until somebody answers; none: the run ended before.
    async fn until_answered<F, Fut>(&self, words: &Words<'_>, call: F) -> Option<Result<(), ClientError>>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<(), ClientError>>,
    {
        let (mut pause, mut unwell) = (SHORTEST, 0);
        loop {
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            self.eyes.write(
                None,
                What::Call {
                    id,
                    method: words.method.into(),
                    path: words.path.clone(),
                    about: words.about.into(),
                    body: words.body.clone(),
                },
            );
            let answer = tokio::select! {
                answer = call() => answer,
                () = self.stop.cancelled() => return None,
            };
            let status = answer.as_ref().map_or_else(ClientError::status, |()| Some(200));
            self.eyes.write(None, What::Answer { id, status });
            unwell += u32::from(status.is_some());
            match answer {
                Err(error) if again(&error) && unwell < UNWELL => {}
                answer => return Some(answer),
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.cancelled() => return None,
            }
            pause = (pause * 2).min(LONGEST);
        }
    }

    /// Asks until somebody answers; none: the run ended before, or there is no such thing.
    pub(crate) async fn until_read<T, F, Fut>(&self, ask: F) -> Option<T>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, ClientError>>,
    {
        let mut pause = SHORTEST;
        loop {
            let answer = tokio::select! {
                answer = ask() => answer,
                () = self.stop.cancelled() => return None,
            };
            match answer {
                Ok(answer) => return Some(answer),
                Err(error) if again(&error) => {}
                Err(_) => return None,
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.cancelled() => return None,
            }
            pause = (pause * 2).min(LONGEST);
        }
    }
}

/// Whether the service may say something else next time: it was not there, or said that it is not well.
fn again(error: &ClientError) -> bool {
    error.is_transient() || error.status().is_some_and(|status| status == 429 || status >= 500)
}

fn outcome(answer: Option<Result<(), ClientError>>) -> Outcome {
    match answer {
        None => Outcome::Ended,
        Some(Ok(())) => Outcome::Done,
        Some(Err(error)) => Outcome::Refused(error.to_string()),
    }
}

/// For the journal.
fn without_secrets(machine: &impl Serialize) -> serde_json::Value {
    let mut value = serde_json::to_value(machine).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.retain(|key, _| key != "bmc_password" && key != "bmc_key");
    }
    value
}

#[cfg(test)]
mod tests;
