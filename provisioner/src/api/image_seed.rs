//! What an instance may ask for with the seed that its image's system reads.

use super::validate::Fields;
use crate::netconfig::{self, Stage};
use provisioner_api::{Image, ImageSpec, InstanceSpec, SeedKind};

/// What no seed could tell the image's system. `at` is where the instance's fields are.
pub(super) fn check(fields: &mut Fields, at: &str, spec: &InstanceSpec, image: Option<&Image>) {
    let Some(image) = image.map(|image| &image.spec).filter(|image| !image.runs_from_ram()) else { return };
    match image.seed {
        SeedKind::NoCloud => {}
        SeedKind::ConfigDrive => drive(fields, at, spec),
        SeedKind::None => none(fields, at, spec, image),
    }
}

/// The fields of an image that runs from RAM, to whose initrd NoCloud's files are added.
pub(super) fn check_image(fields: &mut Fields, spec: &ImageSpec) {
    let ram = spec.runs_from_ram();
    fields.check(!ram || spec.seed.is_default(), "seed", "what runs from RAM gets nocloud; leave it out");
    fields.check(!ram || spec.grow.is_default(), "grow", "what runs from RAM is on no disk; leave it out");
}

fn drive(fields: &mut Fields, at: &str, spec: &InstanceSpec) {
    let only =
        "network_config is NoCloud's, and the image reads a configuration drive; give `network` instead";
    fields.check(spec.network_config.is_none(), &format!("{at}network_config"), only);
    let Some(network) = &spec.network else { return };
    // What can't be read at all is told elsewhere.
    let Ok(model) = netconfig::read("network", network, Stage::Asked) else { return };
    if let Some(bridge) = netconfig::not_in_openstack(&model) {
        let why = format!("`{bridge}` is a bridge, which a configuration drive has no words for");
        fields.check(false, &format!("{at}network"), why);
    }
}

fn none(fields: &mut Fields, at: &str, spec: &InstanceSpec, image: &ImageSpec) {
    let told = [
        ("hostname", spec.hostname.is_some()),
        ("user", spec.user.is_some()),
        ("ssh_keys", !spec.ssh_keys.is_empty()),
        ("user_data", spec.user_data.is_some()),
        ("user_data_base64", spec.user_data_base64.is_some()),
        ("network", spec.network.is_some()),
        ("network_config", spec.network_config.is_some()),
    ];
    for (field, _) in told.iter().filter(|(_, given)| *given) {
        let why =
            format!("image `{}` gets no seed (`seed: none`), so its system never hears of it", image.name);
        fields.check(false, &format!("{at}{field}"), why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use provisioner_api::{Growth, ImageFormat};

    fn problems(deed: impl Fn(&mut Fields)) -> String {
        let mut fields = Fields::default();
        deed(&mut fields);
        fields.done().err().map(|error| format!("{error:?}")).unwrap_or_default()
    }

    #[test]
    fn what_no_seed_can_tell_is_refused() {
        let network = |text: &str| Some(serde_yaml_ng::from_str(text).unwrap());
        let bridge =
            "interfaces: [{ name: a, nic: {} }, { name: br0, bridge: { members: [a] }, dhcp4: true }]";
        let plain = "interfaces: [{ name: a, nic: {}, dhcp4: true }]";
        let bare = InstanceSpec::new("os");
        let table = [
            (SeedKind::NoCloud, InstanceSpec { network: network(bridge), ..bare.clone() }, ""),
            (SeedKind::ConfigDrive, InstanceSpec { network: network(plain), ..bare.clone() }, ""),
            (
                SeedKind::ConfigDrive,
                InstanceSpec { network: network(bridge), ..bare.clone() },
                "`br0` is a bridge",
            ),
            (
                SeedKind::ConfigDrive,
                InstanceSpec { network_config: Some("version: 2".into()), ..bare.clone() },
                "give `network` instead",
            ),
            (SeedKind::None, bare.clone(), ""),
            (
                SeedKind::None,
                InstanceSpec { ssh_keys: vec!["ssh-ed25519 A".into()], ..bare.clone() },
                "spec.ssh_keys",
            ),
            (SeedKind::None, InstanceSpec { hostname: Some("a".into()), ..bare }, "spec.hostname"),
        ];
        for (seed, spec, words) in table {
            let mut image = samples::image();
            image.spec.seed = seed;
            let told = problems(|fields| check(fields, "spec.", &spec, Some(&image)));
            assert!(told.contains(words) && told.is_empty() == words.is_empty(), "{words}: {told}");
        }
    }

    #[test]
    fn what_runs_from_ram_has_neither() {
        let ram = ImageSpec::disk("a", "sha256:00", ImageFormat::Ram);
        assert_eq!(problems(|fields| check_image(fields, &ram)), "");
        let drive = ImageSpec { seed: SeedKind::ConfigDrive, grow: Growth::Last, ..ram };
        let told = problems(|fields| check_image(fields, &drive));
        assert!(told.contains("\"seed\"") && told.contains("\"grow\""), "{told}");
        let disk = ImageSpec { format: ImageFormat::Raw, ..drive };
        assert_eq!(problems(|fields| check_image(fields, &disk)), "");
    }
}
