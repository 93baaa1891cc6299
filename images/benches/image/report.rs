//! The figures as text: a table, the ratios, and one line for each goal.

use super::measure::{Cost, Spread};
use super::{Files, Row, row};
use anyhow::Context as _;
use std::io::Write as _;

/// What is compared with what: ours, the peer.
const PAIRS: [(&str, &str); 6] = [
    (row::WRITE, row::IPA),
    (row::WRITE, row::PIPE),
    (row::WRITE, row::PROOF),
    (row::WRITE, row::CURTIN),
    (row::WRITE, row::FLOOR),
    (row::IMPORT, row::PACK),
];

/// The input: what the figures depend on.
pub(crate) fn head(files: &Files) -> anyhow::Result<()> {
    let mut sizes = Vec::new();
    for (name, path) in [("raw", &files.raw), ("zst", &files.zst), ("gz", &files.gz), ("qcow2", &files.qcow2)]
    {
        sizes.push(format!("{name} {:.1}", std::fs::metadata(path)?.len() as f64 / 1e6));
    }
    writeln!(std::io::stdout(), "image, MB: {}", sizes.join(", "))?;
    Ok(())
}

/// Everything else. Fails when a goal can't be judged, not when it is missed.
pub(crate) fn tell(rows: &[Row], disk_bytes: u64) -> anyhow::Result<()> {
    let gb = disk_bytes as f64 / 1e9;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{} rounds; min/median/max; GB of the raw image",
        rows.first().map_or(0, |r| r.costs.len())
    )?;
    writeln!(out, "\n{:28} {:>16} {:>16} {:>9}", "", "CPU s/GB", "wall s/GB", "peak MiB")?;
    for Row { name, costs, peak_kib } in rows {
        let cpu = Spread::of(costs.iter().map(|c| c.cpu / gb));
        let wall = Spread::of(costs.iter().map(|c| c.wall / gb));
        let peak = if *peak_kib > 0 { format!("{:.0}", mib(*peak_kib)) } else { "-".to_owned() };
        writeln!(out, "{name:28} {cpu:>16} {wall:>16} {peak:>9}")?;
    }
    writeln!(out, "\n{:56} {:>16} {:>16}", "ratio in the same round", "CPU", "wall")?;
    for (ours, peer) in PAIRS {
        let (cpu, wall) = (ratio(rows, ours, peer, |c| c.cpu)?, ratio(rows, ours, peer, |c| c.wall)?);
        writeln!(out, "{:56} {cpu:>16} {wall:>16}", format!("{ours} / {peer}"))?;
    }
    writeln!(out)?;
    let write = find(rows, row::WRITE)?;
    let to = |peer| anyhow::Ok(ratio(rows, row::WRITE, peer, |c| c.cpu)?.median);
    let goals = [
        ("image-write-cpu-to-ipa-qcow2", to(row::IPA)?, 0.5),
        ("image-write-cpu-to-one-thread-no-read-back", to(row::FLOOR)?, 1.15),
        ("image-write-cpu-s-per-gb", Spread::of(write.costs.iter().map(|c| c.cpu / gb)).median, 1.9),
        ("image-write-peak-mib", mib(write.peak_kib), 64.0),
    ];
    for (name, measured, target) in goals {
        let verdict = if measured <= target { "met" } else { "missed" };
        writeln!(out, "goal {name} measured {measured:.2} target <= {target:.2} {verdict}")?;
    }
    Ok(())
}

fn find<'a>(rows: &'a [Row], name: &str) -> anyhow::Result<&'a Row> {
    rows.iter().find(|row| row.name == name).with_context(|| format!("{name} was not measured"))
}

/// Ours by the peer's, round by round.
fn ratio(rows: &[Row], ours: &str, peer: &str, of: impl Fn(&Cost) -> f64) -> anyhow::Result<Spread> {
    let pairs = find(rows, ours)?.costs.iter().zip(&find(rows, peer)?.costs);
    Ok(Spread::of(pairs.map(|(ours, peer)| of(ours) / of(peer))))
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
