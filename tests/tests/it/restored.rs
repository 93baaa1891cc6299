//! Old backups come back while the machines have gone on to other owners: nothing is done to them by what was true once.

use anyhow::{Context, Result};
use provisioner_api::{Choice, DeleteInstance, InstanceState, Machine, MachineState};
use provisioner_client::{Client, ClientError, MachineFilter};
use std::{fs, io::Write, path::PathBuf, time::Duration};
use tests::{Sim, SimOptions, Site, eventually, gpt_image};

/// How many backups are taken while machines are deployed and released.
const POINTS: usize = 20;

/// How long work may take between two looks.
const PATIENCE: Duration = Duration::from_secs(120);

/// Backups that were taken, each when something had changed since the last.
struct Backups {
    folder: PathBuf,
    taken: Vec<PathBuf>,
    last: Vec<String>,
    /// In which situations machines were.
    seen: Vec<String>,
}

impl Backups {
    /// Takes backups while this goes on.
    async fn until(&mut self, client: &Client, done: impl Fn(&[Machine]) -> bool) -> Result<()> {
        let taking = async {
            loop {
                let machines = client.machines(&MachineFilter::default()).await?;
                // The end, too: on a busy host both machines may come to it between two looks.
                self.look(client, &machines).await?;
                if done(&machines) {
                    return Ok(());
                }
                // Between two looks.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, taking).await.context("the work takes too long")?
    }

    async fn look(&mut self, client: &Client, machines: &[Machine]) -> Result<()> {
        let now: Vec<_> = machines.iter().map(situation).collect();
        if self.taken.len() == POINTS || now == self.last {
            return Ok(());
        }
        let path = self.folder.join(format!("{}.backup", self.taken.len()));
        let mut file = fs::File::create(&path)?;
        let kept = |piece: &[u8]| {
            file.write_all(piece).map_err(|source| ClientError::File { path: path.clone(), source })
        };
        client.backup(kept).await?;
        self.taken.push(path);
        self.seen.extend(now.iter().cloned());
        self.last = now;
        Ok(())
    }
}

fn situation(machine: &Machine) -> String {
    let job = machine.status.job.as_ref().filter(|job| job.ended.is_none());
    let step = job.and_then(|job| job.steps.iter().find(|step| step.ended.is_none()));
    format!("{:?} {}", machine.status.state, step.map_or("", |step| &step.name))
}

/// What nobody may change of a machine: what is on its disk, whether it is on, what it booted.
async fn truth(sims: &[Sim]) -> Result<Vec<(Vec<u8>, bool, Vec<String>)>> {
    let mut truth = Vec::new();
    for sim in sims {
        truth.push((sim.content()?, sim.chassis().power().await?, sim.history()));
    }
    Ok(truth)
}

/// Two machines are deployed and given back until enough backups were taken; then others have them.
async fn lives(site: &Site, sims: &[Sim]) -> Result<Backups> {
    let client = site.client()?;
    let (folder, none) = (site.folder().join("backups"), Vec::new);
    fs::create_dir(&folder)?;
    let mut backups = Backups { folder, taken: Vec::new(), last: none(), seen: none() };
    let all =
        |state| move |machines: &[Machine]| machines.iter().all(|machine| machine.status.state == state);
    for round in 0.. {
        if backups.taken.len() == POINTS {
            break;
        }
        for sim in sims {
            site.create(&format!("{}-{round}", sim.name), "test-os", Some(&sim.name)).await?;
        }
        backups.until(&client, all(MachineState::Deployed)).await?;
        for sim in sims {
            let name = format!("{}-{round}", sim.name);
            site.instance_in(&name, InstanceState::Running).await?;
            client.delete_instance(&name, &DeleteInstance::default()).await?;
        }
        backups
            .until(&client, |machines| machines.iter().all(|machine| machine.status.instance.is_none()))
            .await?;
    }
    for sim in sims {
        site.create(&format!("{}-last", sim.name), "test-os", Some(&sim.name)).await?;
        site.instance_in(&format!("{}-last", sim.name), InstanceState::Running).await?;
        let mut content = sim.content()?;
        content[8 << 20..(8 << 20) + 9].copy_from_slice(b"last data");
        sim.put_on_disk(&content);
    }
    Ok(backups)
}

/// Somebody lifts the freeze.
async fn unfreeze(site: &Site) -> Result<()> {
    let client = site.client()?;
    anyhow::ensure!(client.works().await?.frozen.is_some(), "it was frozen");
    client.unfreeze().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn old_backups_touch_nobodys_machine_before_a_choice() -> Result<()> {
    let mut site = Site::start().await?;
    let image = gpt_image(site.folder(), "image.raw", 24, 5);
    site.import("test-os", &image).await?;
    let (mut sims, small) = (Vec::new(), SimOptions { disk_mib: 48, ..SimOptions::default() });
    for number in [1, 2] {
        let sim = Sim::start(&site, &format!("m{number}"), number, small.clone()).await?;
        site.client()?.add_machine(&sim.enrolment()).await?;
        site.machine_in(&sim.name, MachineState::Available).await?;
        sims.push(sim);
    }
    let backups = lives(&site, &sims).await?;
    for state in ["Deploying", "Deployed", "Releasing", "Available"] {
        assert!(backups.seen.iter().any(|seen| seen.starts_with(state)), "{state}: {:?}", backups.seen);
    }
    let before = truth(&sims).await?;
    for path in &backups.taken {
        site.restore(path).await.with_context(|| path.display().to_string())?;
        let client = site.client()?;
        for machine in client.machines(&MachineFilter::default()).await? {
            let held = machine.status.held.with_context(|| format!("{} is not held", machine.name))?;
            assert!(held.restored, "{held:?}");
        }
        assert!(truth(&sims).await? == before, "{}: before unfreeze", path.display());
        unfreeze(&site).await?;
        unknowing(&site, &client).await?;
        assert!(truth(&sims).await? == before, "{}: before a choice", path.display());
        for sim in &sims {
            let held = site.machine_held(&sim.name).await?;
            client.choose(&sim.name, held.number, Choice::Abandon).await?;
        }
        assert!(truth(&sims).await? == before, "{}: set aside", path.display());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_being_deployed_and_runs_by_now_is_kept_and_can_be_given_back() -> Result<()> {
    let mut site = Site::start().await?;
    let image = gpt_image(site.folder(), "image.raw", 24, 5);
    site.import("test-os", &image).await?;
    let sims = [Sim::start(&site, "m1", 1, SimOptions::default()).await?];
    site.client()?.add_machine(&sims[0].enrolment()).await?;
    site.machine_in("m1", MachineState::Available).await?;
    site.create("os", "test-os", None).await?;
    site.machine_in("m1", MachineState::Deploying).await?;
    let (path, client) = (site.folder().join("backup"), site.client()?);
    let mut file = fs::File::create(&path)?;
    let kept = |piece: &[u8]| {
        file.write_all(piece).map_err(|source| ClientError::File { path: path.clone(), source })
    };
    client.backup(kept).await?;
    site.instance_in("os", InstanceState::Running).await?;
    let before = truth(&sims).await?;

    site.restore(&path).await?;
    unfreeze(&site).await?;
    let client = site.client()?;
    let held = site.machine_held("m1").await?;
    assert!(held.why.contains("it was deployed") && held.choices.iter().any(|what| what.contains("it-runs")));
    assert_eq!(client.machine("m1").await?.status.state, MachineState::Deploying);
    client.choose("m1", held.number, Choice::ItRuns).await?;
    site.instance_in("os", InstanceState::Running).await?;
    site.machine_in("m1", MachineState::Deployed).await?;
    assert!(truth(&sims).await? == before, "it was not touched");

    // From here on all is as ever, under epochs that no agent heard of.
    client.delete_instance("os", &DeleteInstance::default()).await?;
    site.instance_gone("os").await?;
    site.machine_in("m1", MachineState::Available).await?;
    assert!(sims[0].content()?.starts_with(&[0; 512]), "it was wiped before it became available");
    Ok(())
}

/// What is asked by who does not know what was lost: old instances are given back, and new ones want any machine.
async fn unknowing(site: &Site, client: &Client) -> Result<()> {
    for instance in client.instances().await? {
        match client.delete_instance(&instance.name, &DeleteInstance::default()).await {
            // It was on its way out in the backup, without a machine: it may be gone since the list was read.
            Err(error) if error.status() == Some(404) => {}
            answer => answer?,
        }
    }
    site.create("new", "test-os", None).await?;
    eventually("the new one waits because all are held", async || {
        let waiting = client.instance("new").await?.status.waiting;
        Ok(waiting.filter(|waiting| waiting.why.contains("held") || waiting.why.contains("taken")))
    })
    .await?;
    // Those that were asked to go are looked at, too: they wait for their machine, or are gone without it.
    eventually("the old ones are looked at", async || {
        let left = client.instances().await?;
        let old = left.iter().filter(|instance| instance.name != "new");
        Ok(old.into_iter().all(|old| old.status.state == InstanceState::Releasing).then_some(()))
    })
    .await
}
