//! DMTF's validators: of the resources, by the CSDL schemas of DSP8010, and of the protocol (DSP0266).

use super::rig::{PASSWORD, Rig, USER, each};
use bmc_mock::redfish::Profile;
use std::path::Path;

/// What makers do otherwise than the standard has it, and so do we in their shapes: whose, and what a validator says.
type Ways = &'static [(&'static [Profile], &'static str)];

const IN_RESOURCES: Ways = &[
    // Parts of Thermal and Power are named, not numbered.
    (
        &[Profile::Ami, Profile::Dell, Profile::Lenovo],
        "The property 'MemberId' does not contain the last segment",
    ),
    // iLO ends addresses with a slash, but not before a fragment, and writes some in lower case.
    (&[Profile::Hpe], "does not contain a valid RFC6901 JSON pointer"),
    (&[Profile::Hpe], "/@odata.id (/redfish/v1/systems/1/bios/): Undefined URI Error"),
];

const IN_THE_PROTOCOL: Ways = &[
    // iDRAC has no ETags.
    (&[Profile::Dell], "PROTO_ETAG_ON_GET_ACCOUNT"),
    (&[Profile::Dell], "RESP_HEADERS_ETAG"),
    // They answer 200 with a message of success, where the standard has the resource or nothing.
    (&[Profile::Dell, Profile::Supermicro], "SEC_PWD_CHANGE_REQ_ALLOW_PATCH_PASSWORD"),
    // iLO wants to be told the types of events.
    (&[Profile::Hpe], "The property EventTypes is a required property"),
];

/// What it says of one truly random token in fifty, by its tests of randomness at 1 % each.
const LUCK: &str = "RESP_HEADERS_X_AUTH_TOKEN";

/// Asserts that all that was found wrong is a maker's way, and that all of a maker's ways were found.
#[track_caller]
fn assert_only(ways: Ways, profile: Profile, faults: &[String]) {
    let own = || ways.iter().filter(|(whose, _)| whose.contains(&profile)).map(|(_, words)| *words);
    let others: Vec<&String> =
        faults.iter().filter(|fault| !own().any(|words| fault.contains(words))).collect();
    assert!(others.is_empty(), "{profile}: {others:#?}");
    for words in own() {
        assert!(
            faults.iter().any(|fault| fault.contains(words)),
            "{profile} has no fault any more like: {words}"
        );
    }
}

/// Resources whose properties, types and links are all as their schemas say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resources_fit_their_schemas() {
    each(|rig: Rig| async move {
        let folder = tempfile::tempdir().unwrap();
        let schemas = nv_redfish_schema::REDFISH_CSDL_DIR;
        let arguments = ["-r", &rig.url, "-u", USER, "-p", PASSWORD, "--authtype", "Session", "--nooemcheck"];
        let local = ["--schema_directory", schemas, "--skipschema", "--logdir", "logs"];
        let arguments = [&arguments[..], &local].concat();
        let output = rig.run("rf_service_validator", &arguments, folder.path()).await;
        let log = log_of(&folder.path().join("logs"));
        let judged = log.lines().filter(|line| line.contains(" - PASS - ")).count();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(judged > 500, "{}: it judged next to nothing: {said}", rig.profile);
        let faults = log.lines().filter_map(|line| Some(line.split_once(" FAIL - ")?.1.to_owned()));
        assert_only(IN_RESOURCES, rig.profile, &faults.collect::<Vec<_>>());
    })
    .await;
}

/// What the service validator wrote of each property.
fn log_of(logs: &Path) -> String {
    let runs = std::fs::read_dir(logs).into_iter().flatten().flatten();
    let files = runs.flat_map(|run| std::fs::read_dir(run.path()).into_iter().flatten().flatten());
    let logs = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "log"));
    logs.map(|file| std::fs::read_to_string(file.path()).unwrap_or_default()).collect()
}

/// The protocol: methods, headers, status codes, sessions, errors, subscriptions (DSP0266). It doesn't look at
/// server-sent events: that part of it is switched off in its source.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_protocol_is_kept() {
    const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/judges/protocol.py");
    each(|rig: Rig| async move {
        let folder = tempfile::tempdir().unwrap();
        let arguments = [SCRIPT, "-r", &rig.url, "-u", USER, "-p", PASSWORD, "--no-cert-check"];
        let report = ["--avoid-http-redirect", "--report-type", "tsv", "--report-dir", "."];
        let output = rig.run("python", &[&arguments[..], &report].concat(), folder.path()).await;
        let lines = report_of(folder.path());
        let passed = lines.iter().filter(|line| line.contains("\tPASS\t")).count();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(passed > 250, "{}: it judged next to nothing: {said}", rig.profile);
        let fault = |line: &String| {
            line.contains("\tFAIL\t") || (line.contains("\tWARN\t") && !line.starts_with(LUCK))
        };
        assert_only(IN_THE_PROTOCOL, rig.profile, &lines.into_iter().filter(fault).collect::<Vec<_>>());
    })
    .await;
}

/// The protocol validator's report, a line for each assertion that it made.
fn report_of(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let tables = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "tsv"));
    let texts = tables.map(|file| std::fs::read_to_string(file.path()).unwrap_or_default());
    texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}
