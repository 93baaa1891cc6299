//! CA certificates that a BMC's certificate has to be signed by: from a file.

use crate::cli::error::CliError;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use std::path::Path;

/// Reads them; there has to be one at least. They are checked here, so that the answer comes at once.
pub(super) fn authorities(file: &Path) -> Result<String, CliError> {
    let pem = std::fs::read_to_string(file).map_err(|source| CliError::File {
        what: "read the CA certificates from",
        path: file.to_owned(),
        source,
    })?;
    let wrong = |why: &str| CliError::Input(format!("the CA file {} is wrong: {why}", file.display()));
    if pem.contains("PRIVATE KEY-----") {
        return Err(wrong("there is a private key in it, which does not belong into other hands"));
    }
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match certificates {
        Ok(found) if !found.is_empty() => Ok(pem),
        Ok(_) => Err(wrong("there is no certificate in it; it begins with -----BEGIN CERTIFICATE-----")),
        Err(_) => Err(wrong("a certificate in it is no PEM")),
    }
}

#[cfg(test)]
mod tests {
    use super::authorities;

    #[test]
    fn a_file_with_certificates_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        assert!(
            authorities(&path).unwrap_err().sentence().unwrap().contains("can't read the CA certificates")
        );
        let good = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        std::fs::write(&path, good).unwrap();
        assert_eq!(authorities(&path).unwrap(), good);
        for (content, want) in [
            ("", "there is no certificate in it"),
            ("hello", "there is no certificate in it"),
            ("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n", "is no PEM"),
            ("-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n", "private key"),
        ] {
            std::fs::write(&path, content).unwrap();
            let said = authorities(&path).unwrap_err().to_string();
            assert!(said.contains(want), "{content:?}: {said}");
        }
    }
}
