//! Who the service is: a CA made at first start, and a certificate for this server signed by it.
//!
//! Everything lies in `<data>/tls/`: `ca.key` and `server.pem` (key and certificates) for the service alone,
//! `ca.pem` for whoever has to trust it. Nothing else than these files is trusted or consulted.

mod authority;
mod certificate;
mod names;

pub use names::{hostname, names};

use crate::secret_file::{self, Readers, SecretFileError};
use authority::Authority;
use jiff::Timestamp;
use rustls::{
    ServerConfig,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

/// Why there is no TLS. The service must not start then.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read or written, or others may read it.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// A file is not what it should be.
    #[error("{} is damaged: {why}; {mend}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
        /// What to do.
        mend: &'static str,
    },
    /// The CA can't sign any more.
    #[error(
        "the CA in {} ended at {since}; move its folder away, start again, and give the new ca.pem to all clients",
        path.display()
    )]
    Expired {
        /// Its certificate.
        path: PathBuf,
        /// When it ended.
        since: Timestamp,
    },
    /// A name can't be in a certificate.
    #[error("`{name}` can't be in a certificate; check `api.names`")]
    BadName {
        /// Which.
        name: String,
    },
    /// Making a key or a certificate failed.
    #[error("can't make a certificate")]
    Make(#[from] rcgen::Error),
    /// TLS does not take what was made.
    #[error("TLS does not accept the certificate")]
    Setup(#[from] rustls::Error),
}

/// The service's TLS identity.
#[derive(Debug)]
pub struct Identity {
    authority: Authority,
    server_file: PathBuf,
    names: BTreeSet<String>,
    current: Arc<Current>,
}

impl Identity {
    /// Reads the identity under the data folder, or makes what of it is missing. The server's certificate is made
    /// anew when it lacks one of `names` or ends within 30 days.
    ///
    /// # Errors
    /// When a file is damaged, exposed or can't be written; nothing is ever replaced silently that others rely on.
    pub fn open(data: &Path, names: &BTreeSet<String>, now: Timestamp) -> Result<Self, TlsError> {
        let folder = data.join("tls");
        secret_file::make_folder(&folder)?;
        let authority = Authority::open(&folder, now)?;
        let server_file = folder.join("server.pem");
        let kept = match secret_file::read_secret(&server_file)? {
            Some(pem) => {
                let key = certificate::read(&pem).map_err(|why| TlsError::Damaged {
                    path: server_file.clone(),
                    why,
                    mend: "delete it, the next start makes it anew",
                })?;
                Some(key).filter(|key| certificate::is_good(key, &authority, names, now))
            }
            None => None,
        };
        let key = match kept {
            Some(key) => key,
            None => issue(&authority, &server_file, names, now)?,
        };
        let current = Arc::new(Current(RwLock::new(Arc::new(key))));
        Ok(Self { authority, server_file, names: names.clone(), current })
    }

    /// The CA's certificate, PEM: what clients and agents trust.
    pub fn ca_pem(&self) -> &str {
        self.authority.pem()
    }

    /// The file with the CA's certificate.
    pub fn ca_path(&self) -> &Path {
        self.authority.path()
    }

    /// SHA-256 of the CA's certificate, hex, for people to compare.
    pub fn ca_sha256(&self) -> String {
        self.authority.sha256()
    }

    /// SHA-256 of the CA's public key, hex: what a CA is to those who trust it.
    pub(crate) fn ca_key_sha256(&self) -> String {
        self.authority.key_sha256()
    }

    /// The settings of a TLS server: TLS 1.2 and 1.3, HTTP/1.1. They always show the newest certificate.
    ///
    /// # Errors
    /// When TLS does not take the certificate.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(self.current.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // An agent fetches chunks over several connections: all but its first are spared the signature. The tickets hold
        // the session, so that thousands of agents need no memory here; their keys are this process's own and change by
        // themselves.
        config.ticketer = rustls::crypto::ring::Ticketer::new()?;
        Ok(Arc::new(config))
    }

    /// Makes the server's certificate anew if it ends within 30 days; to be called once a day. Servers that run
    /// show the new one from then on. Tells whether it did.
    ///
    /// # Errors
    /// When the file can't be written; the old certificate stays in use then.
    pub fn renew(&self, now: Timestamp) -> Result<bool, TlsError> {
        if certificate::is_good(&self.current.get(), &self.authority, &self.names, now) {
            return Ok(false);
        }
        let key = issue(&self.authority, &self.server_file, &self.names, now)?;
        self.current.set(key);
        Ok(true)
    }
}

/// Whether there is a CA under a data folder.
pub(crate) fn has_authority(data: &Path) -> bool {
    data.join("tls").join("ca.key").exists()
}

/// Makes, writes and reads back the server's certificate.
fn issue(
    authority: &Authority,
    file: &Path,
    names: &BTreeSet<String>,
    now: Timestamp,
) -> Result<CertifiedKey, TlsError> {
    let pem = certificate::issue(authority, names, now)?;
    secret_file::write(file, pem.as_bytes(), Readers::Owner)?;
    certificate::read(pem.as_bytes()).map_err(|why| TlsError::Damaged {
        path: file.to_owned(),
        why,
        mend: "this is a fault of the program, please report it",
    })
}

/// The certificate that is shown now.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl Current {
    fn get(&self) -> Arc<CertifiedKey> {
        // A panic elsewhere can't leave a half-set pointer behind.
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, key: CertifiedKey) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.get())
    }
}

#[cfg(test)]
mod tests;
