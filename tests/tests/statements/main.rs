//! How much of the database a deployment costs: a program of its own, because what is counted is counted in the whole
//! process.
//!
//! `cargo test -p tests --test statements -- --nocapture` prints what was asked how often.

#![allow(clippy::print_stdout, reason = "what it counts is for people to read")]

use anyhow::Result;
use provisioner_api::{InstanceState, MachineState};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError},
};
use tests::{Sim, SimOptions, Site, eventually, gpt_image};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    layer::{Context, SubscriberExt},
    util::SubscriberInitExt,
};

/// The statements since this was last emptied, by their beginning. Beginning and end of a transaction are not told.
static SEEN: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());

/// The most statements of one deployment; 50 were counted, and 57 on a machine that did much else: who meets somebody
/// else's change reads and writes again. The audit log of its request and the token's role take 7 more.
const MOST: usize = 73;

/// The most of them that read; 9 were counted, and 15. What was just written or read is not read again, for two seconds.
const MOST_READS: usize = 16;

struct Counter;

impl<S: tracing::Subscriber> Layer<S> for Counter {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        struct Summary(String);
        impl tracing::field::Visit for Summary {
            fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
                if field.name() == "summary" {
                    value.clone_into(&mut self.0);
                }
            }
            fn record_debug(&mut self, _: &tracing::field::Field, _: &dyn fmt::Debug) {}
        }
        let mut summary = Summary(String::new());
        event.record(&mut summary);
        // What is told of a statement that was run is no statement.
        if summary.0.is_empty() {
            return;
        }
        *SEEN.lock().unwrap_or_else(PoisonError::into_inner).entry(summary.0).or_default() += 1;
    }
}

fn taken() -> BTreeMap<String, usize> {
    std::mem::take(&mut SEEN.lock().unwrap_or_else(PoisonError::into_inner))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_costs_few_statements() -> Result<()> {
    let only = Targets::new()
        .with_target("sqlx::query", LevelFilter::DEBUG)
        .with_target("billet::write", LevelFilter::DEBUG);
    tracing_subscriber::registry().with(Counter.with_filter(only)).init();
    let site = Site::start().await?;
    let image = gpt_image(site.folder(), "image.raw", 48, 7);
    site.import("test-os", &image).await?;
    let sim = Sim::start(&site, "m1", 1, SimOptions::default()).await?;
    site.client()?.add_machine(&sim.enrolment()).await?;
    site.machine_in("m1", MachineState::Available).await?;
    let before = taken();
    assert!(before.values().sum::<usize>() > 20, "nothing is counted: {before:?}");

    site.create("os1", "test-os", Some("m1")).await?;
    // Asking the service whether it is so would be counted, too.
    eventually("its operating system runs", async || {
        Ok(sim.history().iter().any(|word| word.contains("phoned home")).then_some(()))
    })
    .await?;
    site.instance_in("os1", InstanceState::Running).await?;
    let cost = taken();
    let mut told: Vec<_> = cost.iter().collect();
    told.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    for (statement, count) in told {
        println!("{count:4} {statement}");
    }
    let all: usize = cost.values().sum();
    let reads: usize =
        cost.iter().filter(|(statement, _)| statement.starts_with("SELECT")).map(|(_, count)| count).sum();
    println!("{all:4} statements, {reads} of them read");
    assert!(all <= MOST, "a deployment costs {all} statements");
    assert!(reads <= MOST_READS, "a deployment costs {reads} reads");
    Ok(())
}
