//! The figures, as one line of JSON: who judges them is tests/bench/image.py.

use super::{Files, Row};
use serde_json::{Value, json};
use std::io::Write as _;

/// What the figures depend on, and every program's runs.
pub(crate) fn tell(files: &Files, rows: &[Row], raw_bytes: u64) -> anyhow::Result<()> {
    let mut sizes = serde_json::Map::new();
    for (name, path) in [("raw", &files.raw), ("zst", &files.zst), ("gz", &files.gz), ("qcow2", &files.qcow2)]
    {
        sizes.insert(name.to_owned(), std::fs::metadata(path)?.len().into());
    }
    let rows: Vec<Value> = rows.iter().map(row).collect();
    let found = json!({ "raw_bytes": raw_bytes, "sizes": sizes, "rows": rows });
    writeln!(std::io::stdout(), "{found}")?;
    Ok(())
}

/// One program: seconds of each round, in order.
fn row(row: &Row) -> Value {
    let cpu: Vec<f64> = row.costs.iter().map(|cost| cost.cpu).collect();
    let wall: Vec<f64> = row.costs.iter().map(|cost| cost.wall).collect();
    json!({ "name": row.name, "cpu": cpu, "wall": wall, "peak_kib": row.peak_kib })
}
