//! What a certificate says, and which is good: judged by us, byte by byte, and by OpenSSL.

use super::{key::Signed, *};
use crate::{keys::SiteKey, samples};
use provisioner_api::{
    EraseMethod, ErasureCertificate, ErasureId, Media, Sanitization, SignedCertificate, Verification,
    certified,
};
use provisioner_lifecycle::Wiped;
use std::{fs, path::Path, process::Command, sync::Arc};
use uuid::Uuid;

fn site(folder: &Path) -> Arc<SiteKey> {
    Arc::new(SiteKey::open(&folder.join("site.key"), false).unwrap())
}

fn sample(key: String) -> ErasureCertificate {
    let (before, after) = samples::wiping(1);
    let wiped = Wiped::between(&before.machine, &after.machine).unwrap().unwrap();
    certificate(&wiped, &after, (ErasureId(Uuid::from_u128(9)), key), samples::NOW)
}

fn sign(key: &Arc<SiteKey>) -> Signed {
    ErasureSigner::new(Arc::clone(key)).sign(sample).unwrap()
}

fn file(certificate: &SignedCertificate) -> Vec<u8> {
    serde_json::to_vec(certificate).unwrap()
}

#[test]
fn a_certificate_says_what_the_standard_asks_for() {
    let said = sample("k".into());
    let disk = &said.disks[0];
    assert_eq!(
        (disk.serial.as_str(), disk.size_bytes, disk.media),
        ("serial of sda", 1 << 40, Media::SolidState)
    );
    assert_eq!((disk.method, disk.sanitization), (Some(EraseMethod::Overwrite), Sanitization::Clear));
    assert_eq!((disk.command.as_str(), disk.seconds), ("write of zeros to every sector", Some(7)));
    assert_eq!((disk.verification, disk.bytes_verified), (Verification::Full, 1 << 40));
    let text = said.to_text().unwrap();
    assert!(
        text.starts_with(
            r#"{"version":1,"id":"00000000-0000-0000-0000-000000000009","key":"k","tool":"billet "#
        ),
        "{text}"
    );
    assert_eq!(ErasureCertificate::from_text(&text).unwrap(), said);
}

#[test]
fn only_the_very_text_by_the_very_key_is_good() {
    let folder = tempfile::tempdir().unwrap();
    let key = site(folder.path());
    let Signed { says, certificate, public_key } = sign(&key);
    let pem = to_pem(&public_key);
    assert_eq!(verify(&file(&certificate), &pem).unwrap(), says);
    // Each byte of the text counts.
    for at in (0..certificate.text.len()).step_by(7) {
        let mut text = certificate.text.clone().into_bytes();
        text[at] ^= 1;
        let Ok(text) = String::from_utf8(text) else { continue };
        let changed = SignedCertificate { text, ..certificate.clone() };
        assert!(matches!(verify(&file(&changed), &pem), Err(NotGood::Signature)), "byte {at}");
    }
    for signature in ["", "AAAA", "?"] {
        let changed = SignedCertificate { signature: signature.into(), ..certificate.clone() };
        assert!(matches!(verify(&file(&changed), &pem), Err(NotGood::Signature)), "{signature}");
    }
    // Another site's key, alone and beside the right one.
    let elsewhere = tempfile::tempdir().unwrap();
    let other = to_pem(&ErasureSigner::new(site(elsewhere.path())).public_key().unwrap());
    let error = verify(&file(&certificate), &other).unwrap_err();
    assert!(matches!(&error, NotGood::OtherKey { wanted, .. } if *wanted == certificate.key), "{error}");
    assert_eq!(verify(&file(&certificate), &format!("{other}\n{pem}")).unwrap(), says);
    assert!(matches!(verify(&file(&certificate), "no key"), Err(NotGood::NoKey)));
    assert!(matches!(verify(b"{}", &pem), Err(NotGood::NoCertificate(_))));
    // Who has another key can't pass for ours by its name.
    let forged = ErasureSigner::new(site(elsewhere.path())).sign(sample).unwrap().certificate;
    let renamed = SignedCertificate { key: certificate.key.clone(), ..forged };
    assert!(matches!(verify(&file(&renamed), &pem), Err(NotGood::Signature)));
}

#[test]
fn what_was_signed_and_is_not_understood_proves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let signer = ErasureSigner::new(site(folder.path()));
    let signed = |change: fn(&mut ErasureCertificate)| {
        let made = signer.sign(|key| {
            let mut says = sample(key);
            change(&mut says);
            says
        });
        let Signed { certificate, public_key, .. } = made.unwrap();
        verify(&file(&certificate), &to_pem(&public_key)).unwrap_err()
    };
    let version = signed(|says| says.version = 2);
    assert!(version.to_string().contains("of version 2"), "{version}");
    assert!(matches!(signed(|says| says.key = "other".into()), NotGood::Contradicts { .. }));
    assert!(matches!(signed(|says| says.disks.clear()), NotGood::Empty));
}

#[test]
fn a_rotated_site_key_signs_with_another_key_and_the_old_public_key_verifies_still() {
    let folder = tempfile::tempdir().unwrap();
    let key = site(folder.path());
    let old = sign(&key);
    assert_eq!(sign(&key).certificate, old.certificate, "the same at each start");
    key.install(key.prepare().unwrap());
    let new = sign(&key);
    assert_ne!(new.certificate.key, old.certificate.key);
    key.retire().unwrap();
    assert_eq!(sign(&key).certificate, new.certificate);
    assert!(verify(&file(&old.certificate), &to_pem(&old.public_key)).is_ok());
    assert!(verify(&file(&old.certificate), &to_pem(&new.public_key)).is_err());
}

/// Another program, which we did not write, agrees about key, text and signature.
#[test]
fn openssl_accepts_a_certificate_and_refuses_a_changed_one() {
    let folder = tempfile::tempdir().unwrap();
    let key = site(folder.path());
    let signer = ErasureSigner::new(Arc::clone(&key));
    signer.publish(folder.path()).unwrap();
    let Signed { certificate, .. } = sign(&key);
    let at = |name: &str| folder.path().join(name);
    let signature =
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, &certificate.signature);
    fs::write(at("sig"), signature.unwrap()).unwrap();
    let judge = |text: &str| {
        fs::write(at("text"), certified(text)).unwrap();
        let mut openssl = Command::new("openssl");
        openssl.args(["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey"]).arg(at("erasure.pub"));
        openssl.arg("-in").arg(at("text")).arg("-sigfile").arg(at("sig"));
        openssl.output().expect("openssl is installed").status.success()
    };
    assert!(judge(&certificate.text));
    assert!(!judge(&certificate.text.replace("sda", "sdb")));
}
