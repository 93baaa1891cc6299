//! What people do, and what befalls a site: claims, freezes, backups, deaths.

use crate::World;
use crate::act::{Action, Commit};
use crate::scene::{Fault, PACE};
use crate::site::{Replica, Site, Step, Told, at};
use provisioner_lifecycle::{Works, lifted, restored};

impl World {
    pub(crate) fn people_can(&self, site: &Site, all: &mut Vec<Action>) {
        for (client, told) in site.told.iter().enumerate() {
            for (place, replica) in site.replicas.iter().enumerate() {
                if replica.view.is_none() {
                    continue;
                }
                let commits = Self::commits(site).iter();
                match told {
                    Told::Nothing | Told::Unknown => {
                        all.extend(commits.map(|commit| Action::Claim(place, client, *commit)));
                    }
                    Told::Granted => {
                        all.extend(commits.map(|commit| Action::Release(place, client, *commit)));
                    }
                    Told::Refused | Told::Released => {}
                }
            }
        }
    }

    /// What befalls a site, whether anybody has something to do or not.
    pub(crate) fn fate_can(&self, site: &Site, all: &mut Vec<Action>) {
        if site.left.crashes > 0 {
            // One stands for all: in the beginning they are alike, or the first one has the turn.
            all.push(Action::Crash(0));
        }
        if site.left.reboots > 0 && site.agent.session.is_some() {
            all.push(Action::Reboot);
        }
        if site.works.frozen.is_some() {
            all.push(Action::Thaw);
        } else if site.left.freezes > 0 {
            all.push(Action::Freeze);
        }
        if site.left.restores > 0 {
            all.push(if site.backup.is_some() { Action::Restore } else { Action::Backup });
        }
    }

    /// By what the replica read, however long ago. It refuses by what there is: nobody refuses from memory.
    pub(crate) fn claim(&self, site: &mut Site, place: usize, client: usize, commit: Commit) {
        let me = u8::try_from(client).unwrap_or(u8::MAX);
        let Some(view) = site.replicas[place].view.clone() else { return };
        if view.row.owner.is_some() {
            site.told[client] = match site.row.owner {
                Some(owner) if owner == me => Told::Granted,
                Some(_) => Told::Refused,
                // It was given back since: the client tries again.
                None => return site.replicas[place].view = None,
            };
            return;
        }
        Self::spend(site, commit);
        site.replicas[place].view = None;
        let landed = commit != Commit::Lost && self.lands_of_anybody(site, &view.row);
        if landed {
            site.row.owner = Some(me);
            site.row.version += 1;
        }
        site.told[client] = match commit {
            Commit::Answered if landed => Told::Granted,
            // Somebody was quicker: it reads again, and the client waits.
            Commit::Answered => return,
            _ if self.has(Fault::UnknownIsRefused) => Told::Refused,
            _ => Told::Unknown,
        };
    }

    pub(crate) fn release(&self, site: &mut Site, place: usize, client: usize, commit: Commit) {
        let me = u8::try_from(client).unwrap_or(u8::MAX);
        let Some(view) = site.replicas[place].view.take() else { return };
        if view.row.owner != Some(me) {
            return;
        }
        Self::spend(site, commit);
        let landed = commit != Commit::Lost && self.lands_of_anybody(site, &view.row);
        if landed {
            site.row.owner = None;
            site.row.version += 1;
        }
        site.told[client] = match commit {
            Commit::Answered if landed => Told::Released,
            Commit::Answered => return,
            _ => Told::Unknown,
        };
    }

    pub(crate) fn crash(&self, site: &mut Site, place: usize) {
        site.left.crashes -= 1;
        let id = site.replicas.iter().map(|replica| replica.id).max().unwrap_or(0) + 1;
        site.replicas[place] = Replica { id, view: None, performed: None, about_to: false, repeats: None };
    }

    pub(crate) fn freeze(&self, site: &mut Site) {
        site.left.freezes -= 1;
        site.works.frozen = Some(at(site.clock));
    }

    pub(crate) fn thaw(&self, site: &mut Site) {
        site.works.frozen = None;
        site.past.unconfirmed = None;
    }

    /// The backup takes the place of the database. Processes and agents know nothing of it.
    pub(crate) fn restore(&self, site: &mut Site) {
        let Some(backup) = site.backup.take() else { return };
        site.left.restores -= 1;
        site.row = backup;
        if !self.has(Fault::NotLifted) {
            site.row.turn = restored(&site.row.turn, at(site.clock), &PACE);
            if self.has(Fault::NoWaiting) {
                site.row.turn.until = at(site.clock);
            }
            // What the lost history did of a job is not known, so that it begins anew.
            if !site.row.is_done() {
                site.row.epoch = lifted(site.row.epoch, at(site.clock));
                site.row.step = Step::Power;
                site.row.intent = false;
                site.row.window = None;
            }
        }
        site.past.unconfirmed = Some(site.clock);
        let thawed = self.has(Fault::ThawAtRestore);
        site.works = Works { frozen: (!thawed).then(|| at(site.clock)) };
        // What was granted since the backup is lost by the restoration and not by the service.
        for told in &mut site.told {
            *told = Told::Unknown;
        }
    }
}
