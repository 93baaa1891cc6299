//! `billet instance rescue` and `unrescue`.

use super::{keys, wait_for};
use crate::cli::{
    args::{Rescue, Unrescue},
    command::{
        Session,
        losses::{self, Go},
    },
    error::CliError,
    wait::Goal,
};
use provisioner_api::{Instance, InstanceRescue};

/// Asks for it, and says how one logs in.
pub(super) async fn rescue(session: &mut Session<'_>, asked: Rescue) -> Result<(), CliError> {
    let ssh_keys = keys(&asked.ssh_keys)?;
    let what =
        |name: &str| format!("the machine of instance {name} would be switched off, and boot into RAM");
    if losses::of_its_machine(session, (&asked.name, asked.dry), what, losses::CUT).await? == Go::No {
        return Ok(());
    }
    let instance = session.client.rescue_instance(&asked.name, &InstanceRescue { ssh_keys }).await?;
    let name = instance.name.as_str();
    if !asked.wait.wait {
        let sentence = format!(
            "instance {name} is being rescued; `billet instance show {name}` says how to log in once it is"
        );
        return session.ui.outcome(&instance, &sentence);
    }
    wait_for(session, name, Goal::Rescued, &asked.wait, None).await?;
    let instance = session.client.instance(name).await?;
    let sentence = format!("instance {name} is in rescue{}", how(&instance));
    session.ui.outcome(&instance, &sentence)
}

/// How one logs in, as half a sentence.
fn how(instance: &Instance) -> String {
    let Some(rescue) = &instance.status.rescue else { return String::new() };
    let login = rescue.login.join("` or `");
    let key = rescue.host_key.as_deref().unwrap_or("unknown");
    if login.is_empty() { String::new() } else { format!(": `{login}`, host key {key}") }
}

/// Ends it.
pub(super) async fn unrescue(session: &mut Session<'_>, asked: &Unrescue) -> Result<(), CliError> {
    let what = |name: &str| {
        format!(
            "the rescue of instance {name} would end: its machine is switched off, and boots its own system"
        )
    };
    if losses::of_its_machine(session, (&asked.name, asked.dry), what, losses::CUT).await? == Go::No {
        return Ok(());
    }
    let instance = session.client.unrescue_instance(&asked.name).await?;
    let name = instance.name.as_str();
    if !asked.wait.wait {
        let sentence =
            format!("instance {name} boots its own system again; see `billet why instance/{name}`");
        return session.ui.outcome(&instance, &sentence);
    }
    wait_for(session, name, Goal::Running, &asked.wait, None).await?;
    let instance = session.client.instance(name).await?;
    session.ui.outcome(&instance, &format!("the machine of instance {name} boots its own system again"))
}
