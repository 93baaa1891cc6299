//! A certificate of erasure is verified by whoever has it and the public key: no service, no client file.

use super::User;
use crate::{
    erasures::{ErasureSigner, certificate, to_pem},
    keys::SiteKey,
    samples,
};
use provisioner_api::{ErasureId, SignedCertificate};
use provisioner_lifecycle::Wiped;
use std::sync::Arc;
use uuid::Uuid;

fn signed(folder: &std::path::Path) -> (SignedCertificate, String) {
    let key = SiteKey::open(&folder.join("site.key"), false).unwrap();
    let (before, after) = samples::wiping(1);
    let wiped = Wiped::between(&before.machine, &after.machine).unwrap().unwrap();
    let id = ErasureId(Uuid::from_u128(9));
    let signer = ErasureSigner::new(Arc::new(key));
    let signed = signer.sign(|key| certificate(&wiped, &after, (id, key), samples::NOW)).unwrap();
    (signed.certificate, to_pem(&signed.public_key))
}

#[tokio::test]
async fn a_certificate_is_verified_with_nothing_but_two_files() {
    let user = User::nobody();
    let (certificate, pem) = signed(user.folder.path());
    let file = user.file("m1.json", &serde_json::to_string_pretty(&certificate).unwrap());
    let key = user.file("erasure.pub", &pem);
    let verify = async |file: &str, key: &str| {
        user.run_plain(&["billet", "erase", "verify", file, "--key", key]).await
    };
    let good = verify(&file, &key).await;
    assert_eq!((good.code, good.err.as_str()), (0, ""), "{good:?}");
    for word in [
        "is good",
        "machine m1",
        "serial of sda",
        "write of zeros to every sector",
        "NIST: clear",
        "user `ann`",
    ] {
        assert!(good.out.contains(word), "{word}: {good:?}");
    }
    assert_eq!(good.out.lines().count(), 1, "one sentence: {good:?}");

    let text = certificate.text.replace("sda", "sdb");
    let changed = SignedCertificate { text, ..certificate.clone() };
    let changed = user.file("changed.json", &serde_json::to_string(&changed).unwrap());
    let bad = verify(&changed, &key).await;
    assert_eq!((bad.code, bad.out.as_str()), (7, ""), "{bad:?}");
    assert!(bad.err.contains("the certificate is not good") && bad.err.contains("it was changed"), "{bad:?}");
    let elsewhere = tempfile::tempdir().unwrap();
    let (_, other) = signed(elsewhere.path());
    let other = verify(&file, &user.file("other.pub", &other)).await;
    assert!(other.code == 7 && other.err.contains("it was signed with key"), "{other:?}");
    let absent = verify("absent.json", &key).await;
    assert!(absent.code == 2 && absent.err.contains("can't read"), "{absent:?}");
}
