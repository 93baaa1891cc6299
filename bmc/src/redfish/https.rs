//! An HTTPS client for one server that is trusted as a Redfish BMC is, for others in this package: the webhook driver
//! and the search for BMCs.
//!
//! Deliberately not here: sessions, retries, anything of Redfish.

use super::lost::lost;
use super::tls::{Fingerprint, Tickets, Verifier};
use crate::{BmcError, Trust};
use reqwest::Client;
use reqwest::redirect::Policy;
use std::sync::Arc;
use std::time::Duration;

/// A client, and what it has seen of the server's certificate. Redirects are not followed, proxies not used, answers in
/// plain HTTP not taken.
pub(crate) struct Https {
    client: Client,
    verifier: Arc<Verifier>,
}

impl Https {
    /// Connects nowhere yet. The error says what is wrong with the settings.
    pub(crate) fn new(trust: &Trust, connect: Duration, request: Duration) -> Result<Self, String> {
        Self::build(trust, true, connect, request)
    }

    /// One that speaks plain HTTP, too: for looking who answers there. Nothing secret may be sent with it.
    pub(crate) fn or_plain(connect: Duration, request: Duration) -> Result<Self, String> {
        Self::build(&Trust::FirstUse, false, connect, request)
    }

    fn build(trust: &Trust, only: bool, connect: Duration, request: Duration) -> Result<Self, String> {
        let verifier = Arc::new(match trust {
            Trust::FirstUse => Verifier::pinned_to(None),
            Trust::Pinned(pin) => Verifier::pinned_to(Some(*pin)),
            Trust::Authorities(pem) => Verifier::signed_by(pem)?,
        });
        let tls = verifier
            .client_config(&Arc::new(Tickets::default()))
            .map_err(|error| format!("TLS can't be set up: {error}"))?;
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(only)
            .http1_only()
            .no_proxy()
            .redirect(Policy::none())
            .referer(false)
            .connect_timeout(connect)
            .timeout(request)
            // So that the certificate can be looked at, not only its hash.
            .tls_info(true)
            .pool_max_idle_per_host(1)
            .pool_idle_timeout(Duration::from_secs(10))
            .build()
            .map_err(|error| format!("the HTTP client can't be set up: {error}"))?;
        Ok(Self { client, verifier })
    }

    /// For requests.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The certificate that was shown and believed, once there was one.
    pub(crate) fn seen(&self) -> Option<Fingerprint> {
        self.verifier.seen()
    }

    /// Why no answer came, as an operator's error.
    pub(crate) fn lost(&self, error: &reqwest::Error, address: &str, during: &'static str) -> BmcError {
        lost(error, address, &self.verifier, during, false)
    }
}
