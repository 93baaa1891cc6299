//! The reference of metrics is what is declared, what is told is what is declared, and both are as Prometheus wants them.

use super::*;
use crate::{app, samples};
use std::collections::HashSet;

/// Where the reference is.
const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");

fn all() -> impl Iterator<Item = &'static Metric> {
    pxe::METRICS.iter().chain(declared::METRICS)
}

fn rows(text: &mut String, metrics: &[Metric]) {
    text.push_str("| name | type | labels | unit | meaning |\n|---|---|---|---|---|\n");
    for metric in metrics {
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let _ = writeln!(
            text,
            "| `{}{}` | {} | {} | {} | {} |",
            metric.name,
            suffix(metric),
            metric.kind.word(),
            labels.join(", "),
            metric.unit().unwrap_or("1"),
            metric.help
        );
    }
}

#[test]
fn the_reference_is_up_to_date() {
    let mut text = String::from(
        "# Metrics\n\nEvery metric of `GET /metrics`, printed from where they are declared (`pxe/src/metric.rs`,\n`provisioner/src/metrics/declared.rs`); `UPDATE=1 cargo test -p provisioner metrics` writes it anew. The format is OpenMetrics\n1.0. Counters begin at 0 with the process. A metric with labels is told from its first count on. What to alarm on is in\n[booting.md](booting.md#metrics).\n\n## The service\n\n",
    );
    rows(&mut text, declared::METRICS);
    text.push_str(
        "\n## The boot server\n\nA histogram has `_bucket` (with the label `le`), `_sum` and `_count`.\n\n",
    );
    rows(&mut text, pxe::METRICS);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(PATH, &text).unwrap();
    }
    let kept = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(kept == text, "docs/metrics.md is out of date; run UPDATE=1 cargo test -p provisioner metrics");
}

/// What `promtool check metrics` asks of names, and the naming rules of Prometheus.
#[test]
fn names_are_as_prometheus_wants_them() {
    let mut seen = HashSet::new();
    for Metric { name, labels, help, kind } in all() {
        assert!(seen.insert(*name), "{name} is there twice");
        let word = |text: &str| {
            text.starts_with(|first: char| first.is_ascii_lowercase())
                && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
                && !text.contains("__")
        };
        assert!(name.starts_with("billet_") && word(name), "{name}");
        for ending in ["_total", "_count", "_sum", "_bucket", "_info", "_created"] {
            assert!(!name.ends_with(ending), "{name}: the format adds that by itself");
        }
        for unit in
            ["_ms", "_millis", "_milliseconds", "_minutes", "_kib", "_mib", "_percent", "_byte", "_second"]
        {
            assert!(!name.contains(&format!("{unit}_")) && !name.ends_with(unit), "{name}: base units only");
        }
        assert!(!name.contains(kind.word()), "{name}: its type is no part of its name");
        for label in *labels {
            assert!(word(label) && !["le", "quantile", "job", "instance"].contains(label), "{name}: {label}");
            assert!(!name.contains(&format!("_by_{label}")), "{name}: its label says so");
        }
        assert!(help.len() > 10 && !help.ends_with('.') && !help.contains(['\n', '\\']), "{name}: {help}");
    }
}

#[tokio::test]
async fn what_is_told_is_declared_and_the_other_way_round() {
    let folder = tempfile::tempdir().unwrap();
    let service = app::tests::service(folder.path()).await;
    service.store.machine_insert(&samples::machine(1), &[], &[], samples::NOW).await.unwrap();
    service.boot.counters.tftp_request("done");
    let told = text(&service).await.unwrap();
    let (body, end) = told.split_at(told.len() - END.len());
    assert_eq!(end, END);
    let (mut family, mut types) = (None, HashSet::new());
    for line in body.lines() {
        let words: Vec<_> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "HELP", name, help] => {
                let metric = all().find(|metric| metric.name == name);
                let metric = metric.unwrap_or_else(|| panic!("{name} is not declared"));
                assert_eq!(help, format!("{}.", metric.help));
                assert!(types.insert(name), "{name} is told twice");
                family = Some(metric);
            }
            ["#", "TYPE", name, kind] => {
                let metric = family.unwrap();
                assert_eq!((metric.name, metric.kind.word()), (name, kind));
            }
            _ => sample(line, family.unwrap()),
        }
    }
    for metric in declared::METRICS {
        assert!(types.contains(metric.name), "{} is not told", metric.name);
    }
    assert!(types.contains("billet_tftp_requests") && types.contains("billet_lease_commit_seconds"));
    assert!(body.contains("\nbillet_machines{state=\"discovered\"} 1\n"), "{body}");
}

/// A sample is one of its family's, with its labels and a number.
fn sample(line: &str, metric: &Metric) {
    let (key, number) = line.rsplit_once(' ').unwrap();
    assert!(number.parse::<f64>().is_ok(), "{line}");
    let (name, labels) =
        key.split_once('{').map_or((key, ""), |(name, rest)| (name, rest.trim_end_matches('}')));
    let labels: Vec<_> =
        labels.split(',').filter_map(|label| label.split_once('=')).map(|(label, _)| label).collect();
    match metric.kind {
        MetricKind::Histogram => {
            let behind = name.strip_prefix(metric.name).unwrap_or_else(|| panic!("{line}"));
            assert!(["_bucket", "_sum", "_count"].contains(&behind), "{line}");
        }
        _ => {
            assert_eq!(name, format!("{}{}", metric.name, suffix(metric)));
            assert_eq!(labels, metric.labels, "{line}");
        }
    }
}
