//! What can happen in a world, and that it happens.

use crate::World;
use crate::site::{Answer, Deed, Move, Site};

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Commit {
    /// It landed, or was refused, and that was heard.
    Answered,
    /// It landed if it could, and nobody heard.
    Unheard,
    /// It was lost on its way.
    Lost,
}

/// Something that happens. Numbers are places in the lists of replicas and clients.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// The database's clock goes on by a second.
    Tick,
    /// A replica reads the machine, the works and the clock.
    Look(usize),
    /// A replica takes a turn.
    Take(usize, Commit),
    /// A replica renews its lease.
    Renew(usize),
    /// The holder of a turn changes the job.
    Write(usize, Move, Commit),
    /// A replica makes a change once more whose commit nobody answered.
    Repeat(usize),
    /// A replica looks at its clock before it sends to the BMC.
    Prepare(usize),
    /// A replica sends to the BMC.
    Send(usize),
    /// An exchange with the BMC is over.
    Performed(Deed),
    /// The agent claims the boot window.
    ClaimWindow,
    /// The agent asks what to do.
    Ask,
    /// A replica answers it.
    Answer(usize),
    /// The agent hears an answer.
    Hear(Answer),
    /// The agent says that the machine is wiped, and that is stored.
    Report,
    /// A client claims the machine of a replica.
    Claim(usize, usize, Commit),
    /// A client gives it back.
    Release(usize, usize, Commit),
    /// A process dies, and another one is started in its place.
    Crash(usize),
    /// The machine's agent dies.
    Reboot,
    /// A person freezes the works.
    Freeze,
    /// A person lets them go on.
    Thaw,
    /// A backup is made.
    Backup,
    /// It is restored.
    Restore,
}

impl World {
    /// All that can happen now.
    pub(crate) fn possible(&self, site: &Site, all: &mut Vec<Action>) {
        for place in 0..site.replicas.len() {
            self.replica_can(site, place, all);
        }
        self.agent_can(site, all);
        self.people_can(site, all);
        // At the BMC nothing takes longer than its limit.
        let waits = site.deeds.iter().any(|deed| deed.ends <= site.clock + 1);
        let idle = !self.scene.urgent || all.is_empty();
        if site.clock < self.scene.end && !waits && idle {
            all.push(Action::Tick);
        }
        self.fate_can(site, all);
    }

    /// It happens.
    pub(crate) fn apply(&self, site: &mut Site, action: Action) {
        match action {
            Action::Tick => site.clock += 1,
            Action::Look(place) => self.look(site, place),
            Action::Take(place, commit) => self.take(site, place, commit),
            Action::Renew(place) => self.renew(site, place),
            Action::Write(place, change, commit) => self.write(site, place, change, commit),
            Action::Repeat(place) => self.repeat(site, place),
            Action::Prepare(place) => site.replicas[place].about_to = true,
            Action::Send(place) => self.send(site, place),
            Action::Performed(deed) => self.performed(site, &deed),
            Action::ClaimWindow => self.claim_window(site),
            Action::Ask => self.ask(site),
            Action::Answer(place) => self.answer(site, place),
            Action::Hear(answer) => self.hear(site, &answer),
            Action::Report => self.report(site),
            Action::Claim(place, client, commit) => self.claim(site, place, client, commit),
            Action::Release(place, client, commit) => self.release(site, place, client, commit),
            Action::Crash(place) => self.crash(site, place),
            Action::Reboot => self.reboot(site),
            Action::Freeze => self.freeze(site),
            Action::Thaw => self.thaw(site),
            Action::Backup => site.backup = Some(site.row.clone()),
            Action::Restore => self.restore(site),
        }
    }

    /// What may become of a commit.
    pub(crate) fn commits(site: &Site) -> &'static [Commit] {
        if site.left.unknown > 0 {
            &[Commit::Answered, Commit::Unheard, Commit::Lost]
        } else {
            &[Commit::Answered]
        }
    }

    /// Spends a lost answer.
    pub(crate) fn spend(site: &mut Site, commit: Commit) {
        site.left.unknown -= u8::from(commit != Commit::Answered);
    }
}
