//! `billet machine service`.

use super::{
    Session,
    confirm::Question,
    losses::{self, Go},
    machine,
};
use crate::cli::{args::Service, error::CliError, wait::Goal};
use provisioner_api::{Machine, MachineService, ServiceStep};

/// Asks for it and waits for its end, if that is wanted.
pub(super) async fn run(session: &mut Session<'_>, asked: Service) -> Result<(), CliError> {
    let before = session.client.machine(&asked.name).await?;
    let name = before.name.as_str();
    if sure(session, &before, &asked).await? == Go::No {
        return Ok(());
    }
    let mut steps = Vec::new();
    steps.extend(asked.inspect.then_some(ServiceStep::Inspect));
    if !asked.disks.is_empty() {
        steps.push(ServiceStep::Erase { disks: asked.disks, method: asked.erase });
    }
    let serviced = session.client.service_machine(name, &MachineService { steps }).await?;
    if !asked.wait.wait {
        let sentence = format!("machine {name} is to be serviced; see `billet why machine/{name}`");
        return session.ui.outcome(&serviced, &sentence);
    }
    let goal = Goal::Serviced(before.status.job.as_ref().map(|job| (job.id, job.epoch)));
    machine::wait(session, name, goal, &asked.wait, Some(&before)).await
}

/// Asks whether it is meant, if a system is switched off or a disk wiped by that.
async fn sure(session: &mut Session<'_>, machine: &Machine, asked: &Service) -> Result<Go, CliError> {
    let name = &machine.name;
    let instance = machine.status.instance_name.as_deref();
    let mut consequences = Vec::new();
    consequences.extend(instance.map(|instance| {
        format!("the system of instance {instance} is shut down, and does not run until the work is done")
    }));
    if !asked.disks.is_empty() {
        consequences.push(format!("what is on disk {} is lost", asked.disks.join(", ")));
    }
    let question = Question {
        what: &format!("service machine {name}"),
        undone: &format!("machine {name} is not serviced"),
        consequence: &consequences.join(", and "),
    };
    let what = match consequences.is_empty() {
        true => format!("machine {name} would be serviced, and no disk be written"),
        false => format!("machine {name} would be serviced: {}", question.consequence),
    };
    let wiping = match asked.disks.is_empty() || !losses::told(session, asked.dry, asked.yes) {
        // Nobody reads it.
        true => String::new(),
        false => losses::wiping(session, machine, asked.erase).await?.fate(),
    };
    let loss = losses::these(what, machine, &asked.disks, &wiping);
    let question = (!consequences.is_empty()).then_some(&question);
    losses::sure(session, asked.dry, asked.yes, &loss, question)
}
