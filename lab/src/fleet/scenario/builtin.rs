//! The scenarios that come with the program.

/// Name and text of each.
const BUILT_IN: &[(&str, &str)] = &[
    ("demo", include_str!("../../../scenarios/demo.toml")),
    ("intake", include_str!("../../../scenarios/intake.toml")),
    ("rackup", include_str!("../../../scenarios/rackup.toml")),
    ("deploy", include_str!("../../../scenarios/deploy.toml")),
    ("reinstall", include_str!("../../../scenarios/reinstall.toml")),
    ("release", include_str!("../../../scenarios/release.toml")),
    ("steady", include_str!("../../../scenarios/steady.toml")),
    ("soak", include_str!("../../../scenarios/soak.toml")),
    ("soak-ci", include_str!("../../../scenarios/soak-ci.toml")),
    ("size", include_str!("../../../scenarios/size.toml")),
    ("soak-pg", include_str!("../../../scenarios/soak-pg.toml")),
    ("pg-restart", include_str!("../../../scenarios/pg-restart.toml")),
];

/// The names of all that are built in.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

/// The text of one.
pub(super) fn text(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(built_in, _)| *built_in == name).map(|(_, text)| *text)
}
