//! What the agent does: claim its boot window, ask, obey, report. It remembers nothing of an earlier boot.

use crate::World;
use crate::act::Action;
use crate::scene::{Fault, PACE};
use crate::site::{Agent, Answer, Broken, Site, Step, at};

impl World {
    pub(crate) fn agent_can(&self, site: &Site, all: &mut Vec<Action>) {
        all.extend(site.deeds.iter().cloned().map(Action::Performed));
        let agent = &site.agent;
        let open = site.row.window.is_none() || self.has(Fault::WindowTwice);
        if agent.session.is_none() && site.row.step == Step::Wipe && open {
            all.push(Action::ClaimWindow);
        }
        if let Some(session) = agent.session {
            if !agent.done.contains(&session) && agent.last < site.clock {
                all.push(Action::Ask);
            }
            if agent.done.contains(&session) && site.row.wipes() && site.row.epoch == session {
                all.push(Action::Report);
            }
        }
        all.extend(site.answers.iter().cloned().map(Action::Hear));
    }

    /// Once in each epoch. The answer names the fence, so that the agent knows it before its first order.
    pub(crate) fn claim_window(&self, site: &mut Site) {
        let fence = site.row.turn.fence(site.row.epoch);
        site.row.window = Some(site.row.epoch);
        site.row.version += 1;
        let mut highest = fence;
        if self.has(Fault::FenceNotRaised) {
            highest.term = 0;
        }
        site.agent = Agent { session: Some(site.row.epoch), highest, meant: fence, ..Agent::default() };
    }

    pub(crate) fn ask(&self, site: &mut Site) {
        site.agent.asked = Some(site.clock);
        site.agent.last = site.clock;
    }

    pub(crate) fn hear(&self, site: &mut Site, answer: &Answer) {
        site.answers.remove(answer);
        let agent = &mut site.agent;
        if agent.session != Some(answer.session) {
            return;
        }
        if agent.asked == Some(answer.asked) {
            agent.asked = None;
        }
        let fresh = PACE.leave_lasts(at(answer.asked), at(site.clock)) || self.has(Fault::OldLeave);
        if !fresh || !answer.fence.passes(agent.highest) {
            return;
        }
        let late = answer.meant < agent.meant;
        agent.highest = answer.fence;
        agent.meant = agent.meant.max(answer.meant);
        if answer.wipe && agent.done.insert(answer.fence.epoch) {
            self.wipe(site, answer, late);
        }
    }

    /// The agent begins to wipe.
    fn wipe(&self, site: &mut Site, answer: &Answer, late: bool) {
        if late {
            site.broken.insert(Broken::Late);
        }
        if !site.past.wiped.insert(answer.meant.epoch) {
            site.broken.insert(Broken::Twice);
        }
        if site.works.in_force(at(site.clock), &PACE) {
            site.broken.insert(Broken::Frozen);
        }
        let given = |since: i64| !PACE.leave_lasts(at(since), at(site.clock));
        if site.past.unconfirmed.is_some_and(given) {
            site.broken.insert(Broken::Unconfirmed);
        }
    }

    pub(crate) fn report(&self, site: &mut Site) {
        site.row.version += 1;
        site.row.step = Step::Done;
        site.row.intent = false;
    }

    /// It forgets all; what was under way to it has no receiver.
    pub(crate) fn reboot(&self, site: &mut Site) {
        site.left.reboots -= 1;
        site.agent = Agent::default();
        site.answers.clear();
    }
}
