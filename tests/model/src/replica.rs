//! What a process of the service does: look, take, renew, write, act. By `turn.rs`, but where a rule is broken.

use crate::World;
use crate::act::{Action, Commit};
use crate::scene::{Fault, PACE};
use crate::site::{Answer, Broken, Deed, Move, Replica, Row, Site, Step, View, at};
use jiff::SignedDuration;
use provisioner_lifecycle::{may_begin, may_order, may_take, renew, still_mine};

/// How fast the clock of the last replica is, in worlds where it goes by its own.
const FAST: i64 = 3;

impl World {
    pub(crate) fn replica_can(&self, site: &Site, place: usize, all: &mut Vec<Action>) {
        let replica = &site.replicas[place];
        if let Some(change) = replica.repeats {
            // It does nothing else until that is done.
            if self.next(&site.row) == Some(change) || change == Move::Advance {
                all.push(Action::Repeat(place));
            }
            return;
        }
        let news = replica.view.as_ref().is_none_or(|view| *view != self.view(site, place));
        if news {
            all.push(Action::Look(place));
        }
        if replica.about_to {
            all.push(Action::Send(place));
        }
        let Some(view) = &replica.view else { return };
        if self.scene.job && !view.row.is_done() {
            self.work_can(site, place, view, all);
        }
        if let Some(answer) = self.answer_of(site, view)
            && !site.answers.contains(&answer)
            && site.answers.len() < 2
        {
            all.push(Action::Answer(place));
        }
    }

    fn work_can(&self, site: &Site, place: usize, view: &View, all: &mut Vec<Action>) {
        let replica = &site.replicas[place];
        let (turn, me) = (&view.row.turn, replica.id);
        if may_take(turn, me, at(view.read), &PACE).is_ok() {
            all.extend(Self::commits(site).iter().map(|commit| Action::Take(place, *commit)));
        }
        if !still_mine(turn, &me, turn.term) {
            return;
        }
        if renew(turn, me, turn.term, at(view.read), &PACE).is_ok_and(|longer| longer.until > turn.until) {
            all.push(Action::Renew(place));
        }
        let silent =
            view.row.wipes() && view.row.window == Some(view.row.epoch) && site.agent.session.is_none();
        let change = if silent { Some(Move::Restart) } else { self.next(&view.row) };
        let change =
            change.filter(|change| *change != Move::Advance || replica.performed == Some(view.row.epoch));
        if let Some(change) = change {
            all.extend(Self::commits(site).iter().map(|commit| Action::Write(place, change, *commit)));
        }
        let acts = view.row.step == Step::Power
            && view.row.intent
            && replica.performed != Some(view.row.epoch)
            && !site.deeds.iter().any(|deed| deed.id == me);
        if acts && !replica.about_to && self.may_send(site, replica, view) {
            let stops = self.has(Fault::StoppedBeforeSending);
            all.push(if stops { Action::Prepare(place) } else { Action::Send(place) });
        }
    }

    /// What the holder writes next, by the row.
    fn next(&self, row: &Row) -> Option<Move> {
        match (row.step, row.intent) {
            (Step::Power | Step::Wipe, false) => Some(Move::Begin),
            (Step::Power, true) => Some(Move::Advance),
            _ => None,
        }
    }

    fn may_send(&self, site: &Site, replica: &Replica, view: &View) -> bool {
        let takes = if self.has(Fault::ShortLease) { SignedDuration::MIN } else { PACE.effect };
        let turn = &view.row.turn;
        // What passed since it looked it counts by itself.
        may_begin(turn, &replica.id, turn.term, at(site.clock), takes).is_ok()
    }

    /// What a replica would read now.
    fn view(&self, site: &Site, place: usize) -> View {
        let fast = self.has(Fault::OwnClock) && place + 1 == site.replicas.len();
        View { row: site.row.clone(), works: site.works, read: site.clock + if fast { FAST } else { 0 } }
    }

    pub(crate) fn look(&self, site: &mut Site, place: usize) {
        site.replicas[place].view = Some(self.view(site, place));
    }

    pub(crate) fn take(&self, site: &mut Site, place: usize, commit: Commit) {
        Self::spend(site, commit);
        let me = site.replicas[place].id;
        let Some(view) = site.replicas[place].view.take() else { return };
        let Ok(taking) = may_take(&view.row.turn, me, at(view.read), &PACE) else { return };
        let mut now = site.row.turn;
        if self.has(Fault::RenewalNotCompared) {
            now.until = taking.seen_until;
        }
        if commit == Commit::Lost || !taking.lands(&now) {
            return;
        }
        let term = taking.turn.term;
        if site.past.taken.iter().any(|(taken, by)| *taken == term && *by != me) {
            site.broken.insert(Broken::TermTwice);
        }
        site.past.taken.insert((term, me));
        site.row.turn = taking.turn;
    }

    pub(crate) fn renew(&self, site: &mut Site, place: usize) {
        let me = site.replicas[place].id;
        let Some(view) = site.replicas[place].view.take() else { return };
        let turn = view.row.turn;
        if let Ok(longer) = renew(&turn, me, turn.term, at(view.read), &PACE)
            && turn.term == site.row.turn.term
        {
            site.row.turn.until = site.row.turn.until.max(longer.until);
        }
    }

    /// Whether a write of any process, leader or not, that was decided by this row lands now: what people ask for goes by
    /// the version alone.
    pub(crate) fn lands_of_anybody(&self, site: &Site, decided: &Row) -> bool {
        self.has(Fault::VersionNotCompared) || decided.version == site.row.version
    }

    /// Whether a write of a leader that was decided by this row lands now.
    pub(crate) fn lands(&self, site: &mut Site, decided: &Row) -> bool {
        let (mut seen, now) = (decided.seen(), site.row.seen());
        if self.has(Fault::TermNotCompared) {
            seen.term = now.term;
        }
        if self.has(Fault::VersionNotCompared) {
            seen.version = now.version;
        }
        let lands = seen.lands(now);
        if lands && decided.turn.term != site.row.turn.term {
            site.broken.insert(Broken::OldTerm);
        }
        lands
    }

    pub(crate) fn write(&self, site: &mut Site, place: usize, change: Move, commit: Commit) {
        Self::spend(site, commit);
        let Some(view) = site.replicas[place].view.take() else { return };
        if commit != Commit::Answered && self.has(Fault::UnknownIsRepeated) {
            site.replicas[place].repeats = Some(change);
        }
        if commit != Commit::Lost && self.lands(site, &view.row) {
            changed(&mut site.row, change);
        }
    }

    /// The fault: the change is made to whatever is there by now.
    pub(crate) fn repeat(&self, site: &mut Site, place: usize) {
        if let Some(change) = site.replicas[place].repeats.take() {
            changed(&mut site.row, change);
        }
    }

    pub(crate) fn send(&self, site: &mut Site, place: usize) {
        let Replica { id, about_to, view, .. } = &mut site.replicas[place];
        *about_to = false;
        let id = *id;
        let epoch = view.as_ref().map_or(site.row.epoch, |view| view.row.epoch);
        if site.deeds.iter().any(|deed| deed.id != id) {
            site.broken.insert(Broken::Overlap);
        }
        site.deeds.insert(Deed { id, epoch, ends: site.clock + PACE.effect.as_secs() });
    }

    pub(crate) fn performed(&self, site: &mut Site, deed: &Deed) {
        site.deeds.remove(deed);
        // Nobody hears it whose process died.
        if let Some(replica) = site.replicas.iter_mut().find(|replica| replica.id == deed.id) {
            replica.performed = Some(deed.epoch);
        }
    }

    /// What a replica would answer the agent: by what it read after the agent had asked.
    fn answer_of(&self, site: &Site, view: &View) -> Option<Answer> {
        let (session, asked) = (site.agent.session?, site.agent.asked?);
        if view.read < asked || view.row.window != Some(session) {
            return None;
        }
        let meant = view.row.turn.fence(view.row.epoch);
        let order = may_order(&view.row.turn, view.row.epoch, &view.works).ok().filter(|_| view.row.wipes());
        let mut fence = order.unwrap_or(meant);
        if self.has(Fault::FenceNotRaised) {
            fence.term = 0;
        }
        Some(Answer { session, asked, fence, meant, wipe: order.is_some() })
    }

    pub(crate) fn answer(&self, site: &mut Site, place: usize) {
        let Some(view) = &site.replicas[place].view else { return };
        if let Some(answer) = self.answer_of(site, view) {
            site.answers.insert(answer);
        }
    }
}

/// The row after a change.
fn changed(row: &mut Row, change: Move) {
    row.version += 1;
    match change {
        Move::Begin => row.intent = true,
        Move::Advance => {
            row.step = if row.step == Step::Power { Step::Wipe } else { Step::Done };
            row.intent = false;
        }
        Move::Restart => {
            row.epoch += 1;
            row.step = Step::Power;
            row.intent = false;
            row.window = None;
        }
    }
}
