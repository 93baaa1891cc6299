//! The fleet as it is known from one listing and from what the service told since: `billet top` lists no large fleet again and
//! again.

use super::look;
use crate::cli::{bell::absent, view::Fleet};
use provisioner_api::{ListedJob, PAGE_MOST, WatchChange, WatchKind};
use provisioner_client::{Client, ClientError, JobFilter, Watch, WatchEvent, WatchFilter};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout_at};
use uuid::Uuid;

/// How long a picture stays at the least.
const PAUSE: Duration = Duration::from_secs(2);

/// So many times as long as asking takes is waited before the next question.
const REST: u32 = 10;

/// The fleet, kept up to date.
pub(super) struct Live {
    client: Client,
    pub(super) fleet: Fleet,
    /// What is to be said beside the picture.
    trouble: Option<String>,
    /// The same of the stream: it is broken, and tried on.
    broken: Option<String>,
    /// The stream of changes; none: there is none, and all is asked for again and again.
    watch: Option<Watch>,
    /// How long the last questions took.
    took: Duration,
    /// Changes were missed.
    stale: bool,
}

impl Live {
    /// Begins with the stream, so that what the list does not have comes behind it.
    ///
    /// # Errors
    /// See `ClientError`.
    pub(super) async fn begin(client: &Client) -> Result<Self, ClientError> {
        let mut watch = client.watch(WatchFilter::default());
        let (watch, trouble) = match watch.next().await {
            Ok(_) => (Some(watch), None),
            Err(error) => (None, Some(absent(&error).ok_or(error)?.to_owned())),
        };
        let began = Instant::now();
        let fleet = look(client).await?;
        let took = began.elapsed();
        Ok(Self { client: client.clone(), fleet, trouble, broken: None, watch, took, stale: false })
    }

    /// Waits for the time of the next picture, and brings the fleet up to it.
    ///
    /// # Errors
    /// What no patience mends.
    pub(super) async fn next(&mut self) -> Result<(), ClientError> {
        let due = Instant::now() + PAUSE.max(self.took * REST);
        let Some(watch) = &mut self.watch else {
            sleep_until(due).await;
            return self.ask().await;
        };
        while let Ok(event) = timeout_at(due, watch.next()).await {
            match event? {
                WatchEvent::Changed(change) => put(&mut self.fleet, *change),
                WatchEvent::Left(change) | WatchEvent::Deleted(change) => {
                    drop_one(&mut self.fleet, change.kind, change.id);
                }
                WatchEvent::Reset { .. } => self.stale = true,
                WatchEvent::Broken(error) => self.broken = Some(error.to_string()),
                WatchEvent::Began | WatchEvent::Resumed => self.broken = None,
            }
        }
        self.ask().await
    }

    /// What is to be said beside the picture: of what was asked last, else of the stream.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref().or(self.broken.as_deref())
    }

    /// Whether all is asked for: nobody tells it just now, or changes were missed.
    fn lists(&self) -> bool {
        self.watch.is_none() || self.broken.is_some() || self.stale
    }

    /// Asks for what isn't told.
    async fn ask(&mut self) -> Result<(), ClientError> {
        let began = Instant::now();
        let asked = if self.lists() {
            look(&self.client).await.map(|fleet| self.fleet = fleet)
        } else {
            self.ask_progress().await
        };
        match asked {
            Ok(()) => {
                (self.stale, self.took, self.trouble) = (false, began.elapsed(), None);
                Ok(())
            }
            // The service may be restarted meanwhile.
            Err(error) if error.is_transient() => {
                self.trouble = Some(error.to_string());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// How far the steps are, and what concerns everything.
    async fn ask_progress(&mut self) -> Result<(), ClientError> {
        self.fleet.works = self.client.works().await?;
        if self.fleet.machines.iter().all(|machine| machine.status.job.is_none()) {
            return Ok(());
        }
        let filter = JobFilter { running: Some(true), ..JobFilter::default() };
        match self.client.jobs(&filter, PAGE_MOST).await {
            Ok(jobs) => {
                advance(&mut self.fleet, jobs);
                Ok(())
            }
            // Tenants aren't shown jobs; of their machines the stream tells.
            Err(error) if error.status() == Some(403) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Takes down how an object is now.
fn put(fleet: &mut Fleet, change: WatchChange) {
    if let Some(machine) = change.machine {
        match fleet.machines.iter_mut().find(|known| known.id == machine.id) {
            Some(known) => *known = *machine,
            None => fleet.machines.push(*machine),
        }
    }
    if let Some(instance) = change.instance {
        match fleet.instances.iter_mut().find(|known| known.id == instance.id) {
            Some(known) => *known = *instance,
            None => fleet.instances.push(*instance),
        }
    }
}

fn drop_one(fleet: &mut Fleet, kind: WatchKind, id: Uuid) {
    match kind {
        WatchKind::Machine => fleet.machines.retain(|known| known.id.0 != id),
        WatchKind::Instance => fleet.instances.retain(|known| known.id.0 != id),
        WatchKind::Image => {}
    }
}

/// Takes down how far jobs are, of machines that are known to be at them: another job is for the stream to tell.
fn advance(fleet: &mut Fleet, jobs: Vec<ListedJob>) {
    for listed in jobs {
        let machine = fleet.machines.iter_mut().find(|known| known.id == listed.machine);
        if let Some(known) = machine.and_then(|machine| machine.status.job.as_mut())
            && (known.id, known.epoch) == (listed.job.id, listed.job.epoch)
        {
            *known = listed.job;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::tests::samples, tls::Identity};
    use provisioner_api::{MachineId, MachineState, Secret, Wiping, Works};
    use provisioner_client::Connection;

    fn change(machine: &provisioner_api::Machine) -> WatchChange {
        WatchChange {
            kind: WatchKind::Machine,
            id: machine.id.0,
            name: machine.name.clone(),
            machine: Some(Box::new(machine.clone())),
            instance: None,
            image: None,
        }
    }

    #[tokio::test]
    async fn while_the_stream_is_broken_all_is_asked_for_and_that_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["127.0.0.1".to_owned()].into();
        let identity = Identity::open(folder.path(), &names, crate::clock::now()).unwrap();
        let (url, token) = ("https://127.0.0.1:1".to_owned(), Secret::new("token"));
        let client = Client::new(&Connection { url, token, ca_pem: identity.ca_pem().to_owned() }).unwrap();
        let works = Works { frozen: None, erasing: Wiping { running: 0, queued: 0, limit: 10 } };
        let mut live = Live {
            watch: Some(client.watch(WatchFilter::default())),
            client,
            fleet: Fleet { machines: vec![], instances: vec![], works },
            trouble: None,
            broken: None,
            took: Duration::ZERO,
            stale: false,
        };
        assert!(!live.lists() && live.trouble().is_none());
        live.broken = Some("no news".to_owned());
        assert!(live.lists());
        assert_eq!(live.trouble(), Some("no news"));
        // Nobody answers there: that is told first, and the stream's trouble is not forgotten.
        live.ask().await.unwrap();
        assert!(live.trouble().is_some_and(|trouble| trouble != "no news"));
        assert_eq!(live.broken.as_deref(), Some("no news"));
        (live.broken, live.stale) = (None, true);
        assert!(live.lists());
    }

    #[test]
    fn a_fleet_follows_what_is_told_and_what_its_jobs_say() {
        let works = Works { frozen: None, erasing: Wiping { running: 0, queued: 0, limit: 10 } };
        let mut fleet = Fleet { machines: vec![samples::machine("m1")], instances: vec![], works };
        let mut known = samples::machine("m1");
        (known.status.state, known.status.job) = (MachineState::Deploying, Some(samples::job()));
        put(&mut fleet, change(&known));
        let mut other = samples::machine("m2");
        other.id = MachineId(Uuid::from_u128(99));
        put(&mut fleet, change(&other));
        let states: Vec<_> = fleet.machines.iter().map(|machine| machine.status.state).collect();
        assert_eq!(states, [MachineState::Deploying, MachineState::Available]);
        let mut job = samples::job();
        job.steps.clear();
        let listed = |machine: MachineId, job: provisioner_api::Job| ListedJob {
            machine,
            machine_name: String::new(),
            pool: String::new(),
            job,
        };
        let newer = provisioner_api::Job { epoch: job.epoch + 1, ..job.clone() };
        advance(&mut fleet, vec![listed(known.id, newer), listed(other.id, job.clone())]);
        assert!(!fleet.machines[0].status.job.as_ref().unwrap().steps.is_empty(), "it is another job's");
        assert!(fleet.machines[1].status.job.is_none());
        advance(&mut fleet, vec![listed(known.id, job)]);
        assert!(fleet.machines[0].status.job.as_ref().unwrap().steps.is_empty());
        drop_one(&mut fleet, WatchKind::Instance, other.id.0);
        drop_one(&mut fleet, WatchKind::Machine, other.id.0);
        assert_eq!(fleet.machines.len(), 1);
    }
}
