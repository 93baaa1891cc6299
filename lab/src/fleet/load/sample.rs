//! Another client that asks all the time, as a console or a script does, and how long it waits for answers.

use crate::fleet::run::Latency;
use provisioner_client::{Client, ClientError, InstanceFilter, MachineFilter, Page};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How many a list has.
const PAGE: u32 = 100;

type Times = BTreeMap<&'static str, Vec<Duration>>;

/// Asks until it and its clones are dropped.
#[derive(Clone)]
pub(crate) struct Sampler {
    times: Arc<Mutex<Times>>,
    _asking: Arc<DropGuard>,
}

impl Sampler {
    /// Asks so many times a second.
    pub(crate) fn start(client: Client, rate: f64) -> Self {
        let (times, stop) = (Arc::new(Mutex::new(Times::new())), CancellationToken::new());
        let guard = Arc::new(stop.clone().drop_guard());
        let kept = Arc::clone(&times);
        tokio::spawn(async move {
            let asking = ask(client, rate, kept);
            tokio::select! {
                () = asking => {}
                () = stop.cancelled() => {}
            }
        });
        Self { times, _asking: guard }
    }

    /// How long answers took so far, by question, and `all`.
    pub(crate) fn latencies(&self) -> BTreeMap<String, Latency> {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut all: Vec<_> = times.values().flatten().copied().collect();
        let mut latencies: BTreeMap<_, _> =
            times.iter_mut().map(|(name, times)| ((*name).to_owned(), Latency::of(times))).collect();
        if !all.is_empty() {
            latencies.insert("all".into(), Latency::of(&mut all));
        }
        latencies
    }
}

/// Asks one question after the other, each in a task of its own, so that a slow answer does not hide the next.
async fn ask(client: Client, rate: f64, times: Arc<Mutex<Times>>) {
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let known = Arc::new(Mutex::new(Known::default()));
    for turn in 0.. {
        ticks.tick().await;
        let (client, times, known) = (client.clone(), Arc::clone(&times), Arc::clone(&known));
        tokio::spawn(async move {
            let begun = Instant::now();
            if let Ok(question) = one(&client, turn, &known).await {
                let took = begun.elapsed();
                times.lock().unwrap_or_else(PoisonError::into_inner).entry(question).or_default().push(took);
            }
        });
    }
}

/// Names to ask for.
#[derive(Default)]
struct Known {
    machines: Vec<String>,
    instances: Vec<String>,
}

impl Known {
    fn pick(names: &[String], turn: usize) -> Option<String> {
        // A stride that is no divisor of usual counts walks through all of them.
        (!names.is_empty()).then(|| names[turn.wrapping_mul(37) % names.len()].clone())
    }
}

/// Asks one question; its name.
async fn one(client: &Client, turn: usize, known: &Mutex<Known>) -> Result<&'static str, ClientError> {
    let (machine, instance) = {
        let known = known.lock().unwrap_or_else(PoisonError::into_inner);
        (Known::pick(&known.machines, turn), Known::pick(&known.instances, turn))
    };
    let (Some(machine), 1..) = (machine, turn % 5) else {
        let (all, page) = (MachineFilter::default(), Page { after: None, limit: Some(PAGE) });
        let page = client.machines_page(&all, &page).await?;
        let names = page.items.into_iter().map(|machine| machine.name).collect();
        known.lock().unwrap_or_else(PoisonError::into_inner).machines = names;
        return Ok("list");
    };
    match turn % 5 {
        1 => client.machine(&machine).await.map(|_| "show"),
        2 => client.machine_events(&machine, None).await.map(|_| "events"),
        3 => client.machine_why(&machine).await.map(|_| "why"),
        _ => match instance {
            Some(instance) => client.instance(&instance).await.map(|_| "show"),
            None => {
                let (all, page) = (InstanceFilter::default(), Page { after: None, limit: Some(PAGE) });
                let page = client.instances_page(&all, &page).await?;
                let names = page.items.into_iter().map(|instance| instance.name).collect();
                known.lock().unwrap_or_else(PoisonError::into_inner).instances = names;
                Ok("list")
            }
        },
    }
}
