//! What a person can do about something that waits or is held, as commands. Pure.
//!
//! Whether a request would be taken is asked of the lifecycle, not written down a second time.

use crate::store::{InstanceRecord, MachineRecord};
use provisioner_api::{Choice, ErasePolicy, InstanceState, JobKind, MachineState, Remedy};
use provisioner_lifecycle::{
    Machine as Core, Request, Step, StepName, admit, choices as offered, scrap_command, shell_word,
    skippable, usable,
};

/// What can be done about a machine; `instance` is the name of the one that has it.
pub(crate) fn of_machine(record: &MachineRecord, instance: Option<&str>) -> Vec<Remedy> {
    let (core, name) = (&record.machine, &record.name);
    // A hold that somebody asked to lift is as good as gone.
    let held = core.state.hold.as_ref().is_some_and(|hold| core.want.retry <= hold.retry);
    let mut choices = Choices::default();
    if !core.want.accepted {
        choices.add(
            format!("billet machine accept {name}"),
            "take it in: it is inspected, which switches it off and on",
        );
        choices.add(
            format!("billet instance adopt NAME --machine {name}"),
            "if it runs a system that is to stay: take it in untouched",
        );
    }
    trouble(&mut choices, core, name);
    if held {
        at_hold(&mut choices, core, name, instance);
    } else if let Some(job) = core.running_job() {
        if let Some(step) = job.current() {
            at_step(&mut choices, step, name);
        }
        if admit(core, &Request::Cancel { erase: ErasePolicy::default() }).is_ok() {
            end(&mut choices, job.kind, name, instance);
        }
        choices.add(format!("billet machine timeline {name} --follow"), "watch what happens");
    } else if core.rests_in_rescue() {
        end(&mut choices, JobKind::Rescue, name, instance);
        choices.add(
            format!("billet machine retry {name}"),
            "if its rescue system hangs or is gone: switch it off and rescue it anew",
        );
    }
    choices.0
}

/// What can be done about an instance; `own` is its machine.
pub(crate) fn of_instance(record: &InstanceRecord, own: Option<&MachineRecord>) -> Vec<Remedy> {
    let name = &record.name;
    // Of a machine that is deployed and rests, nothing concerns its instance.
    if let Some(own) = own {
        return of_machine(own, Some(name));
    }
    let mut choices = Choices::default();
    if record.state == InstanceState::Pending && record.standing.release.is_none() {
        choices.add("billet machine list".to_owned(), "show what machines there are, and what each is at");
        choices.add(
            format!("billet instance delete {name}"),
            "take the request back; nothing was written for it",
        );
    }
    choices.0
}

#[derive(Default)]
struct Choices(Vec<Remedy>);

impl Choices {
    fn add(&mut self, command: String, what: &str) {
        self.0.push(Remedy { command, what: what.to_owned() });
    }
}

/// What may be chosen about a hold.
fn at_hold(choices: &mut Choices, core: &Core, name: &str, instance: Option<&str>) {
    if core.state.hold.as_ref().is_some_and(|hold| hold.restored) {
        return at_restored(choices, core, name);
    }
    for disk in usable(core) {
        choices.add(
            format!("billet machine choose {name} use-disk --disk {}", shell_word(&disk)),
            "write the image to that disk; what is on it is lost",
        );
    }
    for choice in offered(core) {
        match choice {
            Choice::Retry => choices.add(
                format!("billet machine retry {name}"),
                "once the cause is mended: do the job anew from its first step",
            ),
            Choice::Cancel => {
                let kind = core.running_job().map_or(JobKind::Inspect, |job| job.kind);
                end(choices, kind, name, instance);
            }
            Choice::GiveBack => end(choices, JobKind::Deploy, name, instance),
            Choice::ItRuns => choices.add(
                format!("billet machine choose {name} it-runs"),
                "say that you see on its console that the system runs",
            ),
            Choice::Abandon => choices.add(
                format!("billet machine choose {name} abandon"),
                "set the machine aside, in maintenance, so that nobody gets it",
            ),
            // Told for each disk.
            Choice::SkipDisk | Choice::UseDisk => {}
        }
    }
    for disk in skippable(core) {
        choices.add(
            format!("billet machine choose {name} skip-disk --disk {}", shell_word(&disk)),
            "if that disk is dead or gone: leave it out unwiped, and retire the machine",
        );
    }
    if let Some(command) = scrap_command(core) {
        choices.add(
            command.replace("{machine}", name),
            "if its hardware is dead: forget it and its instance, unwiped as it is",
        );
    }
}

/// The same of a machine out of a restored database: what each choice does there is said with the hold.
fn at_restored(choices: &mut Choices, core: &Core, name: &str) {
    for choice in offered(core) {
        let what = match choice {
            Choice::Retry if core.running_job().is_some() && core.state.name != MachineState::Rescue => {
                "if it is nobody else's by now: do the job anew from its first step, which may write or wipe its disks"
            }
            Choice::Retry => "if it is as the backup says: confirm that, and what is asked for goes on",
            Choice::ItRuns => {
                "if the system of its instance runs on it: take it for deployed; nothing is written"
            }
            Choice::GiveBack => "if nothing that matters runs on it: give it back; its disks are wiped",
            Choice::Cancel if core.state.name == MachineState::Rescue => {
                "if it is still that of its instance: end the rescue; its own system boots"
            }
            Choice::Cancel => {
                "if it is nobody else's by now: end the inspection or the servicing, which switches it off, and on again where an instance has it"
            }
            Choice::Abandon => "set it aside as it is, untouched, in maintenance",
            // Told for each disk.
            Choice::SkipDisk | Choice::UseDisk => continue,
        };
        choices.add(format!("billet machine choose {name} {}", choice.word()), what);
    }
}

/// What ends a job before its end.
fn end(choices: &mut Choices, kind: JobKind, name: &str, instance: Option<&str>) {
    match (kind, instance) {
        (JobKind::Deploy, Some(instance)) => choices.add(
            format!("billet instance delete {instance}"),
            "end the deployment and give the machine back, wiped",
        ),
        (JobKind::Deploy, None) => {
            choices.add(format!("billet machine cancel {name}"), "end the deployment and wipe the machine");
        }
        (JobKind::Inspect, _) => choices.add(format!("billet machine cancel {name}"), "end the inspection"),
        (JobKind::Service, _) => choices.add(
            format!("billet machine cancel {name}"),
            "end the servicing: the machine is led back to what it was; a wiping of data disks pauses first",
        ),
        (JobKind::Reinstall, _) => choices.add(
            format!("billet machine cancel {name}"),
            "stop the reinstallation: while nothing is written, the old system boots again",
        ),
        (JobKind::Rescue, Some(instance)) => choices.add(
            format!("billet instance unrescue {instance}"),
            "end the rescue: its own system boots from the disk again",
        ),
        (JobKind::Rescue, None) => {
            choices.add(format!("billet machine cancel {name}"), "end the rescue: its own system boots again")
        }
        (JobKind::Release, _) => {
            choices
                .add(format!("billet machine cancel {name}"), "let the wiping pause until somebody retries");
        }
    }
}

/// What helps against a BMC that is missing, silent or busy.
fn trouble(choices: &mut Choices, core: &Core, name: &str) {
    if !core.want.bmc {
        let command = format!("billet machine set {name} --bmc ipmi://USER@HOST --bmc-password-file FILE");
        choices.add(command, "give it a BMC");
        return;
    }
    match &core.facts.bmc_trouble {
        Some(trouble) if trouble.authentication => choices.add(
            format!("billet machine set {name} --bmc-password-file FILE"),
            "give the password that the BMC knows",
        ),
        Some(_) => choices.add(format!("billet bmc power status {name}"), "ask the BMC now"),
        None => {}
    }
    if core.facts.firmware.is_some() {
        choices.add(format!("billet bmc task list {name}"), "show how far the firmware's update is");
    }
}

/// What helps a step on that takes long.
fn at_step(choices: &mut Choices, step: &Step, name: &str) {
    if step.asked.is_some() {
        let power = if matches!(step.name, StepName::PowerOff | StepName::Rest) { "off" } else { "on" };
        choices.add(format!("billet bmc confirm {name} {power}"), "say that somebody has switched it");
    }
    if step.name == StepName::Agent {
        choices.add(
            format!("billet boot-trace {name} --watch"),
            "show what its firmware asks, and what that means",
        );
    }
    if matches!(step.name, StepName::Agent | StepName::PhoneHome) {
        choices.add(format!("billet machine console {name}"), "see what firmware and system print");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{NOW, instance, job, machine, step};
    use provisioner_api::{InstanceId, StepPhase};
    use provisioner_lifecycle::{Hold, Owner, confirm_first};
    use uuid::Uuid;

    fn commands(choices: Vec<Remedy>) -> Vec<String> {
        choices.into_iter().map(|choice| choice.command).collect()
    }

    /// A machine with a BMC, at a step of a job.
    fn at(kind: JobKind, name: StepName) -> MachineRecord {
        let mut record = machine(1);
        (record.machine.want.accepted, record.machine.want.bmc) = (true, true);
        record.machine.job = Some(job(1, kind, vec![step(name, 1, StepPhase::Intent)]));
        record.machine.state.name = match kind {
            JobKind::Inspect => MachineState::Inspecting,
            JobKind::Deploy | JobKind::Reinstall => MachineState::Deploying,
            JobKind::Release => MachineState::Releasing,
            JobKind::Service => MachineState::Servicing,
            JobKind::Rescue => MachineState::Rescue,
        };
        record
    }

    fn owned(mut record: MachineRecord) -> MachineRecord {
        record.machine.want.owner = Some(Owner {
            instance: InstanceId(Uuid::from_u128(1)),
            name: Default::default(),
            manifest: String::new(),
            disk_bytes: 1,
            ram: None,
            installation: 0,
            adopted: false,
            rescue: None,
            root_disk_serial: None,
            root_disk: None,
            release: None,
            least: None,
        });
        record
    }

    fn held(mut record: MachineRecord) -> MachineRecord {
        record.machine.state.hold = Some(Hold::new("", NOW));
        record
    }

    fn restored(mut record: MachineRecord) -> MachineRecord {
        record.machine = confirm_first(&record.machine, NOW, NOW);
        record
    }

    #[test]
    fn each_way_of_waiting_has_its_commands() {
        let follow = "billet machine timeline m1 --follow";
        let mut asked = at(JobKind::Release, StepName::PowerOff);
        asked.machine.job.as_mut().unwrap().steps[0].asked = Some(NOW);
        let mut resting = machine(1);
        (resting.machine.want.accepted, resting.machine.want.bmc) = (true, true);
        let mut asked_last = at(JobKind::Release, StepName::Rest);
        asked_last.machine.job.as_mut().unwrap().steps[0].asked = Some(NOW);
        let table: [(&str, MachineRecord, &[&str]); 9] = [
            ("it rests", resting, &[]),
            (
                "discovered",
                machine(1),
                &[
                    "billet machine accept m1",
                    "billet instance adopt NAME --machine m1",
                    "billet machine set m1 --bmc ipmi://USER@HOST --bmc-password-file FILE",
                ],
            ),
            (
                "an inspection waits for the agent",
                at(JobKind::Inspect, StepName::Agent),
                &[
                    "billet boot-trace m1 --watch",
                    "billet machine console m1",
                    "billet machine cancel m1",
                    follow,
                ],
            ),
            (
                "a deployment waits for the system",
                owned(at(JobKind::Deploy, StepName::PhoneHome)),
                &["billet machine console m1", "billet instance delete i1", follow],
            ),
            (
                "a deployment is held",
                held(owned(at(JobKind::Deploy, StepName::WriteImage))),
                &["billet machine retry m1", "billet instance delete i1", "billet machine choose m1 abandon"],
            ),
            (
                "an inspection is held",
                held(at(JobKind::Inspect, StepName::Agent)),
                &["billet machine retry m1", "billet machine cancel m1", "billet machine choose m1 abandon"],
            ),
            (
                "a deployment of a restored database",
                restored(owned(at(JobKind::Deploy, StepName::WriteImage))),
                &[
                    "billet machine choose m1 retry",
                    "billet machine choose m1 it-runs",
                    "billet machine choose m1 give-back",
                    "billet machine choose m1 abandon",
                ],
            ),
            ("a person is asked", asked, &["billet bmc confirm m1 off", follow]),
            ("a person is asked at the end", asked_last, &["billet bmc confirm m1 off", follow]),
        ];
        for (what, record, want) in table {
            assert_eq!(commands(of_machine(&record, Some("i1"))), want, "{what}");
        }
    }

    #[test]
    fn an_instance_without_a_machine_can_be_taken_back() {
        let commands = commands(of_instance(&instance(1), None));
        assert_eq!(commands, ["billet machine list", "billet instance delete i1"]);
        assert_eq!(of_instance(&instance(1), Some(&owned(at(JobKind::Deploy, StepName::Agent)))).len(), 4);
    }
}
