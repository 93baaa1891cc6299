//! The simulated fleet beside the real service, by the command line: what operators and benches call.
//!
//! Needs `billet` in the same target folder; where it was not built, this says so and is skipped, on a build server not.

use std::path::Path;
use std::process::{Command, Output};

/// The service's program beside `billet-lab`.
fn billet() -> Option<std::path::PathBuf> {
    let billet = Path::new(env!("CARGO_BIN_EXE_billet-lab")).with_file_name("billet");
    if billet.is_file() {
        return Some(billet);
    }
    let why = "billet is not built; run `cargo build -p provisioner`";
    assert!(std::env::var_os("CI").is_none(), "{why}");
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
    None
}

fn fleet(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_billet-lab"));
    command.arg("fleet").args(arguments).output().unwrap()
}

#[test]
fn machines_live_through_kills_and_the_run_can_be_had_again() {
    if billet().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let scenario = "name = \"small\"\nmachines = 6\ncompress = 600\n\
                    [mix]\nipmi = 50\nredfish = 50\nrack = 3\n[kill]\nevery = \"500ms..1s\"\n\
                    [[phase]]\ndo = \"intake\"\n[[phase]]\ndo = \"deploy\"\npinned = 1.0\nsample = 5\n\
                    [[phase]]\ndo = \"reinstall\"\ncount = 2\n[[phase]]\ndo = \"release\"\n";
    std::fs::write(path("small.toml"), scenario).unwrap();
    let ran = fleet(&[
        "--scenario",
        &path("small.toml"),
        "--seed",
        "5",
        "--dir",
        &path("run"),
        "--json",
        &path("json"),
    ]);
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(path("json")).unwrap()).unwrap();
    assert_eq!(json["passed"], true, "{json}");
    let done: Vec<_> =
        json["phases"].as_array().unwrap().iter().map(|phase| phase["done"].as_u64().unwrap()).collect();
    assert_eq!(done, [6, 6, 2, 6], "{json}");
    assert!(json["phases"][1]["api"]["all"]["count"].as_u64().unwrap() > 0, "{json}");
    // What is written down is enough for a replay, into another folder.
    let again = fleet(&["--replay", &path("run"), "--dir", &path("again"), "--quiet"]);
    let said = String::from_utf8_lossy(&again.stdout).into_owned() + &String::from_utf8_lossy(&again.stderr);
    assert!(again.status.success() && said.contains("seed 5"), "{said}");
    let (first, second) = (kills(&path("run")), kills(&path("again")));
    assert!(json["kills"].as_u64().unwrap() > 0 && !first.is_empty(), "{json}");
    // The later ones are aimed at what may come otherwise; on a busy machine the first may have become a matter of time.
    assert!(!second.is_empty(), "{first:?}");
    let aimed = !first[0].0.is_null() && !second[0].0.is_null();
    assert!(!aimed || first[0] == second[0], "{first:?} {second:?}");
}

/// What each kill of a run came after, and how long.
fn kills(run: &str) -> Vec<(serde_json::Value, serde_json::Value)> {
    let journal = std::fs::read_to_string(Path::new(run).join("journal.ndjson")).unwrap();
    let lines = journal.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let killed = lines.filter(|line| line["what"] == "killed");
    killed.map(|line| (line["after"].clone(), line["plus_us"].clone())).collect()
}

#[test]
fn mistakes_are_told_with_their_mend() {
    let table: [(&[&str], &str); 6] = [
        (&["--scenario", "sok"], "built in are"),
        (&["--machines", "0"], "machines: 0 must be from 1"),
        (&["--compress", "0.5"], "compress: 0.5 must be from 1"),
        (&["--database", "mysql"], "write sqlite, postgres"),
        (&["--scenario", "pg-restart", "--database", "sqlite"], "`database` needs a server"),
        (&["--replay", "/nowhere"], "is this the folder of a run?"),
    ];
    for (arguments, want) in table {
        let refused = fleet(arguments);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && said.contains(want), "{arguments:?}: {said}");
    }
}
