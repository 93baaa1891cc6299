//! Signatures at the import. The judges are the `minisign` crate and OpenSSL.

use super::testing::disk_content;
use super::{
    Format, ImportError, ImportProgram, ImportSpec, Imported, Scheme, SignatureError, SignedBy, Store, Trust,
    TrustedKey,
};
use crate::bytes::sha256_hex;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use minisign::KeyPair;
use std::path::{Path, PathBuf};

/// One image, and what is signed of it.
struct Bench {
    dir: tempfile::TempDir,
    content: Vec<u8>,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { dir: tempfile::tempdir().unwrap(), content: disk_content(3 << 20) };
        std::fs::write(bench.path("image"), &bench.content).unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn import(&self, trust: &Trust, signature: Option<&str>) -> Result<Imported, ImportError> {
        let store = Store::open(&self.path("store")).unwrap();
        let spec = ImportSpec {
            signature: signature.map(ToOwned::to_owned),
            ..ImportSpec::new(format!("sha256:{}", sha256_hex(&self.content)), Format::Raw)
        };
        let store = store.with_program(ImportProgram::InProcess).with_trust(trust.clone());
        store.import(&self.path("image"), &spec, &mut |_| {})
    }

    /// Who signed it, or why it is refused.
    fn signed(&self, trust: &Trust, signature: Option<&str>) -> Result<Option<SignedBy>, SignatureError> {
        match self.import(trust, signature) {
            Ok(imported) => Ok(imported.signed_by),
            Err(ImportError::Signature(why)) => Err(why),
            Err(other) => panic!("{other:?}"),
        }
    }
}

fn trust(keys: &[&str], required: bool) -> Trust {
    Trust { keys: keys.iter().map(|key| TrustedKey::parse(key).unwrap()).collect(), required }
}

fn minisign(keys: &KeyPair, content: &[u8]) -> String {
    minisign::sign(None, &keys.sk, content, Some("timestamp:1"), None).unwrap().to_string()
}

#[test]
fn minisigns_signatures_are_believed_of_trusted_keys_only() {
    let bench = Bench::new();
    let [ours, other] = [(); 2].map(|()| KeyPair::generate_unencrypted_keypair().unwrap());
    let (ours_text, other_text) = (ours.pk.to_base64(), other.pk.to_box().unwrap().to_string());
    let good = minisign(&ours, &bench.content);
    let both = trust(&[&other_text, &ours_text], true);
    let by = bench.signed(&both, Some(&good)).unwrap().unwrap();
    assert_eq!(by.scheme, Scheme::Minisign);
    // The number that minisign itself writes into the file of a public key.
    let comment = ours.pk.to_box().unwrap().to_string();
    assert!(comment.lines().next().unwrap().ends_with(&by.key), "{comment} {by:?}");

    let wrong = Err(SignatureError::Wrong);
    assert_eq!(bench.signed(&trust(&[&other_text], false), Some(&good)), wrong);
    assert_eq!(bench.signed(&both, Some(&minisign(&ours, b"another file"))), wrong);
    // The trusted comment is signed, too.
    assert_eq!(bench.signed(&both, Some(&good.replace("timestamp:1", "timestamp:2"))), wrong);
    assert_eq!(bench.signed(&both, None), Err(SignatureError::Missing));
    assert_eq!(bench.signed(&trust(&[&ours_text], false), None), Ok(None));
    assert_eq!(bench.signed(&Trust::default(), Some(&good)), Err(SignatureError::NoKeys));
    for (bad, why) in [
        ("", SignatureError::Form),
        ("untrusted comment: nothing", SignatureError::Form),
        ("Zm9v", SignatureError::Form),
        (&"A".repeat(5000), SignatureError::Form),
    ] {
        assert_eq!(bench.signed(&both, Some(bad)), Err(why), "{bad}");
    }
}

#[test]
fn minisigns_old_form_is_refused() {
    // From the documentation of minisign-verify: the file `test`, signed without hashing it before.
    let key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    let old = "untrusted comment: signature from minisign secret key\n\
        RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351vwIasSSbXxwA=\n\
        trusted comment: timestamp:1555779966\tfile:test\n\
        QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==";
    let said = Bench::new().signed(&trust(&[key], false), Some(old));
    assert_eq!(said, Err(SignatureError::Legacy));
}

#[test]
fn a_wrong_signature_is_found_before_anything_is_parsed() {
    let mut bench = Bench::new();
    // Would be refused for what it is.
    bench.content = b"QFI\xFB and no qcow2".to_vec();
    std::fs::write(bench.path("image"), &bench.content).unwrap();
    let keys = KeyPair::generate_unencrypted_keypair().unwrap();
    let trust = trust(&[&keys.pk.to_base64()], true);
    assert_eq!(bench.signed(&trust, Some(&minisign(&keys, b"other"))), Err(SignatureError::Wrong));
    let right = bench.import(&trust, Some(&minisign(&keys, &bench.content)));
    assert!(matches!(right, Err(ImportError::FormatMismatch { .. })), "{right:?}");
}

/// OpenSSL, where it is installed, in a folder.
fn openssl(folder: &Path, arguments: &[&str]) -> Option<Vec<u8>> {
    let done = tool_openssl()?.current_dir(folder).args(arguments).output().unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    Some(done.stdout)
}

fn tool_openssl() -> Option<std::process::Command> {
    // It has no `--version`.
    let there = std::process::Command::new("openssl").arg("version").output();
    there.is_ok_and(|done| done.status.success()).then(|| std::process::Command::new("openssl"))
}

#[test]
fn what_openssl_signs_as_cosign_does_is_believed() {
    let bench = Bench::new();
    let folder = bench.dir.path();
    let mut keys = Vec::new();
    for name in ["ours", "other"] {
        let generate = ["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", name];
        let Some(_) = openssl(folder, &generate) else { return };
        let public = openssl(folder, &["ec", "-in", name, "-pubout"]).unwrap();
        keys.push(String::from_utf8(public).unwrap());
    }
    let (both, other) = (trust(&[&keys[1], &keys[0]], true), trust(&[&keys[1]], false));
    let der = openssl(folder, &["pkey", "-in", "ours", "-pubout", "-outform", "DER"]).unwrap();
    let expected = SignedBy { scheme: Scheme::Cosign, key: format!("sha256:{}", sha256_hex(&der)) };
    // Some of them have a high `s`: OpenSSL makes no difference, and so does cosign.
    for _ in 0..8 {
        let der = openssl(folder, &["dgst", "-sha256", "-sign", "ours", "image"]).unwrap();
        let good = STANDARD.encode(&der) + "\n";
        assert_eq!(bench.signed(&both, Some(&good)), Ok(Some(expected.clone())));
        assert_eq!(bench.signed(&other, Some(&good)), Err(SignatureError::Wrong));
    }
    let elsewhere = openssl(folder, &["dgst", "-sha256", "-sign", "ours", "ours"]).unwrap();
    assert_eq!(bench.signed(&both, Some(&STANDARD.encode(elsewhere))), Err(SignatureError::Wrong));
    // A minisign key does not fit a signature of cosign's, nor is one of another curve a key.
    let pair = KeyPair::generate_unencrypted_keypair().unwrap();
    let der = openssl(folder, &["dgst", "-sha256", "-sign", "ours", "image"]).unwrap();
    let only_minisign = trust(&[&pair.pk.to_base64()], false);
    assert_eq!(bench.signed(&only_minisign, Some(&STANDARD.encode(der))), Err(SignatureError::Wrong));
    openssl(folder, &["ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", "large"]).unwrap();
    let large = String::from_utf8(openssl(folder, &["ec", "-in", "large", "-pubout"]).unwrap()).unwrap();
    for bad in [
        &large,
        "",
        "RWQ",
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----",
        &pair.sk.to_box(None).unwrap().to_string(),
    ] {
        assert!(TrustedKey::parse(bad).is_err(), "{bad}");
    }
}

/// Debian's program, where it is installed.
#[test]
fn what_minisign_signs_is_believed() {
    let bench = Bench::new();
    let Some(mut generate) = tool_minisign() else { return };
    let made =
        generate.current_dir(bench.dir.path()).args(["-G", "-W", "-p", "key.pub", "-s", "key"]).output();
    assert!(made.unwrap().status.success());
    let sign = tool_minisign()
        .unwrap()
        .current_dir(bench.dir.path())
        .args(["-S", "-H", "-s", "key", "-m", "image"])
        .output();
    assert!(sign.unwrap().status.success());
    let key = std::fs::read_to_string(bench.path("key.pub")).unwrap();
    let signature = std::fs::read_to_string(bench.path("image.minisig")).unwrap();
    let by = bench.signed(&trust(&[&key], true), Some(&signature)).unwrap();
    assert_eq!(by.map(|by| by.scheme), Some(Scheme::Minisign));
}

fn tool_minisign() -> Option<std::process::Command> {
    let there = std::process::Command::new("minisign").arg("-v").output();
    there.is_ok_and(|done| done.status.success()).then(|| std::process::Command::new("minisign"))
}
