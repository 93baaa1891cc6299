//! A wiping leaves a record: who asked, what was done to which disk, signed so that another program accepts it, and there
//! still when machine, instance and key are gone. That it is there once wherever the service dies is in `kills`.

use anyhow::{Context, Result, ensure};
use provisioner_api::{
    DeleteInstance, ErasePolicy, InstanceState, JobKind, MachineState, SignedCertificate, certified,
};
use provisioner_client::ErasureFilter;
use std::{fs, path::Path, process::Command};
use tests::{Sim, SimOptions, Site, gpt_image};
use tests_postgres::Server;

/// Another program's word on a certificate, with nothing but the public key file.
fn openssl(folder: &Path, key: &Path, certificate: &SignedCertificate) -> Result<bool> {
    let (text, signature) = (folder.join("certificate.txt"), folder.join("certificate.sig"));
    fs::write(&text, certified(&certificate.text))?;
    let encoded = folder.join("certificate.b64");
    fs::write(&encoded, &certificate.signature)?;
    let decoded = Command::new("openssl").args(["base64", "-d", "-A", "-in"]).arg(&encoded).output()?;
    fs::write(&signature, decoded.stdout)?;
    let mut judge = Command::new("openssl");
    judge.args(["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey"]).arg(key);
    judge.arg("-in").arg(&text).arg("-sigfile").arg(&signature);
    Ok(judge.output()?.status.success())
}

async fn on_record(site: Site) -> Result<()> {
    let client = site.client()?;
    site.import("os", &gpt_image(site.folder(), "os.raw", 24, 3)).await?;
    let sim = Sim::start(&site, "m1", 1, SimOptions { data_disks: 1, ..SimOptions::default() }).await?;
    client.add_machine(&sim.enrolment()).await?;
    site.machine_in("m1", MachineState::Available).await?;
    site.create("web", "os", None).await?;
    site.instance_in("web", InstanceState::Running).await?;
    ensure!(client.erasures(&ErasureFilter::default()).await?.is_empty(), "nothing was wiped yet");
    client.delete_instance("web", &DeleteInstance { erase: Some(ErasePolicy::Overwrite) }).await?;
    site.instance_gone("web").await?;

    let mut found =
        client.erasures(&ErasureFilter { machine: Some("m1".into()), ..Default::default() }).await?;
    ensure!(found.len() == 1, "{found:?}");
    let erasure = found.remove(0);
    let said = &erasure.certificate;
    assert_eq!((said.work, said.policy_done), (JobKind::Release, ErasePolicy::Overwrite));
    assert!(said.asked_by.as_deref().is_some_and(|by| by.starts_with("token `")), "{said:?}");
    assert_eq!(said.previous_owner.as_ref().and_then(|owner| owner.name.as_deref()), Some("web"));
    assert_eq!(said.disks.len(), 2, "each disk of the machine: {said:?}");
    assert!(said.disks.iter().all(|disk| disk.bytes_verified == disk.size_bytes), "{said:?}");
    let serial = ErasureFilter { serial: Some(sim.serial.clone()), ..Default::default() };
    assert_eq!(client.erasures(&serial).await?, std::slice::from_ref(&erasure));

    let id = erasure.id.to_string();
    let certificate = client.erasure_certificate(&id).await?;
    let keys = client.erasure_keys().await?;
    let key = site.folder().join("key.pem");
    fs::write(&key, &keys.first().context("there is a key")?.pem)?;
    ensure!(openssl(site.folder(), &key, &certificate)?, "openssl refuses it");
    let text = certificate.text.replace("overwrite", "overwrote");
    let changed = SignedCertificate { text, ..certificate.clone() };
    ensure!(!openssl(site.folder(), &key, &changed)?, "openssl accepts what was changed");

    // It outlives its machine.
    client.delete_machine("m1").await?;
    assert_eq!(client.erasure(&id).await?, erasure);
    assert_eq!(client.erasure_certificate(&id).await?, certificate);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiping_is_on_record_with_a_certificate_that_others_accept() -> Result<()> {
    on_record(Site::start().await?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiping_is_on_record_on_a_server_too() -> Result<()> {
    let server = Server::shared().await?;
    let database = server.database().await?;
    on_record(Site::start_on_postgres(database.url()).await?).await
}
