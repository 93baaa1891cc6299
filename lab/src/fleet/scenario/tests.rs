use super::*;

#[test]
fn everything_built_in_is_right() {
    for name in names() {
        let scenario = Scenario::find(name).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(scenario.name, name);
        assert!(scenario.about.len() > 10, "{name} says what it is for");
        assert!(scenario.refused.is_some() || !scenario.phases.is_empty(), "{name} does something");
    }
}

#[test]
fn a_scenario_is_the_same_after_it_was_written_down() {
    for name in names() {
        let scenario = Scenario::find(name).unwrap();
        let json = serde_json::to_string(&scenario).unwrap();
        assert_eq!(serde_json::from_str::<Scenario>(&json).unwrap(), scenario, "{name}: {json}");
    }
}

#[test]
fn mistakes_name_the_field_and_the_mend() {
    let base = "name = \"x\"\nmachines = 3\n[[phase]]\ndo = \"intake\"\n";
    let table = [
        ("machins = 4\n", "machins"),
        ("machines = 0\n", "machines: 0 must be from 1"),
        ("compress = 0.1\n", "compress: 0.1 must be from 1"),
        ("[mix]\nipmi = 0\nredfish = 0\n", "mix: ipmi and redfish are both 0"),
        ("[disk]\nmib = 2\n", "disk.mib: 2 is too small"),
        ("[limits]\nbmc = \"soon\"\n", "`soon` is not a span of time; write it like"),
        ("[limits]\nsilence = \"3s\"\n", "silence"),
        ("[service]\nconsole = \"maybe\"\n", "service.console: `maybe`"),
        ("[[phase]]\ndo = \"churn\"\n", "phase[2].for: `churn` needs it"),
        ("[[phase]]\ndo = \"release\"\nfor = \"3s\"\n", "phase[2].for: `release` ends when it is done"),
        ("[[phase]]\ndo = \"deploy\"\nretry = 0.5\n", "phase[2].retry: it is for `churn` only"),
        ("[[phase]]\ndo = \"deploy\"\npinned = 1.5\n", "phase[2].pinned: 1.5 must be from 0 to 1"),
        ("[[phase]]\ndo = \"dance\"\n", "dance"),
        ("[[fault]]\nwhat = \"network\"\ndrop = 1.5\n", "fault[1].drop: 1.5 must be"),
        ("[[fault]]\nwhat = \"bmc\"\nshare = 0.5\n", "fault[1].kinds: name at least one"),
        ("[[fault]]\nwhat = \"rack\"\n", "fault[1].every: a rack and"),
        (
            "[[fault]]\nwhat = \"database\"\nkinds = [\"stop\"]\nevery = \"9s\"\nfor = \"1s\"\n",
            "fault[1].what: `database` needs a server",
        ),
        ("[[fault]]\nwhat = \"database\"\nkinds = [\"pause\"]\n", "`pause` is nothing that happens to"),
        ("[service]\ndatabase = \"mysql\"\n", "mysql"),
        ("[limits]\nerase_limit = 0\n", "limits.erase_limit: 0 must be"),
        ("[limits]\nerase_limit = \"101%\"\n", "limits.erase_limit: 101% must be"),
        ("[disk]\ntenant_disks = 17\n", "disk.tenant_disks: 17 must be"),
        ("[[fault]]\nwhat = \"network\"\nduring = \"churn\"\n", "fault[1].during: there is no phase `churn`"),
        ("[[fault]]\nwhat = \"network\"\n", "fault[1].drop: without it"),
        (
            "[[fault]]\nwhat = \"rack\"\nevery = \"9s\"\nfor = \"1s\"\nshare = 1.0\n",
            "fault[1].share: it is for",
        ),
        (
            "[[fault]]\nwhat = \"bmc\"\nkinds = [\"503\"]\nshare = 0.0\n",
            "fault[1].share: 0 would meet nobody",
        ),
        ("[[phase]]\ndo = \"deploy\"\nrate = 1e-300\n", "phase[2].rate: "),
        ("[[phase]]\ndo = \"steady\"\nfor = \"2562047788015215h\"\n", "longer than a year"),
        ("[mix]\nipmi = 4294967295\nredfish = 1\nrack = 0\n", "mix.rack: "),
        ("[image]\nmib = 9999999999999\n", "image.mib: 9999999999999 must be"),
        ("[disk]\ndata_disks = 4000000000\n", "disk.data_disks: "),
        ("[disk]\nmib_per_second = 1e-300\n", "disk.mib_per_second: "),
        ("[kill]\nevery = \"6s..2s\"\n", "ends before it begins"),
        ("[kill]\nevery = \"2s\"\nat = [\"lunch\"]\n", "lunch"),
    ];
    for (more, want) in table {
        // Keys before the first table belong to the scenario itself.
        let text = if more.starts_with('[') { format!("{base}{more}") } else { format!("{more}{base}") };
        let text = if more.starts_with("machines") { text.replacen("machines = 3\n", "", 1) } else { text };
        let refused = Scenario::read("x", &text).unwrap_err().to_string();
        assert!(refused.contains(want), "{more:?} gave {refused:?}, which lacks {want:?}");
    }
    assert!(Scenario::read("x", base).is_ok());
    for (phases, want) in
        [("", "phase: there is none"), ("[[phase]]\ndo = \"deploy\"\n", "`deploy` needs machines")]
    {
        let refused =
            Scenario::read("x", &format!("name = \"x\"\nmachines = 3\n{phases}")).unwrap_err().to_string();
        assert!(refused.contains(want), "{phases:?} gave {refused:?}, which lacks {want:?}");
    }
}

/// So that a scenario can shorten every limit of the service, and one that is new there is not forgotten here.
#[test]
fn the_limits_are_those_of_the_service_but_for_the_person_that_a_fleet_has_not() {
    let example: toml::Table = include_str!("../../../../docs/billet.example.toml").parse().unwrap();
    let mut service = example["limits"].as_table().unwrap().clone();
    service.remove("person").unwrap();
    let ours: Limits = toml::Value::Table(service.clone()).try_into().unwrap();
    assert_eq!(ours, Limits::default(), "the defaults, too");
    let written = toml::Table::try_from(&ours).unwrap();
    assert!(written.keys().eq(service.keys()), "{written:?} instead of {service:?}");
    let text = "name = \"x\"\nmachines = 3\n[limits]\nwrite_stall = \"20s\"\nerase_stall = \"1m\"\nerase_limit = \"5%\"\n[[phase]]\ndo = \"intake\"\n";
    let limits = Scenario::read("x", text).unwrap().limits;
    assert_eq!((limits.write_stall, limits.erase_stall), (Span::seconds(20), Span::seconds(60)));
    assert_eq!(limits.erase_limit, Some(EraseLimit::Share("5%".into())));
}

#[test]
fn what_is_not_there_is_told_with_what_there_is() {
    let unknown = Scenario::find("sok").unwrap_err().to_string();
    assert!(unknown.contains("soak-ci") && unknown.contains("`sok`"), "{unknown}");
    let unreadable = Scenario::find("./sok.toml").unwrap_err().to_string();
    assert!(unreadable.contains("sok.toml"), "{unreadable}");
}
