//! Our libvirt driver at a real libvirt daemon with a real machine.

use super::BIOS;
use super::bench::{Bench, CD_SAYS, Domain, Server};
use anyhow::{Context, Result};
use bmc::{
    Bmc, BmcError, BootMode, BootOverride, BootTarget, Button, Credentials, Drivers, Endpoint, Persistence,
    PowerState, Protocol,
};
use std::sync::Arc;
use zeroize::Zeroizing;

const FIRMWARE: &str = "SeaBIOS (version";

fn driver(uri: &str, domain: &str) -> Arc<dyn Bmc> {
    Drivers::default().connect(Endpoint {
        protocol: Protocol::Libvirt { uri: uri.to_owned(), domain: domain.to_owned() },
        host: String::new(),
        port: None,
        credentials: Credentials {
            username: String::new(),
            password: Zeroizing::new(String::new()),
            bmc_key: None,
        },
        keeper: None,
    })
}

fn from(target: BootTarget, persistence: Persistence) -> BootOverride {
    BootOverride { target, persistence, mode: None }
}

#[tokio::test]
async fn our_libvirt_driver_switches_a_real_machine() -> Result<()> {
    let Some(bench) = Bench::start(BIOS)? else { return Ok(()) };
    let m1 = bench.machine("m1")?;
    let libvirt = driver(m1.libvirt, "m1");
    let info = libvirt.info().await?;
    assert_eq!(info.system_uuid.as_deref(), Some(m1.report.uuid.as_str()));
    power(&m1, &*libvirt).await?;
    buttons(&m1, &*libvirt).await?;
    boot_device(&m1, &*libvirt).await?;
    an_optical_drive(&bench, &m1, &*libvirt).await?;
    the_other_way_to_write_it(&m1).await?;
    // By its UUID, too.
    assert_eq!(driver(m1.libvirt, &m1.report.uuid).power().await?, PowerState::Off);
    what_is_not_there(&m1, &*libvirt).await?;
    let uri = m1.libvirt.to_owned();
    bench.lab.stop()?;
    let error = driver(&uri, "m1").power().await.unwrap_err();
    assert!(matches!(error, BmcError::Unreachable { .. }), "the daemon is gone, which is not off: {error}");
    Ok(())
}

async fn power(m1: &Domain<'_>, libvirt: &dyn Bmc) -> Result<()> {
    assert_eq!(libvirt.power().await?, PowerState::Off);
    libvirt.set_power(PowerState::Off).await?;
    let mark = m1.said()?;
    libvirt.set_power(PowerState::On).await?;
    assert_eq!((libvirt.power().await?, m1.state()?.as_str()), (PowerState::On, "running"));
    m1.says(mark, FIRMWARE)?;
    libvirt.set_power(PowerState::On).await?;
    m1.virsh(&["suspend", "m1"])?;
    assert_eq!((libvirt.power().await?, m1.state()?.as_str()), (PowerState::On, "paused"));
    libvirt.set_power(PowerState::On).await?;
    assert_eq!(m1.state()?, "running");
    libvirt.set_power(PowerState::Off).await?;
    assert_eq!((libvirt.power().await?, m1.state()?.as_str()), (PowerState::Off, "shut off"));
    Ok(())
}

async fn buttons(m1: &Domain<'_>, libvirt: &dyn Bmc) -> Result<()> {
    let error = libvirt.press(Button::Reset).await.unwrap_err();
    assert!(
        matches!(error, BmcError::Refused { .. }) && error.to_string().contains("not running"),
        "{error}"
    );
    libvirt.set_power(PowerState::On).await?;
    for button in [Button::Reset, Button::Cycle] {
        let mark = m1.said()?;
        libvirt.press(button).await?;
        m1.says(mark, FIRMWARE)?;
        assert_eq!(libvirt.power().await?, PowerState::On);
    }
    // Nobody in it listens to these.
    for button in [Button::ShutDown, Button::Restart, Button::Diagnostic] {
        libvirt.press(button).await?;
    }
    assert_eq!(m1.state()?, "running");
    libvirt.press(Button::Pause).await?;
    assert_eq!(m1.state()?, "paused");
    libvirt.press(Button::Resume).await?;
    assert_eq!(m1.state()?, "running");
    Ok(())
}

/// From the network, while it runs, and back: the definition is then what it was.
async fn boot_device(m1: &Domain<'_>, libvirt: &dyn Bmc) -> Result<()> {
    let before = m1.definition()?;
    let shown = libvirt.boot().await?.context("it tells")?;
    assert_eq!(shown, from(BootTarget::Disk, Persistence::Persistent));
    assert_eq!(m1.state()?, "running");
    libvirt.set_boot(from(BootTarget::Network, Persistence::Once)).await?;
    libvirt.set_boot(from(BootTarget::Network, Persistence::Once)).await?;
    assert_eq!(libvirt.boot().await?.context("it tells")?.target, BootTarget::Network);
    assert!(m1.boots_first()?.starts_with("<interface"));
    let mark = m1.said()?;
    libvirt.press(Button::Cycle).await?;
    m1.says(mark, &format!("(net0 {})", m1.report.mac))?;
    libvirt.set_boot(from(BootTarget::Disk, Persistence::Persistent)).await?;
    assert_eq!(m1.definition()?, before, "all of it is as before");
    let mark = m1.said()?;
    libvirt.press(Button::Cycle).await?;
    m1.says(mark, "Booting from Hard Disk")?;
    libvirt.set_power(PowerState::Off).await?;
    for target in [BootTarget::Cd, BootTarget::Setup, BootTarget::Usb, BootTarget::Http { uri: None }] {
        let error = libvirt.set_boot(from(target, Persistence::Once)).await.unwrap_err();
        assert!(matches!(error, BmcError::Unsupported { .. }), "{error}");
    }
    assert_eq!(m1.definition()?, before, "what is refused changes nothing");
    Ok(())
}

async fn an_optical_drive(bench: &Bench, m1: &Domain<'_>, libvirt: &dyn Bmc) -> Result<()> {
    let _server: Server = bench.serve_cd()?;
    let cd = bench.folder.path().join("www/cd.iso");
    let cd = cd.to_str().context("a UTF-8 path")?;
    m1.virsh(&[
        "attach-disk",
        "m1",
        cd,
        "sda",
        "--type",
        "cdrom",
        "--mode",
        "readonly",
        "--targetbus",
        "sata",
        "--config",
    ])?;
    let before = m1.definition()?;
    libvirt.set_boot(from(BootTarget::Cd, Persistence::Once)).await?;
    assert_eq!(libvirt.boot().await?.context("it tells")?.target, BootTarget::Cd);
    let mark = m1.said()?;
    libvirt.set_power(PowerState::On).await?;
    m1.says(mark, CD_SAYS)?;
    libvirt.set_power(PowerState::Off).await?;
    libvirt.set_boot(from(BootTarget::Disk, Persistence::Persistent)).await?;
    // The drive keeps a number, behind those of the others.
    let after = m1.definition()?;
    assert_eq!(
        after
            .replace("      <boot order='2'/>\n      <address type='drive'", "      <address type='drive'")
            .len(),
        before.len(),
        "{after}"
    );
    m1.virsh(&["detach-disk", "m1", "sda", "--config"]).map(drop)
}

/// A definition that names kinds of devices in `<os>` instead of numbering them.
async fn the_other_way_to_write_it(m1: &Domain<'_>) -> Result<()> {
    let file = tempfile::NamedTempFile::new()?;
    let mut xml = m1.definition()?;
    for number in 1..=3 {
        xml = xml.replace(&format!("<boot order='{number}'/>"), "");
    }
    let xml = xml.replace("</type>", "</type><boot dev='hd'/><boot dev='network'/>");
    std::fs::write(file.path(), xml)?;
    let path = file.path().to_str().context("a UTF-8 path")?;
    m1.virsh(&["define", path])?;
    let before = m1.definition()?;
    let libvirt = driver(m1.libvirt, "m1");
    assert_eq!(libvirt.boot().await?.context("it tells")?.target, BootTarget::Disk);
    let with_mode =
        BootOverride { mode: Some(BootMode::Bios), ..from(BootTarget::Network, Persistence::Once) };
    libvirt.set_boot(with_mode).await?;
    let changed = m1.definition()?;
    assert!(changed.contains("<boot dev='network'/>\n    <boot dev='hd'/>"), "{changed}");
    let mark = m1.said()?;
    libvirt.set_power(PowerState::On).await?;
    m1.says(mark, &format!("(net0 {})", m1.report.mac))?;
    libvirt.set_power(PowerState::Off).await?;
    libvirt.set_boot(from(BootTarget::Disk, Persistence::Persistent)).await?;
    assert_eq!(m1.definition()?, before, "all of it is as before");
    Ok(())
}

async fn what_is_not_there(m1: &Domain<'_>, libvirt: &dyn Bmc) -> Result<()> {
    let error = driver(m1.libvirt, "m7").power().await.unwrap_err();
    assert!(matches!(&error, BmcError::NotABmc { what, .. } if what.contains("no domain `m7`")), "{error}");
    m1.virsh(&["undefine", "m1"])?;
    for error in [
        libvirt.power().await.unwrap_err(),
        libvirt.set_power(PowerState::On).await.unwrap_err(),
        libvirt.set_boot(from(BootTarget::Network, Persistence::Once)).await.unwrap_err(),
        libvirt.press(Button::Cycle).await.unwrap_err(),
    ] {
        assert!(matches!(error, BmcError::NotABmc { .. }), "{error}");
    }
    Ok(())
}
