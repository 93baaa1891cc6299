//! What `ipmi_sim` asks of a chassis, word by word: `0x20 get power`, `0x20 set boot pxe` (ipmi_lan(5),
//! `chassis_control`).

use anyhow::{Context, bail};
use bmc_mock::{BootDevice, BootFlags, Chassis};

/// One wish.
#[derive(Debug, PartialEq, Eq)]
enum Wish {
    GetPower,
    GetBoot,
    SetPower(bool),
    SetBoot(Option<BootDevice>),
    Reset,
    ShutDown,
}

/// Does what the words say; gives what is to be printed.
pub(crate) async fn obey(chassis: &dyn Chassis, words: &[String]) -> anyhow::Result<String> {
    let mut answer = String::new();
    for wish in parse(words)? {
        match wish {
            Wish::GetPower => answer += if chassis.power().await? { "power:1\n" } else { "power:0\n" },
            Wish::GetBoot => answer += &format!("boot:{}\n", boot_name(chassis.boot().await?.device)),
            Wish::SetPower(on) => chassis.set_power(on).await?,
            Wish::SetBoot(device) => chassis.set_boot(BootFlags { device, ..BootFlags::default() }).await?,
            Wish::Reset => chassis.reset().await?,
            Wish::ShutDown => chassis.shut_down().await?,
        }
    }
    Ok(answer)
}

fn parse(words: &[String]) -> anyhow::Result<Vec<Wish>> {
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    // Some versions put the controller's address first.
    let words =
        if words.first().is_some_and(|word| word.starts_with("0x")) { &words[1..] } else { &words[..] };
    match words {
        ["get", names @ ..] if !names.is_empty() => names.iter().map(|name| get(name)).collect(),
        ["set", pairs @ ..] if !pairs.is_empty() && pairs.len().is_multiple_of(2) => {
            pairs.chunks(2).map(|pair| set(pair[0], pair[1])).collect()
        }
        _ => bail!("`{}` is nothing that ipmi_sim asks of a chassis", words.join(" ")),
    }
}

fn get(name: &str) -> anyhow::Result<Wish> {
    match name {
        "power" => Ok(Wish::GetPower),
        "boot" => Ok(Wish::GetBoot),
        _ => bail!("a chassis does not know its `{name}`"),
    }
}

fn set(name: &str, value: &str) -> anyhow::Result<Wish> {
    match (name, value) {
        ("power", "0") => Ok(Wish::SetPower(false)),
        ("power", "1") => Ok(Wish::SetPower(true)),
        ("reset", "1") => Ok(Wish::Reset),
        ("shutdown", "1") => Ok(Wish::ShutDown),
        ("boot", _) => {
            let known = BOOT_NAMES.iter().find(|(_, name)| *name == value);
            Ok(Wish::SetBoot(known.with_context(|| format!("a chassis can't boot from `{value}`"))?.0))
        }
        _ => bail!("a chassis can't set `{name}` to `{value}`"),
    }
}

/// ipmi_sim's names; the hard disk is "default" there.
const BOOT_NAMES: [(Option<BootDevice>, &str); 5] = [
    (None, "none"),
    (Some(BootDevice::Network), "pxe"),
    (Some(BootDevice::Disk), "default"),
    (Some(BootDevice::Cd), "cdrom"),
    (Some(BootDevice::Setup), "bios"),
];

fn boot_name(device: Option<BootDevice>) -> &'static str {
    BOOT_NAMES.iter().find(|(known, _)| *known == device).map_or("none", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bmc_mock::MemoryChassis;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn what_is_set_reads_back() {
        let chassis = MemoryChassis::new();
        let steps = [
            ("0x20 get power", "power:0\n"),
            ("0x20 set power 1", ""),
            ("0x20 get power boot", "power:1\nboot:none\n"),
            ("0x20 set boot pxe", ""),
            ("0x20 get boot", "boot:pxe\n"),
            ("0x20 set boot default power 0", ""),
            ("0x20 get boot power", "boot:default\npower:0\n"),
        ];
        for (asked, answer) in steps {
            assert_eq!(obey(&chassis, &words(asked)).await.unwrap(), answer, "{asked}");
        }
        assert_eq!(obey(&chassis, &words("0x20 set reset 1")).await.unwrap_err().to_string(), "it is off");
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for text in [
            "",
            "0x20",
            "0x20 get",
            "0x20 get fan",
            "0x20 set power",
            "0x20 set power 2",
            "0x20 set boot tape",
        ] {
            assert!(parse(&words(text)).is_err(), "{text}");
        }
    }
}
